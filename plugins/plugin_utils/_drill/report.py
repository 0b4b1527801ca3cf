# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that a drill found, as plain data: what the JSON file holds, and what the table and the page show."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._drill import timeline
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._drill.faults import FAULTS
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._drill.plan import vip_of
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._drill.verdicts import verdicts

PROBE_KEYS = ("requests", "failures", "longest_silence_ms", "latency_ms", "outages", "errors", "nodes", "probe_lag_ms")


def report(
    site: Mapping[str, Any], records: Sequence[Mapping[str, Any]], observed: Mapping[str, Any], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the report of a drill.

    ``records``: of each fault that was tried ``name``, ``target`` (the load balancer that it was done to), ``probes``
    (what vip_probe returned, by service), ``journals`` (by load balancer, see timeline.py), ``paths`` (of layer4_info,
    of the association), and ``problems`` that were left after it.
    ``observed``: the load balancers as status.yml sees them. ``about``: ``site`` (its name) and ``by`` (who asked).
    """
    forwarded = {service["name"] for service in site["layer4_services"]}
    layer = 4 if "dicom" in forwarded else 7
    names = _node_names(site)
    faults = [_fault(record, site, layer, names) for record in records]
    asked = [verdict["kept"] for fault in faults for verdict in fault["verdicts"]]
    return {
        **about,
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(min((fault["at"] for fault in faults), default=0))),
        "vip": vip_of(site),
        "layer": layer,
        "failover": site["failover"],
        "probe_host": site["run"]["probe_host"],
        "load_balancers": {name: _host(site["hosts"][name], host) for name, host in observed.items()},
        "nodes": sorted({node["name"] for service in site["services"] for node in service["nodes"]}),
        "faults": faults,
        "not_tried": [FAULTS[name].title for name in site["run"]["faults"][len(faults) :]],
        "missed": sum(kept is False for kept in asked),
    }


def _node_names(site: Mapping[str, Any]) -> dict[str, str]:
    """Names of the nodes, by what an answer or a connection table says: a cookie, an address or the name itself."""
    nodes = [node for service in site["services"] for node in service["nodes"]]
    return {node[key]: node["name"] for key in ("cookie", "address", "name") for node in nodes}


def _host(host: Mapping[str, Any], observed: Mapping[str, Any]) -> dict[str, str]:
    found = {
        "address": host["address"],
        "HAProxy": observed["haproxy"]["version"] or "not running",
        "Keepalived": observed["keepalived"]["version"] or "not running",
        "configuration of HAProxy": observed["fingerprints"]["haproxy"],
        "configuration of Keepalived": observed["fingerprints"]["keepalived"],
    }
    if "layer4" in observed:
        found["configuration of layer 4"] = observed["layer4"].get("fingerprint") or ""
    return found


def _fault(record: Mapping[str, Any], site: Mapping[str, Any], layer: int, names: Mapping[str, str]) -> dict[str, Any]:
    fault = FAULTS[record["name"]]
    probes = record["probes"]
    began = min(probe["began"] for probe in probes.values())
    ended = max(probe["ended"] for probe in probes.values())
    journal = record["journals"].get(record["target"], "")
    periods = timeline.owners(record["journals"], vip_of(site), record["target"], began, ended, fault.forgets)
    holder = periods[-1]["host"] if periods else record["target"]
    # A switchover writes neither word, and what a host that reboots wrote may be lost. The VIP may not have moved.
    had = [each["until"] for each in periods if each["host"] == record["target"]]
    left = next((until for until in had if until < ended), began)
    at = timeline.moment(journal, "fault") or left
    undone = timeline.moment(journal, "undone") or ended
    web = probes.get("web")
    silence = None
    if web:
        since, until = timeline.silence(web["samples"], at - web["began"], undone - web["began"])
        silence = round(1000 * (until - since), 1)
    known = {**record, "undone": undone, "silence_ms": silence, "holder": holder}
    return {
        "name": record["name"],
        "title": fault.title,
        "does": f"{record['target']} {fault.does}",
        "planned": fault.planned,
        "target": record["target"],
        "holder": holder,
        "at": at,
        "began": round(began - at, 3),
        "undone": round(undone - at, 3),
        "ended": round(ended - at, 3),
        "owners": [
            {"host": each["host"], "since": round(each["since"] - at, 3), "until": round(each["until"] - at, 3)}
            for each in periods
        ],
        "probes": {name: _probe(name, record, probe, (at, undone), names) for name, probe in probes.items()},
        # Milliseconds; null where nothing is promised or asked.
        "silence_ms": silence,
        "to_reach_ms": 1000 * fault.silence[site["failover"]] if site["failover"] in fault.silence else None,
        "verdicts": verdicts(known, site["failover"], layer),
        "problems": list(record["problems"]),
    }


def _probe(
    name: str,
    record: Mapping[str, Any],
    probe: Mapping[str, Any],
    fault: tuple[float, float],
    names: Mapping[str, str],
) -> dict[str, Any]:
    """What the page shows of a probe; the times of ``samples`` and ``silences`` are seconds since the fault.

    ``fault``: when it began and ended.
    """
    shift = probe["began"] - fault[0]
    carrier = _carrier(probe, record.get("paths", []), names) if name == "dicom" else ""
    return {
        **{key: probe[key] for key in PROBE_KEYS},
        "held": "broken" in probe,
        "broken": probe.get("broken", False),
        "cause": probe.get("cause") or "",
        "silences": _silences(name, probe, fault),
        "samples": [
            [round(sent + shift, 4), round(ended + shift, 4), names.get(node, "") or carrier, kind]
            for sent, ended, node, kind in probe["samples"]
        ],
    }


def _silences(name: str, probe: Mapping[str, Any], fault: tuple[float, float]) -> list[dict[str, Any]]:
    """Those in which a request failed, and that of the web at the fault, whether one failed or not."""
    found = {(outage["start"], outage["end"]): (outage["failed"], outage["cause"]) for outage in probe["outages"]}
    if name == "web":
        since, until = timeline.silence(probe["samples"], *(moment - probe["began"] for moment in fault))
        if not any(start <= since < end or since <= start < until for start, end in found):
            found[since, until] = (0, "nothing failed")
    shift = probe["began"] - fault[0]
    return [
        {"since": round(since + shift, 4), "until": round(until + shift, 4), "failed": failed, "cause": cause}
        for (since, until), (failed, cause) in sorted(found.items())
    ]


def _carrier(probe: Mapping[str, Any], paths: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """The node that the association was forwarded to, as far as a connection table says so."""
    port = (probe.get("source") or {}).get("port")
    return next((names.get(path["node"], "") for path in paths if path["client_port"] == port), "")
