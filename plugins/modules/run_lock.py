#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lock
short_description: Keep two runs from changing a load balancer at once
version_added: "1.0.0"
description:
  - A lock on the host, in C(/run/pacs.loadbalancer). It says who has it, for what, since when and until when, and ends
    by itself. Taking and releasing it writes a line to the host's journal.
  - The task fails where another run has the lock. A run on the same controller whose process has ended has it no more.
options:
  state:
    description:
      - V(taken), the lock is this run's for O(seconds) from now on, whether it already was or not.
      - V(released), it is not this run's.
    type: str
    choices: [taken, released]
    default: taken
  act:
    description: What the run does, for the journal and for whoever finds the lock taken.
    type: str
    default: a deployment
  result:
    description: How it ended, for the journal. Only for O(state=released).
    type: str
    default: ended
  seconds:
    description: How long the lock lasts unless it is released before or taken again.
    type: int
    default: 900
  run:
    description: Identity of the run. The action plugin sets it.
    type: str
    default: ""
  by:
    description:
      - The person or the job, for the journal and for whoever finds the lock taken. Unset, the user and the host on
        which Ansible runs.
    type: str
    default: ""
  instead:
    description: Identity of a run that has ended without releasing the lock. The action plugin sets it.
    type: str
    default: ""
attributes:
  check_mode:
    description: Takes nothing in check mode, but fails where another run has the lock.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Take the lock of this host
  pacs.loadbalancer.run_lock:
    act: playbooks/switchover.yml

- name: Release it
  pacs.loadbalancer.run_lock:
    state: released
    act: playbooks/switchover.yml
"""

RETURN = r"""
by:
  description: The person or the job of this run.
  type: str
  returned: always
  sample: ada on control
holder:
  description: The run that has the lock, where it is another one.
  type: dict
  returned: failure
  contains:
    run:
      description: Its identity.
      type: str
    act:
      description: What it does.
      type: str
    by:
      description: Who started it.
      type: str
    since:
      description: When it took the lock, in seconds since the epoch.
      type: float
    until:
      description: When the lock ends by itself, in seconds since the epoch.
      type: float
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _run_lock


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["taken", "released"], "default": "taken"},
            "act": {"type": "str", "default": "a deployment"},
            "result": {"type": "str", "default": "ended"},
            "seconds": {"type": "int", "default": 900},
            "run": {"type": "str", "default": ""},
            "by": {"type": "str", "default": ""},
            "instead": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    params = module.params
    run, act, by = params["run"], params["act"], params["by"]
    try:
        with _run_lock.opened() as lock:
            if params["state"] == "released":
                if not module.check_mode and lock.release(run):
                    _run_lock.note("%s (%s): %s" % (act, by, params["result"]))
            else:
                lock.check(run, params["instead"])
                if not module.check_mode and lock.take(run, act, by, params["seconds"]):
                    _run_lock.note("%s (%s): begins" % (act, by))
    except _run_lock.Taken as taken:
        module.fail_json(msg=str(taken), holder=taken.holder)
    # The lock is no part of what the host is.
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
