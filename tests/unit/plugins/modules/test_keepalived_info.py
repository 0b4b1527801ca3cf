# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""keepalived_info: the parsers on what Keepalived 2.2.7 wrote, the asking against a process that plays Keepalived.

The real daemon needs root and a network of its own: that the lab's scenarios do.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import stop

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _addresses as addresses
from ansible_collections.pacs.loadbalancer.plugins.module_utils import _keepalived as keepalived

JSON = json.dumps(
    [
        {
            "data": {
                "iname": "PACS",
                "ifp_ifname": "eth0",
                "last_transition": 1795532752.281236,
                "vrid": 51,
                "adver_int": 0.25,
                "base_priority": 254,
                "effective_priority": 194,
                "state": 2,
                "vips": ["127.0.0.1/8 dev lo scope global set"],
                "evips": ["2001:db8::10/64 dev eth0 scope global preferred_lft forever set"],
            },
            "stats": {"advert_rcvd": 3, "advert_sent": 629, "become_master": 1, "ip_ttl_err": 4},
        }
    ]
)

DATA = """------< Global definitions >------
 Network namespace = (default)
 Router ID = 9f2c41d07be3
 umask = 0177
------< VRRP Topology >------
 VRRP Instance = PACS
   State = MASTER
   Virtual Router ID = 51
   Virtual IP (1):
     198.51.100.10/24 dev eth0 scope global set
   Unicast TTL = 255
   Unicast Peer :
     198.51.100.12 min_ttl 0 max_ttl 255
     2001:db8::13 min_ttl 0 max_ttl 255
   Unicast checksum compatibility = no
   fd_in 13, fd_out 14
 VRRP Instance = ALONE
   State = MASTER
   Virtual IP (1):
     198.51.100.11/24 dev eth0 scope global set
------< Interfaces >------
 Name = lo
"""

INSTANCE = {
    "name": "PACS",
    "state": "MASTER",
    "last_transition": 1795532752.281236,
    "interface": "eth0",
    "virtual_router_id": 51,
    "advertisement": 0.25,
    "priority": 194,
    "configured_priority": 254,
    "vips": ["127.0.0.1/8", "2001:db8::10/64"],
    "adverts_received": 3,
    "adverts_sent": 629,
    "adverts_rejected": {"ttl": 4, "addresses": 0, "interval": 0, "type": 0, "length": 0},
    "became_master": 1,
}


def test_json():
    assert keepalived.parse_json(JSON) == [INSTANCE]


def test_json_of_the_second_version():
    assert keepalived.parse_json(f'{{"vrrp": {JSON}}}') == [INSTANCE]


@given(st.integers(0, len(JSON) - 1))
def test_json_that_is_still_being_written(length):
    with pytest.raises(ValueError):
        keepalived.parse_json(JSON[:length])


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["vrrp", "data", "stats", "iname", "vips"]), inner),
    max_leaves=6,
)


@given(anything.filter(lambda content: content not in ([], {"vrrp": []}, "")))
def test_json_of_another_form(content):
    try:
        assert keepalived.parse_json(json.dumps(content)) == []
    except ValueError:
        pass  # says so


def test_data():
    assert keepalived.parse_data(DATA) == {
        "configuration": "9f2c41d07be3",
        "peers": {"PACS": ["198.51.100.12", "2001:db8::13"], "ALONE": []},
    }


@given(st.integers(0, DATA.index(" Name = lo") - 3))
def test_data_that_is_still_being_written(length):
    with pytest.raises(ValueError):
        keepalived.parse_data(DATA[:length])


def address_message(address, moment, own=None):
    def attribute(name, value):
        return struct.pack("=HH", len(value) + 4, name) + value + bytes(-len(value) % 4)

    body = struct.pack("=BBBBI", 2, 24, 0, 0, 7) + attribute(1, address) + (attribute(2, own) if own else b"")
    body += attribute(3, b"eth0\0") + attribute(6, struct.pack("=4I", 1, 2, moment, 99))
    return struct.pack("=IHHII", len(body) + 16, 20, 2, 1, 0) + body


def test_addresses():
    done = struct.pack("=IHHIII", 20, 3, 2, 1, 0, 0)
    messages = (
        address_message(b"\x7f\0\0\1", 12) + address_message(b"\xc6\x33\x64\x01", 345, own=b"\xc6\x33\x64\x0a") + done
    )
    assert addresses.parse_addresses(messages) == {"127.0.0.1": 12, "198.51.100.10": 345}


@given(st.binary(max_size=300))
def test_no_bytes_break_the_addresses(messages):
    addresses.parse_addresses(messages)
    addresses.parse_addresses(struct.pack("=IHHII", len(messages) + 24, 20, 2, 1, 0) + bytes(8) + messages)


def test_this_host_holds_its_loopback_address_since_it_started():
    with open("/proc/uptime", encoding="ascii") as file:
        started = time.time() - float(file.read().split()[0])
    moment = addresses.held_since()["127.0.0.1"]
    assert started - 5 <= moment <= time.time()


FAKE = r"""
import os, select, signal, sys
directory, json_text, data_text = sys.argv[1:]
def write(name, text):
    # As Keepalived does: another file, renamed, then filled.
    path = os.path.join(directory, name)
    with open(path + "XXXXXX", "w") as file:
        os.rename(path + "XXXXXX", path)
        file.write(text[:20]); file.flush()
        select.select([], [], [], 0.05)
        file.write(text[20:])
signal.signal(signal.SIGRTMIN + 2, lambda *_: write("keepalived.json", json_text))
signal.signal(signal.SIGUSR1, lambda *_: write("keepalived.data", data_text))
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A process called keepalived that answers its two signals; it and its directory."""
    program = tmp_path / "keepalived"
    program.symlink_to(os.path.realpath(sys.executable))
    command = [str(program), "-c", FAKE, str(tmp_path), JSON, DATA]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        (tmp_path / "pid").write_text(f"{process.pid}\n")
        monkeypatch.setattr(keepalived, "DUMPS", str(tmp_path))
        yield process, tmp_path
        process.kill()


def test_what_the_daemon_says_and_what_the_kernel_knows(fake):
    _process, directory = fake
    answer = keepalived.gather(str(directory / "pid"), 5)
    assert (answer["running"], answer["msg"], answer["configuration"]) == (True, "", "9f2c41d07be3")
    (instance,) = answer["instances"]
    assert (instance["state"], instance["held"], instance["peers"]) == (
        "MASTER",
        ["127.0.0.1"],
        ["198.51.100.12", "2001:db8::13"],
    )
    assert instance["since"] == pytest.approx(addresses.held_since()["127.0.0.1"], abs=2)


def test_a_host_that_does_not_hold_the_vip_reports_its_last_transition(fake, monkeypatch):
    _process, directory = fake
    monkeypatch.setattr(keepalived, "held_since", lambda: {"198.51.100.11": 5.9})
    answer = keepalived.gather(str(directory / "pid"), 5)
    assert answer["addresses"] == {"198.51.100.11": 5}
    (instance,) = answer["instances"]
    assert (instance["held"], instance["since"]) == ([], 1795532752)


@pytest.mark.parametrize("seen", [[{}, {"127.0.0.1": 5.9}], [{"127.0.0.1": 5.9}, {}]], ids=["came", "went"])
def test_a_vip_that_moves_meanwhile_is_neither_lost_nor_left_behind(fake, monkeypatch, seen):
    _process, directory = fake
    monkeypatch.setattr(keepalived, "held_since", lambda: seen.pop(0))
    answer = keepalived.gather(str(directory / "pid"), 5)
    (instance,) = answer["instances"]
    assert (answer["addresses"], instance["held"], instance["since"]) == ({}, ["127.0.0.1"], 5)


def test_an_old_file_is_no_answer(fake):
    process, directory = fake
    keepalived.gather(str(directory / "pid"), 5)
    stop(process.pid)
    began = time.monotonic()
    answer = keepalived.gather(str(directory / "pid"), 0.3)
    assert 0.3 <= time.monotonic() - began < 1
    assert answer["running"] is False
    assert answer["msg"] == (
        f"Keepalived (process {process.pid}) did not write /tmp/keepalived.data in time: it hangs or is still starting."
    )


@pytest.mark.parametrize("planted", ["link", "pipe", "directory"])
def test_what_somebody_planted_is_not_read(fake, planted):
    process, directory = fake
    secret = directory / "secret"
    secret.write_text(DATA)
    path = directory / "keepalived.data"
    stop(process.pid)

    def plant():
        if planted == "link":
            path.symlink_to(secret)
        elif planted == "pipe":
            os.mkfifo(path)
        else:
            path.mkdir()

    # While the module waits: what was there before is no answer anyway.
    threading.Timer(0.1, plant).start()
    assert "did not write /tmp/keepalived.data" in keepalived.gather(str(directory / "pid"), 0.4)["msg"]
    assert os.path.lexists(path)


def test_a_file_of_another_user_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "keepalived.data").write_text(DATA)
    assert keepalived._read(str(tmp_path / "keepalived.data"))
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert keepalived._read(str(tmp_path / "keepalived.data")) is None


def test_another_users_daemon_gets_no_signal(fake, monkeypatch):
    process, directory = fake
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert keepalived.gather(str(directory / "pid"), 1)["msg"] == (
        f"Keepalived (process {process.pid}) belongs to another user: root is needed."
    )


@pytest.mark.parametrize("content", [None, "", "no number", str(os.getpid()), "999999999"])
def test_a_pid_file_that_names_no_keepalived(tmp_path, content):
    path = tmp_path / "pid"
    if content is not None:
        path.write_text(content)
    answer = keepalived.gather(str(path), 1)
    assert "127.0.0.1" in answer.pop("addresses"), "a VIP that a dead Keepalived left behind is told all the same"
    assert answer == {
        "running": False,
        "msg": f"Keepalived is not running: {path} does not name a process of it.",
        "version": None,
        "configuration": None,
        "instances": [],
    }
