# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A webhook and a mail server that keep what they get, and one of which nobody ever hears again."""

from __future__ import annotations

import contextlib
import email
import email.policy
import http.server
import json
import socket
import socketserver
import threading


class Webhook(http.server.BaseHTTPRequestHandler):
    """``server.answers``: the codes of the next answers; then 204. ``server.got``: headers and JSON of each request.

    ``server.open``: while it is not set, who comes waits for it and gets no answer; ``server.held``: what they wanted.
    """

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.open.is_set():
            self.server.held.append(json.loads(body))
            self.server.open.wait()
            return
        self.server.got.append((self.command, dict(self.headers), json.loads(body)))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.server.got.append((self.command, dict(self.headers), None))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_words):
        pass


class Mail(socketserver.StreamRequestHandler):
    """SMTP (RFC 5321), with STARTTLS and AUTH where it has a ``server.context``.

    ``server.refuses``: verbs that it answers with 550. ``server.got``: mails, with ``tls`` and ``login``.
    """

    def handle(self):
        tls, login = False, ""
        self.say("220 mail")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb in self.server.refuses:
                self.say("550 no, and canary-7f3a")
            elif verb == "EHLO":
                context = self.server.context
                self.say(*["250-mail"] + ["250-STARTTLS"] * bool(context) + ["250 AUTH PLAIN"])
            elif verb == "STARTTLS":
                self.say("220 go")
                self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile, tls = self.connection.makefile("rb"), self.connection.makefile("wb"), True
            elif verb == "AUTH":
                login = line.split()[2]
                self.say("235 welcome")
            elif verb == "DATA":
                self.say("354 go")
                # A dot before one at the beginning of a line: RFC 5321, 4.5.2.
                lines = (line.removeprefix(b".") for line in iter(self.rfile.readline, b".\r\n"))
                mail = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                self.server.got.append({"mail": mail, "tls": tls, "login": login})
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 fine")

    def say(self, *lines):
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
        self.wfile.flush()


class Threaded(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_words):
        pass  # a client that does not trust it


@contextlib.contextmanager
def serving(handler, context=None, address=("127.0.0.1", 0)):
    """Yield a server of that handler; ``context``: of its TLS, which a webhook speaks from the first byte on."""
    with Threaded(address, handler) as server:
        server.got, server.answers, server.refuses, server.context = [], [], set(), context
        server.open, server.held = threading.Event(), []
        server.open.set()
        server.server_port = server.server_address[1]
        if context and handler is Webhook:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def hanging():
    """Yield the port of one that accepts and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
