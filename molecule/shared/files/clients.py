# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every client visits every service on the VIP, from its own address, and keeps the web's cookie for its next visit.

usage: clients.py JSON, an object of
  vip       the address that is visited
  clients   addresses of this host, a client each
  services  port by name: the one called web is asked by HTTP, each other with a C-ECHO
  echo      the steps of that, from the filter dicom_check
  jar       the file that keeps the cookies

Each comes three times: under load HAProxy drops a line of its log rather than wait, and the log says where it was sent.
Prints when the first came, in seconds since the epoch.
"""

from __future__ import annotations

import http.client
import json
import pathlib
import socket
import sys
import time

TIMEOUT = 5  # seconds
ANSWERS = {"associate": 0x02, "echo": 0x04, "release": 0x06}  # types of PDU: A-ASSOCIATE-AC, P-DATA-TF, A-RELEASE-RP


def echo(vip: str, port: int, client: str, steps: list[dict]) -> None:
    with (
        socket.create_connection((vip, port), TIMEOUT, (client, 0)) as connection,
        connection.makefile("rb") as answers,
    ):
        for step in steps:
            connection.sendall(bytes.fromhex(step["send"]))
            header = answers.read(6)  # type, a reserved byte, and how many bytes follow
            if header[:1] != bytes([ANSWERS[step["name"]]]):
                sys.exit(f"{client} asked port {port} to {step['name']} and got {header.hex() or 'nothing'}")
            answers.read(int.from_bytes(header[2:], "big"))


def browse(vip: str, port: int, client: str, cookies: dict[str, str]) -> None:
    connection = http.client.HTTPConnection(vip, port, TIMEOUT, (client, 0))
    connection.request("HEAD", "/", headers={"Cookie": cookies[client]} if client in cookies else {})
    given = connection.getresponse().headers["Set-Cookie"]
    if given:
        cookies[client] = given.partition(";")[0]
    connection.close()


def main() -> None:
    told = json.loads(sys.argv[1])
    jar = pathlib.Path(told["jar"])
    cookies = json.loads(jar.read_text()) if jar.exists() else {}
    print(time.time())
    for _visit in range(3):
        for client in told["clients"]:
            for service, port in told["services"].items():
                if service == "web":
                    browse(told["vip"], port, client, cookies)
                else:
                    echo(told["vip"], port, client, told["echo"])
    jar.write_text(json.dumps(cookies))


if __name__ == "__main__":
    main()
