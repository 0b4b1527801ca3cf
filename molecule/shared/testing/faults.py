# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the faults of the scenario `eyes` are made and undone."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from interruptions import killed_after
from pair import ASSOCIATION, REPOSITORY, other, play, traffic, until

NODES = ("pacs1", "pacs2")


@dataclass
class Place:
    """Where a fault is made: the lab's hosts by name, the VIP, and who held it at that moment."""

    lab: dict[str, Any]
    vip: str
    holder: str
    kept: dict[str, Any] = field(default_factory=dict)  # what undoing needs

    @property
    def standby(self) -> str:
        return other(self.holder)

    def on(self, name, command):
        return self.lab[name].check_output(command)


def podman(*words):
    subprocess.run(["podman", *words], check=True, stdout=subprocess.DEVNULL)


# --- nodes and services -----------------------------------------------------------------------------------------------


def everywhere(command):
    def act(place):
        for node in NODES:
            place.on(node, command)

    return act


def on_pacs1(command):
    return lambda place: place.on("pacs1", command)


def issue(days):
    def act(place):
        for name in (place.holder, place.standby):
            place.on(name, f"/srv/tls/issue {days}")

    return act


# --- load balancers ---------------------------------------------------------------------------------------------------


def power_off(place):
    podman("kill", "--signal", "KILL", f"pacs-{os.environ['PACS_LAB']}-{place.holder}")


def power_on(place):
    podman("start", f"pacs-{os.environ['PACS_LAB']}-{place.holder}")

    def booted():
        with suppress(RuntimeError):  # nothing answers there yet
            return place.lab[place.holder].run("systemctl is-system-running").stdout == "running\n"
        return False

    assert until(booted, 90)


def stop_keepalived(place):
    # On the standby first: one alone would take the VIP.
    for name in (place.standby, place.holder):
        place.on(name, "systemctl stop keepalived")


def start_keepalived(place):
    for name in (place.holder, place.standby):
        place.on(name, "systemctl start keepalived")


def stranger_takes(place):
    place.on("modality", f"ip address add {place.vip}/32 dev eth0")


def stranger_leaves(place):
    place.on("modality", f"ip address delete {place.vip}/32 dev eth0")


def write_nothing(place):
    place.on(place.standby, "systemctl stop loadbalancer.timer && rm /var/lib/prometheus/node-exporter/pacs_*.prom")


def write(place):
    place.on(place.standby, "systemctl start loadbalancer.timer")


def stop_looking(place):
    place.on(place.holder, "systemctl stop loadbalancer.timer")


def look(place):
    place.on(place.holder, "systemctl start loadbalancer.timer")


def stop_half_way(place):
    """A run of site.yml is killed after its first change, on the standby."""
    log = REPOSITORY / ".build/eyes/killed"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    run, killed = killed_after(1, log, haproxy_hard_stop_after="11h")
    assert killed, run.said


def deploy(_place):
    again = play("site")
    assert again.code == 0, again.said


def edit(place):
    """Somebody binds HAProxy on the standby to a port that is taken, and reloads it."""
    place.on(place.standby, "systemd-run --unit lab-squatter python3 -m http.server 2575")
    place.on(place.standby, r"printf 'listen mine\n  bind :2575\n' >> /etc/haproxy/haproxy.cfg")
    place.on(place.standby, "systemctl reload haproxy")


def edit_undone(place):
    place.on(place.standby, "systemctl stop lab-squatter")
    deploy(place)


def fill_table(place):
    """More than four fifths of the standby's connection table, by entries that are no connections: of UDP, which is not
    mirrored.
    """
    entry = (
        "-A -t 600 -s 198.51.100.%d -d 198.51.100.1 -r 198.51.100.1 -q 198.51.100.%d"
        " -p udp --sport %d --dport 9 --reply-port-src 9 --reply-port-dst %d"
    )
    place.on(
        place.standby,
        "number=$(($(cat /proc/sys/net/netfilter/nf_conntrack_max) * 85 / 100));"
        " seq $number | awk '{port = 1024 + $1 % 60000; host = 240 + int($1 / 60000);"
        f' printf "{entry}\\n", host, host, port, port}}\' > /run/lab-entries;'
        " conntrack --load-file /run/lab-entries",
    )


def empty_table(place):
    place.on(place.standby, "conntrack -D -p udp --dport 9 >/dev/null")


def think(seconds):
    """Let the worklist of both nodes take so long for an answer."""
    return everywhere(
        f"sed -i 's/ --max-associations/ --sleep-before {seconds}&/' /etc/systemd/system/wlmscpfs.service"
        " && systemctl daemon-reload && systemctl restart wlmscpfs"
    )


answer_at_once = everywhere(
    "sed -i 's/ --sleep-before [0-9]*//g' /etc/systemd/system/wlmscpfs.service"
    " && systemctl daemon-reload && systemctl restart wlmscpfs"
)


def take_out(place):
    """A node that was taken out two days ago."""
    out = play("node_maintenance", infinitt_node="pacs2", infinitt_state="maintenance")
    assert out.code == 0, out.said
    earlier = (
        'import json, sys; path = sys.argv[1]; known = json.load(open(path)); [its.update(since=its["since"] - 172800)'
        ' for nodes in known.values() for its in nodes.values()]; json.dump(known, open(path, "w"))'
    )
    for name in (place.holder, place.standby):
        place.on(name, f"python3 -c '{earlier}' /var/lib/pacs.loadbalancer/nodes.fact")
        place.on(name, "systemctl start loadbalancer.service")  # before anybody stops its timer


def bring_back(_place):
    back = play("node_maintenance", infinitt_node="pacs2", infinitt_state="active")
    assert back.code == 0, back.said


def cut_mirror(place):
    """Nothing of the mirror passes, while an association begins and lasts, and two thousand others come and go."""
    chains = "".join(
        f"chain {hook} {{ type filter hook {hook} priority -300; udp dport 3780 drop; }}; "
        for hook in ("input", "output")
    )
    place.on(place.standby, f"nft 'table inet lab {{{chains} }}'")
    place.kept["association"] = ExitStack()
    place.kept["association"].enter_context(traffic(place.lab, place.vip, **ASSOCIATION))
    # A rate, not a wait: half of `client_rate`, beyond which HAProxy and the kernel refuse a client.
    come_and_go = f'socket.create_connection(("{place.vip}", 104), 5).close(); time.sleep(0.002)'
    place.on("modality", f"python3 -c 'import socket, time\nfor _ in range(2000): {come_and_go}'")


def mend_mirror(place):
    place.on(place.standby, "nft delete table inet lab")
    place.kept["association"].close()
