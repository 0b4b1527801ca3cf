# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody who is called for help wants to see of a load balancer, in one archive. Nothing in it is unmasked."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _file_set, _masking, _programs

# No other file of /etc is read but the units that were deployed: no PEM, no page, no copy of what was.
HAPROXY = "/etc/haproxy/haproxy.cfg"
CHECK, NOTIFY = "/etc/loadbalancer/check.json", "/etc/loadbalancer/notify.json"
CONFIGURATIONS = (
    HAPROXY,
    "/etc/keepalived/keepalived.conf",
    "/etc/keepalived/guard.json",
    "/etc/layer4/layer4.json",
    "/etc/layer4/layer4.nft",
    "/etc/layer4/conntrackd.conf",
    "/etc/loadbalancer/records.conf",
    CHECK,
    NOTIFY,
)
SYSTEMD = "/etc/systemd/"
COMMANDS = {
    "status.json": ["/usr/local/sbin/loadbalancer", "status", "--json"],
    "status.txt": ["/usr/local/sbin/loadbalancer", "status"],
    "versions/kernel.txt": ["uname", "-a"],
    "versions/system.txt": ["cat", "/etc/os-release"],
    "versions/python.txt": ["/usr/bin/python3", "--version"],
    "versions/packages.txt": ["sh", "-c", "dpkg-query --show || rpm --query --all"],
    "network/addresses.json": ["ip", "-j", "address"],
    "network/routes.txt": ["ip", "route"],
    "network/routes6.txt": ["ip", "-6", "route"],
    "network/sockets.txt": ["ss", "-ltn"],
    "network/nft.txt": ["nft", "list", "ruleset"],
}
UNITS = (
    *("haproxy", "haproxy-records", "haproxy-renewal", "keepalived", "keepalived-guard"),
    *("layer4", "conntrackd", "layer4-mirror", "layer4-records", "loadbalancer*", "prometheus-node-exporter"),
)
RUNS = "pacs.loadbalancer"  # who ran what: _run_lock.note
# The newest line first, so that the oldest are left out where they are too many.
JOURNAL = ["journalctl", "--no-pager", "--quiet", "--output=short-iso", "--reverse", "--since=-24h"]

MOST = 4 * 1024 * 1024  # bytes of each part
PATIENCE = 30  # seconds for each program
LEFT_OUT = "(The rest was left out.)\n"


def names() -> list[str]:
    """Return what an archive has."""
    return [*_files(), *_commands()]


def parts() -> Iterator[tuple[str, str]]:
    """Yield each part's name and what is in it, masked."""
    known = _known()
    for name, path in _files().items():
        yield name, _masked(name, _read(path), known)
    for name, command in _commands().items():
        yield name, _masked(name, run(command), known)


def write(path: str, directory: str) -> None:
    """Write the archive, for root alone; all of it is in that directory there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, its in parts():
            content = its.encode()
            member = tarfile.TarInfo("%s/%s" % (directory, name))
            member.size, member.mtime, member.mode = len(content), int(time.time()), 0o600
            archive.addfile(member, io.BytesIO(content))


def _known() -> dict[str, str]:
    """Return the secrets here, and the digests of files with one: they would tell whether a guess is right."""
    secrets = [*_masking.passwords(_read(HAPROXY)), *_masking.settings(_read(CHECK)), *_masking.settings(_read(NOTIFY))]
    found = dict.fromkeys(secrets, _masking.MASK)
    for name in _file_set.names():
        record = _file_set.FileSet(name).record
        for path in record.get("secret", []):
            found[record["files"].get(path, "")] = "(digest of %s)" % path
    return found


def _files() -> dict[str, str]:
    """Return the path of each part that is a file."""
    records = {name: os.path.join(name, "deployed.json") for name in _file_set.names()}
    records["site"] = "site.json"
    found = {"configuration/%s" % os.path.basename(path): path for path in CONFIGURATIONS}
    found.update(("records/%s.json" % name, os.path.join(_file_set.DIRECTORY, path)) for name, path in records.items())
    deployed = [path for name in _file_set.names() for path in _file_set.FileSet(name).record.get("files", {})]
    units = [path for path in deployed if path.startswith(SYSTEMD)]
    found.update(("systemd/%s" % os.path.relpath(path, SYSTEMD), path) for path in units)
    return found


def _commands() -> dict[str, list[str]]:
    """Return the command of each part that a program says."""
    logs = {"logs/%s.log" % unit.rstrip("@*"): [*JOURNAL, "--unit=%s" % unit] for unit in UNITS}
    return {**COMMANDS, **logs, "logs/runs.log": [*JOURNAL, "--identifier=%s" % RUNS]}


def _masked(name: str, its: str, known: dict[str, str]) -> str:
    if name.endswith(".json"):
        return _masking.data(its, known)
    if name.endswith(".log"):
        # Until here what is in several lines of one message is in the order that masking expects.
        return "".join(reversed(_masking.log(its, known).splitlines(True)))
    return _masking.text(its, known)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return _bounded(file.read(MOST + 1))
    except OSError as error:
        return "%s: %s\n" % (path, error.strerror)


def run(command: list[str]) -> str:
    """Return what a program says in time, its complaints too; a sentence where it says nothing."""
    try:
        process = _programs.start(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        return "%s: %s\n" % (command[0], error.strerror)
    late = threading.Timer(PATIENCE, process.kill)
    late.start()
    with process:
        said = (process.stdout.read(MOST + 1) if process.stdout else b"").decode("utf-8", "replace")
        process.kill()
    if not late.is_alive():
        said += "(%s was not ready after %g s.)\n" % (command[0], PATIENCE)
    late.cancel()
    return _bounded(said) or "(%s has said nothing.)\n" % " ".join(command)


def _bounded(its: str) -> str:
    return its if len(its) <= MOST else its[: its.rfind("\n", 0, MOST) + 1] + LEFT_OUT
