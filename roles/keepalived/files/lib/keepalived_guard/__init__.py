# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program of keepalived-guard.service.

It listens to the VRRP advertisements of this host's peers. While one of them announces another router id or another
first VIP than this host has in keepalived.conf, or runs, this host does not take the VIP: Keepalived would ignore such
an advertisement, and each of the two hosts would believe itself alone. That never touches a host that has the VIP.

As the holder it sees by HAProxy's checks whether any node answers this host, and hands the VIP over where none does and
one answers the host that would take it.

What others than the peers announce it keeps from Keepalived, and counts.

`advert`, `conf`, `judge`, `moves` and `successor` are pure; `settings` is what the role wrote, `link` and `handover`
have the sockets, `firewall` the rules, `events` the user's command, `daemon` the loop.
"""
