# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is told of what has happened: of what, by whom, and what follows where one of them hangs or fails."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
import time

import pytest
import receivers
from keepalived_guard.moves import REASONS
from known import STANDBY, seen
from loadbalancer import channels, command, events, notify, state
from observations import NOW
from pki import OTHER, ROOT
from rendering import REPOSITORY

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._archive import pack
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem

DOWN = Problem("node_down", "pacs1", "dicom on pacs1 has been down for 31 s.", "Fix the node.")
ALSO = Problem("node_down", "pacs1", "web on pacs1 has been down for 12 s.", "Fix the node.")
SECRET = "canary-7f3a"
EVENT = events.Event("node_down", "lb1", "pacs1", "0", "1", "dicom on pacs1 has been down for 31 s.", NOW)
SERVER = ROOT.issue("localhost", "localhost", "127.0.0.1")


def looks(*states):
    """What has happened at each of these looks, half a minute apart."""
    memory, found = {}, []
    for number, known in enumerate(states):
        happened, memory = events.happened({**known, "at": NOW + 30 * number}, json.loads(json.dumps(memory)))
        found.append([(its.event, its.where, its.former, its.new, its.why) for its in happened])
    return found


def wrong(*problems, name="lb1", answer=None):
    return {**seen(name, STANDBY if answer is None else answer), "problems": list(problems)}


def vrrp(word, moves=(), **guard):
    """What is known where Keepalived has this state, after these moves."""
    known = seen("lb1", STANDBY)
    daemon = known["observed"]["keepalived"]
    daemon["instances"][0]["state"] = word
    counted = {move: {reason: moves.count(reason) for reason in reasons} for move, reasons in REASONS.items()}
    daemon["guard"].update(moves=counted, **guard)
    return {**known, "problems": []}


# --- what has happened ------------------------------------------------------------------------------------------------


def test_a_problem_that_two_looks_have_seen_is_told_once_and_its_end_too():
    told = looks(wrong(), wrong(DOWN), wrong(DOWN), wrong(DOWN), wrong(), wrong(), wrong())[1:]
    assert told == [
        [],
        [("node_down", "pacs1", "0", "1", DOWN.text)],
        [],
        [],
        [("node_down", "pacs1", "1", "0", DOWN.text)],
        [],
    ]


def overdue(days, out=()):
    """What is known where a certificate ends in so many days, and a node is out for so many seconds."""
    known = wrong()
    entries = {
        f"pacs{number}": {"state": "maintenance", "since": NOW - seconds, "by": "ops", "cut": False}
        for number, seconds in enumerate(out, start=1)
    }
    known["site"] = {**known["site"], "states": {"dicom": entries}}
    end = NOW + days * 86400
    known["observed"]["certificates"] = [
        {"service": "web", "certificate": "/srv/pacs.pem", "not_after": end, "served": True, "problem": ""}
    ]
    return known


@pytest.mark.parametrize(
    ("early", "late", "event", "where", "why"),
    [
        (overdue(22), overdue(20), "certificate_expires", "web", "certificate /srv/pacs.pem on lb1 of web expires in"),
        (overdue(90, [80000]), overdue(90, [90000]), "node_out", "pacs1", "dicom on pacs1: in maintenance since"),
    ],
)
def test_a_notice_with_an_alert_is_told_once_when_it_begins_and_once_when_it_ends(early, late, event, where, why):
    told = looks(early, early, late, late, late, early, early)[1:]
    assert [[its[:4] for its in each] for each in told] == [
        *([], [], [(event, where, "0", "1")], []),
        *([], [(event, where, "1", "0")]),
    ]
    assert why in told[2][0][4] and early["problems"] == late["problems"] == []


def test_a_service_of_which_one_node_was_taken_out_just_now_is_not_told_to_be_out_for_long():
    told = looks(*[overdue(90, [90000, 60])] * 2, *[overdue(90, [90000, 90000])] * 2)
    assert [[its[0] for its in each] for each in told[1:]] == [["node_out"], [], ["service_out", "node_out"]]


def test_what_lasts_for_one_look_is_not_told():
    assert looks(wrong(), wrong(DOWN), wrong(), wrong(DOWN), wrong())[1:] == [[]] * 4
    there = looks(wrong(DOWN), wrong(DOWN), wrong(), wrong(DOWN), wrong(), wrong())[1:]
    assert [[new for _code, _where, _former, new, _why in its] for its in there] == [["1"], [], [], [], ["0"]]


def test_another_problem_in_the_same_place_is_told():
    told = looks(wrong(), wrong(DOWN), wrong(DOWN), wrong(DOWN, ALSO), wrong(ALSO, DOWN), wrong(ALSO), wrong(ALSO))
    assert told[4] == [("node_down", "pacs1", "1", "2", f"{ALSO.text} {DOWN.text}")]
    assert told[6] == [("node_down", "pacs1", "2", "1", ALSO.text)]


def test_each_move_is_told_at_once_and_why():
    differs = "198.51.100.12 announces another router ID"
    first, taken, lost, held = looks(
        vrrp("BACKUP", ("stopped",)),
        vrrp("MASTER", ("stopped", "peer_silent")),
        vrrp("BACKUP", ("stopped", "peer_silent", "no_node")),
        vrrp("FAULT", ("stopped", "peer_silent", "no_node"), held=differs),
    )
    assert first == [("state", "lb1", "", "BACKUP", "")]
    assert taken == [("state", "lb1", "BACKUP", "MASTER", events.WHY["peer_silent"])]
    assert lost == [("state", "lb1", "MASTER", "BACKUP", events.WHY["no_node"])]
    assert held == [("state", "lb1", "BACKUP", "FAULT", f"The guard keeps it from the VIP: {differs}.")]


def test_a_vip_that_moved_to_and_fro_between_two_looks():
    told = looks(vrrp("MASTER"), vrrp("MASTER"), vrrp("MASTER", ("fault", "peer_gave_up")), vrrp("MASTER"))
    both = f"{events.WHY['peer_gave_up']} {events.WHY['fault']}"
    # A guard that counts anew tells nothing.
    assert told[1:] == [[], [("state", "lb1", "MASTER", "MASTER", both)], []]


def test_every_reason_of_the_guard_has_its_words():
    assert set(events.WHY) == {reason for reasons in REASONS.values() for reason in reasons}
    old = vrrp("MASTER")
    old["observed"]["keepalived"]["guard"]["moves"] = {}
    assert looks(old, vrrp("BACKUP", ("fault",)))[1] == [("state", "lb1", "MASTER", "BACKUP", events.WHY["fault"])]


def test_a_keepalived_that_does_not_run_and_one_that_is_starting():
    stopped = vrrp("MASTER")
    stopped["observed"]["keepalived"].update(running=False, instances=[])
    silent = vrrp("MASTER")
    silent["observed"]["keepalived"].update(instances=[])
    told = looks(vrrp("BACKUP"), silent, stopped, vrrp("INIT"), vrrp("BACKUP"))
    assert [its[0][2:4] if its else None for its in told[1:]] == [None, ("BACKUP", "STOP"), None, ("STOP", "BACKUP")]


def test_one_look_tells_nothing_twice():
    known = wrong()
    _events, memory = events.happened(known, {})
    assert events.happened({**known, "problems": [DOWN]}, memory) == ([], memory)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (EVENT, "lb1: dicom on pacs1 has been down for 31 s."),
        (EVENT._replace(former="1", new="0"), "lb1: Over: dicom on pacs1 has been down for 31 s."),
        (EVENT._replace(event="state", former="", new="BACKUP", why=""), "lb1: Keepalived is BACKUP."),
        (
            EVENT._replace(event="state", former="BACKUP", new="MASTER", why="It has taken the VIP."),
            "lb1: Keepalived is MASTER, and was BACKUP before. It has taken the VIP.",
        ),
        (EVENT._replace(why="one\r\nBcc: all@example.org"), "lb1: one Bcc: all@example.org"),
    ],
)
def test_it_is_one_line_for_a_person(event, text):
    assert event.text() == text


# --- a webhook --------------------------------------------------------------------------------------------------------


def test_a_webhook_gets_json_with_the_header_over_tls(tmp_path):
    with receivers.serving(receivers.Webhook, SERVER.served(tmp_path)) as server:
        url = f"https://127.0.0.1:{server.server_port}/hook?key=1"
        channels.webhook({"url": url, "header": f"X-Key: {SECRET}", "ca": ROOT.pem}, [EVENT])
        (tmp_path / "ca.pem").write_text(ROOT.pem)
        channels.webhook({"url": url, "ca_file": str(tmp_path / "ca.pem")}, [EVENT])
        for settings in ({"url": url}, {"url": url, "ca": OTHER.pem}):
            with pytest.raises(channels.NotTold, match="certificate that is not trusted"):
                channels.webhook(settings, [EVENT])
    (method, headers, body), second = server.got
    assert (method, headers["X-Key"], headers["Content-Type"]) == ("POST", SECRET, "application/json")
    assert "X-Key" not in second[1]
    assert body == {
        "text": EVENT.text(),
        "event": "node_down",
        "host": "lb1",
        "where": "pacs1",
        "from": "0",
        "to": "1",
        "why": EVENT.why,
        "at": "2026-11-24T15:05:52Z",
    }


@pytest.mark.parametrize("code", [301, 302, 307, 404, 500])
def test_a_webhook_that_answers_otherwise_has_taken_nothing_and_a_redirect_gets_no_secret(code):
    with receivers.serving(receivers.Webhook) as server:
        server.answers = [code]
        settings = {"url": f"http://127.0.0.1:{server.server_port}/{SECRET}", "header": f"X-Key: {SECRET}"}
        with pytest.raises(channels.NotTold, match=f"^answers HTTP {code}$"):
            channels.webhook(settings, [EVENT])
    assert len(server.got) == 1


def test_a_webhook_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(channels.NotTold, match=r"^cannot be told \(Connection refused\)$"):
        channels.webhook({"url": f"http://127.0.0.1:{port}/{SECRET}"}, [EVENT])


# --- a mail -----------------------------------------------------------------------------------------------------------


def mailbox(server, **more):
    return {
        "server": "127.0.0.1",
        "port": server.server_port,
        "from": "pacs@example.org",
        "to": ["ops@example.org", "night@example.org"],
        "starttls": False,
        **more,
    }


def test_all_events_of_a_look_are_one_mail():
    with receivers.serving(receivers.Mail) as server:
        channels.mail(mailbox(server), [EVENT, EVENT._replace(where="pacs2", why="web is down.\r\nBcc: x@example.org")])
    (got,) = server.got
    mail = got["mail"]
    assert mail["Subject"] == "lb1: dicom on pacs1 has been down for 31 s. (and 1 more)"
    assert (mail["From"], mail["To"], mail["Bcc"]) == (
        "pacs@example.org",
        "ops@example.org, night@example.org",
        None,
    )
    assert mail["Auto-Submitted"] == "auto-generated" and mail["Date"] and mail["Message-ID"]
    assert mail.get_content().splitlines()[:2] == [
        "2026-11-24T15:05:52Z lb1: dicom on pacs1 has been down for 31 s. [node_down]",
        "2026-11-24T15:05:52Z lb1: web is down. Bcc: x@example.org [node_down]",
    ]


def test_starttls_is_spoken_with_a_server_that_is_trusted_or_nothing_is_sent(tmp_path):
    login = {"user": "pacs", "password": SECRET}
    with receivers.serving(receivers.Mail, SERVER.served(tmp_path)) as server:
        channels.mail(mailbox(server, starttls=True, ca=ROOT.pem, **login), [EVENT])
        with pytest.raises(channels.NotTold, match="certificate that is not trusted"):
            channels.mail(mailbox(server, starttls=True, **login), [EVENT])
    assert [(got["tls"], bool(got["login"])) for got in server.got] == [(True, True)]
    with (
        receivers.serving(receivers.Mail) as server,
        pytest.raises(channels.NotTold, match="SMTPNotSupportedError"),
    ):
        channels.mail(mailbox(server, starttls=True, **login), [EVENT])
    assert server.got == []


@pytest.mark.parametrize(
    ("verb", "why"),
    [("MAIL", "answers 550"), ("RCPT", r"refuses every recipient \(550\)"), ("AUTH", "answers 550")],
)
def test_a_mail_that_is_refused_says_so_and_no_more(verb, why):
    with receivers.serving(receivers.Mail) as server:
        server.refuses = {verb}
        with pytest.raises(channels.NotTold, match=f"^{why}$"):
            channels.mail(mailbox(server, user="pacs", password=SECRET), [EVENT])


# --- all of them, side by side ----------------------------------------------------------------------------------------


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Tell of a look at a time, with these settings; return what is kept of it."""
    monkeypatch.setattr(notify, "SETTINGS", str(tmp_path / "notify.json"))
    monkeypatch.setattr(notify, "MEMORY", str(tmp_path / "told.json"))
    monkeypatch.setattr(notify, "LIMIT", 1.0)

    def tell(known, settings, at):
        (tmp_path / "notify.json").write_text(json.dumps(settings))
        monkeypatch.setattr(notify.time, "time", lambda: NOW + at)
        notify.tell({**known, "at": NOW + at})
        return json.loads((tmp_path / "told.json").read_text())

    return tell


def noted(tmp_path):
    """A command that notes its words, and what it has noted."""
    path = tmp_path / "note"
    path.write_text(f'#!/bin/sh\nIFS="|"; echo "$*" >> {tmp_path}/notes\n')
    path.chmod(0o755)
    return [str(path), "--to", "ops"], lambda: (tmp_path / "notes").read_text().splitlines()


def test_one_that_hangs_and_one_that_fails_keep_nothing_from_the_others(told, tmp_path, capfd):
    words, notes = noted(tmp_path)
    with receivers.hanging() as port, receivers.serving(receivers.Mail) as server:
        settings = {
            "webhook": {"url": f"http://127.0.0.1:{port}/{SECRET}", "header": f"X-Key: {SECRET}"},
            "mail": mailbox(server),
            "command": words,
        }
        began = time.monotonic()
        for at in (0, 30):
            kept = told(wrong(DOWN), settings, at)
        assert time.monotonic() - began < 5, "it may take a second each time, and was begun twice"
        server.refuses = {"MAIL"}
        kept = told(wrong(), settings, 90)
        kept = told(wrong(), settings, 120)
    assert [len(got["mail"].get_content().splitlines()) for got in server.got] == [3, 3]
    assert notes() == [
        f"--to|ops|node_down|lb1|0|1|{DOWN.text}",
        f"--to|ops|node_down|lb1|1|0|{DOWN.text}",
    ]
    assert [its[3] for its in kept["webhook"]["waiting"]] == ["", "0", "1"][: len(kept["webhook"]["waiting"])]
    assert len(kept["webhook"]["waiting"]) == 3 and len(kept["mail"]["waiting"]) == 1
    said = capfd.readouterr().out
    assert "The webhook at 127.0.0.1 has not answered within 1 s; 1 to be told." in said
    assert "The mail server 127.0.0.1 answers 550; 1 to be told." in said
    assert SECRET not in said


def test_what_was_not_taken_is_told_again_later_and_later_and_is_forgotten_after_a_day(told):
    with receivers.serving(receivers.Webhook) as server:
        settings = {"webhook": {"url": f"http://127.0.0.1:{server.server_port}"}}
        server.answers = [503] * 1000
        tried = []
        for at in range(0, 100_000, 30):
            before = len(server.got)
            kept = told(wrong(), settings, at)
            tried += [at] * (len(server.got) - before)
        assert tried[:6] == [0, 30, 60, 120, 240, 480] and max(b - a for a, b in zip(tried, tried[1:])) == 1800
        assert 86400 - 1800 <= max(tried) < 86400 and kept["webhook"]["waiting"] == []
        # The next event is told as if nothing had been.
        server.answers, known = [], wrong(DOWN)
        for at in (101_000, 103_000):
            kept = told(known, settings, at)
        assert server.got[-1][2]["event"] == "node_down"
        assert kept["webhook"] == {"waiting": [], "failing": 0.0, "tried": NOW + 103_000}


def test_what_was_not_taken_comes_in_order_with_what_has_happened_since(told):
    with receivers.serving(receivers.Webhook) as server:
        settings = {"webhook": {"url": f"http://127.0.0.1:{server.server_port}"}}
        server.answers = [503, 503]
        for at, known in ((0, wrong(DOWN)), (30, wrong(DOWN)), (90, wrong()), (120, wrong())):
            told(known, settings, at)
        answers = [body["event"] for _method, _headers, body in server.got]
    assert answers == ["state", "state", "state", "node_down", "node_down"]


def test_only_so_many_wait(told, monkeypatch, capfd):
    monkeypatch.setattr(notify, "MOST", 3)
    many = [Problem("node_down", f"pacs{number}", "It is down.", "") for number in range(9)]
    with receivers.serving(receivers.Webhook) as server:
        server.answers = [503] * 9
        settings = {"webhook": {"url": f"http://127.0.0.1:{server.server_port}"}}
        told(wrong(*many), settings, 0)
        kept = told(wrong(*many), settings, 30)
    assert [its[2] for its in kept["webhook"]["waiting"]] == ["pacs6", "pacs7", "pacs8"]
    assert "Events that nobody took by webhook, and that are forgotten: 7." in capfd.readouterr().out


def test_a_clock_that_was_set_back_delays_nothing():
    assert notify._is_due({"failing": NOW, "tried": NOW + 60}, NOW - 5)
    assert not notify._is_due({"failing": NOW, "tried": NOW + 60}, NOW + 119)
    assert notify._is_due({"failing": NOW, "tried": NOW + 60}, NOW + 120)


@pytest.mark.parametrize(
    ("script", "said"),
    [("exit 3", "has failed with exit code 3"), ("exec sleep 60", "has not ended within 0.3 s"), (None, "be started")],
)
def test_a_command_that_fails_is_named_and_not_run_again(told, tmp_path, monkeypatch, capfd, script, said):
    monkeypatch.setattr(channels, "COMMAND", 0.3)
    path = tmp_path / "command"
    if script:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    for at in (0, 30):
        kept = told(wrong(DOWN), {"command": [str(path)]}, at)
    assert said in capfd.readouterr().out and kept["command"]["waiting"] == []


def test_what_the_guard_tells_itself_the_command_is_not_told_again(told, tmp_path):
    words, notes = noted(tmp_path)
    split = Problem("split_brain", "lb1", "lb1 is not the only owner.", "")
    for at in (0, 30):
        told(wrong(DOWN, split), {"command": words}, at)
    assert [line.split("|")[2] for line in notes()] == ["node_down"]


def test_what_is_kept_is_for_root_alone(told, tmp_path):
    told(wrong(), {}, 0)
    assert stat.S_IMODE((tmp_path / "told.json").stat().st_mode) == 0o600


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_a_trial_says_who_was_told(told, tmp_path, capsys):
    with receivers.serving(receivers.Webhook) as webhook, receivers.serving(receivers.Mail) as mail:
        told(wrong(), settings := {"webhook": {"url": f"http://127.0.0.1:{webhook.server_port}/{SECRET}"}}, 0)
        capsys.readouterr()
        assert command.main(["notify", "--try"]) == 0
        assert capsys.readouterr().out == "The webhook at 127.0.0.1 was told.\n"
        mail.refuses = {"MAIL"}
        (tmp_path / "notify.json").write_text(json.dumps({**settings, "mail": mailbox(mail)}))
        assert command.main(["notify", "--try"]) == 1
        assert "The mail server 127.0.0.1 answers 550.\n" in capsys.readouterr().out
    assert webhook.got[-1][2]["event"] == "test"
    (tmp_path / "notify.json").unlink()
    assert command.main(["notify", "--try"]) == 1
    assert "infinitt_notify and infinitt_on_event are not set" in capsys.readouterr().out


def test_what_observe_keeps_is_told(told, tmp_path, monkeypatch):
    monkeypatch.setattr(state, "FILE", str(tmp_path / "state.json"))
    with receivers.serving(receivers.Webhook) as server:
        settings = {"webhook": {"url": f"http://127.0.0.1:{server.server_port}"}}
        (tmp_path / "notify.json").write_text(json.dumps(settings))
        for number in range(2):
            state.keep({**wrong(DOWN), "at": time.time() + number})
            assert command.main(["notify"]) == 0
    assert [body["text"] for _method, _headers, body in server.got] == [
        "lb1: Keepalived is MASTER.",
        f"lb1: {DOWN.text}",
    ]


def test_nothing_is_told_before_anything_is_known(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(state, "FILE", str(tmp_path / "gone"))
    assert command.main(["notify"]) == 3


def test_the_program_on_a_host_ends_in_time_whoever_hangs(tmp_path):
    """All of it in one process, as the unit starts it."""
    path = tmp_path / "loadbalancer"
    path.write_bytes(pack(REPOSITORY / "roles/monitoring/files/lib", REPOSITORY, f"{sys.executable} -IS"))
    with receivers.hanging() as port:
        settings = {"webhook": {"url": f"http://127.0.0.1:{port}/{SECRET}", "header": f"X-Key: {SECRET}"}}
        (tmp_path / "notify.json").write_text(json.dumps(settings))
        script = (
            f"import sys; sys.path.insert(0, {str(path)!r})\n"
            "from loadbalancer import command, notify\n"
            f"notify.SETTINGS, notify.LIMIT = {str(tmp_path / 'notify.json')!r}, 1.0\n"
            "sys.exit(command.main(['notify', '--try']))\n"
        )
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-IS", "-c", script], capture_output=True, text=True, check=False, timeout=30
        )
    assert (done.returncode, done.stdout) == (1, "The webhook at 127.0.0.1 has not answered within 1 s.\n")
    assert time.monotonic() - began < 8 < channels.PATIENCE and SECRET not in done.stderr
