# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""upgrade.yml on a deployed pair: each host is offered a newer HAProxy, made of the one that it has."""

from __future__ import annotations

import pytest
from interruptions import killed, task
from pair import PAIR, module, other, play, the_holder, traffic

# Made of the package from which it was installed. Arguments: what is added to the version, and the program in place of
# HAProxy, if any.
OFFER = r"""
set -eu
mkdir -p /srv/repository
cd /srv/repository
rm -rf package ./*.deb
dpkg-deb --raw-extract /var/cache/apt/archives/haproxy_*.deb package
sed -i 's/^Version: .*/&+{suffix}/' package/DEBIAN/control
[ -z '{program}' ] || printf '#!/bin/sh\n{program}\n' > package/usr/sbin/haproxy
dpkg-deb --build package haproxy.deb >/dev/null
{{
    dpkg-deb --field haproxy.deb
    echo "Filename: ./haproxy.deb"
    echo "Size: $(stat --format %s haproxy.deb)"
    echo "SHA256: $(sha256sum haproxy.deb | cut -d ' ' -f 1)"
}} > Packages
echo 'deb [trusted=yes] file:/srv/repository ./' > /etc/apt/sources.list.d/lab.list
"""
FORMER = """
rm -r /srv/repository /etc/apt/sources.list.d/lab.list
apt-get -qq update
dpkg --force-confold --install /var/cache/apt/archives/haproxy_*.deb
systemctl restart haproxy
"""


def version(host):
    return host.check_output("dpkg-query --show --showformat '${Version}' haproxy")


@pytest.fixture
def offer(lab):
    """Offer another HAProxy to both hosts; afterwards they have the former one again."""

    def offered(suffix, program=""):
        for name in PAIR:
            lab[name].check_output("sh -c %s", OFFER.format(suffix=suffix, program=program))

    yield offered
    for name in PAIR:
        lab[name].run("sh -c %s", FORMER)
    assert play("site").code == 0


def test_an_upgrade_stops_at_a_host_that_is_not_healthy_afterwards(lab, vip, holder, offer):
    offer("broken", "exit 1")
    before = version(lab[holder])
    stopped = play("upgrade")
    assert stopped.code != 0 and f"{other(holder)} is not healthy after its upgrade" in stopped.said, stopped.said
    assert version(lab[other(holder)]).endswith("+broken") and version(lab[holder]) == before
    assert the_holder(lab, vip) == holder


@pytest.mark.parametrize(
    "last",
    [
        task("upgrade_packages_Debian.yml", "Upgrade the pair's packages"),
        task("upgrade.yml", "Restart what runs the former version"),
    ],
)
def test_an_upgrade_that_was_killed_is_completed(lab, vip, holder, offer, last, tmp_path):
    offer("newer")
    with traffic(lab, vip, timeout=3) as seen:
        killed("upgrade", last, tmp_path / "log")
        upgraded = play("upgrade")
    assert upgraded.code == 0, upgraded.said
    assert seen["failures"] == 0 and seen["longest_silence_ms"] < 1000, seen
    assert play("status").code == 0
    for name in PAIR:
        assert version(lab[name]).endswith("+newer")
        assert module(name, "pacs.loadbalancer.haproxy_info")["outdated"] == []


def test_both_are_upgraded_and_nobody_notices(lab, vip, holder, offer):
    offer("newer")
    planned = play("upgrade", "--check")
    assert planned.code == 0 and set(planned.changed.values()) == {0}, planned.said
    assert (
        "+newer)" in planned.said
        and f"{holder}, which holds the VIP and hands it over first, gets haproxy (" in planned.said
    )
    with traffic(lab, vip, timeout=3) as seen:
        upgraded = play("upgrade")
    assert upgraded.code == 0, upgraded.said
    assert seen["failures"] == 0 and seen["longest_silence_ms"] < 1000, seen
    assert the_holder(lab, vip) == other(holder)
    for name in PAIR:
        assert version(lab[name]).endswith("+newer")
        assert module(name, "pacs.loadbalancer.haproxy_info")["outdated"] == []
    assert "gets no package" in play("upgrade", "--check").said
