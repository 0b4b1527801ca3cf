# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What worked on a load balancer before it changed and does not any more, and what is no fault of the change."""

from __future__ import annotations

from observations import forwarders, host, node, pair, site, through

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import promises

REFUSED = ("refused", "refused the connection")


def down(name="pacs1", **more):
    return node("DOWN", "L4CON", False, text="Layer4 connection problem: Connection refused", name=name, **more)


def judged(observed, *, before, name="lb2", ends=(), of=None):
    """The sentence about a host that was as ``before``; empty where nothing is broken."""
    found = promises.broken(of or site(), name, observed, ends, promises.kept(before[name], ends and [through()]))
    return " ".join(problem.text for problem in found)


def test_what_works_is_kept_in_phrases():
    observed = pair()["lb2"]
    observed["haproxy"]["services"]["dicom"]["pacs2"] = down("pacs2")
    assert promises.kept(observed, [through()]) == [
        "HAProxy",
        "Keepalived",
        "dicom on pacs1",
        "dicom through 198.51.100.10 port 104",
    ]


def test_nothing_is_broken_where_all_is_as_before():
    assert judged(pair(), before=pair()) == ""
    assert judged(forwarders(), before=forwarders(), of=site(layer4=("dicom",))) == ""


def test_a_node_that_only_the_changed_host_has_lost_is_a_broken_promise():
    observed = pair()
    observed["lb2"]["haproxy"]["services"]["dicom"]["pacs1"] = down()
    assert judged(observed, before=pair()) == (
        "Since lb2 has changed, this does not work there any more:"
        " dicom on pacs1 (Layer4 connection problem: Connection refused)."
    )
    observed["lb2"]["haproxy"]["services"]["dicom"]["pacs1"] = node("UP", "INI", None)
    assert judged(observed, before=pair()) == "", "its check may take a while"


def test_a_service_that_haproxy_has_no_more_and_the_site_has_is_a_broken_promise():
    observed = pair()
    observed["lb2"]["haproxy"]["services"] = {}
    assert "dicom on pacs1; dicom on pacs2" in judged(observed, before=pair())


def test_a_node_that_is_down_for_the_others_too_has_gone_down_by_itself():
    observed = pair()
    for name in observed:
        observed[name]["haproxy"]["services"]["dicom"]["pacs1"] = down()
    assert judged(observed, before=pair()) == ""
    del observed["lb1"]
    assert "dicom on pacs1" in judged(observed, before=pair()), "there is nobody else who could tell"


def test_what_did_not_work_before_is_not_broken():
    observed = pair()
    observed["lb2"]["haproxy"]["services"]["dicom"]["pacs1"] = down()
    before = pair()
    before["lb2"]["haproxy"]["services"]["dicom"]["pacs1"] = down()
    assert judged(observed, before=before) == ""
    before["lb2"]["haproxy"]["services"]["dicom"]["pacs1"] = node("DRAIN", up=True)
    assert judged(observed, before=before) == ""


def test_what_is_wanted_no_more_is_not_broken():
    """A service that goes, a node that goes, and a node that a person takes out of service."""
    observed = pair()
    observed["lb2"]["haproxy"]["services"] = {"web": {"pacs1": node(), "pacs2": node(name="pacs2")}}
    assert judged(observed, before=pair(), of=site(services=("web",))) == ""
    observed["lb2"]["haproxy"]["services"] = {"dicom": {"pacs1": node()}}
    fewer = site()
    fewer["services"][0]["nodes"] = fewer["services"][0]["nodes"][:1]
    assert judged(observed, before=pair(), of=fewer) == ""
    observed["lb2"]["haproxy"]["services"] = {"dicom": {"pacs1": node(), "pacs2": node("MAINT", up=False)}}
    out = {"dicom": {"pacs2": {"state": "maintenance", "by": "ops", "since": 1}}}
    assert judged(observed, before=pair(), of=site(states=out)) == ""


def test_a_daemon_that_worked_is_a_promise():
    observed = pair()
    observed["lb2"]["haproxy"].update(running=False, msg="It is not running.", services={})
    observed["lb2"]["keepalived"]["instances"][0]["state"] = "FAULT"
    said = judged(observed, before=pair())
    assert "HAProxy (No answer from HAProxy on lb2: It is not running)" in said
    assert "Keepalived (Keepalived on lb2 is in state FAULT and cannot take over the VIP)" in said
    observed = forwarders()
    observed["lb2"]["layer4"]["fault"] = "the kernel says no"
    assert "forwarding by the kernel (" in judged(observed, before=forwarders(), of=site(layer4=("dicom",)))


def test_a_host_that_waits_for_the_others_to_agree_has_broken_nothing():
    observed = pair()
    observed["lb2"]["keepalived"]["instances"][0]["state"] = "FAULT"
    observed["lb2"]["keepalived"]["guard"]["held"] = "lb1 announces the virtual router ID 51"
    assert judged(observed, before=pair()) == ""


def test_a_service_that_answered_through_the_vip_is_a_promise_of_its_holder():
    silent = [through(error=REFUSED)]
    said = judged(pair(), before=pair(), name="lb1", ends=silent)
    assert said.endswith("dicom through 198.51.100.10 port 104 (refused the connection).")
    observed = {**pair(), "lb3": host("BACKUP")}
    for its in observed.values():
        its["haproxy"]["services"]["dicom"] = {"pacs1": down(), "pacs2": down("pacs2")}
    assert judged(observed, before=pair(), name="lb1", ends=silent) == "", "no node is left, whoever holds the VIP"
