# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""This host's addresses, and programs that hang."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from layer4 import address, system

LIB = Path(__file__).parents[3] / "roles/layer4/files/lib"
LINKS = [
    {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8}]},
    {"ifname": "eth0", "addr_info": [{"family": "inet", "local": "198.51.100.11"}, {"local": "2001:DB8:0::10"}]},
    {"ifname": "docker0"},
    {"addr_info": [{"family": "inet", "peer": "198.51.100.99"}]},
]


def test_the_addresses_of_a_host():
    assert address.parse_addresses(LINKS) == {"127.0.0.1", "198.51.100.11", "2001:db8::10"}
    assert address.parse_addresses([]) == set()


def test_a_host_that_cannot_be_asked_has_no_address(monkeypatch):
    monkeypatch.setattr(system, "run", lambda *command: (1, "no"))
    assert system.addresses() == set()


def test_an_address_is_not_here_because_it_can_be_bound():
    # As on many hosts with HAProxy. The lowest settings of a host need a namespace of its own.
    namespace = ["unshare", "--user", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*namespace, "true"], check=False).returncode:
        pytest.skip("there can be no network namespace here")
    script = (
        "import socket, pathlib\n"
        "pathlib.Path('/proc/sys/net/ipv4/ip_nonlocal_bind').write_text('1')\n"
        "from layer4 import system\n"
        "system.run('ip', 'link', 'set', 'lo', 'up')\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(('198.51.100.10', 0))\n"
        "print(sorted(system.addresses()))\n"
    )
    done = subprocess.run(
        [*namespace, sys.executable, "-c", script], cwd=LIB, capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout.replace("'", '"')) == ["127.0.0.1", "::1"], done.stderr


def test_a_program_that_hangs_is_ended():
    assert system.run("sleep", "60", timeout=0.1) == (124, "sleep has not ended within 0.1 s")
