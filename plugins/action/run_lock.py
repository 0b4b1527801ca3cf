# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of the module run_lock: who this run is, and whether a run that left its lock still exists."""

from __future__ import annotations

import getpass
import os
import socket

from ansible.plugins.action import ActionBase


def started(pid: int) -> str | None:
    """Return when a process of this machine started (proc(5), field 22 of stat); None where there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The name of the program, in parentheses, may contain anything.
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return None


def identity() -> str:
    # Tasks are carried out by children of the process that is the run.
    pid = os.getppid()
    return f"{socket.gethostname()}/{pid}/{started(pid)}"


def has_ended(run: str) -> bool:
    """Did that run's process, one of this machine, end? False where that cannot be known."""
    host, _slash, rest = run.rpartition("/")[0].rpartition("/")
    return host == socket.gethostname() and rest.isdigit() and started(int(rest)) != run.rpartition("/")[2]


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        arguments = {
            **self._task.args,
            "run": identity(),
            "by": self._task.args.get("by") or f"{getpass.getuser()} on {socket.gethostname()}",
        }
        answer = self._execute_module(module_args=arguments, task_vars=task_vars)
        left = answer.get("holder", {}).get("run", "")
        if left and has_ended(left):
            answer = self._execute_module(module_args={**arguments, "instead": left}, task_vars=task_vars)
        return {**result, **answer, "by": arguments["by"]}
