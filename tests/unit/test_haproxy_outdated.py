# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the haproxy role reloads HAProxy."""

from __future__ import annotations

import base64
import re

import jinja2
import pytest
import yaml
from factories import build, hosts
from pki import MIDDLE, WEB
from rendering import REPOSITORY, render

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

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


def in_base64(text):
    return base64.b64encode(text.encode()).decode()


PEM = [
    {"path": f"/etc/haproxy/tls/{name}", "content": in_base64(text)} for name, text in (("web", WEB.pem), ("ca", "1"))
]
LUA = [{"path": "/etc/haproxy/reject_calling_ae.lua", "content": in_base64("-- ")}]
REPLACED = {
    "the page": {"haproxy_unavailable_page": "<h1>Later</h1>"},
    "the program that refuses": {"__haproxy_reject_files": [{**LUA[0], "content": in_base64("-- another")}]},
    "a certificate": {"haproxy_pem_files": [{**PEM[0], "content": in_base64(MIDDLE.pem)}, PEM[1]]},
    "a list of revoked ones": {"haproxy_pem_files": [PEM[0], {**PEM[1], "content": in_base64("2")}]},
    "a link": {"haproxy_pem_files": [PEM[0], {"path": PEM[1]["path"], "link": "/etc/live/ca.pem"}]},
}


@pytest.fixture(scope="module")
def described():
    """By what was replaced and nothing else, what HAProxy says of itself after a reload."""
    services = {"dicom": {"dicom": True, "allowed_calling_ae": ["CT1"]}}
    site = as_dict(build(hosts(), infinitt_services=services))
    usual = {"haproxy_unavailable_page": "<h1>Now</h1>", "haproxy_pem_files": PEM, "__haproxy_reject_files": LUA}
    sites = {what: ({**usual, **given}, site) for what, given in {"nothing": {}, "again": {}, **REPLACED}.items()}
    texts = {what: of["lb1"]["haproxy"] for what, of in render(sites, fingerprints={}).items()}
    assert len({re.sub("description .*", "", text) for text in texts.values()}) == 1
    return {what: re.search("description ([0-9a-f]{16})$", text, re.MULTILINE)[1] for what, text in texts.items()}


def test_what_is_the_same_is_described_alike(described):
    assert described["nothing"] == described["again"]


@pytest.mark.parametrize("what", REPLACED)
def test_whatever_it_loads_is_described(described, what):
    assert described[what] != described["nothing"]


def test_each_file_that_it_reads_is_among_what_is_described():
    """A new one in /etc/haproxy belongs to __haproxy_loaded_files."""
    others = {"__haproxy_renewal_files", "__haproxy_common_files", "__haproxy_last_files"}
    lists = {name for name, value in VARIABLES.items() if name.endswith("_files") and isinstance(value, list)}
    paths = [file["path"] for name in others for file in VARIABLES[name]]
    assert [path for path in paths if "/etc/haproxy/" in path] == ["/etc/haproxy/haproxy.cfg"]
    assert all(name in VARIABLES["__haproxy_loaded_files"] for name in lists - others)
    for name in (*others, "__haproxy_loaded_files", "haproxy_pem_files"):
        assert name in VARIABLES["__haproxy_files"]
