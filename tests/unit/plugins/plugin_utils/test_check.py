# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a PACS is asked as a modality would ask it, which node is to blame where it does not answer, and the screen."""

from __future__ import annotations

import pytest
from factories import build
from observations import VIP, endpoint, site

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils import _check_plan
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import answers as rules
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.check import check_screen
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

SERVICES = ("web", "dicom", "query", "mwl")
DEAF = ("timeout", "timed out after 5 s without C-FIND-RSP")
UNKNOWN = (
    "rejected",
    "rejected the association: rejected-permanent, DICOM UL service-user, calling-AE-title-not-recognized",
)
MISSING = ("not_found", "does not find the test object")
CT1 = {"name": "ct1", "address": "198.51.100.50", "port": 104, "ae": "CT1"}


def asked(services=SERVICES, modalities=(), **run):
    its = site(services=services)
    return {**its, "modalities": list(modalities), "run": {**its["run"], **run}}


def by_name(questions):
    return {one["name"]: one for one in questions}


# --- what is asked --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whom", ["through", "nodes"])
def test_each_service_is_asked_what_its_clients_ask(whom):
    found = by_name(_check_plan.plan(asked(), "PatientID=PHANTOM1", "Modality=CT")[whom])
    assert {name: one["check"] for name, one in found.items()} == {
        "web": "http",
        "dicom": "echo",
        "query": "find",
        "mwl": "find",
    }
    assert (found["query"]["find"], found["query"]["key"]) == ("study", "PatientID=PHANTOM1")
    assert (found["mwl"]["find"], found["mwl"]["key"]) == ("worklist", "Modality=CT")
    assert (found["mwl"]["called_ae"], found["mwl"]["calling_ae"]) == ("INFINITT", "PACSLB")
    assert len(found["mwl"]["nodes"]) == (1 if whom == "through" else 2)


def test_layer_4_makes_no_difference_and_neither_does_the_check_of_haproxy():
    for services in ({"query": {"layer": 4}}, {"query": {"check": "associate"}}):
        found = by_name(_check_plan.plan(as_dict(build(infinitt_services=services)))["through"])
        assert found["query"]["find"] == "study"


def test_a_service_of_ones_own_is_asked_what_it_says():
    written = {
        "hl7": {"port": 2575},
        "second": {"port": 11112, "find": "worklist", "called_ae": "RIS"},
        "third": {"port": 11113, "check": "echo"},
        "query": {"find": "none"},
    }
    found = by_name(_check_plan.plan(as_dict(build(infinitt_services=written)))["through"])
    assert [found[name]["check"] for name in written] == ["tcp", "find", "echo", "echo"]
    assert (found["second"]["find"], found["second"]["called_ae"]) == ("worklist", "RIS")


def test_no_web_service_is_asked_by_c_find():
    (problem,) = build(infinitt_services={"web": {"find": "study"}}).problems
    assert problem == "infinitt_services.web.find is study on an http service; remove it, or set mode: tcp."


def test_another_ae_title_is_under_which_all_are_asked():
    plan = _check_plan.plan(asked(modalities=[CT1], check_calling_ae="CT9"))
    assert {one["calling_ae"] for key in ("through", "nodes") for one in plan[key] if one["check"] != "http"} == {"CT9"}
    (modality,) = plan["modalities"]
    assert (modality["check"], modality["called_ae"], modality["calling_ae"]) == ("echo", "CT1", "CT9")


def test_tls_goes_on_as_it_does_for_verify_and_a_certificate_that_is_required_ends_it():
    from pki import MIDDLE, ROOT, WEB

    certificate = {"certificate": WEB.chain, "key": WEB.key}
    clients = {"client_ca": MIDDLE.pem + ROOT.pem, "client_certificate": "required"}
    its = as_dict(build(infinitt_services={"query": {"tls": certificate}, "mwl": {"tls": {**certificate, **clients}}}))
    assert its["problems"] == []
    plan = _check_plan.plan(its)
    through = by_name(plan["through"])
    assert (through["query"]["check"], through["query"]["tls"]["fingerprints"]) == ("find", [WEB.sha256])
    assert through["mwl"]["check"] == "tcp" and by_name(plan["nodes"])["mwl"]["check"] == "find"
    through = [endpoint("query", "VIP", check="find"), endpoint("mwl", "VIP")]
    (notice,) = rules.notices(its, answers(through=through))
    assert (notice.code, notice.where) == ("asked_tls_only", "mwl")


def test_nothing_is_stored_unless_a_service_is_named():
    assert not any(_check_plan.plan(asked(), uid="2.25.1")[key] for key in ("store", "find", "has", "says"))
    plan = _check_plan.plan(asked(check_store="dicom"), study="PatientID=1", uid="2.25.1")
    assert [(one["name"], one["check"], one["object_uid"]) for one in plan["store"]] == [("dicom", "store", "2.25.1")]
    for key in ("find", "has"):
        assert [(one["name"], one["find"], one["key"]) for one in plan[key]] == [("query", "object", "")]
    assert plan["says"].startswith("Would store a test object through dicom")
    dry = _check_plan.plan(asked(check_store="dicom"))
    assert not any(dry[key] for key in ("store", "find", "has")), "it has no UID in a dry run"


@pytest.mark.parametrize(
    ("services", "store", "words"),
    [
        (SERVICES, "dcom", "infinitt_check_store is dcom, which is no service that takes images; did you mean dicom."),
        (SERVICES, "mwl", "infinitt_check_store is mwl, which is no service that takes images; "),
        (("dicom",), "dicom", "infinitt_check_store is set, but no service has find: study"),
    ],
)
def test_where_nothing_can_be_stored_is_said(services, store, words):
    (problem,) = _check_plan.plan(asked(services, check_store=store))["problems"]
    assert problem.startswith(words)


# --- what the user writes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["infinitt_check_study", "infinitt_check_worklist"])
def test_a_key_is_in_no_sentence_and_no_part_of_the_site(name):
    for value in ("CANARY", "Canary=CANARY", "PatientID=CAN\\ARY", ["CANARY"]):
        (problem,) = build(**{name: value}).problems
        assert problem.startswith(f"{name} ") and "CANARY" not in problem
    its = build(**{name: " PatientID=CANARY"})
    assert its.problems == [] and "CANARY" not in repr(as_dict(its))


def test_modalities_are_read_and_what_is_wrong_with_them_is_said():
    its = build(infinitt_modalities=[{"name": "ct1", "address": "198.51.100.50", "ae": "CT1 ".strip(), "port": "104"}])
    assert (its.problems, its.modalities) == ([], [CT1])
    for written, words in (
        ("ct1", "infinitt_modalities is 'ct1', which is not a list"),
        ([{"name": "ct1", "address": "198.51.100.50"}], "infinitt_modalities[0] has no ae;"),
        ([CT1, CT1], "infinitt_modalities[1] repeats the name ct1;"),
        ([{**CT1, "aet": "x"}], "infinitt_modalities[0].aet is not a known key; did you mean ae."),
        (["ct1"], "infinitt_modalities[0] is 'ct1', which is not a mapping"),
    ):
        (problem,) = build(infinitt_modalities=written).problems
        assert problem.startswith(words)


# --- who is to blame ------------------------------------------------------------------------------------------------


def answer(service, node, check="find", ms=40.0, error=None, matches=0, more=False):
    times = {"connect": 1.0, "associate": 3.0, **({} if error else {check: ms})}
    counted = matches if check == "find" and not error else None
    return endpoint(service, node, 105, check, ms, error, latency_ms=times, matches=counted, more=more)


def answers(**lists):
    empty = {key: [] for key in ("through", "nodes", "store", "find", "has", "modalities")}
    return {"by": "lb2", "itself": False, "under": "PACSLB", "keyed": False, **empty, **lists}


def found(its, **lists):
    return rules.problems(its, answers(**lists))


def query(vip=None, pacs1=None, pacs2=None, **more):
    errors = {"pacs1": pacs1, "pacs2": pacs2}
    nodes = [answer("query", name, error=error) for name, error in errors.items()]
    return {"through": [answer("query", "VIP", error=vip)], "nodes": nodes, **more}


def test_where_all_answer_nothing_is_wrong():
    assert found(asked(), **query()) == []


def test_the_node_that_is_deaf_is_to_blame():
    (problem,) = found(asked(), **query(vip=DEAF, pacs1=DEAF))
    assert problem.code == "vip_unanswered"
    assert problem.text == (
        f"query (C-FIND) does not answer through the VIP {VIP} port 105, asked from lb2: timed out after 5 s without"
        " C-FIND-RSP; pacs2 answers directly in 40 ms and pacs1 does not (timed out after 5 s without C-FIND-RSP): the"
        " fault is pacs1."
    )
    assert problem.remedy.startswith("Fix pacs1, or take it out of service until then: playbooks/node_maintenance.yml")


def test_all_nodes_or_none_are_to_blame():
    (problem,) = found(asked(), **query(DEAF, DEAF, DEAF))
    assert problem.text.endswith("(timed out after 5 s without C-FIND-RSP): the fault is theirs.")
    (problem,) = found(asked(), **query(DEAF))
    assert problem.text.endswith(
        "pacs1 answers directly in 40 ms and pacs2 answers directly in 40 ms: the fault is between lb2 and them."
    )
    assert "playbooks/status.yml" in problem.remedy


def test_the_door_is_named_where_it_refuses():
    its = as_dict(build(infinitt_services={"query": {"allowed_calling_ae": "CT1"}}))
    (problem,) = found(its, **query(UNKNOWN))
    assert problem.remedy == "Ask under an AE title that its allowed_calling_ae has: infinitt_check_calling_ae."


def test_a_node_that_is_deaf_is_named_although_the_vip_answers_by_another_one():
    (problem,) = found(asked(), **query(pacs2=DEAF))
    assert (problem.code, problem.where) == ("node_unanswered", "pacs2")
    assert problem.text.startswith("query (C-FIND) on pacs2 does not answer lb2 directly: timed out after 5 s")


def test_a_node_with_one_reason_for_all_its_services_is_named_once():
    nodes = [answer("dicom", "pacs2", "echo", error=UNKNOWN), answer("query", "pacs2", error=UNKNOWN)]
    (problem,) = found(asked(), through=[answer("query", "VIP")], nodes=nodes)
    assert problem.text.startswith("dicom (C-ECHO) and query (C-FIND) on pacs2 do not answer lb2 directly: rejected")
    assert problem.remedy.startswith("Add PACSLB to the AE titles that pacs2 knows;")


def test_a_node_that_is_out_of_service_is_not_blamed():
    out = {"query": {"pacs1": {"state": "maintenance", "since": 5, "by": "ada", "cut": False}}}
    its = {**site(services=("query",), states=out)}
    assert found(its, **query(pacs1=DEAF)) == []
    (problem,) = found(its, **query(vip=DEAF, pacs1=DEAF, pacs2=DEAF))
    assert "pacs1" not in problem.text
    assert "query    pacs1 (out)" in check_screen(its, answers(**query(pacs1=DEAF)), [])


def test_a_study_that_is_there_for_good_must_be_found():
    lists = query()
    lists["nodes"][0] = answer("query", "pacs1", matches=1)
    lists["nodes"].append(answer("mwl", "pacs2"))
    assert found(asked(), **lists) == []
    (problem,) = found(asked(), keyed=True, **lists)
    assert (problem.code, problem.where) == ("study_not_found", "pacs2")


def test_a_test_object_that_is_refused_or_lost_is_said():
    stored = answer("dicom", "VIP", "store", error=("store_status", "answered C-STORE with status A700H, refused"))
    (problem,) = found(asked(), **query(store=[stored]))
    assert problem.code == "object_not_stored" and "status A700H" in problem.text
    lost = query(
        store=[answer("dicom", "VIP", "store")],
        find=[answer("query", "VIP", error=MISSING)],
        has=[answer("query", "pacs1", error=MISSING), answer("query", "pacs2", matches=1)],
    )
    (problem,) = found(asked(), **lost)
    assert problem.code == "object_not_found"
    assert problem.text.endswith("query through the VIP does not find the test object; asked directly, pacs2 has it.")
    # One that answers nothing was said to.
    assert [problem.code for problem in found(asked(), **{**lost, **query(vip=DEAF)})] == ["vip_unanswered"]


@pytest.mark.parametrize(
    ("error", "code", "remedy"),
    [
        (UNKNOWN, "modality_refuses", "Add the AE title PACSLB, with the address of lb2, to those that it knows."),
        (
            ("rejected", UNKNOWN[1].replace("calling", "called")),
            "modality_refuses",
            "Correct its `ae` in infinitt_modalities.",
        ),
        (("rejected", "rejected the association: rejected-transient"), "modality_refuses", "See its own log."),
        (("refused", "refused the connection"), "modality_silent", "See whether it is on;"),
    ],
)
def test_a_modality_that_is_deaf_or_refuses_our_title_is_said(error, code, remedy):
    end = {**answer("ct1", "ct1", "echo", error=error), "address": "198.51.100.50", "port": 104}
    (problem,) = found(asked(modalities=[CT1]), modalities=[end])
    assert (problem.code, problem.where) == (code, "ct1")
    assert problem.text.startswith("ct1 (198.51.100.50 port 104, AE title CT1) ") and error[1] in problem.text
    assert problem.remedy.startswith(remedy)


# --- the screen -----------------------------------------------------------------------------------------------------


def test_the_screen():
    lists = query(pacs1=DEAF, store=[answer("dicom", "VIP", "store", 31.0)], find=[answer("query", "VIP", matches=1)])
    lists["nodes"][1] = answer("query", "pacs2", matches=10, more=True)
    lists["has"] = [answer("query", "pacs2", matches=1)]
    lists["modalities"] = [{**answer("ct1", "ct1", "echo", 2.0), "address": "198.51.100.50"}]
    its = asked(modalities=[CT1])
    shown = check_screen(its, answers(**lists), rules.problems(its, answers(**lists)))
    assert shown == (
        "Asked from lb2:\n"
        "\n"
        "service  asked  connect  associate  C-FIND  C-STORE  matches  answer\n"
        "dicom    VIP    1.0 ms   3.0 ms     -       31 ms    -        yes\n"
        "query    VIP    1.0 ms   3.0 ms     40 ms   -        0        yes\n"
        "query    pacs1  1.0 ms   3.0 ms     -       -        -        timeout\n"
        "query    pacs2  1.0 ms   3.0 ms     40 ms   -        10+      yes\n"
        "\n"
        "modality  address        connect  associate  C-ECHO  answer\n"
        "ct1       198.51.100.50  1.0 ms   3.0 ms     2.0 ms  yes\n"
        "\n"
        "The test object was stored through dicom and found through query; asked directly, pacs2 has it.\n"
        "\n"
        "Problems:\n"
        "- query (C-FIND) on pacs1 does not answer lb2 directly: timed out after 5 s without C-FIND-RSP.\n"
        "  [node_unanswered]\n"
        "  Fix pacs1, or take it out of service until then: playbooks/node_maintenance.yml."
    )


def test_every_phase_at_once_fits_into_a_hundred_columns():
    phases = ("connect", "tls", "http", "associate", "echo", "find", "store")
    end = {**answer("query", "pacs1", matches=10, more=True), "latency_ms": dict.fromkeys(phases, 9876.5)}
    end["error"], end["reachable"] = {"kind": "name_not_found", "text": ""}, False
    shown = check_screen(asked(), answers(through=[end], itself=True), [])
    assert "which holds the VIP and so asks itself" in shown
    assert max(map(len, shown.splitlines())) <= 100
