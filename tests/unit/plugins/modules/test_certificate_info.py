# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""certificate_info on files as tools write them, and with a real HAProxy that has loaded one."""

from __future__ import annotations

import os
import shutil
import subprocess

import peers
import pytest
from pki import MIDDLE, NAME, OTHER, ROOT, WEB

from ansible_collections.pacs.loadbalancer.plugins.modules import certificate_info

HAPROXY = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")


@pytest.fixture
def see(tmp_path, capsys):
    def ask(certificate=WEB.chain, key=WEB.key, name=NAME, socket="/nowhere"):
        paths = {"certificate": certificate, "key": key}
        for which, text in paths.items():
            if text:
                (tmp_path / which).write_text(text)
        wanted = {
            "service": "web",
            "certificate": str(tmp_path / "certificate"),
            "key": key and str(tmp_path / "key"),
            "name": name,
            "file": "web.pem",
        }
        code, result = peers.run_module(
            certificate_info, capsys, certificates=[wanted], directory=str(tmp_path), socket=str(socket)
        )
        assert code == 0 and not result["changed"]
        return result["certificates"][0]

    return ask


@pytest.mark.parametrize(
    "certificate, key",
    [(WEB.chain, WEB.key), (WEB.pem + MIDDLE.pem + ROOT.pem, WEB.key), (WEB.pem, WEB.key), (WEB.chain + WEB.key, "")],
)
def test_one_that_can_be_used(see, certificate, key):
    seen = see(certificate, key)
    assert seen["problem"] == "" and seen["not_after"] == int(WEB.certificate.not_valid_after_utc.timestamp())
    assert seen["served"] is None and seen["service"] == "web"


def test_one_that_has_expired_says_when(see):
    old = MIDDLE.issue(NAME, NAME, days=-1, starts=-9)
    seen = see(old.chain, old.key)
    assert seen["problem"] == "" and seen["not_after"] == int(old.certificate.not_valid_after_utc.timestamp())


WRONG = {
    "no file": ("", WEB.key, NAME, "cannot be read (No such file or directory)"),
    "no PEM": ("hello", WEB.key, NAME, "is not in PEM"),
    "damaged": (WEB.chain.replace("MII", "!II", 1), WEB.key, NAME, "cannot be used: a block of the PEM is damaged"),
    "another key": (WEB.chain, OTHER.key, NAME, "has another key than it needs"),
    "no key": (WEB.chain, "", NAME, "cannot be loaded (it has no key)"),
    "passphrase": (WEB.chain, WEB.locked(), NAME, "has a key with a passphrase, which nobody types at a reload"),
    "another name": (WEB.chain, WEB.key, "ris.example.org", f"is for {NAME}, *.{NAME}, 198.51.100.10, not for ris.exa"),
    "a gap": (WEB.pem + ROOT.pem, WEB.key, NAME, "is not followed by the one that issued it (unable to get local"),
}


@pytest.mark.parametrize("certificate, key, name, words", WRONG.values(), ids=WRONG)
def test_one_that_cannot_be_used_is_said(see, certificate, key, name, words):
    seen = see(certificate, key, name)
    assert seen["not_after"] is None and words in seen["problem"]


@pytest.mark.skipif(not HAPROXY, reason="haproxy is not installed")
def test_whether_haproxy_serves_it(see, tmp_path):
    see()
    (tmp_path / "web.pem").symlink_to(tmp_path / "certificate")
    (tmp_path / "web.pem.key").symlink_to(tmp_path / "key")
    (tmp_path / "haproxy.cfg").write_text(
        f"global\n  stats socket {tmp_path}/admin level admin\ndefaults\n  timeout connect 1s\n  timeout client 1s\n"
        f"  timeout server 1s\nfrontend f\n  bind 127.0.0.1:{peers.free_port()} ssl crt {tmp_path}/web.pem\n"
    )
    with subprocess.Popen([HAPROXY, "-db", "-f", str(tmp_path / "haproxy.cfg")]) as process:
        try:
            peers.wait_for((tmp_path / "admin").exists)
            peers.wait_for(lambda: see(socket=tmp_path / "admin")["served"])
            renewed = MIDDLE.issue(NAME, NAME)
            assert see(renewed.chain, renewed.key, socket=tmp_path / "admin")["served"] is False
        finally:
            process.terminate()
