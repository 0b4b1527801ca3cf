# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module as a playbook calls it, in a directory of its own in place of the host."""

from __future__ import annotations

import base64
import getpass
import grp
import hashlib
import json
import os
import signal
from pathlib import Path

import pytest
from peers import run_module

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _file_set, _run_lock, _site_record, _systemd
from ansible_collections.pacs.loadbalancer.plugins.modules import configuration_files

OWNER = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}
ACCEPTS = ["/bin/grep", "-q", "good", "%s"]


class Host:
    """A directory with the set's files, and the module's answers."""

    def __init__(self, directory, capsys):
        self.directory, self.capsys = directory, capsys
        self.records = directory / "records"

    def file(self, name, text, **more):
        content = base64.b64encode(text.encode()).decode()
        return {"path": str(self.directory / name), "content": content, **OWNER, **more}

    def run(self, *files, check=False, **more):
        asked = {"name": "set", "files": files, "_ansible_check_mode": check, "_ansible_diff": True, **more}
        _file_set.DIRECTORY = str(self.records)
        return run_module(configuration_files, self.capsys, **asked)[1]

    def run_killed(self, *files, moment, **more):
        """Run it in a process that is killed before its n-th rename or removal. Return whether it was."""
        process = os.fork()
        if process == 0:
            os.replace, os.unlink = _mortal(os.replace, os.unlink, moment=moment)
            try:
                self.run(*files, **more)
            finally:
                os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL

    def text(self, name):
        return (self.directory / name).read_text()

    def tree(self):
        paths = [path for path in self.directory.rglob("*") if self.records not in (path, *path.parents)]
        return {
            str(path.relative_to(self.directory)): path.read_text() if path.is_file() else None
            for path in paths
            if not path.name.startswith(".new.")
        }


def _mortal(*functions, moment):
    left = [moment]

    def mortal(function):
        def call(*arguments, **more):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **more)

        return call

    return map(mortal, functions)


@pytest.fixture
def host(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(_file_set, "DIRECTORY", "")  # and back again
    return Host(tmp_path, capsys)


def said(answer, key):
    return {Path(file["path"]).name: file[key] for file in answer["files"]}


LOADED = ("page.html", "a page\n"), ("tls.pem", "-> /etc/live/tls.pem"), ("daemon.conf", "I am @fingerprint@.\n")
ANOTHER = [
    (LOADED[0], LOADED[1], ("daemon.conf", "I am @fingerprint@!\n")),
    (("page.html", "another page\n"), *LOADED[1:]),
    (LOADED[0], ("tls.pem", "-> /etc/live/another.pem"), LOADED[2]),
]


def loaded(host, files):
    entries = [host.file(name, text, loaded=True) for name, text in files]
    for entry, (_name, text) in zip(entries, files, strict=True):
        if text.startswith("-> "):
            entry["link"] = text.removeprefix("-> ")
            del entry["content"]
    return [*entries, host.file("unit.conf", "not @fingerprint@\n")]


def test_the_daemon_can_say_by_a_fingerprint_which_files_it_has_loaded(host):
    first = host.run(*loaded(host, LOADED))
    fingerprint = first["fingerprint"]
    assert fingerprint == hashlib.sha256("".join(text for _name, text in LOADED).encode()).hexdigest()[:16]
    assert host.text("daemon.conf") == f"I am {fingerprint}.\n" and host.text("unit.conf") == "not @fingerprint@\n"
    assert host.run(*loaded(host, LOADED))["changed"] is False
    others = [host.run(*loaded(host, files), check=True)["fingerprint"] for files in ANOTHER]
    assert len({fingerprint, *others}) == 4
    entries = loaded(host, LOADED)
    assert host.run(*entries[:-1], host.file("unit.conf", "another\n"))["fingerprint"] == fingerprint
    assert host.run(host.file("unit.conf", "alone\n"))["fingerprint"] == ""


def test_a_fingerprint_of_a_secret_tells_nobody_whether_a_guess_is_right(host, tmp_path, monkeypatch):
    """It is another one on each host, and the same one in a dry run, which comes first."""
    fingerprints = []
    for name in ("one", "two"):
        monkeypatch.setattr(_file_set, "MACHINE_ID", str(tmp_path / f"{name}.id"))
        (tmp_path / f"{name}.id").write_text(f"{name}\n")
        password = host.file(name, "password, I am @fingerprint@\n", secret=True, loaded=True)
        dry = host.run(password, check=True)
        done = host.run(password)
        assert done["fingerprint"] == dry["fingerprint"] and host.run(password)["changed"] is False
        fingerprints.append(done["fingerprint"])
    open_text = host.run(host.file("three", "password, I am @fingerprint@\n", loaded=True))
    assert len({*fingerprints, open_text["fingerprint"]}) == 3


def test_writes_all_files_once_and_then_changes_nothing(host):
    files = [host.file("unit.d/drop-in.conf", "[Service]\n"), host.file("daemon.conf", "good\n", mode="0640")]
    first = host.run(*files)
    assert first["changed"] and said(first, "exists") == {"drop-in.conf": False, "daemon.conf": False}
    assert first["deployed"] == {}
    assert host.tree() == {"unit.d": None, "unit.d/drop-in.conf": "[Service]\n", "daemon.conf": "good\n"}
    assert (host.directory / "daemon.conf").stat().st_mode & 0o777 == 0o640
    again = host.run(*files)
    assert not again["changed"] and again["diff"] == [] and again["deployed"]["fingerprint"] == first["fingerprint"]
    assert again["deployed"]["by"] and again["deployed"]["when"].endswith("Z")


def test_check_mode_compares_and_shows_the_difference(host):
    host.run(host.file("daemon.conf", "good\n"))
    answer = host.run(host.file("daemon.conf", "better\n", mode="0600", validate=["/bin/false"]), check=True)
    assert answer["changed"] and said(answer, "differs") == {"daemon.conf": True}
    (shown,) = answer["diff"]
    assert (shown["before"], shown["after"]) == ("good\n", "better\n")
    assert "0644" in shown["before_header"] and "0600" in shown["after_header"]
    assert host.text("daemon.conf") == "good\n"


def test_of_a_program_no_bytes_are_shown(host):
    host.run(host.file("program", "#!/usr/bin/python3\nPK\x03\x04\0one"))
    for content in ("#!/usr/bin/python3\nPK\x03\x04\0other", "#!/bin/sh\n"):
        (shown,) = host.run(host.file("program", content), check=True)["diff"]
        assert shown["prepared"].endswith("(no text: its bytes are not shown)\n") and "PK" not in str(shown)


def test_a_refused_file_changes_nothing_and_leaves_nothing(host):
    host.run(host.file("daemon.conf", "good\n"))
    before, records = host.tree(), {path: path.read_bytes() for path in host.records.rglob("*") if path.is_file()}
    answer = host.run(
        host.file("script", "#!/bin/sh\n"),
        host.file("new/other.conf", "good\n", validate=ACCEPTS),
        host.file("daemon.conf", "bad\n", validate=["/bin/sh", "-c", "echo $0: line 1 is bad; exit 1", "%s"]),
    )
    assert answer["failed"] and answer["msg"] == (
        f"{host.directory}/daemon.conf failed to validate, and nothing was replaced."
        f" /bin/sh said: {host.directory}/daemon.conf: line 1 is bad"
    )
    assert host.tree() == before and not list(host.directory.rglob(".new.*"))
    assert {path: path.read_bytes() for path in host.records.rglob("*") if path.is_file()} == records


def test_a_file_that_is_new_is_there_when_another_is_validated(host):
    script = host.file("script", "#!/bin/sh\nexit 0\n", mode="0755")
    names_it = host.file("daemon.conf", "good\n", validate=[script["path"], "%s"])
    assert host.run(names_it, script)["changed"]
    assert host.run(names_it, script)["changed"] is False


def test_a_file_that_is_wanted_no_more_goes_with_the_directories_made_for_it(host):
    (host.directory / "others").mkdir()
    keep = host.file("daemon.conf", "good\n")
    host.run(keep, host.file("lib/1/part.py", "1\n"), host.file("others/mine.conf", "1\n"))
    answer = host.run(keep, host.file("lib/2/part.py", "2\n"))
    assert said(answer, "differs") == {"daemon.conf": False, "part.py": True, "mine.conf": True}
    assert host.tree() == {"daemon.conf": "good\n", "lib": None, "lib/2": None, "lib/2/part.py": "2\n", "others": None}
    assert host.run(check=True)["changed"]
    host.run()
    assert host.tree() == {"others": None}
    assert host.run()["changed"] is False


def test_a_file_of_the_sites_own_is_back_when_it_is_wanted_no_more(host):
    (host.directory / "daemon.conf").write_text("the package's\n")
    (host.directory / "daemon.conf").chmod(0o640)
    for text in ("one\n", "two\n", "three\n"):
        host.run(host.file("daemon.conf", text), host.file("more.conf", text))
    assert host.run(check=True)["changed"]
    host.run()
    assert host.tree() == {"daemon.conf": "the package's\n"}
    assert (host.directory / "daemon.conf").stat().st_mode & 0o777 == 0o640
    assert host.run()["changed"] is False


def test_a_file_of_an_earlier_attempt_is_not_taken_for_the_sites_own(host):
    """It was written before its package was there, or by a run that was killed."""
    host.run(host.file("drop-in.conf", "1\n"), packages=["no-such-package"])
    host.run(host.file("drop-in.conf", "2\n"))
    host.run()
    assert host.tree() == {}


def test_what_the_package_brought_is_back_too(host):
    files = [host.file("drop-in.conf", "1\n"), host.file("daemon.conf", "good\n", validate=ACCEPTS)]
    host.run(*files, packages=["no-such-package"])
    (host.directory / "daemon.conf").write_text("the package's\n")
    host.run(*files)
    assert host.text("daemon.conf") == "good\n"
    host.run()
    assert host.tree() == {"daemon.conf": "the package's\n"}


def test_a_link_is_replaced_last(host):
    def version(number):
        return [
            host.file(f"lib/{number}/part.py", f"{number}\n"),
            {"path": str(host.directory / "current"), "link": f"lib/{number}"},
        ]

    host.run(*version(1))
    host.run(*version(2))
    assert os.readlink(host.directory / "current") == "lib/2" and host.run(*version(2))["changed"] is False
    host.run(state="restored")
    assert os.readlink(host.directory / "current") == "lib/1" and host.text("current/part.py") == "1\n"


def test_restored_puts_the_former_files_and_their_record_back(host):
    host.run(host.file("daemon.conf", "good\n", mode="0640"), host.file("same.conf", "same\n"))
    host.run(
        host.file("daemon.conf", "better\n"),
        host.file("same.conf", "same\n"),
        host.file("more.conf", "1\n"),
    )
    assert host.run(state="restored")["changed"]
    assert host.tree() == {"daemon.conf": "good\n", "same.conf": "same\n"}
    assert (host.directory / "daemon.conf").stat().st_mode & 0o777 == 0o640
    first = [host.file("daemon.conf", "good\n", mode="0640"), host.file("same.conf", "same\n")]
    assert host.run(*first)["changed"] is False
    assert host.run(state="restored")["changed"] is False


def test_former_files_are_for_root_alone(host):
    host.run(host.file("daemon.conf", "secret\n", mode="0644"))
    host.run(host.file("daemon.conf", "public\n"))
    modes = {
        path.name: path.stat().st_mode & 0o777 for path in host.records.rglob("*") if path.parent != host.directory
    }
    files = {"deployed.json": 0o600, "0": 0o600, "index.json": 0o600}
    assert modes == {"set": 0o700, "former": 0o700, "earlier": 0o700, "original": 0o700, **files}


def test_drift_is_what_was_not_deployed(host):
    files = [host.file("daemon.conf", "good\n"), host.file("other.conf", "1\n")]
    host.run(*files)
    (host.directory / "daemon.conf").write_text("by hand\n")
    other = [host.file("daemon.conf", "better\n"), host.file("other.conf", "2\n")]
    answer = host.run(*other, check=True)
    assert said(answer, "differs") == {"daemon.conf": True, "other.conf": True}
    assert said(answer, "drifted") == {"daemon.conf": True, "other.conf": False}


def test_a_secret_is_in_no_answer(host):
    host.run(host.file("daemon.conf", "auth: CANARY-1\n", secret=True))
    answer = host.run(host.file("daemon.conf", "auth: CANARY-2\n", secret=True), check=True)
    refused = host.run(host.file("daemon.conf", "  auth: CANARY-3\n", secret=True, validate=["/bin/false"]))
    quoted = host.run(
        host.file("daemon.conf", "  auth: CANARY-4\n", secret=True, validate=["/bin/sh", "-c", "cat $0; exit 1", "%s"])
    )
    assert "(a line of the file)" in quoted["msg"] and "secret: its lines are not shown" in str(answer["diff"])
    removed = host.run()
    for each in (answer, refused, quoted, removed):
        assert "CANARY" not in json.dumps(each)
        for number in range(1, 5):
            for indent in ("", "  "):
                assert base64.b64encode(f"{indent}auth: CANARY-{number}\n".encode()).decode() not in json.dumps(each)


def test_without_its_package_only_what_needs_no_validation_is_written(host):
    files = [host.file("drop-in.conf", "1\n"), host.file("daemon.conf", "good\n", validate=["/no/such/daemon", "%s"])]
    answer = host.run(*files, packages=["no-such-package"])
    assert answer["missing"] == ["no-such-package"] and answer["changed"]
    assert host.tree() == {"drop-in.conf": "1\n"} and not list(host.records.rglob("deployed.json"))


def test_a_directory_that_was_made_before_its_package_was_there_goes_with_its_last_file(host):
    files = [host.file("unit.d/drop-in.conf", "1\n")]
    assert host.run(*files, packages=["no-such-package"])["deployed"] == {}
    assert host.run(*files)["changed"] and host.run(*files)["changed"] is False
    host.run()
    assert host.tree() == {}


@pytest.mark.parametrize(
    "entry, sentence",
    [
        ({"path": "daemon.conf"}, "daemon.conf is no absolute path."),
        ({"content": "plain text"}, "is not base64; use the filter b64encode."),
        ({"mode": "u=rw"}, "is 'u=rw'; give it in octal, such as '0644'."),
        ({"group": "no-such-group"}, "no-such-group"),
        ({"validate": ["/no/such/program", "%s"]}, "failed to validate"),
    ],
)
def test_what_cannot_be_written_is_said_in_a_sentence(host, entry, sentence):
    answer = host.run({**host.file("daemon.conf", "1\n"), **entry})
    assert answer["failed"] and sentence in answer["msg"], answer["msg"]
    assert host.tree() == {}


def test_a_kill_at_any_moment_leaves_whole_files_and_the_next_run_completes_it(host):
    """Each file is then the former or the new one, and `restored` still knows the former ones."""
    directory, moment = host.directory, 0
    while True:
        host.directory = directory / str(moment)
        host.directory.mkdir()
        host.records = host.directory / "records"
        former = [host.file(name, "former\n") for name in ("one", "two", "gone")]
        new = [host.file(name, "new\n") for name in ("one", "two", "three")]
        host.run(*former)
        if not host.run_killed(*new, moment=moment):
            break
        assert set(host.tree().values()) <= {"former\n", "new\n"}
        assert {"one", "two"} <= set(host.tree())
        host.run(*new)
        assert host.tree() == dict.fromkeys(("one", "two", "three"), "new\n")
        assert host.run(*new)["changed"] is False
        host.run(state="restored")
        left = {name: text for name, text in host.tree().items() if name != "three"}
        assert left == dict.fromkeys(("one", "two", "gone"), "former\n"), moment
        moment += 1
    assert moment >= 8


def test_a_first_deployment_that_was_killed_is_taken_back_by_a_set_without_files(host):
    """Nothing of it is recorded then; what it has replaced is."""
    (host.directory / "own.conf").write_text("the site's own\n")
    before = host.tree()
    files = [host.file("own.conf", "good\n"), host.file("unit.d/drop-in.conf", "[Service]\n")]
    moments = 0
    while host.run_killed(*files, moment=moments):
        host.run()
        assert {name: text for name, text in host.tree().items() if text is not None} == before
        assert not host.run()["changed"]
        moments += 1
    assert moments > 3


def test_units_that_do_not_serve_are_named(host, monkeypatch):
    monkeypatch.setattr(_systemd, "inspect", lambda unit: {"enabled": unit != "never.timer"})
    monkeypatch.setattr(_systemd, "is_active", lambda unit: unit != "dead.timer")
    assert host.run(units=["good.timer", "never.timer", "dead.timer"])["idle"] == ["never.timer", "dead.timer"]


@pytest.fixture
def run(host, monkeypatch):
    """Let a run have the lock: its name, and the fixture's return value confirms what it has deployed."""
    _file_set.DIRECTORY = str(host.records)

    def named(name):
        monkeypatch.setattr(_run_lock, "current", lambda: {"run": name, "by": "ops", "act": "playbooks/site.yml"})

    return named


def test_a_change_of_several_attempts_is_undone_as_one(host, run):
    """Back to what was confirmed, validated again, and with the fingerprint of then; and forward again."""
    good = host.file("daemon.conf", "good one\n", validate=ACCEPTS, loaded=True)
    run("A")
    first = host.run(good, host.file("lib/1.py", "1\n"))
    _site_record.confirm({"is": "A"})
    run("B1")
    host.run(host.file("daemon.conf", "good half\n", validate=ACCEPTS), host.file("lib/1.py", "1\n"))
    run("B2")
    host.run(host.file("daemon.conf", "good two\n", validate=ACCEPTS, loaded=True), host.file("lib/2.py", "2\n"))
    assert _site_record.read()["sets"]["set"]["pending"]
    _site_record.confirm({"is": "B"})
    assert _site_record.read()["former"]["site"] == {"is": "A"}
    assert host.run(undo=["A"])["changed"] is False, "another change has made it so"
    run("R")
    answer = host.run(undo=["B2"], check=True)
    assert answer["changed"] and answer["fingerprint"] == first["fingerprint"] != ""
    host.run(undo=["B2"])
    assert host.tree() == {"daemon.conf": "good one\n", "lib": None, "lib/1.py": "1\n"}
    assert host.run(good, host.file("lib/1.py", "1\n"), check=True)["changed"] is False
    _site_record.confirm({"is": "A"})
    run("R2")
    host.run(undo=["R"])
    assert host.tree() == {"daemon.conf": "good two\n", "lib": None, "lib/2.py": "2\n"}


def test_a_change_that_was_not_confirmed_is_undone_without_a_trace(host, run):
    run("A")
    host.run(host.file("daemon.conf", "one\n"))
    _site_record.confirm({"is": "A"})
    before, kept = host.tree(), _site_record.read()
    run("B")
    host.run(host.file("daemon.conf", "two\n"), host.file("lib/2.py", "2\n"))
    assert host.run(undo=["B"])["changed"]
    assert host.tree() == before and _site_record.read() == kept
    assert host.run(undo=["B"])["changed"] is False
    run("C")
    host.run(host.file("daemon.conf", "three\n"))
    host.run(undo=["C"])
    assert host.tree() == before and _site_record.read() == kept


@pytest.mark.parametrize("back", [{"undo": ["C"]}, {"state": "restored"}], ids=["taken back", "refused by a reload"])
def test_after_a_change_that_came_to_nothing_the_one_before_it_can_be_undone(host, run, back):
    for name in ("A", "B"):
        run(name)
        host.run(host.file("daemon.conf", name), host.file(f"lib/{name}.py", name))
        _site_record.confirm({"is": name})
    for _attempt in range(2):
        run("C")
        host.run(host.file("daemon.conf", "C"))
        host.run(**back)
        assert host.tree() == {"daemon.conf": "B", "lib": None, "lib/B.py": "B"}
    run("R")
    host.run(undo=["B"])
    assert host.tree() == {"daemon.conf": "A", "lib": None, "lib/A.py": "A"}
    _site_record.confirm({"is": "A"})
    assert not (host.records / "set/earlier").exists(), "it may hold keys"


def test_a_change_that_was_killed_before_it_was_recorded_hides_none(host, run):
    """Nothing is pending then, and the change before it is the last one."""
    directory, moment = host.directory, 0
    while True:
        host.directory = directory / str(moment)
        host.directory.mkdir()
        host.records = host.directory / "records"
        for name in ("A", "B"):
            run(name)
            host.run(host.file("one", name), host.file("two", "same"))
            _site_record.confirm({"is": name})
        run("C")
        if not host.run_killed(host.file("one", "C"), host.file("two", "C"), moment=moment):
            break
        pending = _site_record.read()["sets"]["set"]["pending"]
        run("R")
        host.run(undo=["C"] if pending else ["B"])
        assert host.tree() == ({"one": "B", "two": "same"} if pending else {"one": "A", "two": "same"}), moment
        moment += 1
    assert moment >= 8


def test_what_worked_before_a_change_is_kept_until_it_has_come_to_its_end(host, run):
    run("A")
    assert _site_record.begin(["one"]) == ["one"]
    assert _site_record.begin(["nothing was changed"]) == ["nothing was changed"]
    host.run(host.file("daemon.conf", "A\n"))
    assert _site_record.begin([]) == ["nothing was changed"]
    for attempt in ("B", "C"):
        run(attempt)
        assert _site_record.begin([]) == ["nothing was changed"], "a run before this one began the change"
        host.run(host.file("daemon.conf", attempt))
    _site_record.confirm({"is": "C"})
    run("D")
    assert _site_record.begin(["two"]) == ["two"]
    assert _site_record.read()["current"]["site"] == {"is": "C"}


def test_a_run_that_confirms_twice_has_made_one_change(host, run):
    for name, confirmed in (("A", "A"), ("B", "B1"), ("B", "B2")):
        run(name)
        host.run(host.file("daemon.conf", confirmed))
        _site_record.confirm({"is": confirmed})
        assert not _site_record.read()["sets"]["set"]["pending"]
    kept = _site_record.read()
    assert (kept["current"]["site"], kept["former"]["site"]) == ({"is": "B2"}, {"is": "A"})
    host.run(undo=["B"])
    assert host.text("daemon.conf") == "A"


def test_what_is_not_accepted_any_more_is_not_put_back(host, run):
    accepts = host.directory / "accepts"
    accepts.write_text("#!/bin/sh\nexit 0\n")
    accepts.chmod(0o755)
    for name in ("A", "B"):
        run(name)
        host.run(host.file("daemon.conf", name, validate=[str(accepts), "%s"]))
        _site_record.confirm({"is": name})
    accepts.write_text("#!/bin/sh\nexit 1\n")
    assert "failed to validate" in host.run(undo=["B"])["msg"] and host.text("daemon.conf") == "B"


def test_nothing_is_undone_of_which_nothing_is_kept(host, run):
    run("A")
    host.run(host.file("daemon.conf", "good\n"))
    host.run(state="restored")
    host.run(host.file("daemon.conf", "good\n"))
    assert "failed" not in host.run(undo=["A"]) and host.tree() == {}
