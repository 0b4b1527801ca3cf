# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host and its links show before anything is deployed on it."""

from __future__ import annotations

import glob
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _neighbours, _programs

# Files that are read for settings: the kernel's own (absent before anything tracks connections), and those of nftables.
SETTINGS = (
    "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established",
    "/etc/nftables.conf",
    "/etc/sysconfig/nftables.conf",
    "/etc/nftables/**",
    "/etc/nftables.d/**",
)
# Where a deployment writes. What is not there yet is made in the directory above it.
WRITTEN = (
    "/etc/haproxy",
    "/etc/keepalived",
    "/etc/layer4",
    "/etc/systemd/system",
    "/usr/local/lib",
    "/var/lib/pacs.loadbalancer",
)
# What says its version, by package: "HAProxy version 2.6.12-1", "nftables v1.0.6"; of apt it is "Version: 1:2.2.7-1".
PROGRAMS = {
    "haproxy": ["/usr/sbin/haproxy", "-v"],
    "keepalived": ["/usr/sbin/keepalived", "--version"],
    "nftables": ["/usr/sbin/nft", "--version"],
}
VERSION = re.compile(r"^(?:\S+ (?:version |v)|Version: (?:[0-9]+:)?)([0-9]+(?:\.[0-9]+)+)", re.MULTILINE)
ROOM = 4 << 20  # bytes: the new files, and copies of the former ones
# A number alone, or the beginning of a table of ours (roles/layer4).
SETTING = re.compile(r"^(?:[0-9]+|\s*table (?:inet|ip|ip6) layer4.*)$", re.MULTILINE)


def gather(interfaces: list[str], addresses: list[str], timeout: float) -> dict:
    """Return everything that the module preflight_info does. Raises CannotAsk."""
    with ThreadPoolExecutor(len(interfaces)) as pool:
        asked = {name: pool.submit(_neighbours.owners, name, addresses, timeout) for name in interfaces}
        listeners, settings = _listeners(), _settings(SETTINGS)
        owners = {name: future.result() for name, future in asked.items()}
    return {
        "owners": owners,
        "listeners": listeners,
        "settings": settings,
        "wireguard": _has_wireguard(),
        "unwritable": _unwritable(WRITTEN),
        "versions": {package: _version(package, program) for package, program in PROGRAMS.items()},
    }


def _unwritable(paths: tuple[str, ...]) -> dict[str, str]:
    """Return the directories in which nothing can be written, and why not: ``full`` or ``read-only``."""
    found = {}
    for path in paths:
        while not os.path.isdir(path):
            path = os.path.dirname(path)
        its = os.statvfs(path)
        if its.f_flag & os.ST_RDONLY:
            found[path] = "read-only"
        elif its.f_blocks and its.f_bfree * its.f_frsize < ROOM:  # some file systems do not count
            found[path] = "full"
    return found


def _version(package: str, program: list[str]) -> str:
    """Return the version that is installed, such as 2.6.12, or else the one that apt would install; empty where neither
    is known.
    """
    for command in (program, ["apt-cache", "show", "--no-all-versions", package]):
        try:
            shown = _programs.run(command, stderr=subprocess.STDOUT).stdout
        except FileNotFoundError:
            continue
        found = VERSION.search(shown)
        return found.group(1) if found else ""
    return ""


def _listeners() -> list[str]:
    command = ["ss", "--no-header", "--listening", "--tcp", "--numeric", "--processes"]
    try:
        shown = _programs.run(command, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise _neighbours.CannotAsk(f"The listening programs cannot be listed: {error}.") from None
    return shown.splitlines()


def _has_wireguard(loaded: str = "/sys/module/wireguard", modules: str = "/lib/modules") -> bool:
    """Return whether the running kernel has WireGuard, or can load it."""
    found = [os.path.exists(loaded)]
    for name in ("modules.builtin", "modules.dep"):
        try:
            with open(os.path.join(modules, os.uname().release, name), encoding="utf-8") as file:
                found.append("/wireguard.ko" in file.read())
        except OSError:
            pass  # a container has none, for example
    return any(found)


def _settings(patterns: tuple[str, ...]) -> list[str]:
    """Return the lines that matter, each after its path and a colon, as ``grep -H`` prints them."""
    found = []
    for path in (path for pattern in patterns for path in sorted(glob.glob(pattern, recursive=True))):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                found += [f"{path}:{line}" for line in SETTING.findall(file.read())]
        except OSError:
            pass  # a directory, or gone meanwhile
    return found
