# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which systems the load balancers may run, and what is refused on one of them."""

from __future__ import annotations

import pytest
from factories import build, facts, hosts


def problems(distribution, release, family="Debian", **written):
    known = {
        **facts("198.51.100.12"),
        "distribution": distribution,
        "distribution_version": release,
        "os_family": family,
    }
    return build(site_hosts=hosts(lb2={"facts": known}), **written).problems


@pytest.mark.parametrize(
    "distribution, release, family",
    [
        ("Debian", "12.11", "Debian"),
        ("Debian", "13", "Debian"),
        ("Debian", "n/a", "Debian"),  # unstable has no number
        ("Ubuntu", "22.04", "Debian"),
        ("Ubuntu", "24.04", "Debian"),
        ("Rocky", "9.6", "RedHat"),
        ("RedHat", "10.0", "RedHat"),
    ],
)
def test_a_supported_system_is_no_problem(distribution, release, family):
    assert problems(distribution, release, family) == []


@pytest.mark.parametrize(
    "distribution, release, family",
    [
        ("Debian", "11.11", "Debian"),
        ("Ubuntu", "20.04", "Debian"),
        ("AlmaLinux", "8.10", "RedHat"),
        ("Fedora", "42", "RedHat"),
        ("SLES", "15.6", "Suse"),
        ("FreeBSD", "14.2", "FreeBSD"),
    ],
)
def test_any_other_system_is_refused_in_one_sentence(distribution, release, family):
    assert problems(distribution, release, family) == [
        f"lb2 runs {distribution} {release}, for which this collection is not written; give it Debian 12, Ubuntu 22.04,"
        " Enterprise Linux 9 or a later release of one of these."
    ]


def test_what_enterprise_linux_has_no_package_of_is_refused():
    wanted = {
        "infinitt_metrics": {"allowed_sources": ["198.51.100.30"], "node_exporter": True},
        "infinitt_unattended_upgrades": "stagger",
    }
    assert problems("Debian", "12.11", **wanted) == []
    assert problems("Rocky", "9.6", "RedHat", **wanted) == [
        "infinitt_metrics.node_exporter is set, and Rocky on lb2 has no package of it; leave it out, and let"
        " node_exporter be installed by other means.",
        "infinitt_unattended_upgrades is stagger, and Rocky on lb2 has no unattended-upgrades; leave it out, and give"
        " dnf-automatic.timer another day on each host.",
    ]
