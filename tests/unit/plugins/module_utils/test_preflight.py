# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What preflight_info finds on a host. Asking a link needs root and neighbours: that the lab's scenarios do."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess

import pytest

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _preflight


@pytest.mark.skipif(not shutil.which("ss"), reason="ss is not installed")
def test_a_listener_is_listed_with_its_program():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        (line,) = [line for line in _preflight._listeners() if f"127.0.0.1:{port} " in line]
    assert line.startswith("LISTEN") and f"pid={os.getpid()}," in line


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount something")
def test_directories_that_are_full_or_read_only(tmp_path):
    full, fixed, fine = (str(tmp_path / name) for name in ("full", "fixed", "fine"))
    with contextlib.ExitStack() as mounted:
        for path, options in ((full, "size=1m"), (fixed, "ro"), (fine, "size=8m")):
            os.mkdir(path)
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", path], check=True)
            mounted.callback(subprocess.run, ["umount", path], check=True)
        found = _preflight._unwritable((full, f"{fixed}/not/there/yet", fine))
    assert found == {full: "full", fixed: "read-only"}
    assert _preflight._unwritable((fine,)) == {}


@pytest.mark.parametrize(
    "said, version",
    [
        ("HAProxy version 2.6.12-1+deb12u4 2025/10/14 - https://haproxy.org/", "2.6.12"),
        ("HAProxy version 3.5-dev5 2026/08/21", "3.5"),
        ("Keepalived v2.2.7 (01/16,2022)", "2.2.7"),
        ("nftables v1.1.7 (Commodore Bullmoose)", "1.1.7"),
        ("something else", ""),
    ],
)
def test_a_program_says_its_version(said, version, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    program = tmp_path / "program"
    assert _preflight._version("package", [str(program)]) == ""
    # What is not installed comes from apt, in the version that this would install.
    script(tmp_path / "apt-cache", '[ "$*" = "show --no-all-versions package" ] && echo "Version: 1:2.3.4-1+b2"')
    assert _preflight._version("package", [str(program)]) == "2.3.4"
    script(program, f"echo '{said}' >&2")  # as Keepalived does
    assert _preflight._version("package", [str(program)]) == version


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("package", [*_preflight.PROGRAMS])
def test_what_is_installed_here_has_a_version(package):
    program = _preflight.PROGRAMS[package]
    # `make unit` sees to it that all are there; pytest alone goes on without.
    if not shutil.which(program[0]):
        pytest.skip(f"{package} is not installed")
    assert re.fullmatch(r"[0-9]+(\.[0-9]+)+", _preflight._version(package, program))


def test_a_kernel_has_wireguard_loaded_built_in_or_as_a_module(tmp_path):
    release = tmp_path / os.uname().release
    release.mkdir()

    def has(loaded="/nowhere"):
        return _preflight._has_wireguard(loaded, str(tmp_path))

    (release / "modules.dep").write_text("kernel/net/ipv4/udp_tunnel.ko:\n")
    assert not has() and has("/sys")
    (release / "modules.builtin").write_text("kernel/drivers/net/wireguard/wireguard.ko\n")
    assert has()
    (release / "modules.builtin").unlink()
    (release / "modules.dep").write_text("updates/dkms/wireguard.ko.xz: kernel/net/ipv4/udp_tunnel.ko\n")
    assert has()


def test_settings_are_numbers_and_our_tables_wherever_they_are_saved(tmp_path):
    (tmp_path / "nf_conntrack_tcp_timeout_established").write_text("432000\n")
    (tmp_path / "nftables.d/more").mkdir(parents=True)
    (tmp_path / "nftables.conf").write_text("table inet filter {\n  counter x { packets 1 }\n}\n")
    (tmp_path / "nftables.d/more/saved.nft").write_text(
        "table inet layer4 {\n  # table inet layer4\n}\n\ttable ip layer4_guard {\n}\ntable ip layer4 {\n}\n"
    )
    patterns = [str(tmp_path / name) for name in ("nf_*", "nftables.conf", "nftables.d/**", "nowhere/**")]
    found = [line.replace(str(tmp_path) + "/", "") for line in _preflight._settings(patterns)]
    assert found == [
        "nf_conntrack_tcp_timeout_established:432000",
        "nftables.d/more/saved.nft:table inet layer4 {",
        "nftables.d/more/saved.nft:\ttable ip layer4_guard {",
        "nftables.d/more/saved.nft:table ip layer4 {",
    ]
