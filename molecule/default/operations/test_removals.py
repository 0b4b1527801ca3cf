# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers that are rebooted, taken away and brought back under traffic: at layer 4 an association. The last test
leaves nothing deployed.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from contextlib import contextmanager

import pytest
from interruptions import killed
from pair import (
    CACHE,
    CONFIGURATION,
    FORWARDED,
    PAIR,
    UNBROKEN,
    ansible,
    holds,
    measured,
    other,
    owners,
    play,
    the_holder,
    traffic,
    until,
)

NODES = ("pacs1", "pacs2")
# Podman's settings, where this machine needs some of its own (inventory/lab/group_vars/lab.yml).
SETTINGS = CACHE / "containers.conf"
# A container has its machine's boot id, by which Ansible sees that a host has rebooted.
BOOT_ID = r"""
cat > /etc/systemd/system/lab-boot-id.service <<'EOF'
[Unit]
DefaultDependencies=no
Before=sysinit.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'cat /proc/sys/kernel/random/uuid > /run/boot_id'
ExecStart=mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
[Install]
WantedBy=sysinit.target
EOF
systemctl enable --now lab-boot-id
"""


def container(name):
    return f"pacs-{os.environ['PACS_LAB']}-{name}"


def replace(name):
    """Put a new machine in its place, with nothing on it but the former MAC address, as a virtual one has."""
    inspected = ["podman", "inspect", "--format", "{{json .Config.CreateCommand}}", container(name)]
    settings = {"CONTAINERS_CONF": str(SETTINGS)} if SETTINGS.is_file() else {}
    created = json.loads(subprocess.run(inspected, capture_output=True, check=True).stdout)
    for command in (["podman", "rm", "--force", "--time", "0", container(name)], created):
        subprocess.run(command, capture_output=True, check=True, env=settings | os.environ)
    assert until(lambda: ansible("ansible", name, "--module-name", "ping")[0] == 0, 60)


@contextmanager
def power_button():
    """A container that ends by a reboot is started again, until the block ends."""
    over = threading.Event()

    def start():
        while not over.wait(1):
            for name in PAIR:
                subprocess.run(["podman", "start", container(name)], capture_output=True, check=False)

    thread = threading.Thread(target=start)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def rebootable(lab):
    for name in PAIR:
        lab[name].check_output("sh -ec %s", BOOT_ID)


def test_an_upgrade_that_needs_reboots_breaks_nothing(lab, vip, holder, rebootable):
    before = {name: lab[name].check_output("cat /proc/sys/kernel/random/boot_id") for name in PAIR}
    for name in PAIR:
        lab[name].check_output("touch /run/reboot-required")
    with power_button(), traffic(lab, vip, **UNBROKEN) as held:
        done = play("upgrade", infinitt_packages="all")
    assert done.code == 0, done.said
    after = {name: lab[name].check_output("cat /proc/sys/kernel/random/boot_id") for name in PAIR}
    assert [name for name in PAIR if before[name] == after[name]] == [], "it was not rebooted"
    assert held["failures"] == 0, held["outages"]
    assert the_holder(lab, vip) == other(holder)
    assert play("status").code == 0


def test_a_drill_that_reboots_the_holder_heals(lab, vip, holder, rebootable, tmp_path):
    with power_button():
        done = play(
            "failover_drill",
            infinitt_faults="reboot",
            infinitt_probe_host="modality",
            infinitt_confirm=vip,
            infinitt_report_dir=str(tmp_path),
            infinitt_force="yes",
        )
    assert done.code == 0, done.said
    assert len(list(tmp_path.glob("*.html"))) == 1
    (fault,) = json.loads(next(tmp_path.glob("*.json")).read_text())["faults"]
    kept = {verdict["what"]: verdict["kept"] for verdict in fault["verdicts"]}
    assert kept["VIP moved"] and kept["healthy afterwards"], fault["verdicts"]
    assert kept["association"] or not FORWARDED, fault["verdicts"]
    for verdict in fault["verdicts"]:
        measured(f"{verdict['what']}: {verdict['measured']}, to reach: {verdict['to_reach']}")
    assert play("status").code == 0


def test_the_holder_is_removed_and_brought_back_and_nobody_notices(lab, vip, holder):
    with traffic(lab, vip, **UNBROKEN) as held, owners(lab, vip) as had:
        removed = play("remove_loadbalancer", infinitt_host=holder)
        back = play("site")
    assert removed.code == 0, removed.said
    assert back.code == 0, back.said
    assert held["failures"] == 0, held["outages"]
    assert had["both"] == 0 and had["nobody"] < 1, had
    assert the_holder(lab, vip) == other(holder)
    assert play("status").code == 0


def test_a_dead_standby_is_replaced_by_a_new_machine_of_its_name_and_nobody_notices(lab, vip, holder):
    with traffic(lab, vip, **UNBROKEN) as held:
        replace(other(holder))
        assert play("status").code != 0
        deployed = play("site")
        assert deployed.code == 0, deployed.said
        moved = play("switchover")
    assert moved.code == 0, moved.said
    assert held["failures"] == 0, held["outages"]
    assert the_holder(lab, vip) == other(holder)
    assert play("status").code == 0


SSH_RESETS = "table inet lab { chain in { type filter hook input priority 0; tcp dport 22 reject with tcp reset; }; }"


def test_a_dead_one_is_removed_once_it_is_silent_and_a_new_machine_takes_its_place(lab, vip, holder, alone):
    dead = other(holder)
    removal = {"infinitt_host": dead, "infinitt_dead": "true"}
    before = lab[holder].check_output(CONFIGURATION)
    with traffic(lab, vip, **UNBROKEN) as held:
        refused = play("remove_loadbalancer", **removal)
        assert refused.code != 0 and f"infinitt_dead is true, and {dead} answers;" in refused.said, refused.said
        subprocess.run(["podman", "exec", container(dead), "nft", SSH_RESETS], check=True)
        refused = play("remove_loadbalancer", **removal)
        assert refused.code != 0 and f"switch {dead} off first." in refused.said, refused.said
        assert lab[holder].check_output(CONFIGURATION) == before
        subprocess.run(["podman", "kill", "--signal", "KILL", container(dead)], check=True)
        removed = play("remove_loadbalancer", **removal)
        assert removed.code == 0, removed.said
        without = play("site", *alone)
        assert without.code == 0 and without.changed == {holder: 0}, without.said
        replace(dead)
        back = play("site")
    assert back.code == 0, back.said
    assert held["failures"] == 0, held["outages"]
    assert the_holder(lab, vip) == holder and play("status").code == 0


@pytest.mark.parametrize("after", [3, 6, 9])
def test_a_removal_that_was_killed_is_completed_and_undone(lab, vip, holder, after, tmp_path):
    with traffic(lab, vip, **UNBROKEN) as held, owners(lab, vip) as had:
        killed("remove_loadbalancer", after, tmp_path / "log", infinitt_host=holder)
        removed = play("remove_loadbalancer", infinitt_host=holder)
        assert removed.code == 0, removed.said
        back = play("site")
    assert back.code == 0, back.said
    assert held["failures"] == 0, held["outages"]
    assert had["both"] == 0 and had["nobody"] < 1, had
    assert play("status").code == 0


def test_the_last_one_is_removed_by_force_alone_and_ends_what_it_carries(lab, vip, holder, alone):
    with traffic(lab, vip, **UNBROKEN) as held:
        assert play("remove_loadbalancer", infinitt_host=other(holder)).code == 0
        # A mirror without a peer, whose port would stay open.
        assert not lab[holder].service("conntrackd").is_running
        refused = play("remove_loadbalancer", *alone, infinitt_host=holder)
    assert refused.code != 0 and "is the last load balancer" in refused.said, refused.said
    assert held["failures"] == 0 and the_holder(lab, vip) == holder, held["outages"]
    with traffic(lab, vip, **UNBROKEN) as held:
        removed = play("remove_loadbalancer", *alone, infinitt_host=holder, infinitt_force="true")
    assert removed.code == 0, removed.said
    assert held["failures"] > 0, "somebody serves the VIP still"
    assert not any(holds(lab[name], vip) for name in PAIR)
    for name in PAIR:
        assert lab[name].run("ls -d /etc/layer4 /usr/local/lib/layer4 /var/lib/pacs.loadbalancer").stdout == ""


# What people find on the web and adapt: multicast, another router id, and the web alone.
BY_HAND = """
cat > /etc/keepalived/keepalived.conf <<'EOF'
vrrp_instance PACS {{
    interface eth0
    virtual_router_id 99
    priority {priority}
    advert_int 1
    virtual_ipaddress {{
        {vip}/27
    }}
}}
EOF
cat > /etc/haproxy/haproxy.cfg <<'EOF'
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
listen web
    bind :80
    {servers}
EOF
systemctl enable --now haproxy keepalived
systemctl restart haproxy keepalived
"""


def test_a_pair_that_was_built_by_hand_is_adopted_with_one_move_at_most(lab, vip):
    """Nothing of ours is on it: the test before this one has removed it."""
    servers = "\n    ".join(f"server {name} {lab[name].interface('eth0').addresses[0]}:80 check" for name in NODES)
    for name, priority in zip(PAIR, (100, 150)):
        lab[name].check_output("sh -ec %s", BY_HAND.format(vip=vip, priority=priority, servers=servers))
    assert until(lambda: [name for name in PAIR if holds(lab[name], vip)] == ["lb2"], 20)
    with traffic(lab, vip, timeout=3) as seen, owners(lab, vip) as had:
        adopted = play("site")
    assert adopted.code == 0, adopted.said
    assert had["both"] == 0 and had["moves"] <= 1, had
    assert len(seen["outages"]) <= 1 and seen["longest_silence_ms"] < 5000, seen["outages"]
    assert play("status").code == 0 and play("site").changed == dict.fromkeys(PAIR, 0)
