#!/usr/bin/env bash
# Run the whole of `ansible-test sanity` on the tree as it stands, committed or not.
#
# ansible-test wants to stand in .../ansible_collections/pacs/loadbalancer and refuses a symbolic link there, so it gets a copy, without the
# collections/ link, which no artefact has either.
#
# Its tests make virtual environments of their own and fetch a script that installs pip into them. Only a package index may be in
# reach, so tools/get_pip.py is put under the name where ansible-test looks first, beside the pip wheel it wants.
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

# ansible-test takes pip's variables from the environment, and this HOME has no settings: write down those that are in force here.
mkdir -p "$home/.config/pip"
{
    printf '[global]\nquiet = 2\n'
    python -m pip config list | sed -nE "s/^(:env:\.|global\.)([a-z-]+)='(.*)'$/\2 = \3/p" | awk '$1 != "quiet" && !seen[$1]++'
} >"$home/.config/pip/pip.conf"

# Where pyenv keeps Pythons, the modules are tried on all of them that ansible-test knows (3.8 is the oldest that they promise). Its
# shims are of no use here: ansible-test takes from their environment what they go by.
if command -v pyenv >/dev/null; then
    pythons=$(printf '%s:' "$(pyenv root)"/versions/3.*/bin)
    PATH=$(dirname "$(command -v ansible-test)"):$pythons$PATH
fi

cd "$copy"
HOME=$home ANSIBLE_CONFIG=/dev/null ansible-test sanity "$@"
