# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a real HAProxy makes of nodes that fail in part, and of services without any: rendered, and run on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import time
import urllib.error
import urllib.request

import pytest
import rendering
from factories import build, hosts
from running import close, haproxy, listen, until

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _haproxy
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

pytestmark = pytest.mark.skipif(
    not shutil.which("haproxy") or os.getuid() != 0, reason="haproxy is not installed, or this is not root"
)
PORTS = {"web": 11080, "dicom": 11104, "query": 11105, "mwl": 11204}
PAGE = '<h1>Later, ada\'s "PACS"</h1>'


def site(health="alone", states=None):
    written = {name: {"port": port} for name, port in PORTS.items()}
    written["query"]["health"] = health
    return build(hosts(lb1={"states": states}), infinitt_services=written, infinitt_maintenance_page=PAGE)


@pytest.fixture(scope="module")
def rendered():
    everything = {name: {"pacs1": out(), "pacs2": out()} for name in PORTS}
    sites = {health: site(health) for health in ("alone", "together")}
    return rendering.render({name: ({}, as_dict(of)) for name, of in {**sites, "out": site(states=everything)}.items()})


def out():
    return {"state": "maintenance", "since": 1, "by": "ada"}


def up(admin):
    """The services, of those without an HTTP check, for which pacs1 is up and checked."""
    try:
        rows = _haproxy.parse_stat(_haproxy.ask(admin, "show stat -1 4 -1", 2))
    except _haproxy.NoAnswer:
        return None
    return {
        row["pxname"]
        for row in rows
        if row["svname"] == "pacs1" and row["status"] == "UP" and row["check_status"].startswith("L4OK")
    }


def fetch(url, source):
    """What Prometheus is answered from that address."""
    with socket.create_connection((url[0], url[1]), timeout=5, source_address=(source, 0)) as client:
        client.sendall(f"GET {url[2]} HTTP/1.0\r\n\r\n".encode())
        answer = b""
        while part := client.recv(65536):
            answer += part
        return answer.decode()


def test_the_metrics_are_for_those_who_were_named(tmp_path):
    of = build(infinitt_metrics={"port": 11901, "allowed_sources": ["198.51.100.50"]})
    assert of.problems == []
    text = rendering.render({"metrics": ({}, as_dict(of))})["metrics"]["lb1"]["haproxy"]
    page = ("127.51.100.11", 11901)
    # The services' own ports are another test's.
    ports = {f":{port}\n": f":{port + 11000}\n" for port in (80, 104, 105, 204)}
    with haproxy(text, tmp_path, replaced=ports) as admin:
        until(lambda: os.path.exists(admin))
        metrics = fetch((*page, "/metrics"), "127.51.100.50")
        assert 'haproxy_server_status{proxy="dicom",server="pacs1",state="UP"}' in metrics
        assert fetch((*page, "/"), "127.51.100.50").startswith("HTTP/1.1 404 ")
        with pytest.raises(ConnectionResetError):
            fetch((*page, "/metrics"), "127.51.100.51")


def refused(address, port):
    with socket.create_connection((address, port), timeout=5) as client:
        client.sendall(b"hello")
        client.recv(1)


@pytest.mark.parametrize("health, left", [("alone", {"dicom", "mwl"}), ("together", set())])
def test_a_node_that_fails_one_service(rendered, tmp_path, health, left):
    ports = [port for name, port in PORTS.items() if name != "web"]
    listeners = {port: listen("127.51.100.21", port) for port in ports}
    with haproxy(rendered[health]["lb1"]["haproxy"], tmp_path, PAGE) as admin:
        until(lambda: up(admin) == {"dicom", "query", "mwl"})
        close(listeners[PORTS["query"]])
        until(lambda: up(admin) == left)
        listeners[PORTS["query"]] = listen("127.51.100.21", PORTS["query"])
        until(lambda: up(admin) == {"dicom", "query", "mwl"})
    for listener in listeners.values():
        close(listener)


def test_with_all_nodes_out_viewers_get_the_page_and_modalities_a_reset_at_once(rendered, tmp_path):
    with haproxy(rendered["out"]["lb1"]["haproxy"], tmp_path, PAGE) as admin:
        until(lambda: up(admin) is not None)
        with pytest.raises(urllib.error.HTTPError) as told:
            urllib.request.urlopen(f"http://127.51.100.10:{PORTS['web']}/", timeout=2)
        assert (told.value.code, told.value.read().decode()) == (503, PAGE)
        for name in ("dicom", "query", "mwl"):
            began = time.monotonic()
            with pytest.raises(ConnectionResetError):
                refused("127.51.100.10", PORTS[name])
            assert time.monotonic() - began < 1
