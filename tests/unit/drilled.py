# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a drill records of a fault, made by hand: the VIP moves from lb1 to lb2, and the web is silent meanwhile."""

from __future__ import annotations

from observations import VIP, pair, site

from ansible_collections.pacs.loadbalancer.plugins.module_utils._failure import Failure
from ansible_collections.pacs.loadbalancer.plugins.module_utils._timeline import Sample, summarise
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._drill.report import report

AT = 1795532752.0  # when the fault began
HOLD = 15
COOKIES = {node["name"]: node["cookie"] for node in site(services=("web",))["services"][0]["nodes"]}


def probe(samples, began, length, **more):
    kept = [[s.sent, s.ended, s.node, s.failure.kind if s.failure else ""] for s in samples]
    return {**summarise(samples, length, began), "probe_lag_ms": 0.4, "samples": kept, **more}


def web(silence=0.65, node="pacs1"):
    """Asked every 10 ms for 20 s; nothing is answered for so long from the fault on, which is 4 s after the begin."""
    samples = []
    for number in range(2000):
        sent = round(number * 0.01, 2)
        silent = 4 <= sent < 4 + silence
        failure = Failure("timeout", "timed out after 1 s without a connection") if silent else None
        samples.append(Sample(sent, sent + (1 if silent else 0.002), failure, "" if silent else COOKIES[node]))
    return probe(samples, AT - 4, 20)


def dicom(broken=False, wait=0.7):
    samples = [Sample(float(number), number + (wait if number == 4 else 0.003)) for number in range(20)]
    cause = "reset the connection without C-ECHO-RSP" if broken else None
    if broken:
        samples[4:] = [Sample(4.0, 4.5, Failure("reset", cause))]
    length = 4.5 if broken else 20
    source = {"address": "198.51.100.25", "port": 40312}
    return probe(samples, AT - 4, length, broken=broken, cause=cause, source=source)


def journals(moved=0.6):
    def line(after, text):
        return f"{AT + after:.6f} lb systemd[1]: {text}\n"

    gone, here = (
        f"Deleted 2: eth0    inet {VIP}/24 scope global secondary eth0",
        f"2: eth0    inet {VIP}/24 scope global eth0",
    )
    return {
        "lb1": line(0, "fault") + line(moved, gone) + line(HOLD, "undone"),
        "lb2": "-- no entries --\n" + line(0.1, "2: eth0    inet6 fe80::1/64 scope link") + line(moved, here),
    }


def record(name="cut_off", problems=(), **probes):
    return {
        "name": name,
        "target": "lb1",
        "probes": {"web": web(), "dicom": dicom(), **probes},
        "journals": journals(),
        "paths": [{"client_port": 40312, "node": "198.51.100.22"}],
        "problems": list(problems),
    }


def drilled(records, layer=7, faults=None):
    """The report of these records."""
    its = site(services=("web", "dicom"), layer4=("dicom",) if layer == 4 else ())
    its["run"]["faults"] = faults or [each["name"] for each in records]
    return report(its, records, pair(services=("web", "dicom")), {"site": "example", "by": "ops"})
