# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two or more load balancers, two nodes and a client in network namespaces: the real kernel, daemon and conntrackd;
HAProxy is played.

198.51.100.0/24 exists between the namespaces alone. What Keepalived does, a test does: `Pair.move`.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable

LIB = pathlib.Path(__file__).parents[2] / "roles/layer4/files/lib"
VIP = "198.51.100.10"
ROOM = 1 << 24  # bytes, as the recorder's socket has in roles/layer4/templates/records.socket.j2
PROGRAMS = ("nft", "conntrack", "conntrackd", "unshare", "nsenter", "ip")


def missing(programs: Iterable[str] = PROGRAMS) -> str:
    """Why there can be no such hosts here, in words; empty where there can."""
    if os.geteuid() != 0:
        return "hosts in network namespaces need root"
    gone = [name for name in programs if not shutil.which(name)]
    return f"not installed: {', '.join(gone)}" if gone else ""


def command_lines() -> list[list[str]]:
    """The command lines of all processes."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text(errors="replace").split("\0"))
        except OSError:
            pass  # it has ended
    return found


def until(condition, seconds: float = 20):
    """Poll a condition; return its first true value, or the last one."""
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


class Host:
    """A machine with a network and a /run of its own, on one cable."""

    def __init__(self, switch: Host | None, address: str = "") -> None:
        command = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-ec"]
        # Podman writes into /etc/containers whenever a lab comes or goes.
        script = (
            "for own in /run /var/lib; do mount -t tmpfs none $own; done;"
            " mkdir -p /run/lock /run/layer4 /run/etc/layer4;"
            " find /etc -mindepth 1 -maxdepth 1 ! -name containers -exec cp -a -t /run/etc {} +;"
            " mount --bind /run/etc /etc; echo; exec sleep 3600"
        )
        self.holder = subprocess.Popen([*command, script], stdout=subprocess.PIPE)
        assert self.holder.stdout and self.holder.stdout.readline() == b"\n"
        self.address, self.processes = address, []
        self("ip", "link", "set", "lo", "up")
        if switch:
            port = f"p{re.split('[.:]', address)[-1]}"
            switch("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(self.holder.pid))
            switch("ip", "link", "set", port, "master", "br0", "up")
            length = ("64", "nodad") if ":" in address else ("24",)
            self("ip", "address", "add", f"{address}/{length[0]}", "dev", "eth0", *length[1:])
            self("ip", "link", "set", "eth0", "up")

    def command(self, *words: str) -> list[str]:
        return ["nsenter", "--target", str(self.holder.pid), "--net", "--mount", *words]

    def __call__(self, *words: str, stdin: str = "", check: bool = True) -> str:
        done = subprocess.run(
            self.command(*words), input=stdin, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0 or not check, f"{words}: {done.stderr}"
        return done.stdout

    def start(self, *words: str, **more) -> subprocess.Popen:
        self.processes.append(subprocess.Popen(self.command(*words), text=True, **more))
        return self.processes[-1]

    def stop(self, process: subprocess.Popen) -> None:
        """Kill a program that was started here."""
        process.kill()
        process.wait()
        self.processes.remove(process)
        if process.stdout:
            process.stdout.close()

    def write(self, path: str, text: str) -> None:
        self("sh", "-c", f"cat > {path}", stdin=text)

    def power_off(self) -> None:
        """End everything at once, and say nothing to anybody."""
        self("ip", "link", "set", "eth0", "down", check=False)
        for process in [*self.processes, self.holder]:
            process.kill()
            process.wait()
            for stream in (process.stdout, process.stdin):
                if stream:
                    stream.close()
        self.processes = []


class Switch(Host):
    def __init__(self) -> None:
        super().__init__(None)
        self("ip", "link", "add", "br0", "type", "bridge")
        self("ip", "link", "set", "br0", "up")


class FakeHAProxy(threading.Thread):
    """Answers `show stat` on a socket; `states` by node's name, all nodes of all services."""

    def __init__(self, path: str, services: list[dict]) -> None:
        super().__init__(daemon=True)
        self.services, self.states = services, {node["name"]: "UP" for s in services for node in s["nodes"]}
        self.silent = False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.start()

    def run(self) -> None:
        while True:
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection: socket.socket) -> None:
        with connection:
            if b"show stat" not in connection.recv(64) or self.silent:
                return
            rows = ["# pxname,svname,status,check_status,weight,addr"]
            for service in self.services:
                for node in service["nodes"]:
                    state = self.states[node["name"]]
                    check = "L4TOUT" if state.startswith("DOWN") else "L4OK"
                    rows.append(f"{service['name']},{node['name']},{state},{check},1,{node.get('address', '')}:104")
            connection.sendall("\n".join(rows).encode() + b"\n")


class LoadBalancer(Host):
    """The daemon of layer 4, conntrackd and a HAProxy that is played, with what roles/layer4 wrote."""

    # Its own program, with other times.
    START = (
        "import sys; sys.path.insert(0, '{lib}'); from layer4 import daemon; daemon.RESYNC = {resync}; daemon.serve()"
    )

    def __init__(self, switch: Host, rendered: dict[str, str], directory: pathlib.Path, resync: float, **more) -> None:
        configuration = {**json.loads(rendered["configuration"]), "haproxy_socket": str(directory / "haproxy"), **more}
        super().__init__(switch, configuration["address"])
        self.haproxy = FakeHAProxy(configuration["haproxy_socket"], configuration["services"])
        self.log = directory / "log"
        self.write("/etc/layer4/layer4.nft", rendered["layer4"])
        self.write("/etc/layer4/layer4.json", json.dumps(configuration))
        self.daemon = self.start(
            *(sys.executable, "-BIS", "-c", self.START.format(lib=LIB, resync=resync)),
            stdout=self.log.open("a"),
            stderr=subprocess.STDOUT,
        )
        self.start_conntrackd(rendered["conntrackd"])

    def start_conntrackd(self, configuration: str) -> None:
        self.write("/etc/layer4/conntrackd.conf", configuration.replace("Systemd on", "Systemd off"))
        self.conntrackd = self.start("conntrackd", "-C", "/etc/layer4/conntrackd.conf", stdout=subprocess.DEVNULL)

    def restart_conntrackd(self, configuration: str) -> None:
        self.stop(self.conntrackd)
        self("rm", "-f", "/run/lock/conntrackd.lock")
        self.start_conntrackd(configuration)
        assert until(lambda: self("conntrackd", "-C", "/etc/layer4/conntrackd.conf", "-s", check=False))
        self.layer4("resync", check=False)  # ExecStartPost

    def record(self) -> None:
        """Record connections that have ended, in `journal.records`."""
        self.journal = Journal(self)
        self.recorder = self.start(
            sys.executable, "-c", KEEPER.format(lib=LIB, room=ROOM), stdin=subprocess.PIPE, stdout=self.log.open("a")
        )

    def signal_recorder(self, name: str, pause: float = 0, room: int = ROOM) -> None:
        """Send it a signal, by which it ends, to start again after so many seconds; or SIGSTOP and SIGCONT. room: bytes
        that the kernel may say meanwhile.
        """
        self.recorder.stdin.write(f"{name} {pause} {room}\n")
        self.recorder.stdin.flush()

    def is_ready(self) -> bool:
        """Has the map of the first service all of its slots?"""
        return (
            self("nft", "list", "map", "inet", "layer4", "to_198_51_100_10_104", check=False).count(" expires ") == 256
        )

    def layer4(self, *words: str, check: bool = True) -> str:
        return self(sys.executable, "-BIS", str(LIB), *words, check=check)

    def forwarded(self) -> set[str]:
        """Names of the forwarded connections that this kernel knows, new and old."""
        digest = json.loads(self.layer4("connections"))
        return {*digest["established"], *digest["others"], *digest["ended"]}

    def power_off(self) -> None:
        self.haproxy.listener.close()
        super().power_off()


class Journal(threading.Thread):
    """Takes a load balancer's records in place of journald."""

    def __init__(self, host: Host) -> None:
        super().__init__(daemon=True)
        host("mkdir", "-p", "/run/systemd/journal")
        self.records: list[dict] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"/proc/{host.holder.pid}/root/run/systemd/journal/socket")
        self.start()

    def run(self) -> None:
        while data := self.socket.recv(65536):
            fields = dict(line.split("=", 1) for line in data.decode().splitlines())
            assert fields["SYSLOG_IDENTIFIER"] == "pacs-session"
            self.records.append(json.loads(fields["MESSAGE"]))


# As systemd does: keeps the socket, and starts the program again. A line from standard input is a signal, for how many
# seconds the program is away then, and the bytes that the kernel has room for.
KEEPER = """
import os, signal, socket, subprocess, sys, threading, time
kept = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
def room(number):
    kept.setsockopt(socket.SOL_SOCKET, 33, int(number))  # SO_RCVBUFFORCE
room({room})
kept.bind((0, 7))
os.dup2(kept.fileno(), 3)
command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-BIS", "{lib}", "records"]
def start():
    return subprocess.Popen(command, pass_fds=[3], env={{**os.environ, "LISTEN_FDS": "1"}})
child = start()
for line in sys.stdin:
    name, seconds, number = line.split()
    room(number)
    child.send_signal(getattr(signal, name))
    if name in ("SIGSTOP", "SIGCONT"):
        continue
    child.wait()
    time.sleep(float(seconds))
    child = start()
child.kill()
"""


class Pair:
    """Two load balancers, or more; lb1 has the VIP."""

    def __init__(
        self, rendered: dict[str, dict[str, str]], directory: pathlib.Path, resync: float = 3600, **more
    ) -> None:
        self.hosts: list[Host] = []
        self.holder: LoadBalancer | None = None
        self.rendered, self.directory, self.more = rendered, directory, {"resync": resync, **more}
        try:
            self.switch = self.add(Switch())
            self.balancers = [self.boot(name) for name in rendered]
            self.lb1, self.lb2 = self.balancers[:2]
            self.nodes = [self.add(Host(self.switch, f"198.51.100.{number}")) for number in (21, 22)]
            self.client = self.add(Host(self.switch, "198.51.100.50"))
            for node in self.nodes:
                node.start(sys.executable, "-c", NODE, stdout=subprocess.DEVNULL)
            self.move(self.lb1)
            for balancer in self.balancers:
                assert until(balancer.is_ready), balancer.log.read_text()
        except BaseException:
            self.end()
            raise

    def add(self, host):
        self.hosts.append(host)
        return host

    def boot(self, name: str) -> LoadBalancer:
        """Start a load balancer, one that was lost among them."""
        directory = pathlib.Path(tempfile.mkdtemp(prefix=name, dir=self.directory))
        return self.add(LoadBalancer(self.switch, self.rendered[name], directory, **self.more))

    def move(self, to: LoadBalancer, unnoticed: bool = False) -> None:
        """Let a load balancer have the VIP, as Keepalived does. unnoticed: it never gave it up, and is not told."""
        if self.holder and self.holder.processes:
            self.holder("ip", "address", "del", f"{VIP}/24", "dev", "eth0")
        to("ip", "address", "add", f"{VIP}/24", "dev", "eth0")
        self.holder = to
        for host in (self.client, *self.nodes):
            host("ip", "neigh", "flush", "dev", "eth0")
        until(lambda: to("conntrackd", "-C", "/etc/layer4/conntrackd.conf", "-s", check=False))
        if not unnoticed:
            to.layer4("master")

    def connect(self, number: int) -> Connections:
        return Connections(self.client, number)

    def sessions(self, number: int, at_once: int) -> subprocess.Popen:
        """A client that opens so many connections, each of which it closes after an answer; it prints their ports."""
        return self.client.start(sys.executable, "-c", SESSIONS, VIP, str(number), str(at_once), stdout=subprocess.PIPE)

    def end(self) -> None:
        for host in reversed(self.hosts):
            if host.holder.poll() is None:
                host.power_off()


class Connections:
    """Connections of a client to the service: each sends a word, to be answered after so many seconds."""

    def __init__(self, client: Host, number: int) -> None:
        self.process = client.start(
            sys.executable, "-c", CLIENT, VIP, str(number), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.answers() == ["opened"] * number

    def ask(self, seconds: float = 0) -> None:
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()

    def answers(self) -> list[str]:
        """What each of the connections got, in words; it waits for them, for 40 s at most."""
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


# On a node: each line of a connection is a number of seconds, after which it is answered.
NODE = """
import asyncio
async def serve(reader, writer):
    while line := await reader.readline():
        await asyncio.sleep(float(line))
        writer.write(line)
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", 104)
    await server.serve_forever()
asyncio.run(main())
"""

SESSIONS = """
import asyncio, json, sys
vip, number, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
left, ports = iter(range(number)), []
async def visit():
    for _ in left:
        while True:
            try:
                reader, writer = await asyncio.open_connection(vip, 104)
                break
            except OSError:  # a daemon that gets no processor time lets its map expire
                await asyncio.sleep(0.1)
        ports.append(writer.get_extra_info("sockname")[1])
        writer.write(b"0\\n")
        assert await asyncio.wait_for(reader.readline(), 40) == b"0\\n"
        writer.close()
        await writer.wait_closed()
async def main():
    await asyncio.gather(*[visit() for _ in range(at_once)])
asyncio.run(main())
print(json.dumps(ports))
"""

CLIENT = """
import asyncio, json, sys
vip, number = sys.argv[1], int(sys.argv[2])
async def ask(connection, line):
    reader, writer = connection
    try:
        writer.write(line)
        return "answered" if await asyncio.wait_for(reader.readline(), 40) == line else "closed"
    except asyncio.TimeoutError:
        return "silent"
    except OSError as error:
        return type(error).__name__
async def main():
    connections = await asyncio.gather(*[asyncio.open_connection(vip, 104) for _ in range(number)])
    print(json.dumps(["opened"] * number), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await asyncio.gather(*[ask(one, line.encode()) for one in connections])), flush=True)
asyncio.run(main())
"""
