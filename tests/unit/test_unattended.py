# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What apt and needrestart are told reads as it is meant, by the real programs."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import jinja2
import pytest
import yaml
from jinja2 import nativetypes
from rendering import REPOSITORY

TEMPLATES = REPOSITORY / "roles/keepalived/templates"


def render(name, excluded=(), days=()):
    environment = jinja2.Environment(trim_blocks=True, loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=False)
    return environment.get_template(name).render(
        ansible_managed="Ansible managed", keepalived_excluded_packages=excluded, keepalived_upgrade_days=days
    )


def apt_reads(text, path):
    if not shutil.which("apt-config"):
        pytest.skip("apt is not installed")
    path.write_text(text)
    done = subprocess.run(
        ["apt-config", "--config-file", str(path), "dump", "--format", "%f=%v%n"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if line.startswith("Unattended-Upgrade")]


def test_apt_leaves_the_pair_alone(tmp_path):
    assert apt_reads(render("unattended-upgrades.j2", excluded=["haproxy", "keepalived"]), tmp_path / "conf") == [
        "Unattended-Upgrade=",
        "Unattended-Upgrade::Package-Blacklist=",
        "Unattended-Upgrade::Package-Blacklist::=^haproxy$",
        "Unattended-Upgrade::Package-Blacklist::=^keepalived$",
        "Unattended-Upgrade::Automatic-Reboot=false",
    ]


def test_apt_knows_its_days(tmp_path):
    assert apt_reads(render("unattended-upgrades.j2", days=["Mon", "Wed"]), tmp_path / "conf") == [
        "Unattended-Upgrade=",
        "Unattended-Upgrade::Update-Days=",
        "Unattended-Upgrade::Update-Days::=Mon",
        "Unattended-Upgrade::Update-Days::=Wed",
    ]


def upgrade_days(number):
    """The days of each of so many load balancers, as the role computes them."""
    names = [f"lb{one}" for one in range(1, number + 1)]
    computed = yaml.safe_load((REPOSITORY / "roles/infinitt/vars/main/run.yml").read_text())["__infinitt_upgrade_days"]
    template = nativetypes.NativeEnvironment().from_string(computed.strip())
    return [template.render(groups={"loadbalancers": names}, inventory_hostname=name) for name in names]


def test_a_pair_takes_turns():
    assert upgrade_days(2) == [["Mon", "Wed", "Fri"], ["Tue", "Thu", "Sat"]]


@pytest.mark.parametrize("number", range(1, 7))
def test_no_two_load_balancers_upgrade_themselves_on_the_same_day(number):
    days = upgrade_days(number)
    assert all(days) and sorted(itertools.chain(*days)) == sorted(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat"])


def test_of_more_than_there_are_days_each_has_one():
    assert all(len(days) == 1 for days in upgrade_days(9))


def test_needrestart_restarts_none_of_ours():
    if not shutil.which("perl"):
        pytest.skip("perl is not installed")
    text = render("needrestart.conf.j2", excluded=["haproxy"])
    script = text + 'print "$_ " for grep { my $name = $_; grep { $name =~ $_ } keys %{$nrconf{override_rc}} } @ARGV;'
    names = ["haproxy.service", "keepalived.service", "layer4.service", "ssh.service", "haproxy-state.service"]
    done = subprocess.run(["perl", "-e", script, *names], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.split() == ["haproxy.service", "keepalived.service", "layer4.service"]
