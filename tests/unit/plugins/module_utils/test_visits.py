# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who has come to a service, from the records of sessions and the lines of the connection table."""

from __future__ import annotations

import json

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _visits

SERVICES = [
    {"name": "web:198.51.100.9", "address": "198.51.100.9", "port": 80, "layer": 7},
    {"name": "dicom:198.51.100.9", "address": "198.51.100.9", "port": 104, "layer": 4},
]


def record(client, service, moment, seconds):
    return json.dumps({"time": f"2026-11-25T17:00:{moment}Z", "service": service, "client": client, "seconds": seconds})


def flow(client, port):
    ends = f"src={client} dst=198.51.100.9 sport=4001 dport={port}"
    return f"tcp 6 431999 ESTABLISHED {ends} src=198.51.100.21 dst=198.51.100.9"


def test_who_has_come_and_when_last():
    records = [
        record("203.0.113.7", "web:198.51.100.9", "00.000", 0.25),
        record("203.0.113.7", "web:198.51.100.9", "10.500", 0.5),
        record("203.0.113.8", "dicom:198.51.100.9", "10.000", 1.5),
        record("203.0.113.9", "dicom", "12.000", 0.5),
        record("203.0.113.10", "dicom:198.51.100.9", "10.000", 3.5),
    ]
    flows = [flow("203.0.113.8", 104), flow("203.0.113.11", 22), flow("192.0.2.1", 104), "no flow"]
    assert _visits.visits(SERVICES, records, flows, 1795626060) == [
        {"client": "203.0.113.8", "service": "dicom:198.51.100.9", "last": 1795626060},
        {"client": "203.0.113.10", "service": "dicom:198.51.100.9", "last": 1795626013.5},
        {"client": "203.0.113.7", "service": "web:198.51.100.9", "last": 1795626011},
    ]
