# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drill: what it says, what follows from what was recorded, and the page."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
import yaml
from drilled import AT, HOLD, VIP, dicom, drilled, journals, record, site, web
from factories import ROLE

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._drill import timeline
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._drill.faults import FAULTS
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._drill.page import page, ticks
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._drill.plan import plan
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.drill import drill_table
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import variables

HOSTS = ("lb1", "lb2")
REACHED = (*HOSTS, "modality", "localhost")


def kept(report):
    (fault,) = report["faults"]
    return {verdict["what"]: verdict["kept"] for verdict in fault["verdicts"]}


def test_every_fault_has_its_words_and_its_commands():
    commands = yaml.safe_load((ROLE / "vars/main/drill.yml").read_text())["__infinitt_faults"]
    assert list(FAULTS) == ["switchover", *commands] == list(variables.FAULTS)


def test_a_record_that_a_reboot_has_ended_is_ended(tmp_path):
    (whole,) = yaml.safe_load((ROLE / "tasks/drill_fault.yml").read_text())
    (task,) = [task for task in whole["block"] if task["name"] == "End that record"]
    missing = tmp_path / "systemctl"
    missing.write_text("#!/bin/sh\nexit 5\n")
    missing.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run(["/bin/sh", "-c", task["ansible.builtin.shell"]], env=environment, check=True)


# --- the plan --------------------------------------------------------------------------------------------------------


def test_the_first_line_asks_for_a_yes_and_names_the_rate():
    found = plan(site(services=("web", "dicom")), HOSTS, REACHED)
    assert found["problems"] == []
    assert found["text"][0] == (
        "A drill on lb1 and lb2, which serve 198.51.100.10. Meanwhile localhost asks 100 times a second HEAD / of port"
        " 80 and one C-ECHO a second on one association with INFINITT, port 104. Say yes with: -e"
        " infinitt_confirm=198.51.100.10"
    )
    assert found["text"][1] == "1. The load balancer that holds the VIP hands the VIP over."


@pytest.mark.parametrize(
    ("probe_host", "words"),
    [("lb2", "infinitt_probe_host is lb2, a load balancer"), ("ct7", "infinitt_probe_host is ct7, which")],
)
def test_a_host_that_cannot_ask_is_refused(probe_host, words):
    its = site(services=("web", "dicom"))
    its["run"]["probe_host"] = probe_host
    (problem,) = plan(its, HOSTS, REACHED)["problems"]
    assert problem.startswith(words)


def test_a_drill_that_could_measure_nothing_or_only_interrupt_is_refused():
    assert "neither web" in plan(site(services=("mwl",)), HOSTS, REACHED)["problems"][0]
    assert "no other load balancer" in plan(site(names=("lb1",)), ("lb1",), REACHED)["problems"][0]


# --- the timeline ----------------------------------------------------------------------------------------------------


def test_the_owner_is_who_has_the_address_and_two_may():
    began, ended = AT - 4, AT + 16
    assert timeline.owners(journals(), VIP, "lb1", began, ended) == [
        {"host": "lb1", "since": began, "until": AT + 0.6},
        {"host": "lb2", "since": AT + 0.6, "until": ended},
    ]
    kept_by_both = {**journals(), "lb1": ""}
    assert [each["until"] for each in timeline.owners(kept_by_both, VIP, "lb1", began, ended)] == [ended, ended]


def test_a_host_that_reboots_and_has_lost_its_record_had_the_vip_until_another_took_it():
    report = drilled([{**record("reboot"), "journals": {**journals(), "lb1": ""}}])
    (fault,) = report["faults"]
    assert fault["at"] == pytest.approx(AT + 0.6)
    assert [(each["host"], each["until"]) for each in fault["owners"]] == [("lb1", 0), ("lb2", fault["ended"])]
    assert kept(report)["VIP moved"] is True
    assert "The moment of the fault" in page(report)


def test_the_fault_begins_and_ends_when_the_host_says_so():
    (fault,) = drilled([record()])["faults"]
    assert (fault["at"], fault["undone"], fault["began"], fault["holder"]) == (AT, HOLD, -4, "lb2")
    assert fault["probes"]["web"]["silences"][0]["since"] == pytest.approx(-0.008)


def test_a_silence_before_or_after_the_fault_is_not_its():
    def at(*moments):
        return [[moment, moment, "", ""] for moment in moments]

    asked = [*at(0, 1, 5.0, 5.1), [5.15, 6.15, "", "timeout"], *at(5.4, 5.5, 9)]
    assert timeline.silence(asked, 5.05, 5.45) == (5.1, 5.4)
    assert timeline.silence(asked, 0.5, 5.45) == (1, 5)


def test_a_silence_in_which_nothing_failed_is_shown_too():
    patient = web(0.65)
    patient["samples"] = [each for each in patient["samples"] if not each[3]]
    patient |= {"failures": 0, "outages": []}
    (fault,) = drilled([record(web=patient)])["faults"]
    assert [each["cause"] for each in fault["probes"]["web"]["silences"]] == ["nothing failed"]
    assert fault["silence_ms"] == pytest.approx(660, abs=1)


def test_nodes_are_named_by_cookie_and_by_connection_table_and_otherwise_not_at_all():
    (fault,) = drilled([record()], layer=4)["faults"]
    assert {sample[2] for sample in fault["probes"]["web"]["samples"] if not sample[3]} == {"pacs1"}
    assert {sample[2] for sample in fault["probes"]["dicom"]["samples"]} == {"pacs2"}
    (fault,) = drilled([{**record(), "paths": []}])["faults"]
    assert {sample[2] for sample in fault["probes"]["dicom"]["samples"]} == {""}


# --- the verdicts ----------------------------------------------------------------------------------------------------


def test_a_silence_is_held_against_the_figure():
    assert kept(drilled([record()]))["web: longest silence"] is True
    assert kept(drilled([record(web=web(0.95))]))["web: longest silence"] is False
    assert kept(drilled([record("haproxy_killed")]))["web: longest silence"] is False


def test_a_broken_association_is_a_miss_at_layer_4_and_where_it_was_planned():
    broken = {"dicom": dicom(broken=True)}
    assert kept(drilled([record(**broken)], layer=7))["association"] is None
    assert kept(drilled([record(**broken)], layer=4))["association"] is False
    assert kept(drilled([record("switchover", **broken)], layer=7))["association"] is False


def test_a_pause_at_layer_4_is_held_against_the_figure():
    assert kept(drilled([record()], layer=4))["longest wait for a C-ECHO"] is True
    assert kept(drilled([record(dicom=dicom(wait=1.3))], layer=4))["longest wait for a C-ECHO"] is False


def test_a_planned_move_may_fail_no_request():
    assert kept(drilled([record("switchover")]))["web: failed requests"] is False
    assert kept(drilled([record("switchover", web=web(0))]))["web: failed requests"] is True


def test_a_switchover_begins_when_the_vip_leaves_and_may_not_move_it_at_all():
    its = record("switchover", web=web(0))
    its["journals"] = {host: text.replace("fault\n", "\n") for host, text in journals().items()}
    echo = {key: value for key, value in dicom(wait=0.1).items() if key not in ("broken", "cause", "source")}
    its["probes"]["dicom"] = echo
    report = drilled([its])
    assert report["faults"][0]["at"] == pytest.approx(AT + 0.6)
    assert (kept(report)["VIP moved"], kept(report)["dicom: failed requests"]) == (True, True)
    its["journals"] = dict.fromkeys(journals(), "")
    report = drilled([its])
    assert kept(report)["VIP moved"] is False
    assert "The moment of the move" in page(report)


def test_a_fault_that_did_not_heal_is_a_miss_and_the_rest_is_not_tried():
    report = drilled([record(problems=["lb1 is ill. [haproxy_down]"])], faults=["cut_off", "switchover"])
    assert kept(report)["healthy afterwards"] is False
    assert report["not_tried"] == ["Planned switchover"]
    assert "lb1 is ill" in drill_table(report) and "Not tried: Planned switchover." in drill_table(report)


def test_the_table():
    assert drill_table(drilled([record("cut_off", dicom=dicom(broken=True))])) == (
        "fault    VIP         promise                      measured  to reach    reached\n"
        "cut_off  lb1 to lb2  VIP moved                    yes       yes         yes\n"
        "                     web: longest silence         660 ms    900 ms      yes\n"
        "                     web: failed after the fault  0         0           yes\n"
        "                     association                  broken    no promise  -\n"
        "                     healthy afterwards           yes       yes         yes"
    )


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole():
    records = [record(name) for name in FAULTS if name != "reboot"]
    records[2]["probes"]["dicom"] = dicom(broken=True)
    records[1]["problems"] = ["<script>alert(1)</script> & more"]
    return page(drilled(records))


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.elsewhere, self.tags, self.identifiers = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href") and not value.startswith("#"):
                self.elsewhere.append(value)
            if name == "id":
                self.identifiers.append(value)


def test_the_page_needs_nothing_else_and_runs_nothing(whole):
    links = Links()
    links.feed(whole)
    assert links.elsewhere == []
    assert "script" not in links.tags and "url(" not in whole and "@import" not in whole
    assert "&lt;script&gt;alert(1)" in whole
    assert [f"fault-{name}" for name in FAULTS if name != "reboot"] == [
        name for name in links.identifiers if name.startswith("fault-")
    ]
    assert len(set(links.identifiers)) == len(links.identifiers)


def test_every_timeline_says_in_words_what_it_shows(whole):
    labels = re.findall(r'role="img" aria-label="([^"]*)"', whole)
    assert len(labels) == 2 * (len(FAULTS) - 1)
    assert all("Silences: web silent for " in label for label in labels)


def test_ticks_are_round_and_few():
    for begin, end in [(-0.2, 0.9), (-4, 20), (-0.001, 0.004), (-3, 700)]:
        found = ticks(begin, end)
        assert 4 <= len(found) <= 13
        assert all(begin <= moment <= end for moment, _label in found)
    assert (0.2, "0.2 s") in [(round(moment, 3), label) for moment, label in ticks(-0.2, 0.9)]


def test_a_browser_shows_every_fault_without_an_error(whole, tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell", "google-chrome"))), None)
    if not browser:
        pytest.skip("there is no Chromium here")
    path = tmp_path / "drill.html"
    path.write_text(whole)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    done = subprocess.run(
        [browser, *options, path.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert all(f">{FAULTS[name].title}</h2>" in done.stdout for name in FAULTS if name != "reboot")
    assert "CONSOLE" not in done.stderr
