# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What apt and needrestart are told reads as it is meant, by the real programs."""

from __future__ import annotations

import shutil
import subprocess

import jinja2
import pytest
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


def test_needrestart_restarts_none_of_ours():
    if not shutil.which("perl"):
        pytest.skip("perl is not installed")
    text = render("needrestart.conf.j2", excluded=["haproxy"])
    script = text + 'print "$_ " for grep { my $name = $_; grep { $name =~ $_ } keys %{$nrconf{override_rc}} } @ARGV;'
    names = ["haproxy.service", "keepalived.service", "layer4.service", "ssh.service", "haproxy-state.service"]
    done = subprocess.run(["perl", "-e", script, *names], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.split() == ["haproxy.service", "keepalived.service", "layer4.service"]
