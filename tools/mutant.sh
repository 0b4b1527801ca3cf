#!/usr/bin/env bash
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Try a copy of the product with a fault put into it on purpose, and succeed if it breaks its promise: mutant.sh NAME [STEPS]
set -euo pipefail
cd "$(dirname "$0")/.."

copy=$PWD/.build/mutants/$1
rm -rf "$copy"
mkdir -p "$(dirname "$copy")"
tools/snapshot.sh "$copy"
ln -s "$PWD/.venv" "$copy/.venv"
{ read -r steps; read -r promises; } < <(PYTHONPATH=molecule/shared python -m history.mutants "$1" "$copy")
make -C "$copy" history MUTANT= STEPS="${2:-$steps}" | tee "$copy.log" || true
if ! grep -qE "^  ($promises): " "$copy.log"; then
    echo "mutant: $1 was not caught" >&2
    exit 1
fi
