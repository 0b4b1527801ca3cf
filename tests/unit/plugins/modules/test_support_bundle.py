# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The archive of a load balancer whose every file and program has a canary."""

from __future__ import annotations

import hashlib
import json
import tarfile

import pytest

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _file_set, _support_bundle

PASSWORD = "canary-password"
KEY = "-----BEGIN PRIVATE KEY-----\ncanary-key\n-----END PRIVATE KEY-----"
DIGEST = hashlib.sha256(b"a file with the canary").hexdigest()
HAPROXY = f"""global
    description c0ffeec0ffeec0ff
frontend _stats
    stats auth 'stats:{PASSWORD}'
"""
# As a program of the host would say it, the newest line first.
JOURNAL = f"""2026-11-26T04:00:02+0000 lb1 haproxy[1]: the newest
2026-11-26T04:00:02+0000 lb1 haproxy[1]: 198.51.100.9:1 web web/pacs1 200 1 --NI 1/1/0/0/0 GET /wado?p=canary-query
2026-11-26T04:00:01+0000 lb1 haproxy[1]: Cookie: PACSNODE=canary-cookie
2026-11-26T04:00:01+0000 lb1 haproxy[1]: {PASSWORD}
2026-11-26T04:00:01+0000 lb1 loadbalancer[1]: asked for PatientID=canary-study, told https://chat.example.org/canary-url
2026-11-26T04:00:00+0000 lb1 haproxy[1]: {{"node":"pacs2","calling_ae":"CT1","called_ae":"INFINITT"}}
{KEY}
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Its directory; what programs say, by the program."""
    (tmp_path / "records/haproxy").mkdir(parents=True)
    record = {
        "fingerprint": "c0ffeec0ffeec0ff",
        "files": {
            "/etc/haproxy/haproxy.cfg": DIGEST,
            "/etc/haproxy/unavailable.html": "ab" * 32,
            f"{tmp_path}/systemd/system/haproxy.service.d/state.conf": "cd" * 32,
        },
        "secret": ["/etc/haproxy/haproxy.cfg"],
    }
    (tmp_path / "records/haproxy/deployed.json").write_text(json.dumps(record))
    (tmp_path / "records/haproxy/former").write_text("canary-copy")
    (tmp_path / "records/site.json").write_text(json.dumps({"current": {"site": {"tls": {"ca": KEY}}}}))
    (tmp_path / "haproxy.cfg").write_text(HAPROXY)
    (tmp_path / "guard.json").write_text(json.dumps({"on_event": ["/bin/tell", "canary-word"], "pipe": "/run/x"}))
    (tmp_path / "systemd/system/haproxy.service.d").mkdir(parents=True)
    (tmp_path / "systemd/system/haproxy.service.d/state.conf").write_text("[Service]\nEnvironment=TOKEN=canary-unit\n")
    (tmp_path / "check.json").write_text(json.dumps({"every": 300, "study": "PatientID=canary-study"}))
    webhook = {"url": "https://chat.example.org/canary-url", "header": "X-Key: canary-header"}
    (tmp_path / "notify.json").write_text(json.dumps({"webhook": webhook, "command": ["/bin/tell", "canary-word"]}))
    monkeypatch.setattr(_support_bundle, "SYSTEMD", f"{tmp_path}/systemd/")
    monkeypatch.setattr(_support_bundle, "CHECK", str(tmp_path / "check.json"))
    monkeypatch.setattr(_support_bundle, "NOTIFY", str(tmp_path / "notify.json"))
    monkeypatch.setattr(_file_set, "DIRECTORY", str(tmp_path / "records"))
    monkeypatch.setattr(_support_bundle, "HAPROXY", str(tmp_path / "haproxy.cfg"))
    names = ("haproxy.cfg", "guard.json", "keepalived.conf", "check.json", "notify.json")
    paths = tuple(str(tmp_path / name) for name in names)
    monkeypatch.setattr(_support_bundle, "CONFIGURATIONS", paths)
    said = json.dumps({"token": "canary-token", "text": f"a {PASSWORD} b", "description": "c0ffeec0ffeec0ff"})
    programs = dict.fromkeys(_support_bundle.COMMANDS, ["printf", "%s", said])
    programs["network/nft.txt"] = [str(tmp_path / "no-such-program")]
    programs["network/sockets.txt"] = ["true"]
    monkeypatch.setattr(_support_bundle, "COMMANDS", programs)
    monkeypatch.setattr(_support_bundle, "JOURNAL", ["printf", "%.0s%s", "", JOURNAL])
    # `--unit=haproxy` is one more word than printf has a format for: it is asked for nothing of it.
    monkeypatch.setattr(_support_bundle, "UNITS", ("haproxy",))
    return tmp_path


def unpacked(directory):
    path = directory / "lb1.tar.gz"
    _support_bundle.write(str(path), "lb1")
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read().decode() for member in archive}


def test_no_secret_is_in_the_archive_and_what_helps_is(host):
    found = unpacked(host)
    assert [*found] == [f"lb1/{name}" for name in _support_bundle.names()]
    everything = "".join(found.values())
    assert "canary" not in everything
    # Nor what tells whether a guess of the password is right.
    assert DIGEST not in everything
    record = json.loads(found["lb1/records/haproxy.json"])
    assert record["files"]["/etc/haproxy/unavailable.html"] == "ab" * 32
    assert record["fingerprint"] == json.loads(found["lb1/status.json"])["description"]
    assert json.loads(found["lb1/configuration/guard.json"])["pipe"] == "/run/x"
    assert found["lb1/systemd/system/haproxy.service.d/state.conf"].startswith("[Service]\nEnvironment=")
    assert json.loads(found["lb1/configuration/check.json"]) == {"every": 300, "study": "(masked)"}
    assert json.loads(found["lb1/configuration/notify.json"])["command"] == ["/bin/tell", "(masked)"]
    assert "lb1/logs/runs.log" in found
    assert "stats auth (masked)" in found["lb1/configuration/haproxy.cfg"]
    log = found["lb1/logs/haproxy.log"].splitlines()
    assert log[-1].endswith("the newest") and any('"calling_ae":"CT1","called_ae":"INFINITT"' in line for line in log)
    assert any(line.endswith("GET /(masked)") for line in log)


def test_what_cannot_be_had_says_why_in_its_place(host):
    found = unpacked(host)
    assert found["lb1/configuration/keepalived.conf"].endswith("keepalived.conf: No such file or directory\n")
    assert found["lb1/network/nft.txt"].endswith("no-such-program: No such file or directory\n")
    assert found["lb1/network/sockets.txt"] == "(true has said nothing.)\n"


def test_a_part_is_no_larger_than_it_may_be_and_a_program_no_slower(monkeypatch):
    monkeypatch.setattr(_support_bundle, "MOST", 100)
    monkeypatch.setattr(_support_bundle, "PATIENCE", 0.3)
    said = _support_bundle.run(["yes", "newest"])
    assert said == "newest\n" * 14 + _support_bundle.LEFT_OUT
    assert _support_bundle.run(["sleep", "60"]) == "(sleep was not ready after 0.3 s.)\n"
