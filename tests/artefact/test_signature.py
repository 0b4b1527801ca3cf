# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make build SIGN=...` signs what `ansible-galaxy collection install --signature` verifies."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import galaxy
import pytest


@pytest.fixture
def install(elsewhere, artefact, keys, tmp_path):
    """Installs a tarball from a Galaxy, in a place of its own, if the signature of the artefact is one of its own."""

    def run(tarball, code=0, keyring=keys / "public.gpg"):
        version = artefact.name.removeprefix("pacs-loadbalancer-").removesuffix(".tar.gz")
        with galaxy.serving(tarball, version) as server:
            return elsewhere(
                *("ansible-galaxy", "collection", "install", "--force", "--no-cache", "--server", server),
                *("--collections-path", str(tmp_path), "--keyring", str(keyring)),
                *("--required-valid-signature-count", "+all", "--signature", f"file://{artefact}.asc"),
                "pacs.loadbalancer",
                code=code,
            )

    run.place = tmp_path / "ansible_collections/pacs/loadbalancer"
    return run


def changed(artefact, path, addition, to):
    """Write the artefact to a path with an addition to one file, and with checksums that agree; return the path."""

    def checksum(content):
        return hashlib.sha256(content).hexdigest()

    with tarfile.open(artefact) as tar:
        held = [(member, tar.extractfile(member).read() if member.isfile() else None) for member in tar]
    content = {member.name: data for member, data in held}
    content[path] += addition
    files = json.loads(content["FILES.json"])
    (entry,) = (entry for entry in files["files"] if entry["name"] == path)
    entry["chksum_sha256"] = checksum(content[path])
    content["FILES.json"] = json.dumps(files).encode()
    manifest = json.loads(content["MANIFEST.json"])
    manifest["file_manifest_file"]["chksum_sha256"] = checksum(content["FILES.json"])
    content["MANIFEST.json"] = json.dumps(manifest).encode()
    with tarfile.open(to, "w:gz") as tar:
        for member, data in held:
            if data is not None:
                member.size = len(content[member.name])
            tar.addfile(member, None if data is None else io.BytesIO(content[member.name]))
    return to


def test_what_was_signed_is_installed(install, artefact):
    install(artefact)
    assert (install.place / "playbooks/site.yml").exists()


def test_what_was_changed_afterwards_is_refused(install, artefact, tmp_path):
    other = changed(artefact, "playbooks/site.yml", b"# and more\n", tmp_path / artefact.name)
    assert "Signature verification failed" in install(other, code=1)
    assert not install.place.exists()


def test_a_signature_of_somebody_who_is_not_in_the_keyring_is_refused(install, artefact, tmp_path):
    (tmp_path / "empty.gpg").touch()
    assert "Signature verification failed" in install(artefact, code=1, keyring=tmp_path / "empty.gpg")
    assert not install.place.exists()


def test_a_changed_tarball_of_which_all_checksums_agree_is_found_out_by_its_signature(
    elsewhere, artefact, keys, tmp_path
):
    """A tarball is installed as it is: `verify` looks at the signature afterwards."""
    place = ("--collections-path", str(tmp_path))
    verify = ["ansible-galaxy", "collection", "verify", "--offline", *place, "--keyring", str(keys / "public.gpg")]
    verify += ["--signature", f"file://{artefact}.asc", "pacs.loadbalancer"]
    other = changed(artefact, "playbooks/site.yml", b"# and more\n", tmp_path / artefact.name)
    for tarball, code in (artefact, 0), (other, 1):
        elsewhere("ansible-galaxy", "collection", "install", "--offline", "--force", *place, str(tarball))
        said = elsewhere(*verify, code=code)
        assert ("Signature verification failed" in said) == bool(code)
    assert (tmp_path / "ansible_collections/pacs/loadbalancer/playbooks/site.yml").read_text().endswith("# and more\n")
