# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`loadbalancer status`: what one load balancer finds by itself, and hears from the other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from itertools import islice

import pytest
from keepalived_guard import handover
from known import MASTER, STANDBY, seen
from loadbalancer import command, here, others, report, state
from observations import NOW, VIP, connections, forwarders, node, site

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _questions


def codes(known):
    return [problem.code for problem in known["problems"]]


def node_down(host):
    host["haproxy"]["services"]["dicom"]["pacs1"] = node("DOWN", "L4CON", False)


def all_down(host):
    host["haproxy"]["services"]["dicom"] = {
        name: node("DOWN", "L4CON", False, name=name) for name in ("pacs1", "pacs2")
    }


def test_a_healthy_pair_from_either_side():
    for name, answer in (("lb1", STANDBY), ("lb2", MASTER)):
        known = seen(name, answer)
        assert codes(known) == [] and report.exit_code(known) == 0


def test_who_holds_the_vip_is_known_from_the_standby():
    lines = report.screen(seen("lb2", MASTER), NOW).splitlines()
    assert lines[0] == "Seen from lb2: healthy."
    assert f"VIP {VIP}: active on lb1, which says so itself" in lines
    assert next(line for line in lines if line.startswith("lb1 ")).split() == [
        "lb1",
        "MASTER",
        "254",
        "-",
        "-",
        "-",
        "-",
    ]


@pytest.mark.parametrize(
    ("name", "answer", "change", "found", "code"),
    [
        ("lb1", STANDBY, node_down, ["node_down"], 1),
        ("lb1", STANDBY, all_down, ["service_without_node", "node_down", "node_down"], 2),
        ("lb1", None, lambda host: None, ["host_unreachable"], 1),
        ("lb2", None, lambda host: None, ["host_unreachable", "vip_no_holder"], 2),
        ("lb2", STANDBY, lambda host: None, ["vip_no_holder"], 2),
    ],
)
def test_what_is_wrong_and_how_bad_that_is(name, answer, change, found, code):
    known = seen(name, answer, change)
    assert codes(known) == found
    assert report.exit_code(known) == code


def test_what_the_other_one_has_found_is_shown_as_its_own():
    answer = {**STANDBY, "at": NOW, "problems": [["keepalived_fault", "lb2", "It is ill.", "Heal it."]]}
    shown = report.screen(seen("lb1", answer), NOW)
    assert "Problems as lb2 sees them:\n- It is ill. [keepalived_fault]\n  Heal it." in shown
    assert report.exit_code(seen("lb1", answer)) == 0


def test_an_older_look_says_its_age():
    assert report.screen(seen("lb1", STANDBY), NOW + 12).startswith("Seen from lb1: healthy, 12 s ago.")


def test_for_a_program():
    known = json.loads(report.as_json(seen("lb1", STANDBY, node_down)))
    assert (known["health"], known["name"], known["at"]) == ("degraded", "lb1", "2026-11-24T15:05:52Z")
    assert known["problems"][0]["code"] == "node_down" and set(known["problems"][0]) == {
        "code",
        "where",
        "text",
        "remedy",
    }
    assert known["observed"]["lb1"]["keepalived"]["instances"][0]["state"] == "MASTER"
    assert known["deployed"] == {"lb1": {"at": NOW - 3600, "pending": False}} and list(known["others"]) == ["lb2"]


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Keep what is known, for a member of the group adm."""
    monkeypatch.setattr(state, "FILE", str(tmp_path / "state.json"))
    monkeypatch.setattr(state.os, "geteuid", lambda: 1000)
    return state.keep


@pytest.mark.parametrize(("change", "code"), [(lambda host: None, 0), (node_down, 1), (all_down, 2)])
def test_the_exit_code_of_the_command(kept, capsys, change, code):
    kept(seen("lb1", STANDBY, change))
    assert command.main(["status"]) == command.main(["status", "--json"]) == code
    assert capsys.readouterr().out.startswith(f"Seen from lb1: {['healthy', 'degraded', 'down'][code]}, ")


def test_the_exit_code_where_nothing_is_known(kept, capsys):
    assert command.main(["status"]) == command.UNKNOWN
    assert "Nothing is known yet" in capsys.readouterr().out


@pytest.fixture
def watching(kept):
    """`loadbalancer status --watch` in a process, after its third screen."""
    kept(seen("lb1", STANDBY, node_down))
    script = (
        "import signal, sys; from loadbalancer import command, state\n"
        # A shell starts what runs in the background deaf to it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"state.FILE, command.EVERY, command.os.geteuid = {state.FILE!r}, 0.01, lambda: 1000\n"
        "sys.exit(command.main(['status', '--watch']))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script], stdout=pipe, stderr=pipe, env=environment, text=True) as its:
        begins = f"{command.CLEAR}Seen from lb1: degraded"
        assert len([*islice((line for line in islice(its.stdout, 100) if line.startswith(begins)), 3)]) == 3
        yield its


def test_the_screen_is_drawn_again_until_ctrl_c(watching):
    watching.send_signal(signal.SIGINT)
    _rest, said = watching.communicate(timeout=30)
    assert (watching.returncode, said) == (0, "")


def test_the_screen_is_drawn_again_until_nobody_reads_it(watching):
    watching.stdout.close()
    assert (watching.wait(30), watching.stderr.read()) == (0, "")


def test_what_is_kept_is_what_was_known(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "FILE", str(tmp_path / "state.json"))
    with pytest.raises(state.Unknown, match="Nothing is known yet"):
        state.kept()
    known = {**seen("lb1", STANDBY, node_down), "connections": None}
    state.keep(known)
    assert report.screen(state.kept(), NOW) == report.screen(known, NOW)
    # And what the guard tells the other one.
    monkeypatch.setattr(handover, "FOUND", tmp_path / "state.json")
    assert handover.told() == {"at": NOW, "problems": [list(problem) for problem in known["problems"]]}
    state.keep({**known, "connections": connections("aa")})
    assert handover.told()["connections"] == connections("aa")


def test_what_a_load_balancer_observes_of_itself(monkeypatch):
    names = [f"{number:012x}" for number in range(500)]
    found = forwarders()["lb1"]
    asked = []

    def forwards(_program, _timeout, *more):
        asked.append(more)
        return {**found["layer4"], "connections": connections(*names, until="f" * 12)}

    for module, answer in (
        (here._systemd, {"inspect": lambda unit: {"unit": unit}}),
        (here._haproxy_info, {"gather": lambda *_paths: found["haproxy"]}),
        (here._keepalived, {"gather": lambda *_words: found["keepalived"]}),
        (here._guard, {"gather": lambda: found["keepalived"]["guard"]}),
        (here._associations, {"gather": lambda *_words: {"dicom": {"CT1": {"refused": 1}}}}),
        (here._layer4, {"gather": forwards}),
        (here._file_set, {"names": list}),
    ):
        for name, replacement in answer.items():
            monkeypatch.setattr(module, name, replacement)
    observed = here.observe(site(layer4=("dicom",)))
    assert observed["associations"] == {"dicom": {"CT1": {"refused": 1}}}
    # Those that were there when the other one looked, and as many as fit into an answer.
    assert asked == [([], 60, None)] and observed["layer4"]["connections"]["established"] == names[:40]
    assert "layer4" not in here.observe(site())


def test_the_guard_tells_as_much_as_fits(tmp_path, monkeypatch):
    monkeypatch.setattr(handover, "FOUND", tmp_path / "state.json")
    assert handover.told() == {}
    many = [["node_down", f"pacs{number}", "x" * 100, "y" * 100] for number in range(50)]
    (tmp_path / "state.json").write_text(json.dumps({"at": NOW, "problems": many}))
    told = handover.told()["problems"]
    assert 10 < len(told) < 50 and told == many[: len(told)]


def test_the_others_are_asked_where_the_guard_answers(tmp_path, monkeypatch):
    hosts = {"lb1": "127.79.0.1", "lb2": "127.79.0.2", "lb3": "127.79.0.3"}
    peers = [{"name": name, "address": address} for name, address in hosts.items()]
    of = {"hosts": {"lb1": {"address": hosts["lb1"], "peers": peers[1:]}}}
    monkeypatch.setattr(others, "SETTINGS", str(tmp_path / "guard.json"))
    monkeypatch.setattr(others, "PATIENCE", 0.5)
    assert others.ask(of, "lb1") == {"lb2": None, "lb3": None}
    (tmp_path / "guard.json").write_text('{"peers_port": 10259}')
    responder = _questions.Responder(_questions.GUARD)
    assert responder.configure(hosts["lb2"], 10259, [hosts["lb1"]]) == ""
    ended = threading.Event()

    def respond():
        while not ended.wait(0.01):
            responder.respond(lambda: MASTER)

    thread = threading.Thread(target=respond)
    thread.start()
    try:
        found = others.ask(of, "lb1")
    finally:
        ended.set()
        thread.join()
    assert found["lb3"] is None and found["lb2"] and found["lb2"]["state"] == "MASTER"


def test_the_site_is_the_one_that_was_deployed_with_what_is_remembered_now(tmp_path, monkeypatch):
    monkeypatch.setattr(here, "NODES", str(tmp_path / "nodes.fact"))
    with pytest.raises(here.NotDeployed, match="playbooks/site.yml"):
        here.site({"current": {}})
    record = {"current": {"site": site()}}
    assert {node["state"] for node in here.site(record)["services"][0]["nodes"]} == {"active"}
    entry = {"state": "maintenance", "since": NOW, "by": "ops", "cut": False}
    (tmp_path / "nodes.fact").write_text(json.dumps({"dicom": {"pacs2": entry}}))
    assert {node["name"]: node["state"] for node in here.site(record)["services"][0]["nodes"]} == {
        "pacs1": "active",
        "pacs2": "maintenance",
    }
