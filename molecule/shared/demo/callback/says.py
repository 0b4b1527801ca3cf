# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands what playbooks say with `debug` to tools/step.sh, as plain text: the rest of their output stays in the log."""

from __future__ import annotations

import os

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "says"

    def v2_runner_on_ok(self, result):
        if result.task.action not in ("debug", "ansible.builtin.debug") or "msg" not in result.result:
            return
        said = result.result["msg"]
        with open(os.environ["STEP_SAYS"], "a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in (said if isinstance(said, list) else str(said).splitlines()))
