# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configurations in golden/ are what would be deployed, and the real programs accept them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from programs import INTERFACE, haproxies, haproxy_says, in_namespace, keepalived_says
from rendering import REPOSITORY, render_inventory

GOLDEN = {path.name: path for path in sorted((Path(__file__).parent / "golden").iterdir())}


def texts(directory):
    return {path.name: path.read_text() for path in sorted(directory.iterdir())}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_files_are_what_is_rendered_now(name, tmp_path):
    code, said = render_inventory(GOLDEN[name] / "hosts.yml", tmp_path)
    assert code == 0, said
    assert texts(GOLDEN[name] / "lb1") == texts(tmp_path / "lb1"), "look at what changed, then: make golden"


def test_render_says_what_it_assumed_of_a_host(tmp_path):
    code, said = render_inventory(GOLDEN["pair"] / "hosts.yml", tmp_path, "--limit", "lb2")
    assert code == 0, said
    assert "Assumed of lb2, since it was not asked: eth0 198.51.100.12/24, gateway 198.51.100.1." in said
    assert "lb1" not in said and not (tmp_path / "lb1").exists()


def test_render_assumes_the_key_that_the_other_host_would_make(tmp_path):
    code, said = render_inventory(REPOSITORY / "inventory/encrypted_mirror/hosts.yml", tmp_path, "--limit", "lb1")
    assert code == 0 and "lb2's public key PUBLIC-KEY-OF-lb2" in said, said
    assert " peer PUBLIC-KEY-OF-lb2 " in (tmp_path / "lb1/layer4-mirror.service").read_text()


def test_render_says_what_is_wrong_with_the_variables_and_writes_nothing(tmp_path):
    code, said = render_inventory(
        GOLDEN["pair"] / "hosts.yml", tmp_path, "--extra-vars", '{"infinitt_vip": "", "infinitt_layer": 5}'
    )
    assert code != 0 and "infinitt_vip is not set" in said and "infinitt_layer is 5" in said
    assert "Traceback" not in said and not list(tmp_path.iterdir())


def test_render_refuses_an_inventory_without_load_balancers(tmp_path):
    (tmp_path / "hosts.yml").write_text("all: {hosts: {lb1: {}}}")
    code, said = render_inventory(tmp_path / "hosts.yml", tmp_path / "out")
    assert code != 0 and "The inventory has no group loadbalancers" in said and "Traceback" not in said


# --- the real programs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", haproxies())
@pytest.mark.parametrize("name", GOLDEN)
def test_every_haproxy_accepts_it(name, program):
    code, said = haproxy_says(GOLDEN[name] / "lb1/haproxy.cfg", program)
    assert code == 0 and "WARNING" not in said, said


@pytest.mark.skipif(not shutil.which("keepalived"), reason="keepalived is not installed")
@pytest.mark.parametrize("name", GOLDEN)
def test_keepalived_accepts_it(name, tmp_path):
    text = (GOLDEN[name] / "lb1/keepalived.conf").read_text().replace("eth0", INTERFACE)
    assert keepalived_says(text, tmp_path / "keepalived.conf") == (0, "")


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "golden").glob("*/lb1/layer4.nft")), ids=str)
def test_nft_accepts_it(path):
    in_namespace("nft", "--check", "--file", "-", given=path.read_text())
