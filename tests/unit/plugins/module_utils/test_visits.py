# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who has come to a service, from the lines of the journal and of the connection table."""

from __future__ import annotations

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _visits

SERVICES = [
    {"name": "web:198.51.100.9", "address": "198.51.100.9", "port": 80, "layer": 7},
    {"name": "dicom:198.51.100.9", "address": "198.51.100.9", "port": 104, "layer": 4},
]
FLOW = (
    "tcp 6 431999 ESTABLISHED src=203.0.113.{} dst=198.51.100.9 sport=4001 dport={} src=198.51.100.21 dst=198.51.100.9"
)


def test_who_has_come_and_when_last():
    lines = [
        "1795532700.250 lb1 haproxy[7]: 203.0.113.7:40314 web:198.51.100.9 web:198.51.100.9/pacs1 0/0/1/2/3 200",
        "1795532750.5 lb1 haproxy[7]: 203.0.113.7:40316 web:198.51.100.9~ web:198.51.100.9/pacs1 0/0/1/2/3 200",
        "1795532751.5 lb1 haproxy[7]: 203.0.113.8:40316 [25/Nov/2026:17:00:00.1] dicom:198.51.100.9 dicom/pacs1 1/0/2",
        "1795532752.5 lb1 haproxy[7]: 203.0.113.9:40316 [25/Nov/2026:17:00:00.1] dicom dicom/pacs1 1/0/2 9 --",
        f"1795532753.5 lb1 layer4-flows[9]: [DESTROY] {FLOW.format(10, 104)}",
        FLOW.format(8, 104),
        FLOW.format(11, 22),
        FLOW.format(8, 104).replace("203.0.113.8", "192.0.2.1"),
        "Stopping HAProxy",
    ]
    assert _visits.visits(SERVICES, lines, 1795532800) == [
        {"client": "203.0.113.8", "service": "dicom:198.51.100.9", "last": 1795532800},
        {"client": "203.0.113.10", "service": "dicom:198.51.100.9", "last": 1795532753.5},
        {"client": "203.0.113.7", "service": "web:198.51.100.9", "last": 1795532750.5},
    ]
