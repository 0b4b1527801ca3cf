#!/usr/bin/env bash
# Make the new directory that is named a git repository of the tree as it stands, committed or not: snapshot.sh DIRECTORY
# Further arguments are git's pathspecs, to take only a part.
set -euo pipefail
target=$(realpath "$1")
shift
cd "$(dirname "$0")/.."

git init --quiet "$target"
git --git-dir="$target/.git" --work-tree=. add --all -- . "$@"
git -C "$target" -c user.name=snapshot -c user.email=snapshot@localhost commit --quiet --message="The tree as it stands"
git -C "$target" reset --quiet --hard
