# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A configuration of layer 4, and answers of the programs that it asks."""

from __future__ import annotations

import json

import namespaces
import pytest
import rendering
from factories import build, facts, hosts
from forwarded import QUEUE, REPORT, node
from layer4 import config, status, sync, system
from namespaces import Host, Switch
from programs import on_this_machine
from tcp_clients import CALLS

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict


@pytest.fixture
def told(tmp_path, monkeypatch):
    """A configuration and its rules where the program looks for them, and answers of the programs that it asks."""
    service = {"name": "dicom", "address": "198.51.100.10", "port": 104, "nodes": [node("pacs1"), node("pacs22")]}
    others = {
        "name": "lb1",
        "mirrored": True,
        "interfaces": ["eth0"],
        "dead_after": 15,
        "connections": 65536,
        "haproxy_socket": "/gone",
        "state_file": "/gone",
    }
    configuration = {"services": [service], **others, "address": "198.51.100.11", "peers": [], "peers_port": 1024}
    for name, text in (("CONFIGURATION", json.dumps(configuration)), ("RULES", "table inet layer4 {}\n")):
        monkeypatch.setattr(config, name, tmp_path / name)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(config, "STATE", tmp_path / "state.json")
    monkeypatch.setattr(config, "FORMER", tmp_path / "former.json")
    flow = (
        "tcp 6 9 {} src=203.0.113.7 dst=198.51.100.10 sport={} dport=104 "
        "src={} dst=198.51.100.10 sport=104 dport={} use=1\n"
    )
    flows_of = (
        ("ESTABLISHED", 4001, 25),
        ("SYN_SENT", 4002, 26),
        ("ESTABLISHED", 4003, 26),
        ("TIME_WAIT", 4004, 26),
        ("ESTABLISHED", 4005, 10),
    )
    answers = {
        (*sync.CONNTRACKD, "-s"): REPORT,
        (*sync.CONNTRACKD, "-s", "queue"): QUEUE,
        (
            "conntrack",
            "--dump",
            "--family",
            "ipv4",
            "--proto",
            "tcp",
            "--dst",
            "198.51.100.10",
            "--dport",
            "104",
        ): "".join(flow.format(state, port, f"198.51.100.{end}", port) for state, port, end in flows_of),
    }

    def run(*command):
        return (0, answers[command]) if command in answers else (1, "")

    monkeypatch.setattr(system, "run", run)
    monkeypatch.setattr(system, "addresses", lambda: {"127.0.0.1", "198.51.100.11", "198.51.100.10"})
    monkeypatch.setattr(status, "units", lambda asked: {name: {} for name in asked})
    return configuration


@pytest.fixture(scope="session")
def dual_stack():
    return render_dual_stack()


def render_dual_stack(**keys):
    """What roles/layer4 writes on a single load balancer, with `dicom` in IPv4 and `mwl` in IPv6, port 104 and 204 of
    three nodes. `keys`: more of these services, by their names.
    """
    host = {"variables": {}, "ansible_host": "198.51.100.11", "facts": facts("198.51.100.11")}
    host["facts"]["eth0"]["ipv6"].append({"address": "2001:db8::11", "prefix": "64", "scope": "global"})
    nodes, nodes6 = (
        [{"name": f"pacs{number}", "address": f"{prefix}2{number}"} for number in (1, 2, 3)]
        for prefix in ("198.51.100.", "2001:db8::")
    )
    services = {"query": {"enabled": False}, "mwl": {"vip": "2001:db8::10/64", "nodes": nodes6}}
    for name, more in keys.items():
        services[name] = {**services.get(name, {}), **more}
    written = {"infinitt_layer": 4, "infinitt_nodes": nodes, "infinitt_services": services}
    site = build({"lb1": host}, **written)
    assert site.problems == []
    return rendering.render({"": (written, as_dict(site))})[""]["lb1"]


@pytest.fixture(scope="session")
def restricted():
    """The same for half of the clients of each service."""
    return render_dual_stack(
        dicom={"allowed_sources": ["198.51.100.128/25"]}, mwl={"allowed_sources": ["2001:db8::150/124"]}
    )


@pytest.fixture(scope="session")
def limits():
    """The same with limits for each client: three connections to `dicom` at once, five to `mwl` in a second."""
    return render_dual_stack(dicom={"client_connections": 3}, mwl={"client_rate": 5})


@pytest.fixture(scope="module")
def segment():
    """A network segment with hosts `balancer` (with the VIPs of `dual_stack`), `pacs1` to `pacs3`, and `client`, with
    200 addresses.
    """
    missing = namespaces.missing(("ip", "nft", "nsenter", "unshare"))
    if missing:
        pytest.skip(missing)
    numbers = {"balancer": 11, "pacs1": 21, "pacs2": 22, "pacs3": 23, "client": 50}
    addresses = {
        "balancer": {vip for _source, vip, _port in CALLS},
        "client": {source for source, _vip, _port in CALLS},
    }
    hosts = {"switch": Switch()}
    try:
        for name, number in numbers.items():
            hosts[name] = Host(hosts["switch"], f"198.51.100.{number}")
            more = [f"2001:db8::{number}", *addresses.get(name, [])]
            lines = [f"address add {one}/{'64 nodad' if ':' in one else 24} dev eth0" for one in more]
            hosts[name]("ip", "-batch", "-", stdin="\n".join(lines))
        yield hosts
    finally:
        for host in reversed(hosts.values()):
            host.power_off()


@pytest.fixture(scope="session")
def mirrored_pair():
    return render_mirrored()


@pytest.fixture(scope="session")
def mirrored_trio():
    return render_mirrored(lb3={"ansible_host": "198.51.100.13", "facts": facts("198.51.100.13")})


def render_mirrored(**more):
    """What roles/layer4 writes on two load balancers and more, whose interface is eth0."""
    written = {"infinitt_layer": 4}
    site = build(on_this_machine(hosts(**more)), **written)
    assert site.problems == []
    texts = rendering.render({"": (written, as_dict(site))})[""]
    interface = next(iter(site.hosts.values())).mirror.interface
    return {host: {name: text.replace(interface, "eth0") for name, text in texts[host].items()} for host in texts}


@pytest.fixture
def make_pair(mirrored_pair, tmp_path):
    pairs = []

    def make(rendered=mirrored_pair, **more):
        pairs.append(namespaces.Pair(rendered, tmp_path, **more))
        return pairs[-1]

    yield make
    for pair in pairs:
        pair.end()
        print(*(balancer.log.read_text() for balancer in pair.balancers), sep="\n")
