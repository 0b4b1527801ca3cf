# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The user's command can neither delay nor stop the guard."""

from __future__ import annotations

import os
import time

import pytest
from keepalived_guard import events
from namespaces import until


@pytest.fixture
def command(tmp_path):
    """Make a command of a shell script."""

    def make(script):
        path = tmp_path / "command"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return [str(path)]

    return make


def test_it_is_told_what_happened(command, tmp_path):
    told = events.Events()
    told.tell([*command(f'printf "%s|" "$@" > {tmp_path}/said; mv {tmp_path}/said {tmp_path}/told'), "--to", "ops"],
              "state", "BACKUP", "MASTER", "why not")  # fmt: skip
    assert until((tmp_path / "told").exists)
    assert (tmp_path / "told").read_text() == f"--to|ops|state|{os.uname().nodename}|BACKUP|MASTER|why not|"


def test_one_that_hangs_delays_nothing_and_is_ended(command, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(events, "LIMIT", 0.3)
    told = events.Events()
    began = time.monotonic()
    told.tell(command(f"sleep 600 & echo $! > {tmp_path}/child; wait"), "split_brain", "no", "yes", "")
    told.tend()
    assert time.monotonic() - began < 30, "it has 600 s to sleep"
    assert until(lambda: (told.tend(), not told._running)[1], 5)
    child = int((tmp_path / "child").read_text())
    assert until(lambda: not os.path.exists(f"/proc/{child}") or " Z " in open(f"/proc/{child}/stat").read())
    assert "has not ended within 0.3 s, and is killed" in capfd.readouterr().out


def test_more_than_a_few_that_hang_are_not_started(command, capfd):
    told = events.Events()
    for _event in range(events.AT_ONCE + 2):
        told.tell(command("exec sleep 600"), "state", "BACKUP", "MASTER", "")
    for _name, process, _began in told._running:
        process.kill()
        process.wait()
    assert capfd.readouterr().out.count("still running") == 2


@pytest.mark.parametrize("script, said", [("exit 3", "has failed with exit code 3"), (None, "cannot be started")])
def test_one_that_fails_is_named(command, script, said, capfd):
    told = events.Events()
    told.tell(command(script) if script else ["/gone"], "state", "", "BACKUP", "")
    assert until(lambda: (told.tend(), not told._running)[1], 5)
    assert said in capfd.readouterr().out
