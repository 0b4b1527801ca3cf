# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The key of the encrypted mirror."""

from __future__ import annotations

import base64
import secrets
import shutil
import stat
import subprocess

import pytest
from rendering import REPOSITORY

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _mirror_key

# RFC 7748, 6.1: a private key, and its public half.
KNOWN = {
    "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a": (
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    ),
    "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb": (
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    ),
}


@pytest.mark.parametrize("private", KNOWN)
def test_a_public_key_is_what_the_rfc_says(private):
    assert _mirror_key.public_key(bytes.fromhex(private)).hex() == KNOWN[private]


@pytest.mark.skipif(not shutil.which("wg"), reason="wireguard-tools is not installed")
def test_a_public_key_is_what_wireguard_says(tmp_path):
    for octets in [bytes(32), b"\xff" * 32, *(secrets.token_bytes(32) for _key in range(20))]:
        private = base64.b64encode(octets).decode()
        (tmp_path / "key").write_text(private + "\n")
        done = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True)
        assert _mirror_key.read(str(tmp_path / "key")) == done.stdout.strip()


def test_a_key_is_made_once_and_for_root_alone(tmp_path):
    path = tmp_path / "layer4/mirror.key"
    assert _mirror_key.read(str(path)) == ""
    _mirror_key.make(str(path))
    text, public = path.read_text(), _mirror_key.read(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and len(base64.b64decode(public)) == 32
    assert public not in text
    _mirror_key.make(str(path))  # another run
    assert path.read_text() == text and [one.name for one in path.parent.iterdir()] == ["mirror.key"]


@pytest.mark.parametrize("text", ["", "no key\n", "AAAA\n"])
def test_a_file_that_is_no_key_is_named(tmp_path, text):
    (tmp_path / "key").write_text(text)
    with pytest.raises(_mirror_key.Damaged, match="key is no key of WireGuard; remove it"):
        _mirror_key.read(str(tmp_path / "key"))


def test_the_other_hosts_key_is_read_from_the_unit_that_was_deployed(tmp_path):
    unit = tmp_path / "layer4-mirror.service"
    assert _mirror_key.of_peer(str(unit)) == ""
    text = (REPOSITORY / "roles/layer4/templates/mirror.service.j2").read_text()
    unit.write_text(text.replace("{{ tunnel.peer_key }}", ""))  # by a dry run's text nobody is known
    assert _mirror_key.of_peer(str(unit)) == ""
    known = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="
    unit.write_text(text.replace("{{ tunnel.peer_key }}", known))
    assert _mirror_key.of_peer(str(unit)) == known
