# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is a unit's process older than its files?"""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import pytest

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _systemd as systemd


def test_the_start_of_a_process_is_that_of_the_clock():
    before = time.time()
    with subprocess.Popen(["sleep", "60"]) as process:
        started = systemd._started(process.pid)
        process.kill()
    assert before - 0.1 < started < time.time() + 0.1


def test_newer_files_gone_files_and_a_replaced_binary(tmp_path):
    binary, older, newer = (str(tmp_path / name) for name in ("sleep", "older", "newer"))
    shutil.copy(shutil.which("sleep"), binary)
    open(older, "w").close()
    open(newer, "w").close()
    os.utime(older, (0, 0))
    with subprocess.Popen([binary, "60"]) as process:
        os.utime(newer, (time.time() + 5, time.time() + 5))
        assert systemd._newer(process.pid, [older, newer, "/gone"]) == [newer, "/gone"]
        os.remove(binary)
        assert systemd._newer(process.pid, [older]) == [binary]
        process.kill()
    assert systemd._newer(process.pid, [newer]) == []


def test_a_unit_that_does_not_exist():
    assert systemd.inspect("no-such.service") == {"enabled": False, "outdated": [], "needs_daemon_reload": False}


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """Let systemctl show what the test says, beside a unit with the drop-ins a.conf and b.conf on disk."""
    drop_ins = tmp_path / "haproxy.service.d"
    drop_ins.mkdir()
    for name in ("a.conf", "b.conf", "b.conf~"):
        (drop_ins / name).touch()
    monkeypatch.setattr(systemd, "DROP_INS", f"{tmp_path}/{{unit}}.d/*.conf")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def show(drop_in_names=("a.conf", "b.conf"), **properties):
        shown = {
            "MainPID": "0",
            "FragmentPath": "/lib/systemd/system/haproxy.service",
            "DropInPaths": " ".join(str(drop_ins / name) for name in drop_in_names),
            "UnitFileState": "enabled",
            "LoadState": "loaded",
            "NeedDaemonReload": "no",
            **properties,
        }
        lines = "".join(f"{name}={value}\n" for name, value in shown.items())
        (tmp_path / "systemctl").write_text(f"#!/bin/sh\ncat <<'END'\n{lines}END\n")
        (tmp_path / "systemctl").chmod(0o755)
        return systemd.inspect("haproxy.service")

    return show


def test_a_unit_that_systemd_has_read_needs_no_daemon_reload(systemctl):
    assert systemctl() == {"enabled": True, "outdated": [], "needs_daemon_reload": False}


def test_a_change_that_systemd_sees_needs_a_daemon_reload(systemctl):
    assert systemctl(NeedDaemonReload="yes")["needs_daemon_reload"]


# As systemd 252 shows an enabled unit beside which a directory of drop-ins is new.
def test_a_first_drop_in_that_systemd_overlooks_needs_a_daemon_reload(systemctl):
    assert systemctl(drop_in_names=(), NeedDaemonReload="no")["needs_daemon_reload"]


# As systemd 252 and 257 show a masked unit; neither changes with a daemon-reload.
@pytest.mark.parametrize("shown", [{"NeedDaemonReload": "yes"}, {"drop_in_names": ()}])
def test_a_daemon_reload_does_nothing_for_a_masked_unit(systemctl, shown):
    assert not systemctl(LoadState="masked", UnitFileState="masked", **shown)["needs_daemon_reload"]
