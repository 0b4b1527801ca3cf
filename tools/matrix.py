# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try each ansible-core from the oldest that meta/runtime.yml promises to the newest that pip finds.

    matrix.py [ends|newest] MAKE_TARGET...     with `ends` the oldest and the newest alone

Each has a virtual environment in .build/matrix, with the oldest Python of this machine that pip offers it to: one that
it supports, which is not sure of a newer one.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

PLACE = pathlib.Path(".build/matrix").absolute()
OLDEST = re.search(r">=(\d+\.\d+)", pathlib.Path("meta/runtime.yml").read_text())[1]


def number(version):
    """Return 2.16 as something that sorts before 2.100."""
    return tuple(map(int, version.split(".")))


def pythons():
    """Return this machine's Pythons from 3.10 on, the oldest first: {"3.12": its path}."""
    places = os.environ["PATH"].split(":")
    if shutil.which("pyenv"):  # whose own programs of that name refuse what was not chosen
        root = subprocess.run(["pyenv", "root"], text=True, stdout=subprocess.PIPE, check=True).stdout.strip()
        places = [*map(str, pathlib.Path(root).glob("versions/3.*/bin")), *places]
    found = {}
    for minor in range(10, 30):
        path = shutil.which(f"python3.{minor}", path=":".join(places))
        if path:
            found[f"3.{minor}"] = path
    return found


def offered(python):
    """Return the minor versions of ansible-core that pip offers to a Python."""
    command = [sys.executable, "-m", "pip", "--python", python, "index", "versions", "ansible-core"]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return {".".join(version.split(".")[:2]) for version in re.findall(r"\b\d+\.\d+\.\d+\b", done.stdout)}


def environment(version, python, requirements):
    """Make the virtual environment of a version where it is missing or of other requirements, and return its path."""
    venv = PLACE / "-".join([version, *(pathlib.Path(file).stem for file in requirements)])
    wanted = "\n".join([python, *(pathlib.Path(file).read_text() for file in requirements)])
    made = venv / ".requirements"
    if not made.exists() or made.read_text() != wanted:
        subprocess.run([python, "-m", "venv", "--clear", str(venv)], check=True)
        pip = [str(venv / "bin/pip"), "--disable-pip-version-check", "--quiet", "install"]
        files = [word for file in requirements for word in ("--requirement", file)]
        subprocess.run([*pip, f"ansible-core=={version}.*", *files], check=True)
        made.write_text(wanted)
    return venv


def main(words):
    which, targets = words[0], [word for word in words if word not in ("ends", "newest")]
    found = pythons()
    of = {}
    for python, path in found.items():
        for version in offered(path):
            of.setdefault(version, python)
    versions = sorted((version for version in of if number(version) >= number(OLDEST)), key=number)
    if which == "ends":
        versions = [versions[0], versions[-1]]
    elif which == "newest":
        versions = versions[-1:]
    requirements = ["requirements/test.txt", *(["requirements/lab.txt"] if "scenario" in targets else [])]
    failed = []
    for version in versions:
        venv = environment(version, found[of[version]], requirements)
        for target in targets:
            started = time.monotonic()
            # The Makefile puts this first in the path.
            code = subprocess.run(["make", target, f"VENV={venv}"], check=False).returncode
            said = f"ansible-core {version} on Python {of[version]}: {target}"
            print(f"{said} {'passed' if code == 0 else 'FAILED'} after {time.monotonic() - started:.0f} s", flush=True)
            failed += [said] if code else []
    print(f"Pythons here: {', '.join(found)}. Each version was tried with the oldest of them that it is for.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
