# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the haproxy role reloads HAProxy."""

from __future__ import annotations

import re

import jinja2
import pytest
import yaml
from rendering import REPOSITORY

VARIABLES = yaml.safe_load((REPOSITORY / "roles/haproxy/vars/main.yml").read_text())
OURS = {"running": True, "description": "a1", "failed_reloads": 0, "workers": [{"pid": 7, "current": True}]}


@pytest.mark.parametrize(
    ("runs", "outdated"),
    [
        (OURS, False),
        ({**OURS, "description": "b2"}, True),
        ({**OURS, "failed_reloads": 1}, True),
        # One that was built by hand may have no socket to ask: its master has a worker all the same.
        ({**OURS, "running": False, "description": None}, True),
        ({**OURS, "running": False, "description": None, "failed_reloads": None, "workers": []}, False),
    ],
)
def test_what_runs_something_else_is_reloaded_even_where_it_cannot_be_asked(runs, outdated):
    assert is_outdated(runs) == outdated


@pytest.mark.parametrize(
    ("path", "outdated"),
    [
        ("/etc/haproxy/haproxy.cfg", True),
        ("/etc/haproxy/unavailable.html", True),
        ("/etc/haproxy/reject_calling_ae.lua", True),
        ("/srv/pem/web-0123456789ab.pem.key", True),
        ("/usr/local/sbin/haproxy-answers", False),
        ("/etc/systemd/system/haproxy.service.d/state.conf", False),
    ],
)
def test_a_file_that_it_reads_and_that_was_edited_by_hand_may_have_been_loaded(path, outdated):
    assert is_outdated(OURS, [{"path": path, "differs": True}]) == outdated
    assert not is_outdated(OURS, [{"path": path, "differs": False}])


def is_outdated(runs, files=()):
    environment = jinja2.Environment(autoescape=True)
    environment.filters["length"] = lambda found: len(list(found))  # Ansible makes lists of generators
    environment.tests["match"] = lambda value, pattern: re.match(pattern, value)
    known = {"__haproxy_runs": runs, "__haproxy_compared": {"fingerprint": "a1", "files": files}}
    reads = environment.from_string(VARIABLES["__haproxy_reads"]).render(haproxy_pem_directory="/srv/pem")
    said = environment.from_string(VARIABLES["__haproxy_is_outdated"]).render(__haproxy_reads=reads, **known)
    return said == "True"


# --- what HAProxy says that it has loaded -----------------------------------------------------------------------------


def test_each_file_that_it_reads_is_part_of_what_it_says():
    lists = {name: value for name, value in VARIABLES.items() if name.endswith("_files") and isinstance(value, list)}
    assert all(name in VARIABLES["__haproxy_files"] for name in lists)
    loaded = {file["path"] for files in lists.values() for file in files if file.get("loaded")}
    names = {"{{ __haproxy_unavailable_file }}", "{{ __haproxy_reject_file }}", "/etc/haproxy/haproxy.cfg"}
    assert loaded == names
    assert not [file["path"] for files in lists.values() for file in files if "/etc/haproxy/" in file["path"]][1:]
    assert (
        "haproxy_pem_files | map('combine', {'mode': '0600', 'secret': true, 'loaded': true})"
        in VARIABLES["__haproxy_files"]
    )
