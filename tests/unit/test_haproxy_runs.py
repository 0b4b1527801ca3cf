# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a real HAProxy makes of nodes that fail in part, and of services without any: rendered, and run on loopback."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
import rendering
from factories import build, hosts

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


@contextlib.contextmanager
def haproxy(text, directory):
    """Run it on loopback, with quick checks; yield the path of its socket."""
    page = directory / "unavailable.html"
    page.write_text(PAGE)
    here = re.sub(r"^    (chroot|user|group|localpeer|hard-stop-after) .*\n", "", text, flags=re.MULTILINE)
    here = re.sub(r"^peers pair\n(    .*\n)+", "", here, flags=re.MULTILINE).replace(" peers pair", "")
    here = here.replace("198.51.100.", "127.51.100.").replace("inter 2s fastinter 1s", "inter 200ms fastinter 200ms")
    here = here.replace("/run/haproxy/admin.sock", f"{directory}/admin").replace(
        "/etc/haproxy/unavailable.html", str(page)
    )
    path = directory / "haproxy.cfg"
    path.write_text(here)
    with subprocess.Popen(["haproxy", "-db", "-f", str(path)], stdout=subprocess.DEVNULL) as process:
        try:
            yield str(directory / "admin")
        finally:
            process.terminate()


def listen(address, port):
    """Accept connections, and close them."""
    listener = socket.create_server((address, port))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                listener.accept()[0].close()

    threading.Thread(target=accept, daemon=True).start()
    return listener


def close(listener):
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.05)


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


def refused(address, port):
    with socket.create_connection((address, port), timeout=5) as client:
        client.sendall(b"hello")
        client.recv(1)


@pytest.mark.parametrize("health, left", [("alone", {"dicom", "mwl"}), ("together", set())])
def test_a_node_that_fails_one_service(rendered, tmp_path, health, left):
    ports = [port for name, port in PORTS.items() if name != "web"]
    listeners = {port: listen("127.51.100.21", port) for port in ports}
    with haproxy(rendered[health]["lb1"]["haproxy"], tmp_path) as admin:
        until(lambda: up(admin) == {"dicom", "query", "mwl"})
        close(listeners[PORTS["query"]])
        until(lambda: up(admin) == left)
        listeners[PORTS["query"]] = listen("127.51.100.21", PORTS["query"])
        until(lambda: up(admin) == {"dicom", "query", "mwl"})
    for listener in listeners.values():
        close(listener)


def test_with_all_nodes_out_viewers_get_the_page_and_modalities_a_reset_at_once(rendered, tmp_path):
    with haproxy(rendered["out"]["lb1"]["haproxy"], tmp_path) as admin:
        until(lambda: up(admin) is not None)
        with pytest.raises(urllib.error.HTTPError) as told:
            urllib.request.urlopen(f"http://127.51.100.10:{PORTS['web']}/", timeout=2)
        assert (told.value.code, told.value.read().decode()) == (503, PAGE)
        for name in ("dicom", "query", "mwl"):
            began = time.monotonic()
            with pytest.raises(ConnectionResetError):
                refused("127.51.100.10", PORTS[name])
            assert time.monotonic() - began < 1
