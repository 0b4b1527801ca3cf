# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's hosts by name, and what was measured on them."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import testinfra
from pair import CACHE, MEASURED, REPOSITORY, module, other, the_holder


@pytest.fixture(scope="session")
def lab():
    """testinfra's hosts by name: lab['lb1'].run('...')."""
    config = str(CACHE / f"{os.environ['PACS_LAB']}.ssh")
    names = re.findall(r"^Host (\w+)$", Path(config).read_text(), re.MULTILINE)
    return {name: testinfra.get_host(f"ssh://{name}", ssh_config=config, sudo=True) for name in names}


@pytest.fixture(scope="session")
def vip():
    return module("lb1", "ansible.builtin.debug", var="infinitt_vip")["infinitt_vip"].split("/")[0]


@pytest.fixture
def holder(lab, vip):
    """The load balancer on which the VIP is; there is exactly one."""
    return the_holder(lab, vip)


@pytest.fixture
def alone(holder, tmp_path):
    """The inventory without the other load balancer."""
    shutil.copytree(REPOSITORY / "inventory/lab", tmp_path, dirs_exist_ok=True)
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(re.sub(rf"(?m)^ *{other(holder)}:.*\n", "", hosts.read_text()))
    return ("--inventory", str(tmp_path))


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes its time and is like others; `make test-all` has it, or ALL=1")


def pytest_collection_modifyitems(items):
    if not os.environ.get("ALL"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="it is long: ALL=1 has it, as in make test-all"))


def pytest_terminal_summary(terminalreporter):
    if MEASURED:
        terminalreporter.section("measured")
    for name, what in MEASURED:
        terminalreporter.write_line(f"{name}: {what}")
