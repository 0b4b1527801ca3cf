# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A trial of a conntrackd.conf before it is installed."""

from __future__ import annotations

import os
import pathlib
import re
import sys

from . import system

TIMEOUT = 40  # seconds
SOMEBODY = "192.0.2.4"  # RFC 5737: nobody's
TRIAL = """
set -e
# Two hosts with nothing but a cable between them, and each with directories of its own for locks and sockets.
mount -t tmpfs none /run && mkdir -p /run/lock
mkfifo /run/there
unshare --net sh -ec 'echo $$ > /run/there; exec sleep 60' &
read -r far < /run/there
ip link add "$INTERFACE" type veth peer name far netns "$far"
ip link set "$INTERFACE" up
# As the two ends of one cable: any two addresses reach each other, whatever their networks are.
ip address add "$HERE" peer "$THERE" dev "$INTERFACE" $NODAD
nsenter --target "$far" --net sh -ec '
    ip link set far name "$INTERFACE" up; ip address add "$THERE" peer "$HERE" dev "$INTERFACE" $NODAD'
sed 's|conntrackd|far|g' "$FAR" > /run/far.conf
conntrackd -C "$NEAR" > /run/near.log 2>&1 &
nsenter --target "$far" --net conntrackd -C /run/far.conf > /run/far.log 2>&1 &
for attempt in $(seq 50); do
    conntrack --create --proto tcp --src 192.0.2.1 --sport "$((attempt + 1024))" --dst 192.0.2.2 --dport 104 \
        --dst-nat 192.0.2.3 --state ESTABLISHED --status SEEN_REPLY,ASSURED --timeout 20 > /run/said 2>&1 || true
    sleep 0.1
    if nsenter --target "$far" --net conntrack --dump --proto tcp --src 192.0.2.1 2> /dev/null |
        grep -q 192.0.2.3; then exit 0; fi
done
{ echo "What one host has in its connection table does not appear in the other's."; cat /run/said /run/near.log; } >&2
exit 1
"""


def try_mirror(path: str) -> None:
    """Exit with a sentence unless two conntrackds, one with this file and one with its addresses exchanged, mirror an
    entry.
    """
    text = pathlib.Path(path).read_text()
    named = dict(
        re.findall(
            r"^\s*(IPv[46]_address|IPv[46]_Destination_Address|IPv4_interface|Interface) (\S+)$",
            text.partition("General")[0],
            re.MULTILINE,
        )
    )
    version = "6" if "IPv6_address" in named else "4"
    if "IPv4_interface" in named:  # by multicast: no peer is named
        here, there = named["IPv4_interface"], SOMEBODY
    else:
        here, there = named[f"IPv{version}_address"], named[f"IPv{version}_Destination_Address"]
    far, near = path + ".far", path + ".near"
    exchanged = re.sub(
        r"\S+$", lambda match: {here: there, there: here}.get(match[0], match[0]), text, flags=re.MULTILINE
    )
    pathlib.Path(far).write_text(re.sub("Systemd on", "Systemd off", exchanged))
    pathlib.Path(near).write_text(re.sub("Systemd on", "Systemd off", text))
    environment = {
        "NEAR": near,
        "FAR": far,
        "INTERFACE": named["Interface"],
        "HERE": here,
        "THERE": there,
        "NODAD": "nodad" if version == "6" else "",
    }
    try:
        code, answer = system.run(
            *("env", *(f"{name}={value}" for name, value in environment.items())),
            # Whatever it has started ends with it.
            *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", TRIAL),
            timeout=TIMEOUT,
        )
    finally:
        os.unlink(far)
        os.unlink(near)
    if code != 0:
        sys.exit(f"conntrackd does not mirror with {path}: {answer.strip()}")
