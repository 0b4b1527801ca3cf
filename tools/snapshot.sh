#!/usr/bin/env bash
# Create a git repository in a new directory, with the tree as it stands, committed or not: snapshot.sh DIRECTORY [PATHSPEC...]
# Pathspecs of git select a part of it.
set -euo pipefail
target=$(realpath "$1")
shift
cd "$(dirname "$0")/.."

git init --quiet "$target"
git --git-dir="$target/.git" --work-tree=. add --all -- . "$@"
git -C "$target" -c user.name=snapshot -c user.email=snapshot@localhost commit --quiet --message="The tree as it stands"
git -C "$target" reset --quiet --hard
