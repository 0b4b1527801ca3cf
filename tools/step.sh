#!/usr/bin/env bash
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Run a command and show one line for it, and all of its output only if it fails: step.sh TITLE COMMAND...
# On a terminal the line counts the seconds. What the command writes to the file $STEP_SAYS is shown below the line.
set -euo pipefail
title=$1
shift
logs=$(dirname "$0")/../.build/log
mkdir -p "$logs"
log=$logs/$(tr -cs 'a-z0-9\n' '-' <<<"${title,,}" | cut -c-60).log
: >"$log"
STEP_SAYS=$(mktemp)
export STEP_SAYS
trap 'rm -f "$STEP_SAYS"' EXIT

# Rewrites the line every second, with the task that Ansible is running, until its input ends: at the latest when this script does.
tick() {
    local task
    while read -rt 1 || [ "$?" -gt 128 ]; do
        task=$(sed -n 's/^TASK \[\(.* : \)\?\([^]]*\)\].*/\2/p' "$log" | tail -n 1)
        printf '\r\e[K%.*s' "$((columns - 1))" "$title ... $SECONDS s  $task"
    done
}

begin="$title ... "
if [ -t 1 ] && columns=$(tput cols 2>/dev/null); then
    exec 9> >(tick)
    begin=$'\r\e[K'$begin
else
    exec 9>/dev/null
fi
printf '%s' "$title ... "
code=0
"$@" >"$log" 2>&1 </dev/null 9>&- || code=$?
exec 9>&-
wait
[ "${begin::1}" = $'\r' ] || begin=
if [ "$code" = 0 ]; then
    echo "$begin$SECONDS s"
    sed 's/^/  /' "$STEP_SAYS"
else
    echo "${begin}failed after $SECONDS s:"
    cat "$log"
fi
exit "$code"
