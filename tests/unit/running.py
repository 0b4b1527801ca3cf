# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real HAProxy with what is rendered, on loopback, and programs for it to talk to."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import threading
import time

from rendering import REPOSITORY

RECORDS = REPOSITORY / "roles/haproxy/files/haproxy-records.sed"
REJECT = REPOSITORY / "roles/haproxy/files/reject_calling_ae.lua"


@contextlib.contextmanager
def haproxy(text, directory, page="", log=subprocess.DEVNULL, replaced=None):
    """Run it on loopback, with quick checks; yield the path of its socket.

    ``page``: for web clients while all nodes are out. ``log``: where its log goes, and its records as they are
    before `recorded`. ``replaced``: words, and others.
    """
    (directory / "unavailable.html").write_text(page)
    here = on_loopback(text, directory)
    files = {
        "/etc/haproxy/unavailable.html": f"{directory}/unavailable.html",
        "/etc/haproxy/reject_calling_ae.lua": str(REJECT),
    }
    for word, other in {**files, **(replaced or {})}.items():
        here = here.replace(word, other)
    path = directory / "haproxy.cfg"
    path.write_text(here)
    with subprocess.Popen(["haproxy", "-db", "-f", str(path)], stdout=log) as process:
        try:
            yield str(directory / "admin")
        finally:
            process.terminate()


def on_loopback(text, directory, network="127.51.100.", reloads=False):
    """What is rendered, for one HAProxy without its peers: quick checks, its socket in a directory.

    ``reloads``: it may be given a worker that replaces it, and is its own peer for that.
    """
    gone, peers = "chroot|user|group|hard-stop-after", "pair"
    if not reloads:
        gone, peers = f"{gone}|localpeer", r"\w+"
    here = re.sub(rf"^    ({gone}) .*\n", "", text, flags=re.MULTILINE)
    here = re.sub(rf"^peers {peers}\n(    .*\n)+", "", here, flags=re.MULTILINE)
    here = re.sub(rf"^(    stick-table .*) peers {peers}$", r"\1", here, flags=re.MULTILINE)
    here = here.replace("198.51.100.", network).replace("inter 2s fastinter 1s", "inter 200ms fastinter 200ms")
    here = here.replace("log 127.0.0.1:1026 ", "log stdout ")
    return here.replace("/run/haproxy/admin.sock", f"{directory}/admin")


def recorded(text):
    """The records in what HAProxy has logged, as they are in the journal."""
    sed = ["sed", "--regexp-extended", "--file", str(RECORDS)]
    done = subprocess.run(sed, input=text, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def listen(address, port):
    """Accept connections, and close them."""
    listener = socket.create_server((address, port))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                listener.accept()[0].close()

    threading.Thread(target=accept, daemon=True).start()
    return listener


def close(listener):
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.05)


def stop(pid):
    """Stop a process, with all of its threads: the signal alone returns before that."""
    os.kill(pid, signal.SIGSTOP)
    threads = pathlib.Path(f"/proc/{pid}/task")
    until(lambda: all((one / "stat").read_text().rpartition(")")[2].split()[0] == "T" for one in threads.iterdir()))


def accepts(host, port):
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def unchecked(text):
    """A configuration without health checks: they connect to the nodes too, and are logged."""
    return re.sub(r"^(    server .*?) check(?= |$)", r"\1", text, flags=re.MULTILINE)
