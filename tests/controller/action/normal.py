# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the modules of awx.awx in Ansible's own worker: with a Python for each, a hundred of them take minutes."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import pathlib

from ansible.module_utils.testing import patch_module_args
from ansible.plugins import action

# This file has taken the name of Ansible's own.
spec = importlib.util.spec_from_file_location("_normal", pathlib.Path(action.__file__).parent / "normal.py")
normal = importlib.util.module_from_spec(spec)
spec.loader.exec_module(normal)


class ActionModule(normal.ActionModule):
    def run(self, tmp=None, task_vars=None):
        if not self._task.action.startswith("awx.awx."):
            return super().run(tmp, task_vars)
        module = importlib.import_module(
            f"ansible_collections.awx.awx.plugins.modules.{self._task.action.split('.')[-1]}"
        )
        args = {**json.loads(json.dumps(self._task.args)), "_ansible_check_mode": self._task.check_mode}
        said = io.StringIO()
        with patch_module_args(args), contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            module.main()
        return json.loads(said.getvalue())
