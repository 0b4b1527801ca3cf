# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's settings."""

from __future__ import annotations

import json
import pathlib

from . import config

# With the first, a host that gets a VIP back accepts packets for which its own record of a connection is too old. With
# the second, a client's packet restores an unknown connection. The next two count a connection's bytes and seconds. The
# last two are for a connection whose last packet was not answered yet, or was sent again, as at every loss: it would be
# forgotten after 5 min.
SETTINGS = {
    "net/netfilter/nf_conntrack_tcp_be_liberal": "1",
    "net/netfilter/nf_conntrack_tcp_loose": "1",
    "net/netfilter/nf_conntrack_acct": "1",
    "net/netfilter/nf_conntrack_timestamp": "1",
    "net/netfilter/nf_conntrack_tcp_timeout_unacknowledged": "432000",
    "net/netfilter/nf_conntrack_tcp_timeout_max_retrans": "432000",
}
ESTABLISHED_TIMEOUT = 432000  # seconds, the kernel's own default


class Sysctl:
    """Our settings under /proc/sys, and what was there before."""

    ROOT = pathlib.Path("/proc/sys")

    def __init__(self) -> None:
        self.former: dict[str, str] = json.loads(config.FORMER.read_text()) if config.FORMER.exists() else {}

    def get(self, key: str) -> str | None:
        try:
            return (self.ROOT / key).read_text().strip()
        except OSError:
            return None  # the interface no longer exists

    def number(self, key: str) -> int:
        return int(self.get(key) or 0)

    def put(self, key: str, value: str) -> bool:
        """Change a setting; return False where the kernel does not allow it, as in a container."""
        now = self.get(key)
        if now is None or now == value:
            return now is not None
        # Kept before the change, or a crash would lose it; and only the first value, since a later one may be ours.
        former = {key: now, **self.former}
        self._keep(former)
        try:
            (self.ROOT / key).write_text(value)
        except OSError:
            self._keep(self.former)
            return False
        self.former = former
        return True

    def _keep(self, former: dict[str, str]) -> None:
        config.FORMER.parent.mkdir(mode=0o755, exist_ok=True)
        new = config.FORMER.with_suffix(".new")
        new.write_text(json.dumps(former, indent=1))
        new.replace(config.FORMER)

    def restore(self) -> None:
        """Set everything as the site had it."""
        # The general ones first: they overwrite those of each interface.
        for key, value in sorted(self.former.items(), key=lambda item: "/all/" not in item[0]):
            if self.get(key) is not None:
                (self.ROOT / key).write_text(value)
        if config.FORMER.exists():
            config.FORMER.unlink()

    def apply(self, connections: int) -> None:
        """Set what forwarded connections need, and make the connection table large enough, never smaller."""
        for key, value in SETTINGS.items():
            self.put(key, value)
        wanted = self.number("net/netfilter/nf_conntrack_count") + 2 * connections
        if wanted > self.number("net/netfilter/nf_conntrack_max"):
            if wanted > self.number("net/netfilter/nf_conntrack_buckets"):
                self.put("net/netfilter/nf_conntrack_buckets", str(wanted))
            self.put("net/netfilter/nf_conntrack_max", str(wanted))

    def interfaces(self) -> list[str]:
        names = (path.name for path in (self.ROOT / "net/ipv4/conf").iterdir())
        return sorted(name for name in names if name not in ("all", "default", "lo"))

    def forward(self, interfaces: list[str], versions: set[int]) -> dict[int, list[str]]:
        """Let packets in on these interfaces be forwarded.

        Returns, by IP version, those on which nobody but us wanted that.
        """
        closed: dict[int, list[str]] = {4: [], 6: []}
        if 4 in versions:
            for interface in interfaces:
                self.put(f"net/ipv4/conf/{interface}/forwarding", "1")
            if self.get("net/ipv4/ip_forward") == "0":
                closed[4] = interfaces
        if 6 in versions:
            if self.get("net/ipv6/conf/all/forwarding") == "0":
                self._forward_ipv6(interfaces)
            # As long as `default` says 0, nobody but us has switched it on.
            if self.get("net/ipv6/conf/default/forwarding") == "0":
                for interface in interfaces:
                    self.put(f"net/ipv6/conf/{interface}/forwarding", "1")
                closed[6] = interfaces
        return closed

    def _forward_ipv6(self, interfaces: list[str]) -> None:
        """IPv6 has one switch, which turns every interface into a router's.

        All but these are turned back, and so are new ones.
        """
        names = [*self.interfaces(), "default"]
        before = {name: self.get(f"net/ipv6/conf/{name}/forwarding") or "0" for name in names}
        for interface in self.interfaces():
            # A router ignores others' advertisements, unless this is 2: the host's own route comes from them.
            if self.get(f"net/ipv6/conf/{interface}/accept_ra") == "1":
                self.put(f"net/ipv6/conf/{interface}/accept_ra", "2")
        self.put("net/ipv6/conf/all/forwarding", "1")
        for name, value in before.items():
            if name not in interfaces:
                (self.ROOT / f"net/ipv6/conf/{name}/forwarding").write_text(value)
