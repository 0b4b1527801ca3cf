# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs by system: written for each family alike, and used."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml
from factories import build
from rendering import REPOSITORY, render

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

ROLES = sorted(path.parent.parent for path in REPOSITORY.glob("roles/*/vars/Debian.yml"))
FAMILIES = ("Debian", "RedHat")


def differs(role, family):
    return yaml.safe_load((role / f"vars/{family}.yml").read_text())[f"__{role.name}_system"]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_each_family_has_the_same_keys_and_each_is_used(role):
    keys = {family: set(differs(role, family)) for family in FAMILIES}
    assert keys["Debian"] == keys["RedHat"]
    files = [path for path in role.rglob("*") if path.suffix in (".yml", ".j2")]
    used = set(re.findall(rf"__{role.name}_system\.(\w+)", "".join(path.read_text() for path in files)))
    assert used == keys["Debian"]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_shell_understands_what_selinux_is_told(role):
    for family in FAMILIES:
        script = differs(role, family).get("selinux", "")
        done = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        # Where there is no SELinux it changes nothing.
        alone = subprocess.run(["/bin/sh", "-c", script], env={"PATH": ""}, capture_output=True, text=True, check=False)
        assert alone.stdout == ""


def test_the_gateway_is_asked_by_nobodys_own_group():
    site = as_dict(build())
    sites = {family: ({"ansible_facts": {"os_family": family}}, site) for family in FAMILIES}
    texts = {family: by_host["lb1"] for family, by_host in render(sites).items()}
    assert "--reuid=nobody --regid=nogroup " in texts["Debian"]["keepalived"]
    assert "--reuid=nobody --regid=nobody " in texts["RedHat"]["keepalived"]
    assert texts["Debian"]["haproxy"] == texts["RedHat"]["haproxy"]
