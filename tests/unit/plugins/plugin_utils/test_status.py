# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with load balancers in service, and what is worth knowing of them."""

from __future__ import annotations

import pytest
from observations import ADDRESSES, HOSTS, NOW, VIP, forwarders, node, pair, site, undeployed

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import status

SITE = site()
FORWARDED = site(layer4=("dicom",))


@pytest.fixture
def observed():
    return pair()


def problems(observed, of=SITE):
    return status.problems(of, observed, HOSTS)


def texts(observed, of=SITE):
    return [problem.text for problem in problems(observed, of)]


def codes(observed, of=SITE):
    return [problem.code for problem in problems(observed, of)]


def test_a_healthy_pair(observed):
    assert problems(observed) == [] and status.notices(SITE, observed, NOW) == []


def test_no_holder(observed):
    del observed["lb1"]["keepalived"]["addresses"][VIP]
    observed["lb1"]["keepalived"]["instances"][0].update(state="BACKUP", held=[])
    (problem,) = problems(observed)
    assert problem == (
        "vip_no_holder",
        VIP,
        "No load balancer holds the VIP 198.51.100.10.",
        "See why on each of them: journalctl -u keepalived.",
    )


def test_two_haproxy_that_are_not_connected(observed):
    haproxy = {name: host["haproxy"] for name, host in observed.items()}
    haproxy["lb1"]["peers"], haproxy["lb2"]["peers"] = {"lb2": False}, {"lb1": False}
    assert codes(observed) == ["peers_apart"]
    assert texts(observed) == [
        "HAProxy on lb1 and HAProxy on lb2 are not connected, so clients may get another node when the VIP moves."
    ]
    haproxy["lb2"]["peers"] = {"lb1": True}
    assert codes(observed) == []
    haproxy["lb2"]["peers"] = {"lb1": False}
    haproxy["lb2"]["workers"][0]["uptime_s"] = 5
    assert codes(observed) == [], "it has just started, and will connect"


def test_two_hold_the_vip_one_of_them_with_a_dead_keepalived(observed):
    keepalived = observed["lb2"]["keepalived"]
    keepalived.update(running=False, msg="Keepalived does not run.", version=None, configuration=None, instances=[])
    keepalived["addresses"][VIP] = NOW - 5
    assert codes(observed) == ["vip_two_holders", "keepalived_down"]
    assert texts(observed) == [
        "lb1 and lb2 hold the VIP 198.51.100.10 at the same time.",
        "No answer from Keepalived on lb2: Keepalived does not run.",
    ]


def test_a_vip_of_which_no_keepalived_can_tell_is_the_inventorys(observed):
    for host in observed.values():
        host["keepalived"].update(running=False, msg="It is stopped.", instances=[], addresses={})
    assert codes(observed) == ["vip_no_holder", "keepalived_down", "keepalived_down"]


def test_a_vip_that_was_not_deployed_yet_is_no_problem(observed):
    of = site()
    of["services"].append({"name": "mwl", "address": "198.51.100.9", "nodes": []})
    assert status.vips(of, observed) == [VIP]
    assert problems(observed, of) == []


def test_a_vip_that_runs_and_is_not_in_the_inventory_counts(observed):
    for host in observed.values():
        host["keepalived"]["instances"][0]["vips"].append("198.51.100.9/24")
        host["keepalived"]["addresses"]["198.51.100.9"] = NOW
        host["keepalived"]["instances"][0]["held"].append("198.51.100.9")
    assert texts(observed) == ["lb1 and lb2 hold the VIP 198.51.100.9 at the same time."]


def test_a_load_balancer_that_was_not_reached(observed):
    del observed["lb1"]
    assert codes(observed) == ["host_unreachable", "vip_no_holder"]
    assert texts(observed) == [
        "lb1 could not be reached, so its state is unknown.",
        "None of the load balancers that were reached holds the VIP 198.51.100.10.",
    ]


def test_haproxy_does_not_run(observed):
    observed["lb2"]["haproxy"].update(
        running=False,
        msg="There is no socket.",
        version=None,
        description=None,
        failed_reloads=None,
        workers=[],
        services={},
        sessions={},
    )
    (problem,) = problems(observed)
    assert (problem.code, problem.text) == ("haproxy_down", "No answer from HAProxy on lb2: There is no socket.")


def test_a_master_process_that_does_not_answer(observed):
    observed["lb2"]["haproxy"].update(msg="/run/haproxy-master.sock hangs.", workers=[], failed_reloads=None)
    assert codes(observed) == ["haproxy_master_silent"]


def test_keepalived_in_fault(observed):
    observed["lb2"]["keepalived"]["instances"][0]["state"] = "FAULT"
    assert texts(observed) == ["Keepalived on lb2 is in state FAULT and cannot take over the VIP."]


def test_a_master_whose_vip_was_taken_off(observed):
    observed["lb1"]["keepalived"]["instances"][0]["held"] = []
    assert codes(observed) == ["vip_removed"]
    assert texts(observed) == ["Keepalived on lb1 is MASTER, but something removed 198.51.100.10 from eth0."]


def test_a_failed_reload(observed):
    observed["lb1"]["haproxy"].update(failed_reloads=1, description="before")
    assert codes(observed) == ["haproxy_reload_rejected"]
    assert texts(observed) == [
        "HAProxy on lb1 rejected its last reload and is still running the previous configuration."
    ]


def test_no_worker_that_accepts_clients(observed):
    observed["lb1"]["haproxy"]["workers"][0]["current"] = False
    assert codes(observed) == ["haproxy_no_worker"]
    assert texts(observed) == ["HAProxy on lb1 has no worker that accepts new clients."]


def test_a_node_down_everywhere(observed):
    for host in observed.values():
        host["haproxy"]["services"]["dicom"]["pacs2"] = node(
            "DOWN", "L4CON", False, text="Connection refused", change=62, name="pacs2"
        )
    assert texts(observed) == ["dicom on pacs2 has been down for 1 min (Connection refused)."]


def test_a_node_down_on_one_host_and_up_on_the_other(observed):
    down = node("DOWN", "L4TOUT", False, text="Layer4 timeout", name="pacs2")
    observed["lb1"]["haproxy"]["services"]["dicom"]["pacs2"] = down
    assert codes(observed) == ["node_down_for_one"]
    assert texts(observed) == ["dicom on pacs2 is down as seen from lb1 (Layer4 timeout), but up as seen from lb2."]


def test_a_node_that_is_not_in_the_inventory_is_judged_too(observed):
    for host in observed.values():
        host["haproxy"]["services"]["hl7"] = {"broker": node("DOWN", "L4CON", False, text="")}
    assert codes(observed) == ["service_without_node", "node_down"]


def test_no_node_left(observed):
    for host in observed.values():
        host["haproxy"]["services"]["dicom"] = {
            "pacs1": node("MAINT", "", False),
            "pacs2": node("DRAIN", "L4OK", True, name="pacs2"),
        }
    assert texts(observed) == ["No node takes clients of dicom on lb1 and lb2."]


def test_maintenance_is_no_problem(observed):
    for host in observed.values():
        host["haproxy"]["services"]["dicom"]["pacs1"] = node("MAINT", "", False)
    assert problems(observed) == []


def test_worth_knowing(observed):
    observed["lb1"]["haproxy"]["outdated"] = ["/usr/sbin/haproxy"]
    observed["lb2"]["keepalived"]["version"] = "2.3.3"
    observed["lb2"]["haproxy"]["services"]["dicom"]["pacs1"] = node("UP", "INI", None)
    assert [(notice.code, notice.text) for notice in status.notices(SITE, observed, NOW)] == [
        ("restart_pending", "HAProxy on lb1 is older than /usr/sbin/haproxy and needs a restart to pick it up."),
        ("node_unchecked", "HAProxy on lb2 has not checked dicom on pacs1 yet."),
        ("versions_differ", "The load balancers run different versions of Keepalived: 2.2.7 on lb1 and 2.3.3 on lb2."),
    ]
    assert problems(observed) == []


# --- what runs, what was deployed, what the inventory would write ----------------------------------------------------


@pytest.mark.parametrize("daemon, name", [("haproxy", "HAProxy"), ("keepalived", "Keepalived")])
def test_a_daemon_that_does_not_run_its_file(observed, daemon, name):
    observed["lb2"]["fingerprints"][daemon] = "new"
    (problem,) = problems(observed)
    assert problem.code == "config_outdated"
    assert problem.text == f"{name} on lb2 is running an outdated configuration."
    assert problem.remedy == f"Reload it: systemctl reload {daemon}."


def test_where_nothing_was_recorded_no_daemon_is_outdated(observed):
    observed["lb2"]["fingerprints"] = {"haproxy": "", "keepalived": ""}
    assert problems(observed) == []


def test_a_file_that_is_not_what_was_last_deployed(observed):
    haproxy, keepalived = observed["lb2"]["files"]
    haproxy.update(differs=True, drifted=True)
    (problem,) = problems(observed)
    assert (problem.code, problem.where) == ("files_drifted", "lb2")
    assert problem.text == "/etc/haproxy/haproxy.cfg on lb2 is not what was last deployed."
    # The same file would be written anew; that is said already.
    assert status.notices(SITE, observed, NOW) == []
    keepalived["drifted"] = True
    assert texts(observed)[0].endswith(
        "haproxy.cfg and /etc/keepalived/keepalived.conf on lb2 are not what was last deployed."
    )


def test_another_inventory_is_worth_knowing_and_no_problem(observed):
    for host in observed.values():
        host["files"][0]["differs"] = True
    assert problems(observed) == []
    (notice,) = status.notices(SITE, observed, NOW)
    assert notice.code == "inventory_differs"
    assert notice.text == "This inventory would change /etc/haproxy/haproxy.cfg on lb1 and lb2."
    for file in observed["lb2"]["files"]:
        file["differs"] = True
    (notice,) = status.notices(SITE, observed, NOW)
    assert notice.text == (
        "This inventory would change /etc/haproxy/haproxy.cfg on lb1 and lb2 and /etc/keepalived/keepalived.conf on"
        " lb2."
    )


def test_a_service_that_only_one_host_serves(observed):
    observed["lb2"]["haproxy"]["services"] = {}
    (problem,) = problems(observed)
    assert problem.code == "hosts_differ"
    assert problem.text == (
        "The load balancers run different configurations: dicom on pacs1 is 198.51.100.21 port 104 on lb1 and missing"
        " on lb2;"
        " dicom on pacs2 is 198.51.100.22 port 104 (backup) on lb1 and missing on lb2."
    )


@pytest.mark.parametrize(
    "change, runs",
    [({"address": "198.51.100.31"}, "198.51.100.31 port 104"), ({"port": 11112}, "198.51.100.21 port 11112")],
)
def test_a_node_with_another_address_or_port(observed, change, runs):
    observed["lb2"]["haproxy"]["services"]["dicom"]["pacs1"].update(change)
    assert texts(observed) == [
        f"The load balancers run different configurations: dicom on pacs1 is 198.51.100.21 port 104 on lb1 and {runs}"
        " on lb2."
    ]


def test_another_router_id_and_other_vips(observed):
    observed["lb2"]["keepalived"]["instances"][0].update(virtual_router_id=52, vips=["198.51.100.10/25"])
    assert texts(observed) == [
        "The load balancers run different configurations: the virtual router ID is 51 on lb1 and 52 on lb2;"
        " the list of VIPs is 198.51.100.10/24 on lb1 and 198.51.100.10/25 on lb2."
    ]


def test_a_host_that_runs_nothing_differs_from_nobody(observed):
    observed["lb2"]["haproxy"].update(running=False, msg="It is stopped.", services={}, workers=[])
    assert codes(observed) == ["haproxy_down"]


def test_many_differences_are_cut_short(observed):
    observed["lb2"]["haproxy"]["services"] = {f"extra{number}": {"pacs1": node()} for number in range(9)}
    assert texts(observed)[0].endswith("; 8 more.")


@pytest.mark.parametrize("daemon", ["haproxy", "keepalived"])
def test_a_unit_that_does_not_start_at_boot(observed, daemon):
    observed["lb1"][daemon]["enabled"] = False
    assert texts(observed) == [f"{daemon}.service on lb1 does not start at boot."]


@pytest.mark.parametrize("daemon, name", [("haproxy", "HAProxy"), ("keepalived", "Keepalived")])
def test_a_unit_file_that_systemd_has_not_read(observed, daemon, name):
    observed["lb1"][daemon]["needs_daemon_reload"] = True
    assert texts(observed) == [f"systemd on lb1 has not read the changed unit files of {name}."]


# --- layer 4 ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def forwarding():
    return forwarders()


def test_a_healthy_pair_that_forwards(forwarding):
    assert problems(forwarding, FORWARDED) == []


@pytest.mark.parametrize(
    "change, code, text",
    [
        (
            {"fault": "nft refuses the rules"},
            "layer4_fault",
            "layer4.service on lb1 cannot forward: nft refuses the rules.",
        ),
        ({"current": False}, "config_outdated", "layer4.service on lb1 is running an outdated configuration."),
        (
            {"haproxy_answers": False},
            "layer4_map_frozen",
            "HAProxy on lb1 does not answer, so the layer-4 map there stays as",
        ),
        (
            {"table": {"used": 801, "room": 1000, "established_timeout": 432000}},
            "conntrack_nearly_full",
            "The connection table of lb1 is nearly full (801 of 1000)",
        ),
        (
            {"table": {"used": 1, "room": 1000, "established_timeout": 600}},
            "established_timeout",
            "lb1 forgets a connection after 600 s of silence",
        ),
    ],
)
def test_what_is_wrong_with_forwarding(forwarding, change, code, text):
    forwarding["lb1"]["layer4"].update(change)
    (problem,) = problems(forwarding, FORWARDED)
    assert problem.code == code and problem.text.startswith(text)


@pytest.mark.parametrize(
    "change, code, text",
    [
        ({"active": False}, "layer4_unit_down", "conntrackd.service on lb1 is not running."),
        ({"outdated": True}, "config_outdated", "conntrackd.service on lb1 is running an outdated configuration."),
        ({"enabled": False}, "unit_not_enabled", "conntrackd.service on lb1 does not start at boot."),
    ],
)
def test_what_is_wrong_with_a_unit(forwarding, change, code, text):
    forwarding["lb1"]["layer4"]["units"]["conntrackd.service"].update(change)
    (problem,) = problems(forwarding, FORWARDED)
    assert (problem.code, problem.text) == (code, text)


def test_a_host_whose_connections_do_not_outlive_a_flush_is_worth_knowing(forwarding):
    forwarding["lb2"]["layer4"]["guard"] = False
    (notice,) = status.notices(FORWARDED, forwarding, NOW)
    assert (notice.code, notice.where) == ("layer4_unguarded", "lb2") and "nft flush ruleset" in notice.text
    forwarding["lb2"]["layer4"]["running"] = False
    assert status.notices(FORWARDED, forwarding, NOW) == []


def test_a_unit_that_is_stopped_is_not_called_hung_too(forwarding):
    forwarding["lb1"]["layer4"]["units"]["layer4.service"]["active"] = False
    forwarding["lb1"]["layer4"]["running"] = False
    assert codes(forwarding, FORWARDED) == ["layer4_unit_down"]


def test_a_file_of_layer_4_that_was_edited_is_no_outdated_configuration(forwarding):
    forwarding["lb1"]["layer4"]["current"] = False
    forwarding["lb1"]["files"].append({"path": "/etc/layer4/layer4.nft", "differs": True, "drifted": True})
    assert codes(forwarding, FORWARDED) == ["files_drifted"]


def test_a_mirror_that_is_silent_one_way(forwarding):
    forwarding["lb2"]["layer4"]["received"] = []
    assert texts(forwarding, FORWARDED) == [
        "Connections are not mirrored from lb1 to lb2: a test entry did not arrive within 1 s."
    ]


def test_a_host_that_never_forwarded(forwarding):
    forwarding["lb2"]["layer4"] = undeployed()
    assert texts(forwarding, FORWARDED) == ["No answer from layer 4 on lb2: /usr/local/sbin/layer4 is not installed."]


def test_a_load_balancer_that_does_not_answer_whether_it_is_ready_for_the_vip(forwarding):
    peers = forwarding["lb1"]["layer4"]["peers"]
    peers[ADDRESSES["lb2"]] = False
    assert problems(forwarding, FORWARDED) == [], "that it is not ready has another reason"
    peers[ADDRESSES["lb2"]] = None
    (problem,) = problems(forwarding, FORWARDED)
    assert (problem.code, problem.where) == ("peer_silent", "lb1")
    assert problem.text.startswith("lb2 does not tell lb1 whether it is ready for the VIP")
    forwarding["lb2"]["layer4"]["running"] = False
    assert "peer_silent" not in codes(forwarding, FORWARDED)


def test_security_updates_that_wait_are_a_notice_with_the_oldest_first():
    observed = pair()
    observed["lb2"]["updates"] = {"libssl3": 3600, "haproxy": 5 * 86400}
    (notice,) = status.notices(SITE, observed, NOW)
    assert notice.code == "security_updates"
    assert notice.text == "2 security updates wait on lb2, the oldest for 5 d 0 h: haproxy and libssl3."


def test_who_still_comes_to_a_former_vip(observed):
    of = {**site(), "former_services": [{"name": "dicom:198.51.100.9", "address": "198.51.100.9"}]}
    assert [problem.text for problem in status.notices(of, observed, NOW)] == [
        "The former VIP 198.51.100.9 was used by nobody in 30 days."
    ]
    for name, last in (("lb1", NOW - 60), ("lb2", NOW)):
        observed[name]["visits"] = [
            {"client": client, "service": "dicom:198.51.100.9", "last": last}
            for client in ("203.0.113.7", ADDRESSES["lb2"])
        ]
    (problem,) = status.notices(of, observed, NOW)
    assert problem.code == "former_vip"
    assert problem.text == "The former VIP 198.51.100.9 was last used by 203.0.113.7 (dicom, 2026-11-24 15:05 UTC)."


def test_a_handover_for_want_of_nodes_is_known_for_a_day(observed):
    last = {"at": NOW - 720, "reason": "no node answers this host, and a node answers 198.51.100.12"}
    observed["lb2"]["keepalived"]["guard"]["handed_over"] = last
    (notice,) = status.notices(SITE, observed, NOW)
    assert (notice.code, notice.where) == ("vip_handed_over", "lb2")
    assert notice.text == (
        "lb2 handed the VIP over 12 min ago: no node answers this host, and a node answers 198.51.100.12."
    )
    assert status.notices(SITE, observed, NOW + 86400) == []


def test_advertisements_that_keepalived_ignores_are_a_notice(observed):
    observed["lb1"]["keepalived"]["guard"]["ignored"] = {"203.0.113.9": {"count": 12, "ttl": 64, "last": NOW}}
    (notice,) = status.notices(SITE, observed, NOW)
    assert (notice.code, notice.where) == ("adverts_ignored", "lb1")
    assert notice.text.startswith("lb1 has ignored 12 VRRP advertisements from 203.0.113.9")
