# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Visit services as several clients, so that HAProxy's log shows which node each was given."""

from __future__ import annotations

import http.client
import json
import pathlib
import time

from .blocking import Association

TIMEOUT = 20  # seconds: a node on a busy machine


def visit_all(config: dict) -> None:
    """Visit each service as each client, and print when the first visit began, in seconds since the epoch.

    config: an object of
      vip       the address that is visited
      clients   addresses of this host, each a client
      services  port by name: the one called web is asked by HTTP, each other with a C-ECHO
      jar       the file that keeps the cookies

    Each visits three times: under load HAProxy drops a line of its log rather than wait.
    """
    jar = pathlib.Path(config["jar"])
    cookies = json.loads(jar.read_text()) if jar.exists() else {}
    print(time.time())
    for _visit in range(3):
        for client in config["clients"]:
            for service, port in config["services"].items():
                if service == "web":
                    _browse(config["vip"], port, client, cookies)
                else:
                    with Association(config["vip"], port, TIMEOUT, client) as association:
                        association.echo()
                        association.release()
    jar.write_text(json.dumps(cookies))


def _browse(vip: str, port: int, client: str, cookies: dict[str, str]) -> None:
    connection = http.client.HTTPConnection(vip, port, TIMEOUT, (client, 0))
    connection.request("HEAD", "/", headers={"Cookie": cookies[client]} if client in cookies else {})
    given = connection.getresponse().headers["Set-Cookie"]
    if given:
        cookies[client] = given.partition(";")[0]
    connection.close()
