# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""layer4_info and layer4_test_entry: against a program that plays layer4."""

from __future__ import annotations

import importlib
import importlib.util
import json

import pytest
import yaml
from layer4 import config, status, system

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _layer4

SAID = {
    "status": {"running": False, "version": "", "flows": {"dicom": {"pacs1": 2}}},
    "flows 198.51.100.50 198.51.100.51": [{"client": "198.51.100.50"}],
    "connections": {"established": ["0d1f33e0a1b2"], "others": [], "ended": [], "until": "ffffffffffff"},
    "received 4711": ["4711"],
    "received": [],
    "test-entry": 4711,
}


@pytest.fixture
def program(tmp_path):
    """A program that answers as SAID."""
    path = tmp_path / "layer4"

    def write(said):
        cases = "".join(f"'{words}') echo '{json.dumps(answer)}';;\n" for words, answer in said.items())
        path.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}*) echo "first line" >&2; echo "no $*" >&2; exit 1;;\nesac\n')
        path.chmod(0o755)
        return str(path)

    return write


def test_what_is_not_asked_for_is_empty(program):
    found = _layer4.gather(program(SAID), 5, [], False, None)
    assert found == {
        **_layer4.NOTHING,
        **SAID["status"],
        **{"deployed": True, "msg": "", "paths": [], "connections": {}, "received": []},
    }


def test_everything_is_asked_for(program):
    found = _layer4.gather(program(SAID), 5, ["198.51.100.50", "198.51.100.51"], True, ["4711"])
    assert found["paths"] == [{"client": "198.51.100.50"}] and found["received"] == ["4711"]
    assert found["connections"] == SAID["connections"] and found["deployed"] and not found["msg"]


def test_how_long_a_connection_has_been_there_may_be_said(program):
    found = _layer4.gather(program({**SAID, "connections 60": {"established": []}}), 5, [], 60, None)
    assert found["connections"] == {"established": []} and not found["msg"]


def test_a_host_that_forwards_nothing_is_an_answer():
    found = _layer4.gather("/gone/layer4", 5, ["198.51.100.50"], True, ["4711"])
    nothing = {"deployed": False, "paths": [], "connections": {}, "received": []}
    msg = "/gone/layer4 is not installed: nothing is forwarded on this host."
    assert found == {**_layer4.NOTHING, **nothing, "msg": msg}


@pytest.mark.parametrize(
    "answer, msg",
    [
        ({}, "layer4 status fails: no status"),
        ({"status": SAID["status"]}, "layer4 connections fails: no connections"),
    ],
)
def test_a_program_that_fails_is_said_in_its_own_words(program, answer, msg):
    found = _layer4.gather(program(answer), 5, [], True, None)
    assert found["msg"].endswith(msg) and found["deployed"] is bool(answer)


def test_a_program_that_is_late_or_prints_something_else(tmp_path):
    path = tmp_path / "layer4"
    for script, msg in (
        ("exec sleep 60", "has not answered within 0.2 s."),
        ("echo no", "something that is not JSON."),
    ):
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        with pytest.raises(_layer4.NoAnswer, match=msg):
            _layer4.ask(str(path), 0.2, "status")


def test_what_the_program_says_is_documented(told, monkeypatch):
    config.STATE.write_text(
        json.dumps({"refreshed": 0, "fingerprint": "", "haproxy_answers": 1, "must_not_hold": 0, "interfaces": []})
    )
    said = status.status()
    assert set(said) == set(_layer4.NOTHING)
    for key in ("mirror", "table"):
        assert set(said[key]) == set(_layer4.NOTHING[key])
    module = importlib.import_module("ansible_collections.pacs.loadbalancer.plugins.modules.layer4_info")
    documented = yaml.safe_load(module.RETURN)
    others = {"deployed", "msg", "paths", "connections", "received"}
    assert set(documented) == {*_layer4.NOTHING, *others}
    monkeypatch.setattr(system, "run", lambda *command: (1, ""))
    assert set(documented["connections"]["contains"]) == set(status.connections())
