# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations: what people do to the load balancers, and what happens to them. To add one is to add a row.

A fault and what undoes it are two operations, so that others come in between: `power_off` and `power_off_undone`. A
place is the holder of the VIP, or the other load balancer, as things stand when the step begins, or a node by its name.
"""

from __future__ import annotations

import dataclasses

from .actions import Both, Playbook, Shell, Tasks
from .operation import CUT, JOIN, LOSS, NODE, NODES, Excuses, Operation, fault, node_fault, on_host


def rest(port: str) -> dict[str, object]:
    """A change of the inventory: a service of the site's own, on this port."""
    return {"history_services": {"rest": {"port": port, "node_port": 8042}}}


def vip(number: int) -> str:
    """An address of the lab."""
    return "{{ lab_prefix }}{{ lab_offset | int + %d }}" % number


def wants(**change: object) -> Playbook:
    """A deployment after a change of the inventory."""
    return Playbook(change=change)


def removes(host: str, third: bool = False) -> Playbook:
    """A load balancer is taken out of service; at layer 7 somebody may hold on."""
    return Playbook(
        "remove_loadbalancer", extra={"infinitt_host": host, "infinitt_wait": "10s"}, third=third, may_refuse=(7,)
    )


CHANGE = Playbook(change=rest("{value}"))
MAINTENANCE = Playbook("node_maintenance", extra={"infinitt_node": "{host}", "infinitt_wait": "5s"})
THIRD_REMOVED = removes("lb3", third=True)
# A file system of its own for each directory that is written to, without room.
FULL = """for directory in /etc/haproxy /etc/keepalived /etc/layer4 /var/lib/pacs.loadbalancer; do
    [ -d $directory ] || continue
    full=/run/lab-full$directory
    mkdir -p $full && mount -t tmpfs -o size=1m lab $full && cp -a $directory/. $full && mount --bind $full $directory
    head -c 2M /dev/zero > $full/.full
done"""
ROOM = "for mounted in $(mount -t tmpfs | awk '$1 == \"lab\" {print $3}' | tac); do umount $mounted; done"
NETWORKING = (
    "gateway=$(ip route show default | cut -d' ' -f3); ip link set eth0 down; ip link set eth0 up;"
    ' [ -z "$gateway" ] || ip route replace default via $gateway'
)
DEAF = "nft 'table inet lab { chain in { type filter hook prerouting priority -450; ip saddr { {others} } drop; }; }'"

OPERATIONS: dict[str, Operation] = {
    # What people do.
    "deploy": Operation((CHANGE,), values=("8043", "8044", "8045"), weight=4),
    "router_id": Operation((wants(infinitt_router_id="{value}"),), values=("71", "72", "73"), weight=4),
    "failover": Operation((wants(infinitt_failover="{value}"),), values=("standard", "fast", "conservative")),
    "layer_7": Operation(
        (wants(infinitt_layer="7"),), lambda belief: belief.layer == 4 and belief.whole, {"layer": 7}, weight=1
    ),
    "layer_4": Operation((wants(infinitt_layer="4"),), lambda belief: belief.layer == 7 and belief.whole, {"layer": 4}),
    "again": Operation((Playbook(unchanging=True),), lambda belief: belief.whole, weight=3),
    "dry_run": Operation((Playbook(change=rest("8046"), options=("--check",), unchanging=True),), weight=1),
    # Then the pair is as the one that did its work has it.
    "two_at_once": Operation(
        (Both(wants(**rest("8047")), wants(**rest("8048"))), Playbook(unchanging=True)), lambda belief: belief.whole
    ),
    "killed": Operation(
        (Playbook(change=rest("805{value}"), kill_after=True),),
        lambda belief: belief.whole,
        {"half": True},
        values=tuple("123456"),
        weight=3,
    ),
    "killed_router_id": Operation(
        (Playbook(change={"infinitt_router_id": "8{value}"}, kill_after=True),),
        lambda belief: belief.whole,
        {"half": True},
        values=tuple("1234"),
        weight=3,
    ),
    "completed": Operation(
        (Playbook(),),
        lambda belief: belief.half and not (belief.faulty or belief.node_fault),
        {"half": False},
        weight=8,
    ),
    "node_removed": Operation(
        (wants(history_without="{host}"),),
        lambda belief: belief.whole and not belief.out,
        {"sole": True},
        NODES,
        weight=1,
        excuses=JOIN,
    ),
    "node_added": Operation(
        (wants(history_without=""),),
        lambda belief: belief.sole and belief.whole,
        {"sole": False},
        weight=6,
        excuses=JOIN,
        undoes=("node_removed",),
    ),
    "drain": Operation(
        # It fails where associations have not ended within its time, and goes on draining.
        (dataclasses.replace(MAINTENANCE.with_extra(infinitt_state="drain"), may_stop=True),),
        lambda belief: belief.whole and not belief.sole and not belief.out,
        {"out": True},
        NODES,
        excuses=JOIN,
    ),
    "maintenance": Operation(
        (MAINTENANCE.with_extra(infinitt_state="maintenance", infinitt_cut="true"),),
        lambda belief: belief.whole and not belief.sole and not belief.out,
        {"out": True},
        NODES,
        excuses=CUT,
    ),
    "active": Operation(
        (Playbook("node_maintenance", extra={"infinitt_node": "{host}", "infinitt_state": "active"}),),
        lambda belief: belief.out and belief.whole,
        {"out": False},
        weight=5,
        excuses=JOIN,
        undoes=("drain", "maintenance"),
    ),
    "switchover": Operation((Playbook("switchover", extra={"infinitt_wait": "10s"}, may_refuse=(7,)),), weight=4),
    "rolled_back": Operation((wants(**rest("8049")), Playbook("rollback", back=True)), lambda belief: belief.whole),
    "upgrade": Operation((Playbook("upgrade"),), lambda belief: belief.whole, weight=1),
    "replaced": Operation((removes("{host}"), Playbook()), lambda belief: belief.whole, places=("holder", "other")),
    # A third one comes, one of the two goes; then all is as it was.
    "third": Operation(
        (Playbook(third=True), removes("{host}", third=True), Playbook(third=True), THIRD_REMOVED),
        lambda belief: belief.whole and not belief.three,
        places=("holder", "other"),
        weight=1,
    ),
    "vip_moved": Operation(
        (wants(infinitt_vip=vip(14), infinitt_former_vips=vip(10)),),
        lambda belief: belief.whole and not belief.moved,
        {"moved": True},
    ),
    "vip_back": Operation(
        (wants(infinitt_vip=vip(10), infinitt_former_vips=""),),
        lambda belief: belief.whole and belief.moved,
        {"moved": False},
        weight=5,
    ),
    # What happens to a load balancer, for a while.
    **fault("power_off", Tasks("power_off"), undo=(Tasks("power_on"),), excuses=LOSS, weight=3),
    # Whoever holds the VIP then, where there is a third load balancer.
    **fault(
        "next_power_off",
        Tasks("power_off"),
        undo=(Tasks("power_on"),),
        kind="second",
        possible=lambda belief: belief.three and belief.fault == "power_off" and not belief.second,
        places=("holder",),
        excuses=LOSS,
        weight=8,
    ),
    **fault("cable", Tasks("cable_pull"), undo=(Tasks("cable_plug"),), cuts=True, excuses=LOSS),
    **fault("switch_dead", Tasks("switch_dead"), undo=(Tasks("switch_mended"),), cuts=True, excuses=LOSS),
    **fault(
        "frozen",
        Tasks("switch_dead"),
        Tasks("freeze"),
        undo=(Tasks("thaw"), Tasks("switch_mended")),
        cuts=True,
        excuses=LOSS,
        undo_excuses=LOSS,  # it takes the VIP back before it notices how long it was away
    ),
    **fault(
        "deaf",
        Shell(DEAF),
        undo=(Shell("nft delete table inet lab"),),
        excuses=Excuses("proxied", 3, owners=True),
        undo_excuses=LOSS,  # one of two holders gives way
        visible=False,
    ),
    **fault("haproxy_down", Tasks("haproxy_kill"), undo=(Tasks("haproxy_start"),), excuses=LOSS, mended=True),
    **fault(
        "haproxy_hung",
        Shell("systemctl kill --signal=STOP haproxy"),
        undo=(Shell("systemctl kill --signal=CONT haproxy"),),
        excuses=LOSS,
    ),
    **fault("keepalived_down", Tasks("keepalived_stop"), undo=(Tasks("keepalived_start"),), excuses=LOSS, mended=True),
    **fault("full", Shell(FULL), undo=(Shell(ROOM),), weight=1, visible=False),
    # What happens to it in an instant.
    "nft_flush": on_host("nft flush ruleset", weight=3),
    "networking": on_host(NETWORKING, excuses=LOSS),
    "both_off": Operation(
        (Tasks("power_off", everywhere=True), Tasks("power_on", everywhere=True)),
        lambda belief: belief.whole,
        weight=1,
        excuses=Excuses("all", nodes=True),
    ),
    "keepalived_killed": on_host("systemctl kill --signal=KILL keepalived", excuses=LOSS),
    "haproxy_killed": on_host("systemctl kill --signal=KILL haproxy", excuses=LOSS),
    "layer4_killed": on_host("systemctl kill --signal=KILL layer4"),
    "conntrackd_killed": on_host("systemctl kill --signal=KILL conntrackd"),
    # What happens to a node.
    **node_fault("node_off", Tasks("power_off"), undo=(Tasks("power_on"),), excuses=NODE, undo_excuses=JOIN),
    **node_fault(
        "node_frozen",
        Tasks("freeze"),
        undo=(Tasks("thaw"),),
        excuses=Excuses("node", 15, silent=True, nodes=True),
        undo_excuses=Excuses(newcomers=15, nodes=True),
    ),
}
