# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What takes a certificate that another tool has renewed: the unit that notices, and the program that reloads."""

from __future__ import annotations

import re
import subprocess

import pytest
import rendering
from factories import build, hosts

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

SCRIPT = (rendering.REPOSITORY / "roles/haproxy/files/haproxy-renewal").read_text()


def test_the_unit_watches_the_files_and_their_directories():
    """A directory tells where another file takes the place of one, as certbot's links do: systemd 257 did not see that
    of the file's own path."""
    live = "/etc/letsencrypt/live/pacs"
    tls = {"certificate": {"on_hosts": f"{live}/fullchain.pem"}, "key": {"on_hosts": f"{live}/privkey.pem"}}
    services = {"web": {"tls": tls}, "dicom": {"tls": tls}}
    site = as_dict(build(hosts(), infinitt_services=services))
    text = rendering.render({"site": ({"infinitt_services": services}, site)})["site"]["lb1"]["renewal"]
    assert re.findall("^PathChanged=(.*)$", text, re.MULTILINE) == [
        f"{live}/fullchain.pem",
        f"{live}/privkey.pem",
        live,
    ]


@pytest.fixture
def renew(tmp_path):
    """Run the program on two files; HAProxy accepts them where they hold the same."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    files = [tmp_path / "certificate", tmp_path / "key"]
    programs = {
        "haproxy": f"cmp -s {files[0]} {files[1]}",
        "systemctl": f'echo "$@" >> {tmp_path}/calls',
        # In place of the two seconds: the other tool goes on.
        "sleep": f"[ ! -e {tmp_path}/next ] || mv {tmp_path}/next {files[1]}",
    }
    for name, body in programs.items():
        (bin_ / name).write_text(f"#!/bin/sh\n{body}\n")
        (bin_ / name).chmod(0o755)
    script = SCRIPT.replace("/usr/sbin/haproxy", "haproxy").replace("/run/", f"{tmp_path}/")

    def run(certificate, key, later=None):
        for path, text in zip(files, (certificate, key)):
            path.unlink(missing_ok=True)
            if text is not None:
                path.write_text(text)
        if later:
            (tmp_path / "next").write_text(later)
        calls = tmp_path / "calls"
        calls.unlink(missing_ok=True)
        environment = {"PATH": f"{bin_}:/usr/bin:/bin"}
        done = subprocess.run(["sh", "-c", script, "sh", *map(str, files)], env=environment, check=False, timeout=60)
        return done.returncode, calls.read_text().splitlines() if calls.exists() else []

    return run


def test_what_haproxy_accepts_is_reloaded_once(renew):
    assert renew("a", "a") == (0, ["reload haproxy"])
    assert renew("a", "a") == (0, []), "nothing was renewed"
    assert renew("b", "b") == (0, ["reload haproxy"])


def test_a_key_that_comes_after_its_certificate_is_waited_for(renew):
    assert renew("b", "a", later="b") == (0, ["reload haproxy"])
    assert renew("c", None, later="c") == (0, ["reload haproxy"])


@pytest.mark.parametrize("key", ["a", None])
def test_what_does_not_fit_is_never_loaded(renew, key):
    assert renew("b", key) == (1, [])
