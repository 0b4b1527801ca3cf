# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the traffic of a hospital through the VIP, on the modality, with nothing but Python's library and DCMTK.

usage: python3 -m traffic COMMAND, in the directory where tasks/traffic.yml has placed this and the DICOM codec
  run FILE                         make traffic until `finish` is asked; FILE is JSON, see below
  ask SOCKET JSON                  ask the running traffic, and print its answer; JSON is an object, see Control.answer
  clients JSON                     visit every service as each client; see clients.py
  study DIRECTORY UID IMAGES ROWS  write a study; see study.py
  file PATH BYTES                  write the file that a node's web serves; see web.py

The file of `run` is an object of
  vip           the address that all traffic goes to
  nodes         addresses of the nodes by name; their Orthanc (HTTP, port 8042) is asked for what was acknowledged
  own           the address of this host from which DCMTK's programs connect
  clients       all its addresses, each a client
  ports         ports of the services dicom, query, mwl, slow and web
  associations  how many are open at all times, by kind: echo, silent, find, query, mwl and slow
  retrieved     UID of a study that every node has, in each of its services, for C-FIND and C-GET
  stored        directories of the studies that are stored in turn, by UID
  images        number of images of each study
  download      bytes of the file that is downloaded from the web
  journal       file for all events, one JSON object a line
  socket        where questions are answered

An association that breaks is noted and replaced, so that there is always traffic. A download counts as an association,
and each piece of it as an answer. `waited` is how long an answer took, in seconds, without the time that a slow node
takes on purpose.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import socket
import sys

from . import clients, study, web
from .control import Control
from .dcmtk import Dcmtk
from .echo import Echo
from .journal import Journal
from .stored import Stored
from .visits import Visits

ASK_TIMEOUT = 180  # seconds: a node that is silent lets each visit wait for journal.PATIENCE


async def run(config: dict) -> None:
    journal = Journal(config["journal"])
    echo = Echo(config, journal)
    dcmtk = Dcmtk(config, journal)
    stored = Stored(config, journal, dcmtk)
    visits = Visits(config, journal)
    downloads = web.Downloads(config, journal)
    control = Control(config, journal, echo, visits, stored)
    path = pathlib.Path(config["socket"])
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(control.answer, path)
    works = (*dcmtk.work(), *echo.work(), visits.work(), stored.work(), downloads.work())
    # A task that fails by a bug of these programs ends them all, with its traceback.
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        await control.finished.wait()
        for task in tasks:
            task.cancel()
    server.close()


def ask(path: str, question: str) -> None:
    with socket.socket(socket.AF_UNIX) as traffic, traffic.makefile("rb") as answer:
        traffic.settimeout(ASK_TIMEOUT)
        traffic.connect(path)
        traffic.sendall(question.encode() + b"\n")
        sys.stdout.write(answer.readline().decode())


def main() -> None:
    match sys.argv[1:]:
        case ["run", path]:
            asyncio.run(run(json.loads(pathlib.Path(path).read_text())))
        case ["ask", path, question]:
            ask(path, question)
        case ["clients", config]:
            clients.visit_all(json.loads(config))
        case ["study", directory, uid, images, rows]:
            study.write(pathlib.Path(directory), uid, int(images), int(rows))
        case ["file", path, size]:
            web.write(pathlib.Path(path), int(size))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
