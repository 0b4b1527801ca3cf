#!/usr/bin/env bash
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Install what is missing, quietly, and nothing twice: setup.sh venv | artefact | unit | lab
#   venv      the virtual environment .venv (lint)
#   artefact  that, and what signs
#   unit      that, and the programs whose configurations the unit tests validate
#   lab       that, and what containers with systemd need on this host
set -euo pipefail
cd "$(dirname "$0")/.."

unit=(haproxy keepalived nftables conntrack conntrackd prometheus prometheus-node-exporter wireguard-go wireguard-tools)
lab=("${unit[@]}" aardvark-dns catatonit crun iptables mmdebstrap netavark openssh-client podman runc shellcheck uidmap)

stop() {
    echo "setup: $*" >&2
    exit 1
}

# Debian starts a daemon when it installs it. This host is not a load balancer: nothing may start.
install_packages() {
    local missing=() policy=/usr/sbin/policy-rc.d
    for package in "$@"; do
        [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || stop "only root can install what is missing: apt-get install ${missing[*]}"
    if [ ! -e "$policy" ]; then
        trap 'rm -f '"$policy" EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    tools/step.sh "Installing ${missing[*]}" env DEBIAN_FRONTEND=noninteractive sh -ec '
        apt-get -o DPkg::Lock::Timeout=300 update
        apt-get -o DPkg::Lock::Timeout=300 --yes --no-install-recommends install "$@"' install "${missing[@]}"
}

make_venv() {
    local requirements
    requirements=$(cat requirements/*.txt)
    [ "$(cat .venv/.requirements 2>/dev/null)" != "$requirements" ] || return 0
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || stop "python3 is $(python3 -V), and 3.11 or later is needed"
    python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
    tools/step.sh "Making the virtual environment .venv" sh -ec '
        python3 -m venv --clear .venv
        .venv/bin/pip --disable-pip-version-check install --requirement requirements/dev.txt'
    echo "$requirements" >.venv/.requirements
}

programs_exist() {
    type -P haproxy keepalived nft >/dev/null
}

is_debian() {
    command -v dpkg-query apt-get >/dev/null
}

need_debian() {
    is_debian || stop "this host is not Debian (tried: 12): $1"
}

case $1 in
    venv) ;;
    artefact) type -P gpg gpg-agent >/dev/null || install_packages gnupg ;;
    unit)
        programs_exist || need_debian "install haproxy, keepalived and nftables by hand"
        # Without the other packages the tests that need them are skipped.
        if is_debian && { [ "$(id -u)" = 0 ] || ! programs_exist; }; then install_packages "${unit[@]}"; fi
        ;;
    lab)
        need_debian "the lab cannot be set up here"
        [ "$(id -u)" = 0 ] || stop "the lab's containers need root; without it there are 'make lint' and 'make unit'"
        install_packages "${lab[@]}"
        ;;
    *) stop "usage: setup.sh venv | artefact | unit | lab" ;;
esac
make_venv
