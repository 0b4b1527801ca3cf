# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes of forwarded services, and what conntrackd prints, for the tests of layer 4."""

from __future__ import annotations


def node(name, backup=False, port=104):
    return {"name": name, "address": f"198.51.100.{20 + len(name)}", "port": port, "weight": None, "backup": backup}


def names(slots):
    return [taken and taken["name"] for taken in slots]


THREE = [node("pacs1"), node("pacs2"), node("pacs3")]

REPORT = """\
cache internal:
current active connections:\t           3
connections created:\t\t           5\tfailed:\t           0
connections updated:\t\t           4\tfailed:\t           0
connections destroyed:\t\t           2\tfailed:\t           0

external inject:
connections created:\t\t          11\tfailed:\t           1
connections updated:\t\t           7\tfailed:\t           0
connections destroyed:\t\t           6\tfailed:\t           0

traffic processed:
                   0 Bytes                         0 Pckts

UDP traffic (active device=eth0):
                 324 Bytes sent                  140 Bytes recv
                   6 Pckts sent                    4 Pckts recv
                   0 Error send                    0 Error recv

message tracking:
                   0 Malformed msgs                    0 Lost msgs
"""
QUEUE = """\
allocated queue nodes:\t\t          12

queue txqueue:
current elements:\t\t           9
maximum elements:\t\t  2147483647
not enough space errors:\t           0

queue errorq:
current elements:\t\t           8
maximum elements:\t\t         128
not enough space errors:\t           0

queue rsqueue:
current elements:\t\t           3
maximum elements:\t\t      131072
not enough space errors:\t           0

"""
