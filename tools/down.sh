#!/usr/bin/env bash
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Remove labs and nothing else: down.sh LAB... | --all
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$#" -gt 0 ] || { echo "usage: down.sh LAB... | --all" >&2; exit 1; }
type -P podman ansible-playbook >/dev/null || { echo "down: there is no lab here, podman or .venv is missing"; exit 0; }
if [ "$1" = --all ]; then
    labs=$(ansible-inventory -i inventory/lab --host lb1 | python -c 'import json, sys; print(*json.load(sys.stdin)["lab_offsets"])')
else
    labs=$*
fi
for lab in $labs; do
    if podman network exists "pacs-$lab" || [ -n "$(podman ps --all --quiet --filter "name=^pacs-$lab-")" ]; then
        PACS_LAB=$lab tools/step.sh "Removing the lab $lab" ansible-playbook -i inventory/lab molecule/shared/destroy.yml
    fi
done
