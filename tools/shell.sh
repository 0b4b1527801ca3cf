#!/usr/bin/env bash
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Log in to a host of a lab, or run a command there: shell.sh HOST [COMMAND...]. PACS_LAB names the lab; without it, it is the demo's.
set -euo pipefail
cd "$(dirname "$0")/.."

stop() {
    echo "shell: $*" >&2
    exit 1
}

host=${1:-}
hosts=$(ansible lab --inventory inventory/lab --list-hosts | sed -n 's/^ \{4\}//p' | paste -sd ' ')
[[ " $hosts " == *" $host "* ]] || stop "say which host, such as HOST=lb1: $hosts"
config=$(ansible-inventory --inventory inventory/lab --host "$host" | python -c 'import json, sys; print(json.load(sys.stdin)["lab_ssh_config"])')
[ "$(podman container inspect --format '{{.State.Running}}' "pacs-${PACS_LAB:-demo}-$host" 2>/dev/null)" = true ] ||
    stop "$host of the lab ${PACS_LAB:-demo} is not up: make demo builds that lab, and PACS_LAB names another one"
exec ssh -F "$config" "$@"
