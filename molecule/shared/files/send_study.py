# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a directory of images with DCMTK's storescu, and print what the modality saw, as JSON.

usage: send_study.py ADDRESS PORT DIRECTORY PROGRESS    the file PROGRESS has the number of images acknowledged so far
"""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
import time


def main() -> None:
    address, port, directory, progress = sys.argv[1:]
    command = ["storescu", "-v", "-aet", "MODALITY", "-aec", "INFINITT", "+sd", address, port, directory]
    times, errors = [time.monotonic()], []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as storescu:
        for line in storescu.stdout:
            if "Received Store Response (Success)" in line:
                times.append(time.monotonic())
                pathlib.Path(progress).write_text(str(len(times) - 1))
            elif re.match("[EF]: [0-9a-f]{4}:[0-9a-f]{4} ", line):
                errors.append(line[13:].strip())
    print(
        json.dumps(
            {
                "images": len(list(pathlib.Path(directory).iterdir())),
                "acknowledged": len(times) - 1,
                "pause_s": round(max(after - before for before, after in zip(times, times[1:])), 2),
                "broken": storescu.returncode != 0,
                "error": next(iter(errors), ""),
            }
        )
    )


if __name__ == "__main__":
    main()
