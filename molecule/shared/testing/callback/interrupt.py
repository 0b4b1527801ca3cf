# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: interrupt
type: aggregate
short_description: Kill this run after a task that has changed something
description:
  - The run ends there as on a controller that loses its power.
  - Each task that has changed something is written to a file, one JSON object a line.
options:
  after:
    description: The number of the task, from 1, or the end of its path with its line; 0 kills nothing.
    type: str
    default: "0"
    env: [{name: INTERRUPT_AFTER}]
  log:
    description: Path of the file.
    type: path
    required: true
    env: [{name: INTERRUPT_LOG}]
"""

import json
import os
import signal

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "interrupt"

    def __init__(self):
        super().__init__()
        self.changed = 0

    def v2_runner_on_ok(self, result):
        if "results" not in result.result:  # of a loop, each turn counts
            self._count(result)

    def v2_runner_item_on_ok(self, result):
        self._count(result)

    def _count(self, result):
        if not result.is_changed():
            return
        self.changed += 1
        with open(self.get_option("log"), "a") as log:
            log.write(
                json.dumps({"host": result.host.name, "task": result.task.name, "path": result.task.get_path()}) + "\n"
            )
        after = self.get_option("after")
        if after == str(self.changed) or (":" in after and result.task.get_path().endswith(after)):
            os.kill(os.getpid(), signal.SIGKILL)
