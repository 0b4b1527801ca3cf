# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""run_lock: two runs are kept apart, and a run that has ended keeps nobody away."""

from __future__ import annotations

import json
import os
import subprocess
import threading

import pytest

from ansible_collections.pacs.loadbalancer.plugins.action import run_lock as action
from ansible_collections.pacs.loadbalancer.plugins.module_utils import _run_lock


@pytest.fixture(autouse=True)
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(_run_lock, "DIRECTORY", str(tmp_path / "run"))
    return tmp_path / "run/lock.json"


def take(run, seconds=60, instead=""):
    with _run_lock.opened() as lock:
        lock.check(run, instead)
        return lock.take(run, "playbooks/site.yml", f"{run} on tower", seconds)


def release(run):
    with _run_lock.opened() as lock:
        return lock.release(run)


def test_another_run_is_told_who_has_it_for_what_since_when_and_until_when():
    assert take("a")
    with pytest.raises(_run_lock.Taken) as refused:
        take("b")
    said = str(refused.value)
    assert said.startswith("playbooks/site.yml runs here: a on tower, since 2")
    assert said.count(" UTC") == 2 and refused.value.holder["run"] == "a"


def test_whoever_has_it_keeps_it_from_then_on(host):
    take("a", seconds=10)
    first = json.loads(host.read_text())
    assert take("a", seconds=100) is False
    second = json.loads(host.read_text())
    assert second["since"] == first["since"] and second["until"] > first["until"] + 80


def test_it_ends_by_itself():
    take("a", seconds=-1)
    assert take("b")


def test_only_its_own_run_releases_it():
    take("a")
    assert release("b") is False
    with pytest.raises(_run_lock.Taken):
        take("b")
    assert release("a")
    assert take("b")


def test_a_run_that_has_ended_is_replaced_and_no_other():
    take("a")
    with pytest.raises(_run_lock.Taken):
        take("c", instead="b")
    assert take("c", instead="a")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"until": "x"}', "null"])
def test_a_record_that_cannot_be_read_locks_nobody_out(host, text):
    host.parent.mkdir()
    host.write_text(text)
    assert take("a")


def test_of_many_that_begin_at_once_one_gets_it():
    got = []

    def run(name):
        try:
            take(name)
            got.append(name)
        except _run_lock.Taken:
            pass

    threads = [threading.Thread(target=run, args=(str(number),)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1


# --- the controller's part --------------------------------------------------------------------------------------------


def test_a_process_that_has_ended_has_ended_and_one_that_runs_has_not():
    process = subprocess.Popen(["sleep", "60"])
    host = os.uname().nodename
    run = f"{host}/{process.pid}/{action.started(process.pid)}"
    assert not action.has_ended(run)
    assert action.has_ended(run + "0"), "another process has its number now"
    process.kill()
    process.wait()
    assert action.has_ended(run)


@pytest.mark.parametrize("run", ["", "tower", "another-host/1/1", "/1/1", "a/b/c"])
def test_of_a_run_elsewhere_nobody_knows_whether_it_has_ended(run):
    assert not action.has_ended(run)
