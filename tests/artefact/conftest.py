# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make build SIGN=...` makes, with a key that is thrown away, and a home in which it is installed."""

from __future__ import annotations

import os
import pathlib
import subprocess
import tempfile

import pytest

CLONE = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory):
    """A user's home without anything of Ansible, and a shell there that knows nothing of the clone."""
    home = tmp_path_factory.mktemp("home")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")} | {
        "HOME": str(home)
    }

    def run(*command, code=0):
        done = subprocess.run(command, cwd=home, env=environment, text=True, capture_output=True, check=False)
        said = f"{done.stdout}{done.stderr}"
        assert done.returncode == code, f"{' '.join(map(str, command))}\n{said}"
        return said if code else done.stdout

    run.home = home
    return run


@pytest.fixture(scope="session")
def keys():
    """GnuPG's directory, with a key called throwaway. Its path is short: it holds the agent's socket."""
    with tempfile.TemporaryDirectory(prefix="keys-") as directory:
        gpg = {**os.environ, "GNUPGHOME": directory}
        try:
            for command in (
                ["--quick-generate-key", "throwaway", "ed25519", "sign", "never"],
                ["--output", f"{directory}/public.gpg", "--export", "throwaway"],
            ):
                subprocess.run(["gpg", "--quiet", "--batch", "--passphrase", "", *command], env=gpg, check=True)
            yield pathlib.Path(directory)
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], env=gpg, check=True)


@pytest.fixture(scope="session")
def artefact(tmp_path_factory, keys):
    out = tmp_path_factory.mktemp("dist")
    command = ["make", "--directory", str(CLONE), "build", f"OUT={out}", "SIGN=throwaway"]
    done = subprocess.run(
        command, env={**os.environ, "GNUPGHOME": str(keys)}, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (tarball,) = out.glob("*.tar.gz")
    return tarball


@pytest.fixture(scope="session")
def installed(elsewhere, artefact):
    elsewhere("ansible-galaxy", "collection", "install", "--offline", str(artefact))
    return elsewhere.home / ".ansible/collections/ansible_collections/pacs/loadbalancer"
