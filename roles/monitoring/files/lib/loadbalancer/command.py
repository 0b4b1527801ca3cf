# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user types."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from . import checked, here, metrics, report, state

EVERY = 2.0  # seconds, with --watch: a person reads, and nothing is waited for
CLEAR = "\033[H\033[2J"
UNKNOWN = 3  # of monitoring plugins, for those who take the exit code for one


def main(words: Sequence[str]) -> int:
    """Do what the words say, and return the exit code."""
    parser = argparse.ArgumentParser(prog="loadbalancer", description="How this load balancer is, as it sees itself.")
    commands = parser.add_subparsers(dest="command", required=True)
    shows = commands.add_parser(
        "status",
        help="show it on one screen",
        description="Exit code: 0 healthy, 1 degraded, 2 somebody is not served, 3 unknown. Changes nothing. Root asks"
        " the daemons; a member of the group adm sees what was found last, at most half a minute ago.",
    )
    shows.add_argument("--json", action="store_true", help="for a program")
    shows.add_argument("--watch", action="store_true", help="again and again, until Ctrl-C")
    keeps = commands.add_parser("observe", help="keep what status shows; loadbalancer.timer does it")
    keeps.add_argument("--metrics", metavar="DIRECTORY", help="and write it for node_exporter's textfile collector")
    tells = commands.add_parser(
        "notify", help="tell of what has happened since the last look; observe is followed by it"
    )
    tells.add_argument("--try", dest="trial", action="store_true", help="tell of a test, and say who has taken it")
    checks = commands.add_parser(
        "check",
        help="ask the PACS as a modality does, through the VIP and node by node",
        description="C-ECHO, and C-FIND where infinitt_check_study or infinitt_check_worklist was deployed. Exit code:"
        " 0 all answer, 1 somebody does not, 3 unknown. Changes nothing. For root.",
    )
    checks.add_argument("--keep", action="store_true", help="if it is this host's turn, for status; a timer does it")
    asked = parser.parse_args(words)
    try:
        if asked.command == "observe":
            known = state.look()
            state.keep(known)
            if asked.metrics:
                metrics.write(metrics.text(known), asked.metrics)
            return 0
        if asked.command == "check":
            return look_deeper(asked.keep)
        if asked.command == "notify":
            return tell(asked.trial)
        while True:
            code = show(asked.json, CLEAR if asked.watch else "")
            if not asked.watch:
                return code
            time.sleep(EVERY)
    except (here.NotDeployed, state.Unknown) as reason:
        print(reason)
        return UNKNOWN
    except PermissionError:
        print("Only root may do this.")
        return UNKNOWN
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        # Whoever reads has seen enough: nothing is left to be written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def show(as_json: bool, before: str) -> int:
    known = state.look() if os.geteuid() == 0 else state.kept()
    print(before + (report.as_json(known) if as_json else report.screen(known, time.time())), flush=True)
    return report.exit_code(known)


# What only these two need is loaded by them: the look, twice a minute, would compile it each time.


def look_deeper(keep: bool) -> int:
    """Ask as a modality does, and show it; or keep it where it is this host's turn."""
    from . import check

    if not keep:
        known = state.look()
        answers = check.ask(known)
        print(report.answered(known, answers))
        return 1 if report.unanswered(known, answers) else 0
    known = state.kept()
    if check.is_its_turn(known):
        checked.keep(check.ask(known))
    else:
        checked.forget()
    return 0


def tell(trial: bool) -> int:
    """Tell of what has happened, or of a test."""
    from . import notify

    if trial:
        return 0 if notify.try_out() else 1
    notify.tell(state.kept())
    return 0
