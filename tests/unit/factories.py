# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sites for the tests: what a user writes, what Ansible finds on the hosts, and the site that is built from both."""

from __future__ import annotations

import copy
from pathlib import Path

import yaml

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.build import build as build_site
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import no_file

ROLE = Path(__file__).parents[2] / "roles/infinitt"
PRODUCT = yaml.safe_load((ROLE / "vars/main/product.yml").read_text())
DEFAULTS = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
NODES = [{"name": "pacs1", "address": "198.51.100.21"}, {"name": "pacs2", "address": "198.51.100.22"}]


def facts(address, prefix="24", gateway="198.51.100.1", secondaries=(), **more):
    """Network facts as Ansible gathers them, of a host with eth0 and what stands in ``more``."""
    return {
        "interfaces": ["lo", "eth0", *more],
        "lo": {"device": "lo", "ipv4": {"address": "127.0.0.1", "prefix": "8"}},
        "eth0": {
            "device": "eth0",
            "ipv4": {"address": address, "prefix": prefix},
            "ipv4_secondaries": [{"address": ip, "prefix": length} for ip, length in secondaries],
            "ipv6": [{"address": "fe80::1", "prefix": "64", "scope": "link"}],
        },
        "default_ipv4": {"gateway": gateway},
        **more,
    }


def hosts(**changes):
    """A pair of load balancers, each with the ``changes`` under its name."""
    pair = {
        "lb1": {"variables": {}, "ansible_host": "198.51.100.11", "facts": facts("198.51.100.11")},
        "lb2": {"variables": {}, "ansible_host": "198.51.100.12", "facts": facts("198.51.100.12")},
    }
    for name, change in changes.items():
        pair.setdefault(name, {"variables": {}, "ansible_host": None, "facts": None}).update(change)
    return pair


def build(site_hosts=None, lost=(), reader=no_file, **written):
    """The site of a pair with one VIP and two nodes, or what ``written`` puts in their place."""
    variables = {**DEFAULTS, "infinitt_vip": "198.51.100.10/24", "infinitt_nodes": copy.deepcopy(NODES), **written}
    product = PRODUCT["__infinitt_services"], PRODUCT["__infinitt_defaults"]
    return build_site(variables, site_hosts or hosts(), *product, 1024, lost, reader)


def service(site, name):
    return next(service for service in site.services if service.name == name)


# Nothing of a form that is asked for.
HOSTILE = [
    "a\n    bind :23",
    "a\r",
    "a b",
    "a#b",
    'a"b',
    "a'b",
    "a\\",
    "a}",
    "a{{1}}",
    "a{%raw%}",
    "a\u2028b",
    "a\x00",
    "$a",
    "a!b",
    "-a",
]

# AE titles as a client may send them, which no log may take for anything else.
HOSTILE_TITLES = [
    b'X" called="RIS"\n',
    b"A\n127.0.0.1:1 [",
    b'X","ended":"closed"',
    b'A"}\n{"time":"1',
    b"\x1b[2J\r\x07",
    b"\\\"'`$(x)%[x]",
    b"\xff\xfe\x80\x9b31m",
    b"\xe2\x80\xa8\xc2\x85",
    b"a\x00b\nc",
    b"a\x00b\nc\\u0000",
    b"\\",
    b"&\\1\\n/e",
]
