#!/usr/bin/env bash
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
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
