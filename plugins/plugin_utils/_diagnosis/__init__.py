# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was observed in, problems out. Pure: nothing here opens, asks or prints.

`observed` documents the input, `problem` the output. `daemons`, `drift`, `vip`, `nodes`, `forwarding` and `mirror` hold
the rules, each once; `preflight`, `verify`, `status` and `apart` choose which of them apply.
"""
