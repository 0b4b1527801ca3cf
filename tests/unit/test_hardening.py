# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the daemons may do, as systemd itself judges it from their units."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import jinja2
import pytest
from rendering import REPOSITORY

SHIPPED = Path("/lib/systemd/system")
# The units that packages bring, and what is written beside them or in place of them.
WRITTEN = {
    "haproxy": ("haproxy/templates/hardening.conf.j2", "haproxy.service.d/hardening.conf"),
    "keepalived": ("keepalived/templates/hardening.conf.j2", "keepalived.service.d/hardening.conf"),
    "conntrackd": ("layer4/templates/conntrackd.service.j2", "conntrackd.service.d/layer4.conf"),
    "layer4": ("layer4/templates/layer4.service.j2", "layer4.service"),
    "layer4-flows@vip": ("layer4/templates/flows.service.j2", "layer4-flows@vip.service"),
}
# systemd's measure, from 0 to 100: it shows a tenth of it.
LIMITS = {"haproxy": 29, "layer4": 29, "layer4-flows@vip": 29, "keepalived": 39, "conntrackd": 39}


def written(unit: str) -> str:
    path = REPOSITORY / "roles" / WRITTEN[unit][0]
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(path.parent), trim_blocks=True, keep_trailing_newline=True
    )
    return templates.get_template(path.name).render(ansible_managed="")


def capabilities(unit: str) -> set[str]:
    (found,) = re.findall("^CapabilityBoundingSet=(.*)$", written(unit), re.MULTILINE)
    return set(found.split())


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
@pytest.mark.parametrize("unit", WRITTEN)
def test_a_daemon_is_exposed_no_more_than_this(unit, tmp_path):
    path = tmp_path / "etc/systemd/system" / WRITTEN[unit][1]
    path.parent.mkdir(parents=True)
    path.write_text(written(unit))
    if path.suffix != ".service":
        shipped = SHIPPED / f"{unit}.service"
        if not shipped.exists():
            pytest.skip(f"{unit} is not installed")
        shutil.copy(shipped, path.parents[1])
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--root={tmp_path}"]
    judged = subprocess.run(
        [*command, f"--threshold={LIMITS[unit]}", f"{unit}.service"], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
    # A word that systemd does not know is a line here, and has no effect.
    assert judged.stderr == ""


def test_layer4_may_read_what_keepalived_says_of_itself():
    """The kernel shows a process to one that has all of its capabilities, or another one that is worse (ptrace(2))."""
    assert capabilities("keepalived") <= capabilities("layer4")
    assert not {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_MODULE"} & set().union(*map(capabilities, WRITTEN))
