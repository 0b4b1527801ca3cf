# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A healthy pair as its load balancers report it (see `_diagnosis/observed.py`), for tests to take away from."""

from __future__ import annotations

from factories import PRODUCT, build, facts

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

NOW = 1795532752  # 2026-11-24 15:05:52 UTC
VIP = "198.51.100.10"
ADDRESSES = {"lb1": "198.51.100.11", "lb2": "198.51.100.12", "lb3": "198.51.100.13"}
MACS = {"lb1": "02:00:00:00:00:11", "lb2": "02:00:00:00:00:12", "lb3": "02:00:00:00:00:13"}
NODES = {"pacs1": "198.51.100.21", "pacs2": "198.51.100.22"}
HOSTS = ("lb1", "lb2")
SSHD = 'LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))'


def site(*, services=("dicom",), layer4=(), names=HOSTS, states=None, **more):
    """The site of these services and load balancers.

    ``layer4``: those services that are forwarded. ``states``: what the load balancers remember of their nodes.
    ``more``: variables of the user's.
    """
    written = {name: {"enabled": False} for name in PRODUCT["__infinitt_services"] if name not in services}
    found = build(
        {
            name: {
                "variables": {},
                "ansible_host": ADDRESSES[name],
                "facts": facts(ADDRESSES[name]),
                "states": states,
            }
            for name in names
        },
        infinitt_services={**written, **{name: {"layer": 4} for name in layer4}},
        infinitt_nodes=[{"name": name, "address": NODES[name], "backup": name == "pacs2"} for name in NODES],
        **more,
    )
    assert found.problems == []
    return as_dict(found)


def endpoint(service="dicom", node="pacs1", port=104, check="tcp", ms=1.5, error=None, **more):
    """What one host was answered. ``error``: kind and text."""
    return {
        "service": service,
        "node": node,
        "address": NODES.get(node, VIP),
        "port": port,
        "check": check,
        "reachable": not error,
        "total_ms": ms,
        "error": {"kind": error[0], "text": error[1]} if error else None,
        **more,
    }


def through(service="dicom", port=104, error=None, **more):
    """What a service answered on the VIP, asked from lb2."""
    source = None if error else {"address": ADDRESSES["lb2"], "port": 40312}
    return endpoint(service, "VIP", port, error=error, source=source, **more)


def node(status="UP", check_status="L4OK", up=True, sessions=0, text="Layer4 check passed", change=7384, name="pacs1"):
    return {
        "address": NODES[name],
        "port": 104,
        "status": status,
        "up": up,
        "check_status": check_status,
        "check_code": None,
        "check_text": text,
        "last_change_s": change,
        "backup": name == "pacs2",
        "sessions": sessions,
    }


def host(state="MASTER", services=("dicom",)):
    """A healthy load balancer; as MASTER it holds the VIP."""
    holds = state == "MASTER"
    return {
        "endpoints": [endpoint(service, name) for service in services for name in NODES],
        "owners": {"eth0": {VIP: []}},
        "haproxy": {
            "running": True,
            "msg": "",
            "enabled": True,
            "needs_daemon_reload": False,
            "version": "2.6.12-1+deb12u4",
            "description": "9f2c41d07be3",
            "failed_reloads": 0,
            "workers": [{"pid": 1, "current": True, "sessions": 0, "uptime_s": 90}],
            "peers": {},
            "services": {service: {name: node(name=name) for name in NODES} for service in services},
            "sessions": dict.fromkeys(services, 0),
            "old_sessions": 0,
            "outdated": [],
        },
        "keepalived": {
            "running": True,
            "msg": "",
            "enabled": True,
            "needs_daemon_reload": False,
            "version": "2.2.7",
            "configuration": "70aa11",
            "guard": {
                "running": True,
                "enabled": True,
                "held": "",
                "split_brain": "",
                "split_brain_since": 0,
                "ignored": {},
                "handed_over": {"at": 0, "reason": ""},
                "answering": {VIP: 1} if holds else {},
                "moves": {"taken": {"peer_silent": 1}, "given_up": {}},
            },
            "addresses": {"127.0.0.1": NOW - 90000, **({VIP: NOW - 7384} if holds else {})},
            "instances": [
                {
                    "name": "PACS",
                    "state": state,
                    "since": NOW - 7384,
                    "became_master": 1,
                    "priority": 254 if holds else 253,
                    "virtual_router_id": 51,
                    "advertisement": 0.25,
                    "vips": [VIP + "/24"],
                    "held": [VIP] if holds else [],
                    "interface": "eth0",
                }
            ],
            "outdated": [],
        },
        "fingerprints": {"haproxy": "9f2c41d07be3", "keepalived": "70aa11"},
        "files": [
            {"path": path, "differs": False, "drifted": False}
            for path in ("/etc/haproxy/haproxy.cfg", "/etc/keepalived/keepalived.conf")
        ],
    }


def pair(services=("dicom",)):
    found = {"lb1": host(services=services), "lb2": host("BACKUP", services)}
    found["lb2"]["owners"]["eth0"][VIP] = [MACS["lb1"]]
    return found


def before(names=HOSTS):
    """What fresh load balancers observe before a deployment."""
    return {
        name: {
            "endpoints": [endpoint()],
            "owners": {"eth0": {VIP: [], **{ADDRESSES[peer]: [MACS[peer]] for peer in names if peer != name}}},
            "listeners": [SSHD],
            "macs": [MACS[name]],
            "keepalived": {"addresses": {ADDRESSES[name]: NOW - 90000}, "instances": []},
            "settings": [],
            "wireguard": False,
            "unwritable": {},
            "versions": {"haproxy": "2.6.12", "keepalived": "2.2.7", "nftables": "1.0.6"},
        }
        for name in names
    }


def connections(*established, others=(), ended=(), until="ff"):
    """A digest of what a host forwards."""
    return {"established": list(established), "others": list(others), "ended": list(ended), "until": until}


def layer4(entry="4711", received=("4711", "4712"), mirror=True):
    """A host that forwards three connections, and mirrors them."""
    units = ["layer4.service", *(["conntrackd.service"] if mirror else [])]
    return {
        "deployed": True,
        "msg": "",
        "running": True,
        "current": True,
        "fault": "",
        "guard": True,
        "peers": {},
        "haproxy_answers": True,
        "obstacles": [],
        "services": {"dicom": {"pacs1": {"state": "up", "slots": 131}, "pacs2": {"state": "down", "slots": 0}}},
        "flows": {"dicom": {"pacs1": 3, "pacs2": 0}},
        "bytes": {"dicom": {"pacs1": {"received": 5000, "sent": 700}, "pacs2": {"received": 0, "sent": 0}}},
        "newcomers": {"retried": 2, "given_to_haproxy": 1},
        "units": {unit: {"active": True, "enabled": True, "outdated": False} for unit in units},
        "mirror": {
            "wanted": mirror,
            "running": mirror,
            "ours": 3,
            "taken": 7,
            "waiting": 1,
            "sent": 324,
            "received": 140,
        },
        "table": {"used": 100, "room": 1000, "established_timeout": 432000},
        "connections": connections("aa", "bb", "cc"),
        "test_entry": entry if mirror else "",
        "received": list(received) if mirror else [],
    }


def undeployed():
    """What `layer4_info` returns where nothing is forwarded."""
    found = layer4(mirror=False)
    return {
        **found,
        "deployed": False,
        "msg": "/usr/local/sbin/layer4 is not installed.",
        "running": False,
        "units": {},
    }


def forwarders(services=("dicom",)):
    """A pair that forwards."""
    found = pair(services)
    found["lb1"]["layer4"] = layer4("4711")
    found["lb2"]["layer4"] = layer4("4712")
    return found
