# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a drill asks the VIP, and what it says before it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._drill.faults import FAULTS
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed

COOKIE = "PACSNODE"  # of roles/haproxy's web services
WEB_INTERVAL = 10  # ms


def probes(site: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return by service, web and dicom where the site has them, the arguments of the module vip_probe.

    ``planned_check``: what takes the place of ``check`` in a switchover.
    """
    services = {service["name"]: service for service in site["services"]}
    forwarded = {service["name"] for service in site["layer4_services"]}
    found = {}
    web = services.get("web")
    plain = (web.get("tls") or {}).get("plain", "serve") if web else "close"
    if web and web["check"] == "http" and plain != "close":
        found["web"] = {
            "check": "http",
            "planned_check": "http",
            "interval": WEB_INTERVAL,
            # A SYN that is held in a switchover is sent again a second later.
            "timeout": 3,
            **{key: web[key] for key in ("address", "port", "check_path", "check_host", "check_status")},
            "node_cookie": COOKIE if web["persistence"] == "cookie" and "web" not in forwarded else "",
            # HAProxy itself redirects: no node has a part in it.
            **({"check_status": "308", "node_cookie": ""} if plain == "redirect" else {}),
        }
    if dicom := services.get("dicom"):
        found["dicom"] = {
            "check": "association",
            # At layer 7 a switchover waits for the last association, and this one would not end.
            "planned_check": "association" if "dicom" in forwarded else "echo",
            "interval": 1000 // site["run"]["echoes"],
            "timeout": 10,
            **{key: dicom[key] for key in ("address", "port", "called_ae", "calling_ae")},
        }
    return found


def vip_of(site: Mapping[str, Any]) -> str:
    """Return the VIP that a yes must name: that of the first service which is asked, or of the first one at all."""
    asked = probes(site)
    return next(iter(asked.values()))["address"] if asked else site["services"][0]["address"]


def plan(site: Mapping[str, Any], hosts: Sequence[str], reached: Sequence[str]) -> dict[str, Any]:
    """Return what the drill would do (``text``), the ``vip``, the ``probes``, what is asked once before (``checks``,
    for infinitt_backend_check), and what forbids it (``problems``).

    ``hosts``: the load balancers. ``reached``: every host of the inventory that may ask.
    """
    asked = probes(site)
    run = site["run"]
    vip = vip_of(site)
    return {
        "text": _text(site, asked, hosts, vip),
        "vip": vip,
        "probes": asked,
        "checks": [_check(name, probe) for name, probe in asked.items()],
        "problems": [*_problems(asked, run["probe_host"], hosts, reached)],
    }


def _check(name: str, probe: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{key: value for key, value in probe.items() if key.startswith(("check_", "call")) and value},
        "name": name,
        "check": "echo" if probe["check"] == "association" else probe["check"],
        "port": probe["port"],
        "nodes": [{"name": "VIP", "address": probe["address"]}],
    }


def _text(site: Mapping[str, Any], asked: Mapping[str, Any], hosts: Sequence[str], vip: str) -> list[str]:
    run = site["run"]
    rates = []
    if "web" in asked:
        web = asked["web"]
        rates.append(f"{1000 // WEB_INTERVAL} times a second HEAD {web['check_path']} of port {web['port']}")
    if "dicom" in asked:
        every = "one C-ECHO" if run["echoes"] == 1 else f"{run['echoes']} C-ECHOs"
        rates.append(
            f"{every} a second on one association with {asked['dicom']['called_ae']}, port {asked['dicom']['port']}"
        )
    confirmed = "" if run["confirm"] == vip else f" Say yes with: -e infinitt_confirm={vip}"
    return [
        f"A drill on {listed(hosts)}, which serve {vip}. Meanwhile {run['probe_host']} asks {listed(rates)}."
        f"{confirmed}",
        *(
            f"{number}. The load balancer that holds the VIP {FAULTS[fault].does}."
            for number, fault in enumerate(run["faults"], 1)
        ),
        "The host undoes each by itself, by a timer that is set before, even if this run dies. The drill begins with a"
        " healthy pair only, and ends at the first fault that does not heal.",
    ]


def _problems(asked: Mapping[str, Any], probe_host: str, hosts: Sequence[str], reached: Sequence[str]):
    if not asked:
        yield "infinitt_services has neither web (checked by http) nor dicom, so nothing could be measured; enable one."
    if len(hosts) < 2:
        yield f"{listed(hosts)} has no other load balancer to take the VIP; a drill would only interrupt the service."
    if probe_host in hosts:
        yield f"infinitt_probe_host is {probe_host}, a load balancer; give another host, or leave it empty."
    elif probe_host not in reached:
        yield f"infinitt_probe_host is {probe_host}, which the inventory does not have; add it, or leave it empty."
