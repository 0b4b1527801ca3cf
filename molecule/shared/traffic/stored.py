# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Studies that are stored, and then looked for: each image that was acknowledged must be on a node."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import itertools
import time

from .dcmtk import Dcmtk
from .journal import Journal
from .study import PATIENT

DELETE_EVERY = 0.02  # seconds: a node that deletes a study at once answers nobody meanwhile
TIMEOUT = 10  # seconds


class Stored:
    def __init__(self, config: dict, journal: Journal, dcmtk: Dcmtk) -> None:
        self._nodes, self._studies, self._images = config["nodes"], config["stored"], config["images"]
        self._journal, self._dcmtk = journal, dcmtk
        self._looking: dict[str, asyncio.Task] = {}
        self._idle = asyncio.Event()

    async def work(self) -> None:
        """Store one study after another, until the end."""
        for study, directory in itertools.cycle(self._studies.items()):
            if study in self._looking:  # what is stored now would be deleted as what was stored before
                await self._looking[study]
            if self._dcmtk.ending:
                break
            images = [str(number) for number in range(1, self._images + 1)]
            sent = await self._dcmtk.run("store", [*self._dcmtk.command("storescu", "dicom"), *images], directory)
            self._looking[study] = asyncio.create_task(self._look_for(study, sent.answers if sent else 0))
        await asyncio.gather(*self._looking.values())
        self._idle.set()

    async def end(self) -> None:
        """End the study that is being stored, and wait until everything has been looked for."""
        self._dcmtk.ending = True
        if self._dcmtk.storing and self._dcmtk.storing.returncode is None:
            self._dcmtk.storing.terminate()
        await self._idle.wait()

    async def _look_for(self, study: str, acknowledged: int) -> None:
        self._journal.note("stored", "store", **await asyncio.to_thread(self._delete_study, study, acknowledged))

    def _delete_study(self, study: str, acknowledged: int) -> dict:
        """Delete a study from the nodes; return how many images each had, and which acknowledged ones none had."""
        found: dict[str, int] = dict.fromkeys(self._nodes, 0)
        missing = []
        for number in range(1, self._images + 1):
            # The node that had the last one is asked first.
            for node in sorted(found, key=lambda name: found[name], reverse=True):
                if self._delete(self._nodes[node], f"{study}.{number}", study):
                    found[node] += 1
                    break
            else:
                if number <= acknowledged:
                    missing.append(number)
        return {"study": study, "acknowledged": acknowledged, "found": found, "missing": missing}

    @staticmethod
    def _delete(node: str, image: str, study: str) -> bool:
        """Delete an image from a node's Orthanc, as soon as that answers; return whether it was there."""
        # Orthanc's name for it is made from what identifies it: patient, study, series and image.
        name = hashlib.sha1(f"{PATIENT}|{study}|{study}.0|{image}".encode(), usedforsecurity=False).hexdigest()
        path = "/instances/" + "-".join(name[start : start + 8] for start in range(0, 40, 8))
        while True:
            time.sleep(DELETE_EVERY)
            connection = http.client.HTTPConnection(node, 8042, timeout=TIMEOUT)
            try:
                connection.request("DELETE", path)
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                continue  # a node may be away, and for as long as its Orthanc takes to stop: up to 10 minutes
            finally:
                connection.close()
