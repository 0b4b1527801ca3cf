# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is a unit's process older than its files?"""

from __future__ import annotations

import os
import shutil
import subprocess
import time

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
    assert systemd.look("no-such.service") == {"enabled": False, "outdated": []}
