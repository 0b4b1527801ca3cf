# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions with a web service, as fast as they are answered: `sessions.py ADDRESS NUMBER STOP_FILE`.

At least so many, and until the file is there. Prints JSON: `answered`, the client's port of each that was, and
`broken`, those that were not.
"""

import asyncio
import json
import os
import sys

ADDRESS, NUMBER, STOP = sys.argv[1], int(sys.argv[2]), sys.argv[3]
REQUEST = b"HEAD /canary-path?patient=canary-query HTTP/1.0\r\nCookie: patient=canary-cookie\r\n\r\n"
seen = {"answered": [], "broken": []}


async def session():
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(ADDRESS, 80), 3)
    except (OSError, asyncio.TimeoutError):
        await asyncio.sleep(0.1)
        return
    port = writer.get_extra_info("sockname")[1]
    try:
        writer.write(REQUEST)
        answer = await asyncio.wait_for(reader.read(), 5)
    except (OSError, asyncio.TimeoutError):
        answer = b""
    writer.close()
    seen["answered" if answer else "broken"].append(port)
    if not answer:
        await asyncio.sleep(0.1)


async def client():
    while len(seen["answered"]) < NUMBER or not os.path.exists(STOP):
        await session()


async def crowd():
    await asyncio.gather(*(client() for _number in range(100)))


asyncio.run(crowd())
json.dump(seen, sys.stdout)
