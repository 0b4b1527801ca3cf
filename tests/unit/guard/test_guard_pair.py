# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two load balancers in network namespaces, with the real Keepalived and the guard: whatever people do to one of them,
no address is ever on both.
"""

from __future__ import annotations

import datetime
import json
import pathlib
import re
import subprocess
import sys
import time

import namespaces
import pytest
from keepalived_guard.handover import TAKEOVER
from namespaces import FakeHAProxy, Host, Switch, until

LIB = pathlib.Path(__file__).parents[3] / "roles/keepalived/files/lib"
FORGE = pathlib.Path(__file__).parents[3] / "molecule/shared/files/forge.py"
GOLDEN = pathlib.Path(__file__).parents[1] / "golden/layer4/lb1/keepalived.conf"
# By the family of the load balancers' addresses: their network, and what the golden file has for the VIP's prefix.
NETWORKS = {4: ("198.51.100.", "/24 dev eth0"), 6: ("2001:db8::", "/64 dev eth0 preferred_lft 0")}
VIP = "198.51.100.10"
NODES = "198.51.100.20"  # and the number of each
NUMBERS = (11, 12)
LONG = 40  # seconds that anything may take on a busy machine
LASTS = 1  # second, in place of five: for how long no node must answer a holder
START = f"""
import sys
sys.path.insert(0, '{LIB}')
from keepalived_guard import daemon, successor
successor.LASTS = {LASTS}
daemon.serve()
"""
INTERVAL = 0.5  # seconds between advertisements: other tests keep the machine busy
MISSING = namespaces.missing(("keepalived", "ip", "nsenter", "unshare"))
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)
both_families = pytest.mark.parametrize("pair", NETWORKS, indirect=True)


class Balancer(Host):
    """A load balancer with what roles/keepalived writes, and a journal of its addresses."""

    def __init__(self, switch: Host, number: int, directory: pathlib.Path, family: int = 4) -> None:
        self.network, self.prefix = NETWORKS[family]
        super().__init__(switch, f"{self.network}{number}")
        self.switch, self.vip = switch, f"{self.network}10"
        self.number, self.log = number, directory / f"{number}.log"
        self.journal = directory / f"{number}.addresses"
        self("mount", "-t", "tmpfs", "none", "/tmp")
        self("mkdir", "-p", "/etc/keepalived", "/run/keepalived-guard")
        tell = ["/bin/sh", "-c", 'echo "$1 $3 $4" >> /run/events; echo "$5" >> /run/reasons', "tell"]
        self.settings = {
            "hold_file": "/run/keepalived.guard",
            "pipe": "/run/keepalived.fifo",
            "on_event": tell,
            "haproxy_socket": "/run/haproxy.sock",
            "peers_port": 1025,
            "peers_only": {"tcp": [1024], "udp": [1024, 1025]},
        }
        self.write("/etc/keepalived/guard.json", json.dumps(self.settings))
        nodes = [{"name": f"pacs{number}", "address": f"{NODES}{number}"} for number in (1, 2)]
        self.haproxy = FakeHAProxy(
            f"/proc/{self.holder.pid}/root/run/haproxy.sock", [{"name": "dicom", "nodes": nodes}]
        )
        self.configure()
        self.start("ip", "-ts", "-o", "monitor", "address", stdout=self.journal.open("w"))

    def configure(
        self, router_id: int = 10, vips: tuple[str, ...] = (VIP,), own: str = "", peer: str = "", interval=INTERVAL
    ) -> None:
        """Write keepalived.conf, and load nothing."""
        text = re.sub(r"^vrrp_script (?s:.*?)^}$", "", GOLDEN.read_text(), flags=re.MULTILINE)
        text = re.sub(r"^    track_script (?s:.*?)^    }$", "", text, flags=re.MULTILINE)
        text = re.sub(r"^    notify_master .*$", "", text, flags=re.MULTILINE)
        (other,) = set(NUMBERS) - {self.number}
        text = text.replace("unicast_src_ip 198.51.100.11", f"unicast_src_ip {own or self.address}")
        text = text.replace("198.51.100.12 min_ttl", f"{peer or f'198.51.100.{other}'} min_ttl")
        text = text.replace("priority 254", f"priority {265 - self.number}")
        text = text.replace("advert_int 0.25", f"advert_int {interval}")
        text = text.replace("virtual_router_id 10", f"virtual_router_id {router_id}")
        lines = [f"        {vip}/24 dev eth0\n" for vip in vips]
        excluded = f"    virtual_ipaddress_excluded {{\n{''.join(lines[1:])}    }}\n" if lines[1:] else ""
        text = text.replace(f"        {VIP}/24 dev eth0\n    }}\n", f"{lines[0]}    }}\n{excluded}")
        text = text.replace(NETWORKS[4][1], self.prefix).replace(NETWORKS[4][0], self.network)
        self.write("/etc/keepalived/keepalived.conf", text)

    def guard(self) -> subprocess.Popen:
        self.process = self.start(
            sys.executable, "-BIS", "-c", START, stdout=self.log.open("a"), stderr=subprocess.STDOUT
        )
        assert until(lambda: "state.json" in self("ls", "/run/keepalived-guard")), self.log.read_text()
        return self.process

    def sees(self, *states: str) -> None:
        """Let HAProxy report its nodes so."""
        self.haproxy.states.update(zip(("pacs1", "pacs2"), states))

    def power_off(self) -> None:
        self.haproxy.listener.close()
        super().power_off()

    def keepalived(self) -> None:
        self.start("keepalived", "--dont-fork", stdout=subprocess.DEVNULL)

    def reload(self) -> None:
        self("sh", "-c", "kill -HUP $(cat /run/keepalived.pid)")

    def has(self, vip: str = "") -> bool:
        return f" {vip or self.vip}/" in self("ip", "-o", "address")

    def holds(self) -> bool:
        return self("cat", "/run/keepalived.guard") == "1\n"

    def told(self) -> list[str]:
        return self("cat", "/run/events", check=False).splitlines()

    def ignored(self) -> dict[str, dict]:
        """By sender, what the guard has counted."""
        return self.known()["ignored"]

    def known(self) -> dict:
        """What the guard says of itself."""
        return json.loads(self("cat", "/run/keepalived-guard/state.json"))

    def moves(self) -> dict[str, int]:
        """How often the VIP came and went, and why."""
        moves = self.known()["moves"].items()
        return {f"{move} {reason}": number for move, reasons in moves for reason, number in reasons.items() if number}

    def times(self, vip: str) -> list[tuple[float, float]]:
        """From when to when this host had the address."""
        found, since = [], None
        for line in self.journal.read_text().splitlines():
            if f" {vip}/" not in line:
                continue
            moment = datetime.datetime.fromisoformat(re.match(r"\[([^]]+)\]", line)[1]).timestamp()
            if "Deleted" in line and since is not None:
                found.append((since, moment))
                since = None
            elif "Deleted" not in line:
                since = since or moment
        return [*found, (since, time.time())] if since else found


@pytest.fixture(params=[4])
def pair(request, tmp_path):
    """lb1 has the VIP, and lb2 stands by. Its parameter: 4 or 6, the family of their addresses."""
    hosts: list[Host] = [Switch()]
    try:
        for number in NUMBERS:
            hosts.append(Balancer(hosts[0], number, tmp_path, request.param))
            hosts[-1].guard()
        for balancer in hosts[1:]:
            balancer.keepalived()
            assert until(hosts[1].has)
        assert until(lambda: [host.told()[-1:] for host in hosts[1:]] == [["state BACKUP MASTER"], ["state  BACKUP"]])
        yield hosts[1:]
    finally:
        for host in reversed(hosts):
            if host.holder.poll() is None:
                host.power_off()


def overlap(pair, vip=VIP):
    """For how long both had the address, in seconds."""
    one, other = (balancer.times(vip) for balancer in pair)
    return sum(max(0, min(a[1], b[1]) - max(a[0], b[0])) for a in one for b in other)


def settle(pair):
    """Wait until one has the VIP and the other is free to take it."""
    assert until(lambda: pair[0].has() + pair[1].has() == 1 and not any(lb.holds() for lb in pair)), [
        lb.log.read_text() for lb in pair
    ]
    time.sleep(4 * INTERVAL)  # as long as a takeover: nothing happens


def absent(pair, vip=VIP):
    """The longest time for which nobody had the address, between two that had it."""
    times = sorted(pair[0].times(vip) + pair[1].times(vip))
    return max((after[0] - before[1] for before, after in zip(times, times[1:])), default=0)


def test_what_both_must_have_in_common_is_changed_by_hand(pair):
    """Both files first, and one reload after the other: what runs must count as well. And the guards die meanwhile."""
    vips = ("198.51.100.9", VIP)
    for balancer in pair:
        balancer.configure(router_id=20, vips=vips)
    pair[1].reload()
    time.sleep(2 * INTERVAL)
    for balancer in pair:
        balancer.stop(balancer.process)
        balancer.guard()
    time.sleep(4 * INTERVAL)  # longer than a takeover
    pair[0].reload()
    settle(pair)
    assert [overlap(pair, vip) for vip in vips] == [0, 0]
    assert pair[0].has() and pair[0].has("198.51.100.9"), "they moved"
    assert absent(pair) < 4 * INTERVAL
    assert "state BACKUP FAULT" in pair[1].told()


def test_another_first_vip_takes_the_former_one_from_nobody(pair):
    """The former one is kept meanwhile, as one of the others."""
    vips = ("198.51.100.9", VIP)
    for balancer in reversed(pair):
        balancer.configure(vips=vips)
        balancer.reload()
        # Longer than a takeover would take: none is to come, so there is nothing to poll for.
        time.sleep(4 * INTERVAL)
    settle(pair)
    assert [overlap(pair, vip) for vip in vips] == [0, 0]
    assert pair[0].has() and pair[0].has("198.51.100.9"), "they moved"
    assert absent(pair) == 0
    assert "state BACKUP FAULT" in pair[1].told(), "the guard has seen nothing"


def test_the_interval_is_changed_to_a_longer_one_and_back(pair):
    """A standby that expects advertisements more often than they come takes the VIP until the next one."""
    for interval in (4 * INTERVAL, INTERVAL):
        for balancer in reversed(pair):
            balancer.configure(interval=interval)
            balancer.reload()
            time.sleep(4 * INTERVAL)  # longer than a takeover
        settle(pair)
    assert overlap(pair) == 0 and pair[0].has() and pair[1].times(VIP) == [], [lb.log.read_text() for lb in pair]


def test_the_address_of_the_holder_is_changed(pair):
    """The standby hears the new one alone, which nobody uses yet."""
    pair[0]("ip", "address", "add", "198.51.100.13/24", "dev", "eth0")
    pair[1].configure(peer="198.51.100.13")
    pair[1].reload()
    time.sleep(8 * INTERVAL)  # twice as long as a takeover
    pair[0].configure(own="198.51.100.13")
    pair[0].reload()
    settle(pair)
    assert overlap(pair) == 0 and pair[0].has() and absent(pair) < 4 * INTERVAL, [lb.log.read_text() for lb in pair]
    assert "and is no peer of this host any more" in pair[1].log.read_text()


def test_the_standby_takes_over_when_the_one_that_it_waits_for_is_gone(pair):
    pair[1].configure(router_id=20)
    pair[1].reload()
    assert until(pair[1].holds)
    pair[0]("ip", "link", "set", "eth0", "down")
    assert until(pair[1].has, 15 * INTERVAL)
    pair[0]("ip", "address", "flush", "dev", "eth0")
    assert "announces the virtual router ID 10 with" in pair[1].log.read_text()


@both_families
def test_a_split_brain_is_told_within_five_seconds_at_both_ends(pair):
    vip, there = pair[0].vip, (f"{pair[0].vip}/{pair[0].prefix[1:3]}", "dev", "eth0")
    # As Keepalived does it: else the kernel finds the duplicate of an address of IPv6, and does not use it.
    pair[1]("ip", "address", "add", *there, *(("nodad",) if ":" in vip else ()))
    assert until(lambda: all("split_brain no yes" in lb.told() for lb in pair), 5), [lb.log.read_text() for lb in pair]
    assert until(lambda: [lb.known()["answering"] for lb in pair] == [{vip: 2}, {vip: 2}])
    pair[1]("ip", "address", "del", *there)
    assert until(lambda: all("split_brain yes no" in lb.told() for lb in pair), 5)
    assert until(lambda: [lb.known()["answering"] for lb in pair] == [{vip: 1}, {}])
    another = {**pair[1].settings, "on_event": ["/bin/sh", "-c", 'echo "$4" >> /run/others', "tell"]}
    pair[1].write("/etc/keepalived/guard.json", json.dumps(another))
    pair[1]("ip", "link", "set", "eth0", "down")
    assert until(lambda: "FAULT" in pair[1]("cat", "/run/others", check=False), LONG), "it is used without a restart"
    assert pair[0].has() and pair[0].log.read_text().count("Split brain: ") == 1


def test_a_holder_that_no_node_answers_hands_over_to_one_that_a_node_answers(pair):
    pair[0].sees("DOWN", "DOWN")
    assert until(pair[1].has, LONG), pair[0].log.read_text()
    settle(pair)
    assert pair[1].has() and overlap(pair) == 0 and absent(pair) < TAKEOVER
    assert pair[0].told()[-2:] == ["state MASTER FAULT", "state FAULT BACKUP"]
    assert "no node answers this host, and a node answers 198.51.100.12\n" in pair[0]("cat", "/run/reasons")
    known = pair[0].known()
    assert known["handed_over"]["reason"] and known["held"] == ""
    assert pair[0].moves() == {"taken peer_silent": 1, "given_up no_node": 1}
    assert until(lambda: pair[1].moves() == {"taken peer_gave_up": 1})
    # The way there and back within 5 min, by a host that has not handed over itself.
    pair[0].sees("UP", "UP")
    pair[1].sees("DOWN", "DOWN")
    assert until(lambda: "so the VIP stays for 2" in pair[1].log.read_text(), LONG)
    assert pair[1].has() and not pair[0].has()


def test_a_holder_that_no_node_answers_keeps_the_vip_where_nobody_is_better(pair):
    def nothing_moves(why):
        time.sleep(LASTS + 2)
        assert pair[0].has() and not pair[1].has() and "handed over" not in pair[0].log.read_text(), why

    for balancer in pair:
        balancer.sees("DOWN", "DOWN")
    nothing_moves("no node answers the other one")
    pair[1]("sh", "-c", "echo 1 > /run/keepalived.handover")
    assert until(lambda: "state BACKUP FAULT" in pair[1].told())
    pair[1].sees("UP", "DOWN")
    nothing_moves("the other one is in FAULT")
    pair[1]("nft", "add table inet t; add chain inet t i { type filter hook input priority 0; }")
    pair[1]("nft", "add rule inet t i udp dport 1025 drop")
    pair[1]("sh", "-c", "echo 0 > /run/keepalived.handover")
    assert until(lambda: "state FAULT BACKUP" in pair[1].told())
    nothing_moves("the other one is not heard")
    pair[1]("nft", "delete table inet t")
    assert until(pair[1].has, LONG), pair[0].log.read_text()


def test_a_holder_whose_link_to_the_nodes_goes_down_does_not_wait_for_its_checks(pair):
    holder = pair[0]
    holder("ip", "link", "add", "nodes0", "type", "veth", "peer", "name", "far0")
    for device in ("nodes0", "far0"):
        holder("ip", "link", "set", device, "up")
    holder("ip", "route", "add", f"{NODES}0/29", "dev", "nodes0")
    time.sleep(1.5)  # it looks every second
    holder("ip", "link", "set", "far0", "down")
    assert until(pair[1].has, LONG), holder.log.read_text()
    assert "handed over: nodes0 is down, and a node answers 198.51.100.12.\n" in holder.log.read_text()
    settle(pair)
    assert pair[1].has()


GROUPS = {4: "224.0.0.18", 6: "ff02::12"}


@pytest.fixture
def foreign(pair):
    """A machine on the segment that announces the VIP with the highest priority; it is told how."""
    machine = Host(pair[0].switch, f"{pair[0].network}50")
    assert all(until(lambda: "keepalived_guard" in balancer("nft", "list", "tables"), LONG) for balancer in pair)

    def announce(*, source: str = machine.address, to: str, ttl: int = 255, router_id: int = 10) -> None:
        words = (source, to, str(ttl), str(router_id), pair[0].vip, str(INTERVAL), "25")
        machine(sys.executable, str(FORGE), *words)

    announce.machine = machine
    yield announce
    machine.power_off()


@both_families
def test_what_others_announce_moves_nothing_and_is_counted(pair, foreign):
    stranger, group = foreign.machine.address, GROUPS[6 if ":" in pair[0].vip else 4]
    for balancer, peer in zip(pair, reversed(pair)):
        foreign(to=balancer.address)
        foreign(source=peer.address, to=balancer.address, ttl=254)
    foreign(to=group)
    foreign(to=group, router_id=11)
    assert len(pair[0].times(pair[0].vip)) == 1 and pair[0].has() and pair[1].times(pair[0].vip) == []
    for balancer, peer in zip(pair, reversed(pair)):
        counts = until(lambda: balancer.ignored().get(stranger, {}).get("count") == 50 and balancer.ignored(), LONG)
        assert counts, (balancer.ignored(), balancer.log.read_text())
        assert set(counts) == {stranger, peer.address} and counts[peer.address]["count"] == 25
        assert (counts[stranger]["ttl"], counts[peer.address]["ttl"]) == (255, 254)


@both_families
def test_one_that_forges_a_peer_on_the_segment_moves_the_vip(pair, foreign):
    """As docs/operations.md says: nothing in VRRP tells it apart."""
    foreign(source=pair[1].address, to=pair[0].address)
    assert until(lambda: "state MASTER BACKUP" in pair[0].told(), LONG)


# Writes a line into /run/doors for each connection and each datagram that comes to the ports of its address.
DOORS = """
import select, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
udp, tcp = socket.socket(family, socket.SOCK_DGRAM), socket.create_server((sys.argv[1], 1024), family=family)
udp.bind((sys.argv[1], 1024))
print("open", flush=True)
while True:
    for one in select.select([udp, tcp], [], [])[0]:
        sender = one.accept()[1] if one is tcp else one.recvfrom(99)[1]
        with open("/run/doors", "a") as file:
            file.write(f"{'tcp' if one is tcp else 'udp'} {sender[0]}\\n")
"""
KNOCK = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
for _datagram in range(3):
    socket.socket(family, socket.SOCK_DGRAM).sendto(b"?", (sys.argv[1], 1024))
socket.create_connection((sys.argv[1], 1024), timeout=2)
"""
# The guard's own port: whoever may not ask gets no answer.
ASK = """
import socket, sys
with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM) as asker:
    asker.settimeout(2)
    asker.sendto(b"keepalived-guard nodes? 7", (sys.argv[1], 1025))
    print(asker.recv(4096).decode())
"""


@both_families
def test_nobody_but_the_peers_reaches_the_ports_on_which_the_load_balancers_talk(pair, foreign):
    here, peer = pair
    machine = foreign.machine
    doors = here.start(sys.executable, "-c", DOORS, here.address, stdout=subprocess.PIPE)
    assert doors.stdout.readline() == "open\n"

    def come(host):
        return {line for line in here("cat", "/run/doors", check=False).splitlines() if line.endswith(host.address)}

    peer(sys.executable, "-c", KNOCK, here.address)
    assert until(lambda: len(come(peer)) == 2, LONG) and "node_answers" in peer(sys.executable, "-c", ASK, here.address)
    with pytest.raises(AssertionError, match="timed out"):
        machine(sys.executable, "-c", KNOCK, here.address)
    with pytest.raises(AssertionError, match="timed out"):
        machine(sys.executable, "-c", ASK, here.address)
    counted = here("nft", "list", "set", "inet", "keepalived_guard", "callers6" if ":" in here.vip else "callers4")
    # A protocol is a number where there is no /etc/protocols.
    for door in (r"(udp|17) \. 1024 counter packets 3", r"(tcp|6) \. 1024", r"(udp|17) \. 1025"):
        assert re.search(rf"{machine.address} \. {door} ", counted), counted
    assert come(machine) == set()
    here("nft", "flush", "ruleset")
    assert until(lambda: "keepalived_guard" in here("nft", "list", "tables"), LONG)
    with pytest.raises(AssertionError, match="timed out"):
        machine(sys.executable, "-c", KNOCK, here.address)
    assert come(machine) == set() and here.has()
    here.write("/etc/keepalived/guard.json", json.dumps({**here.settings, "peers_only": None}))
    assert until(lambda: "keepalived_guard" not in here("nft", "list", "tables"), LONG), "infinitt_peers_only: false"
    machine(sys.executable, "-c", KNOCK, here.address)
    assert until(lambda: len(come(machine)) == 2, LONG)
