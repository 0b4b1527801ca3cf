# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A playbook itself, run by a load balancer in a network namespace that has no daemons."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys

import namespaces
from rendering import REPOSITORY

PROGRAMS = ("unshare", "nsenter", "ip")
HERE = {"ansible_host": "198.51.100.11", "ansible_connection": "local", "ansible_become": False}
# Nobody is there, and the answer comes at once.
LOST = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_become": False}
VARIABLES = {
    "ansible_python_interpreter": sys.executable,
    "infinitt_vip": "198.51.100.10/24",
    "infinitt_address": "{{ '198.51.100.12' if inventory_hostname == 'lb2' else '' }}",
    "infinitt_nodes": [{"name": "pacs1", "address": "198.51.100.21"}, {"name": "pacs2", "address": "198.51.100.22"}],
}


def run(host, directory, playbook, inventory, *options, environment=None, **variables):
    """Run a playbook in a namespace; return its exit code and what it said. ``environment``: what it has besides."""
    path = directory / "hosts.json"
    path.write_text(json.dumps(inventory))
    done = subprocess.run(
        host.command(
            *(sys.executable, "-m", "ansible", "playbook", str(REPOSITORY / f"playbooks/{playbook}.yml")),
            *("--inventory", str(path), "--extra-vars", json.dumps(variables), *options),
        ),
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_LOCAL_TEMP": str(directory),
            "ANSIBLE_SHOW_CUSTOM_STATS": "true",
            **(environment or {}),
        },
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout


def artefacts(said):
    """Return what the next job is told, of what was said as JSON."""
    return json.loads(re.search(r"RUN: (\{.*\})$", said, re.MULTILINE)[1])


@contextlib.contextmanager
def player(directory, *addresses):
    """Yield play(playbook, *options, hosts, **variables), which returns the exit code and what was said, as JSON.

    ``addresses``: what the host has besides its own.
    """
    switch = namespaces.Switch()
    host = namespaces.Host(switch, "198.51.100.11")
    # That of its own network namespace, where Ansible's facts look for interfaces.
    host("mount", "--types", "sysfs", "none", "/sys")
    for address in addresses:
        host("ip", "address", "add", f"{address}/24", "dev", "eth0")
    as_json = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}

    def play(playbook, *options, hosts, **variables):
        inventory = {"loadbalancers": {"hosts": hosts, "vars": VARIABLES}}
        return run(host, directory, playbook, inventory, *options, environment=as_json, **variables)

    try:
        yield play
    finally:
        host.power_off()
        switch.power_off()
