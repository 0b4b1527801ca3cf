# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of this program: where they are, what the role wrote into them, and which version this is."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import sys

from .address import version

RULES = pathlib.Path("/etc/layer4/layer4.nft")
CONFIGURATION = pathlib.Path("/etc/layer4/layer4.json")
CONNTRACKD = pathlib.Path("/etc/layer4/conntrackd.conf")
STATE = pathlib.Path("/run/layer4/state.json")  # what the daemon knows, for people and for playbooks/status.yml
FORMER = pathlib.Path("/var/lib/layer4/former.json")  # the kernel's settings as the site had them

# Each version is in a directory of its own, named by a fingerprint of its files.
VERSION = pathlib.Path(__file__).resolve().parents[1].name


@dataclasses.dataclass(frozen=True)
class Config:
    """What roles/layer4 wrote (its argument_specs say what each means).

    The defaults are for the moment of an update in which the file is of another version than this program.
    """

    services: list[dict]
    name: str = ""
    mirrored: bool = False
    interfaces: list[str] = dataclasses.field(default_factory=list)
    dead_after: int = 15
    connections: int = 65536
    haproxy_socket: str = "/run/haproxy/admin.sock"
    address: str = ""
    peers: list[str] = dataclasses.field(default_factory=list)
    peers_port: int = 1024
    state_file: str = "/run/layer4.state"

    @property
    def vips(self) -> list[str]:
        return list(dict.fromkeys(service["address"] for service in self.services))

    @property
    def versions(self) -> set[int]:
        """The IP versions of the services."""
        return {version(service["address"]) for service in self.services}


KEYS = {field.name for field in dataclasses.fields(Config)}


def load() -> Config:
    written = json.loads(CONFIGURATION.read_text())
    return Config(**{key: value for key, value in written.items() if key in KEYS})


def check(path: str) -> None:
    """Exit with a sentence where a file is no configuration."""
    keys = set(json.loads(pathlib.Path(path).read_text()))
    if keys != KEYS:
        sys.exit(f"{path}: the keys are {', '.join(sorted(keys))}, and should be {', '.join(sorted(KEYS))}.")


def fingerprint() -> str:
    """Return a hash of the rules and the configuration as they are on disk, to be compared with that of the running
    daemon.
    """
    return hashlib.sha256((RULES.read_text() + CONFIGURATION.read_text()).encode()).hexdigest()[:16]
