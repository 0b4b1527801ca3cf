#!/usr/bin/env bash
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Run the whole of `ansible-test sanity` on the tree as it stands, committed or not.
#
# ansible-test must be run in .../ansible_collections/pacs/loadbalancer and refuses a symbolic link there, so it gets a copy. The copy lacks
# the link collections/, as the built collection does.
#
# Its tests create virtual environments and download a script that installs pip into them. Where only a package index can be reached,
# tools/get_pip.py takes that script's place: under the name where ansible-test looks first, beside the pip wheel it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

home=$PWD/.build/sanity
copy=$home/ansible_collections/pacs/loadbalancer
rm -rf "$copy"
mkdir -p "$(dirname "$copy")"
tools/snapshot.sh "$copy" ':!collections'

version=$(python -c '
from types import SimpleNamespace
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(SimpleNamespace(version="3"))["pip"])')
cache=$home/.ansible/test/cache
if [ ! -e "$cache/get_pip_${version//./_}.py" ]; then
    mkdir -p "$cache"
    python -m pip download --quiet --quiet --no-deps --dest "$cache" "pip==$version"
    cp tools/get_pip.py "$cache/get_pip_${version//./_}.py"
fi

# ansible-test drops pip's variables from the environment, and this HOME has no settings: write the ones in force here to a file.
mkdir -p "$home/.config/pip"
{
    printf '[global]\nquiet = 2\n'
    python -m pip config list | sed -nE "s/^(:env:\.|global\.)([a-z-]+)='(.*)'$/\2 = \3/p" | awk '$1 != "quiet" && !seen[$1]++'
} >"$home/.config/pip/pip.conf"

# If pyenv is there, the modules are tried on every Python that ansible-test knows (3.8 is the oldest they support). Its shims do not
# work here: ansible-test removes the variables they depend on, and takes for Python 2.7 what only says that it is not there.
if command -v pyenv >/dev/null; then
    pythons=$(printf '%s:' "$(pyenv root)"/versions/3.*/bin)
    PATH=$(dirname "$(command -v ansible-test)"):$pythons$(tr : '\n' <<<"$PATH" | grep -vFx "$(pyenv root)/shims" | paste -sd :)
fi

cd "$copy"
HOME=$home ANSIBLE_CONFIG=/dev/null ansible-test sanity "$@"
