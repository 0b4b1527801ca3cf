# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the VIPs and the network between the load balancers: who holds an address, and who answers for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import (
    Endpoint,
    Host,
    Observed,
    Site,
)
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.reading import holders, why
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed, span

TOLD = 86400  # seconds for which a handover is worth knowing


def one_holder(vip: str, observed: Observed, all_reached: bool) -> Iterator[Problem]:
    """Exactly one of the load balancers that were reached holds the VIP."""
    found = holders(observed, vip)
    if not found:
        yield Problem(
            "vip_no_holder",
            vip,
            f"{'No load balancer' if all_reached else 'None of the load balancers that were reached'} holds the VIP"
            f" {vip}.",
            "See why on each of them: journalctl -u keepalived.",
        )
    elif len(found) > 1:
        yield Problem(
            "vip_two_holders",
            vip,
            f"{listed(found)} hold the VIP {vip} at the same time.",
            "Check that VRRP (IP protocol 112) passes between them and that no firewall drops it.",
        )


def removed(name: str, host: Host) -> Iterator[Problem]:
    """A MASTER without its VIP."""
    for instance in host["keepalived"]["instances"]:
        lost = [vip.partition("/")[0] for vip in instance["vips"] if vip.partition("/")[0] not in instance["held"]]
        if instance["state"] == "MASTER" and lost:
            yield Problem(
                "vip_removed",
                name,
                f"Keepalived on {name} is MASTER, but something removed {listed(lost)} from {instance['interface']}.",
                "Restart Keepalived there: systemctl restart keepalived.",
            )


def split_brain(name: str, host: Host) -> Iterator[Problem]:
    """What the guard of a holder has noticed, from what others announce and from who answers for its VIPs."""
    guard = host["keepalived"]["guard"]
    if guard["split_brain"]:
        yield Problem(
            "split_brain",
            name,
            f"{name} is not the only owner of its VIP: {guard['split_brain']}.",
            "Find the other owner, and take the address away from it.",
        )


def handed_over(name: str, host: Host, now: float) -> Iterator[Problem]:
    """A host that has lost its way to the nodes while it held the VIP. ``now``: seconds since the epoch."""
    last = host["keepalived"]["guard"]["handed_over"]
    if now - last["at"] < TOLD:
        yield Problem(
            "vip_handed_over",
            name,
            f"{name} handed the VIP over {span(now - last['at'])} ago: {last['reason']}.",
            f"Check cables, routes and firewalls between {name} and the nodes.",
        )


def stray(name: str, site: Site, host: Host) -> Iterator[Problem]:
    """A VIP that is on a host although its Keepalived did not put it there, and would not take it off."""
    daemon = host["keepalived"]
    put = {
        vip.partition("/")[0]
        for instance in daemon["instances"]
        if instance["state"] == "MASTER"
        for vip in instance["vips"]
    }
    for vip in site["hosts"][name]["vips"]:
        if vip["address"] in daemon["addresses"] and vip["address"] not in put:
            yield Problem(
                "vip_stray",
                name,
                f"{vip['address']} is on {vip['interface']} of {name}, and Keepalived did not put it there.",
                f"Find who did (the network's configuration?), and remove it there: ip address delete"
                f" {vip['address']}/{vip['prefix']} dev {vip['interface']}.",
            )


def answers(site: Site, observed: Observed) -> Iterator[Problem]:
    """A VIP of one holder for which not one machine answers; each is reported once.

    A host does not answer itself: who holds the VIP hears others alone.
    """
    reported: set[str] = set()
    for name, host in observed.items():
        for vip in site["hosts"][name]["vips"]:
            address, found = vip["address"], holders(observed, vip["address"])
            heard = host["owners"].get(vip["interface"], {})
            macs = heard.get(address, [])
            if address in reported or len(found) > 1:
                continue
            if len(macs) + (name in found) > 1:
                reported.add(address)
                peers = {
                    mac: peer["name"] for peer in site["hosts"][name]["peers"] for mac in heard.get(peer["address"], [])
                }
                owners = [peers.get(mac, mac) for mac in macs]
                yield Problem(
                    "vip_answered_twice",
                    address,
                    f"More than one machine answers for the VIP {address}, asked from {name}:"
                    f" {listed([name, *owners] if name in found else owners)}.",
                    "Find the other one, a stranger by its MAC address, and take the address away from it.",
                )
            elif found and name not in found and not macs:
                reported.add(address)
                yield Problem(
                    "vip_unheard",
                    address,
                    f"Nobody answers {name} for the VIP {address}, which is on {found[0]}.",
                    "Both must be on one network segment, and nothing may drop ARP or neighbour discovery there.",
                )


def silent_service(end: Endpoint, prober: str) -> Iterator[Problem]:
    """A service that does not answer on its VIP. ``prober``: the host that asked."""
    if not end["reachable"]:
        yield Problem(
            "vip_service_silent",
            end["service"],
            f"{end['service']} does not answer on the VIP {end['address']} port {end['port']} (asked from {prober}):"
            f" {why(end)}.",
            "See which nodes are up: playbooks/status.yml.",
        )


def peer_unreachable(name: str, site: Site, observed: Observed) -> Iterator[Problem]:
    """Another load balancer of this run whose address nobody answers for."""
    host = site["hosts"][name]
    for peer in host["peers"]:
        if peer["name"] in observed and not observed[name]["owners"].get(host["interface"], {}).get(peer["address"]):
            yield Problem(
                "peer_unreachable",
                name,
                f"{name} cannot reach {peer['name']}: nothing answers for its infinitt_address {peer['address']} on"
                f" {host['interface']}.",
                "Both must be on the same network segment.",
            )


def foreign_holder(site: Site, observed: Observed) -> Iterator[Problem]:
    """A machine that is none of the load balancers and answers for a VIP; each is reported once."""
    known = {mac.lower() for host in observed.values() for mac in host["macs"]}
    reported: set[tuple[str, str]] = set()
    for name, host in observed.items():
        for interface, answers in host["owners"].items():
            # A load balancer that was not asked (--limit) is known by the MAC that answers for its own address.
            ours = known | {mac.lower() for peer in site["peers"] for mac in answers.get(peer["address"], [])}
            for vip in _vips_on(site["hosts"][name], interface):
                for mac in sorted({mac.lower() for mac in answers.get(vip, [])} - ours):
                    if (vip, mac) not in reported:
                        reported.add((vip, mac))
                        yield Problem(
                            "vip_in_use",
                            vip,
                            f"The VIP {vip} is already in use: {mac} answers for it (asked from {name}) and belongs"
                            " to none"
                            " of the load balancers.",
                            "Take the address away from that machine, or choose another VIP.",
                        )


def _vips_on(host: Mapping, interface: str) -> list[str]:
    return [vip["address"] for vip in host["vips"] if vip["interface"] == interface]
