# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that are killed after a task, and the list of tasks of site.yml that can change something."""

from __future__ import annotations

import functools
import itertools
import json
import signal
from pathlib import Path

import yaml
from pair import REPOSITORY, play

CALLBACK = Path(__file__).parent / "callback"
# Actions that change nothing on a host.
READS = {
    "assert",
    "debug",
    "fail",
    "group_by",
    "import_playbook",
    "import_role",
    "import_tasks",
    "include_role",
    "include_tasks",
    "meta",
    "set_fact",
    "set_stats",
    "setup",
}
READS |= {"infinitt_backend_check", "layer4_test_entry", "run_lock", "site_record"}
KEYWORDS = {
    "name",
    "when",
    "register",
    "loop",
    "loop_control",
    "until",
    "retries",
    "delay",
    "vars",
    "tags",
    "become",
    "diff",
}
KEYWORDS |= {
    "check_mode",
    "changed_when",
    "failed_when",
    "delegate_to",
    "run_once",
    "ignore_unreachable",
    "any_errors_fatal",
    "notify",
    "async",
    "poll",
    "environment",
    "module_defaults",
    "args",
}


ALWAYS = "not ansible_check_mode"  # a condition that holds wherever something is changed


def killed_after(what, log, *arguments, playbook="site", **variables):
    """Run a playbook and kill it after so many changes, or after a task (``file:line``) has changed something; 0 kills
    nothing. Return the run, and whether it was killed.
    """
    environment = {
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACK),
        "ANSIBLE_CALLBACKS_ENABLED": "interrupt",
        "INTERRUPT_AFTER": str(what),
        "INTERRUPT_LOG": str(log),
    }
    run = play(playbook, *arguments, environment=environment, **variables)
    return run, run.code == -signal.SIGKILL


def killed(playbook, after, log, **variables):
    """Run a playbook and kill it; fail where it came to its end before that."""
    run, was_killed = killed_after(after, log, playbook=playbook, **variables)
    assert was_killed, f"it was not killed after {after}: {run.said}"
    print(f"killed after {after}: {changes(log)[-1]}")


def task(file, words):
    """The task of the role `infinitt` whose name begins so, as killed_after wants it."""
    lines = (REPOSITORY / "roles/infinitt/tasks" / file).read_text().splitlines()
    (found,) = (number for number, line in enumerate(lines, 1) if f"- name: {words}" in line)
    return f"{file}:{found}"


def changes(log):
    """The tasks that have changed something, as ``(file:line, host)``."""
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [(_relative(line["path"]), line["host"]) for line in lines]


def _relative(path):
    return path[path.index("/roles/") + 1 :]


def tasks_that_change():
    """Every task of site.yml that can change something on a host: its name, by ``file:line``."""
    return {
        f"{path.relative_to(REPOSITORY)}:{line}": task["name"].value
        for path in sorted(files_of(REPOSITORY / "playbooks/site.yml"))
        for line, task in _tasks(yaml.compose(path.read_text()))
        if changes_something({key: value.value for key, value in task.items()})
    }


def under_a_lock(playbook):
    """Each task of a playbook that can change something, in the order in which Ansible meets it, with whether the load
    balancers are locked by then in any case.
    """
    return ((task["name"], locked) for task, locked in _in_order(playbook, _read(playbook)) if changes_something(task))


def _in_order(path, items, locked=False, within=()):
    """Yield each of these tasks of a file, and of what they import and include; return whether a lock is then held.

    A file that includes itself is read once, and one that differs by system not at all.
    """
    for item in items:
        before = locked
        blocks = [item[key] for key in ("tasks", "block", "rescue", "always") if key in item]
        if blocks:
            locked = yield from _in_order(path, itertools.chain(*blocks), locked, within)
        elif "hosts" not in item:
            yield item, locked
            for file in (_file_of(action, named, path) for action, named in _named([item])):
                locked = locked or file.name == "lock.yml"
                if file not in within and "{{" not in file.name:
                    locked = yield from _in_order(file, _read(file), locked, (*within, file))
        if item.get("when", ALWAYS) != ALWAYS:
            locked = before
    return locked


def files_of(playbook):
    """The files of tasks that a playbook imports and includes."""
    found, left = set(), [playbook]
    while left:
        path = left.pop()
        for action, named in _named(_read(path)):
            file = _file_of(action, named, path)
            if file not in found:
                found.add(file)
                left.append(file)
    return found


@functools.cache
def _read(path):
    return yaml.safe_load(path.read_text())


def _file_of(action, named, path):
    """The file that a task or a playbook in `path` imports or includes."""
    if action.endswith("_role"):
        role = named["name"].rpartition(".")[2]
        return REPOSITORY / "roles" / role / "tasks" / f"{named.get('tasks_from', 'main')}.yml"
    return path.parent / (named if isinstance(named, str) else named["file"])


def _named(items):
    """Each import and include among plays, tasks and blocks: the action, and what it names."""
    for item in items:
        for key, value in item.items():
            action = key.rpartition(".")[2]
            if action in ("import_playbook", "import_role", "include_role", "import_tasks", "include_tasks"):
                yield action, value
            elif key in ("tasks", "block", "rescue", "always"):
                yield from _named(value)


def _tasks(node):
    """Each task with the line on which it begins, those of blocks too."""
    for item in node.value:
        task = {key.value: value for key, value in item.value}
        blocks = [task[key] for key in ("block", "rescue", "always") if key in task]
        if blocks:
            for block in blocks:
                yield from _tasks(block)
        else:
            yield item.start_mark.line + 1, task


def changes_something(task):
    """Can it, given the task as a mapping?"""
    (action,) = {key.rpartition(".")[2] for key in task} - KEYWORDS
    reads = action in READS or action.endswith("_info")
    never = str(task.get("changed_when")).lower() == "false"
    checked = str(task.get("check_mode")).lower() == "true"
    return not (reads or never or checked)
