# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person reads: the preflight's table, the status screen and its problems."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils import report

NOW = 1795532752  # 2026-11-24 15:05:52 UTC
VIP = "198.51.100.10"


def endpoint(service, node, port, check, ms, error=None):
    address = {"pacs1": "198.51.100.21", "pacs2": "198.51.100.22"}[node]
    told = {"kind": error[0], "text": error[1]} if error else None
    return {
        "service": service,
        "node": node,
        "address": address,
        "port": port,
        "check": check,
        "reachable": not error,
        "total_ms": ms,
        "error": told,
    }


def test_preflight_table():
    refused = ("refused", "refused the connection")
    seen = {
        "lb1": {
            "endpoints": [
                endpoint("web", "pacs1", 80, "http", 2.06),
                endpoint("dicom", "pacs2", 104, "echo", 0.4, refused),
            ]
        },
        "lb2": {
            "endpoints": [
                endpoint("web", "pacs1", 80, "http", 12.3),
                endpoint("dicom", "pacs2", 104, "echo", 0.4, refused),
            ]
        },
    }
    assert report.preflight_table(seen) == (
        "service  node   address        port  check  lb1      lb2\n"
        "web      pacs1  198.51.100.21  80    http   2.1 ms   12 ms\n"
        "dicom    pacs2  198.51.100.22  104   echo   refused  refused\n"
        "\n"
        "dicom on pacs2 (198.51.100.22 port 104), asked from lb1 and lb2: refused the connection"
    )


def test_preflight_table_where_all_answers_has_no_more_lines():
    seen = {"lb1": {"endpoints": [endpoint("web", "pacs1", 80, "http", 2.06)]}}
    assert report.preflight_table(seen).count("\n") == 1


def test_preflight_table_when_a_host_asked_less():
    braces = ("http_status", "answered 503 {maintenance}")
    seen = {"lb1": {"endpoints": [endpoint("web", "pacs1", 80, "http", 9.4, braces)]}, "lb2": {"endpoints": []}}
    assert report.preflight_table(seen).splitlines()[1].endswith("http   http status  not asked")
    assert report.preflight_table(seen).endswith("asked from lb1: answered 503 {maintenance}")


def node(status="UP", check_status="L4OK", up=True, sessions=0, text="Layer4 check passed", change=7384):
    return {
        "status": status,
        "up": up,
        "check_status": check_status,
        "check_code": None,
        "check_text": text,
        "last_change_s": change,
        "sessions": sessions,
    }


def host(state="MASTER", holds=True):
    return {
        "haproxy": {
            "running": True,
            "msg": "",
            "version": "2.6.12-1+deb12u4",
            "description": "9f2c41d07be3",
            "failed_reloads": 0,
            "workers": [{"pid": 1, "current": True, "sessions": 0, "uptime_s": 9}],
            "services": {"dicom": {"pacs1": node(), "pacs2": node()}},
            "sessions": {"dicom": 0},
            "old_sessions": 0,
            "outdated": [],
        },
        "keepalived": {
            "running": True,
            "msg": "",
            "version": "2.2.7",
            "configuration": "70aa11",
            "addresses": {"127.0.0.1": NOW - 90000, **({VIP: NOW - 7384} if holds else {})},
            "instances": [
                {
                    "name": "PACS",
                    "state": state,
                    "since": NOW - 7384,
                    "priority": 254 if holds else 253,
                    "vips": [VIP + "/24"],
                    "held": [VIP] if holds else [],
                    "interface": "eth0",
                }
            ],
            "outdated": [],
        },
        "written": {"haproxy": "9f2c41d07be3", "keepalived": "70aa11"},
    }


SERVICES = [
    {"name": "dicom", "address": VIP, "nodes": [{"name": "pacs1", "backup": False}, {"name": "pacs2", "backup": True}]}
]
HOSTS = ["lb1", "lb2"]


@pytest.fixture
def pair():
    return {"lb1": host(), "lb2": host("BACKUP", holds=False)}


def problems(seen):
    return report.problems(seen, SERVICES, HOSTS)


def test_a_pair_that_is_well(pair):
    lb1 = pair["lb1"]["haproxy"]
    lb1["workers"].append({"pid": 2, "current": False, "sessions": 1, "uptime_s": 99})
    lb1["services"]["dicom"]["pacs1"]["sessions"] = 6
    lb1.update(sessions={"dicom": 6}, old_sessions=1)
    assert report.status_screen(pair, SERVICES, HOSTS, NOW) == (
        "lb1 holds 198.51.100.10 since 13:02:48 UTC (2 h 3 min).\n"
        "\n"
        "load balancer  VRRP    priority  sessions  on old workers  HAProxy           Keepalived\n"
        "lb1            MASTER  254       6         1 (1 worker)    2.6.12-1+deb12u4  2.2.7\n"
        "lb2            BACKUP  253       0         0               2.6.12-1+deb12u4  2.2.7\n"
        "\n"
        "service  node            lb1                lb2                sessions\n"
        "dicom    pacs1           UP L4OK 2 h 3 min  UP L4OK 2 h 3 min  6\n"
        "dicom    pacs2 (backup)  UP L4OK 2 h 3 min  UP L4OK 2 h 3 min  0"
    )
    assert problems(pair) == []


def test_nobody_holds_the_vip(pair):
    del pair["lb1"]["keepalived"]["addresses"][VIP]
    pair["lb1"]["keepalived"]["instances"][0].update(state="BACKUP", held=[])
    assert problems(pair) == ["Nobody holds the VIP 198.51.100.10; see what Keepalived says: journalctl -u keepalived."]
    assert report.status_screen(pair, SERVICES, HOSTS, NOW).startswith("Nobody that was reached holds 198.51.100.10.\n")


def test_two_hold_the_vip_one_of_them_with_a_dead_keepalived(pair):
    keepalived = pair["lb2"]["keepalived"]
    keepalived.update(running=False, msg="Keepalived does not run.", version=None, configuration=None, instances=[])
    keepalived["addresses"][VIP] = NOW - 5
    assert problems(pair) == [
        "lb1 and lb2 hold the VIP 198.51.100.10 at once; see whether VRRP (IP protocol 112) passes between them, and whether a firewall drops it.",
        "Keepalived on lb2: Keepalived does not run.",
    ]
    assert report.status_screen(pair, SERVICES, HOSTS, NOW).startswith(
        "lb1 holds 198.51.100.10 since 13:02:48 UTC (2 h 3 min).\nlb2 holds 198.51.100.10 since 15:05:47 UTC (5 s).\n"
    )


def test_a_load_balancer_that_was_not_reached(pair):
    del pair["lb1"]
    assert problems(pair) == [
        "lb1 was not reached: what it holds and runs is not known.",
        "Nobody of the load balancers that were reached holds the VIP 198.51.100.10; see what Keepalived says: journalctl -u keepalived.",
    ]
    assert "lb1            not reached  -" in report.status_screen(pair, SERVICES, HOSTS, NOW)


def test_haproxy_does_not_run(pair):
    pair["lb2"]["haproxy"].update(
        running=False,
        msg="There is no socket.",
        version=None,
        description=None,
        failed_reloads=None,
        workers=[],
        services={},
        sessions={},
    )
    assert problems(pair) == ["HAProxy on lb2: There is no socket."]
    assert "lb2            BACKUP  253       0         0               not running" in report.status_screen(
        pair, SERVICES, HOSTS, NOW
    )


def test_keepalived_in_fault(pair):
    pair["lb2"]["keepalived"]["instances"][0]["state"] = "FAULT"
    assert problems(pair) == [
        "Keepalived on lb2 is in state FAULT and cannot take the VIP; see what it says: journalctl -u keepalived."
    ]


def test_a_master_whose_vip_was_taken_off(pair):
    pair["lb1"]["keepalived"]["instances"][0]["held"] = []
    assert problems(pair) == [
        "Keepalived on lb1 is master without 198.51.100.10: something took the address off eth0; restart Keepalived there."
    ]


def test_a_failed_reload(pair):
    pair["lb1"]["haproxy"].update(failed_reloads=1, description="before")
    assert problems(pair) == [
        "HAProxy on lb1 refused its last reload and goes on with the configuration before it; see why: journalctl -u haproxy."
    ]


def test_no_worker_that_takes_clients(pair):
    pair["lb1"]["haproxy"]["workers"][0]["current"] = False
    assert problems(pair) == [
        "HAProxy on lb1 has no worker that takes new clients; see what it says: journalctl -u haproxy."
    ]


@pytest.mark.parametrize("daemon, name", [("haproxy", "HAProxy"), ("keepalived", "Keepalived")])
def test_another_configuration_than_the_written_one(pair, daemon, name):
    pair["lb2"]["written"][daemon] = "new"
    assert problems(pair) == [
        f"{name} on lb2 does not run the configuration that was written; reload it there: systemctl reload {daemon}."
    ]
    del pair["lb2"]["written"]
    assert problems(pair) == [], "what was written is not known"


def test_a_node_down_everywhere(pair):
    for saw in pair.values():
        saw["haproxy"]["services"]["dicom"]["pacs2"] = node(
            "DOWN", "L4CON", False, text="Connection refused", change=62
        )
    assert problems(pair) == ["dicom on pacs2 is down (Connection refused), for 1 min."]


def test_a_node_down_on_one_host_and_up_on_the_other(pair):
    pair["lb1"]["haproxy"]["services"]["dicom"]["pacs2"] = node("DOWN", "L4TOUT", False, text="Layer4 timeout")
    assert problems(pair) == ["dicom on pacs2 is down for lb1 (Layer4 timeout) and up for lb2."]


def test_no_node_left(pair):
    for saw in pair.values():
        saw["haproxy"]["services"]["dicom"] = {
            "pacs1": node("MAINT", "", False),
            "pacs2": node("DRAIN", "L4OK", True),
        }
    assert problems(pair) == ["No node takes clients of dicom on lb1 and lb2."]


def test_maintenance_is_no_problem(pair):
    for saw in pair.values():
        saw["haproxy"]["services"]["dicom"]["pacs1"] = node("MAINT", "", False)
    assert problems(pair) == []


def test_a_service_that_haproxy_does_not_know(pair):
    pair["lb2"]["haproxy"]["services"] = {}
    assert problems(pair) == ["HAProxy on lb2 does not know the service dicom; deploy it: playbooks/site.yml."]


def test_worth_knowing(pair):
    pair["lb1"]["haproxy"]["outdated"] = ["/usr/sbin/haproxy"]
    pair["lb2"]["keepalived"]["version"] = "2.3.3"
    pair["lb2"]["haproxy"]["services"]["dicom"]["pacs1"] = node("UP", "INI", None)
    assert report.notes(pair) == [
        "HAProxy on lb1 is older than /usr/sbin/haproxy; a restart brings that in: playbooks/site.yml does it without the VIP.",
        "HAProxy on lb2 has not checked dicom on pacs1 yet.",
        "The load balancers run different versions of keepalived: 2.2.7 and 2.3.3.",
    ]
    assert "\n\nWorth knowing:\n- HAProxy on lb1 is older" in report.status_screen(pair, SERVICES, HOSTS, NOW)
    assert problems(pair) == []


@pytest.mark.parametrize(
    "seconds, text",
    [
        (-3, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (7384, "2 h 3 min"),
        (86400, "1 d 0 h"),
        (180000, "2 d 2 h"),
    ],
)
def test_span(seconds, text):
    assert report.span(seconds) == text


def test_a_moment_of_another_day_has_its_date():
    assert report.moment(NOW - 86400, NOW) == "2026-11-23 15:05:52 UTC (1 d 0 h)"


@settings(deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 30),
    st.sampled_from(["UP", "DOWN 1/2", "MAINT", "no check"]),
    st.integers(0, 10**8),
)
def test_no_line_is_wider_than_the_screen(number, sessions, status, change):
    hosts = ["loadbalancer%d" % index for index in range(number)]
    saw = host()
    saw["haproxy"]["services"]["dicom"]["pacs2"] = node(status, "L7OKC", False, sessions, "a long reason " * 9, change)
    seen = {name: copy.deepcopy(saw) for name in hosts}
    screen = report.status_screen(seen, SERVICES, [*hosts, "away"], NOW)
    assert max(map(len, screen.splitlines())) <= report.WIDTH
    assert screen.splitlines() == [line.rstrip() for line in screen.splitlines()]


# --- layer 4 -----------------------------------------------------------------------------------------------------------


def forwarding(beacon, heard):
    return {
        "beacon": beacon,
        "heard": heard,
        "status": {
            "running": True,
            "current": True,
            "fault": "",
            "haproxy_answers": True,
            "services": {"dicom": {"pacs1": {"state": "up", "slots": 131}, "pacs2": {"state": "down", "slots": 0}}},
            "flows": {"dicom": {"pacs1": 3, "pacs2": 0}},
            "units": {"layer4.service": {"active": True}, "conntrackd.service": {"active": True}},
            "mirror": {"wanted": True, "running": True, "ours": 3, "taken": 7, "waiting": 1},
            "table": {"used": 100, "room": 1000, "established_timeout": 432000},
        },
    }


@pytest.fixture
def forwarders(pair):
    pair["lb1"]["layer4"] = forwarding("4711", ["4712"])
    pair["lb2"]["layer4"] = forwarding("4712", ["4711"])
    return pair


def test_what_the_kernel_forwards(forwarders):
    assert problems(forwarders) == []
    shown = report.status_screen(forwarders, SERVICES, HOSTS, NOW)
    assert (
        "layer 4  map   connections  mirrored  taken  waiting  table\nlb1      true  3            3         7      1        100 of 1000"
        in shown
    )
    assert (
        "dicom      pacs1  3 (up, 131 slots)  3 (up, 131 slots)\ndicom      pacs2  0 (down, 0 slots)  0 (down, 0 slots)"
        in shown
    )
    assert max(map(len, shown.splitlines())) <= report.WIDTH


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"fault": "nft refuses the rules"}, "Layer 4 on lb1: nft refuses the rules."),
        (
            {"current": False},
            "layer4.service on lb1 does not run what was written; reload it there: systemctl reload layer4.",
        ),
        ({"haproxy_answers": False}, "HAProxy on lb1 does not answer, so the map there stays as it was."),
        (
            {"units": {"conntrackd.service": {"active": False}}},
            "conntrackd.service does not run on lb1; see why: journalctl -u conntrackd.service.",
        ),
        (
            {"table": {"used": 801, "room": 1000, "established_timeout": 432000}},
            "The connection table of lb1 is nearly full (801 of 1000)",
        ),
        (
            {"table": {"used": 1, "room": 1000, "established_timeout": 600}},
            "nf_conntrack_tcp_timeout_established of lb1 is 600 s",
        ),
    ],
)
def test_what_is_wrong_with_forwarding(forwarders, change, sentence):
    forwarders["lb1"]["layer4"]["status"].update(change)
    (told,) = problems(forwarders)
    assert told.startswith(sentence) or sentence in told


def test_a_mirror_that_is_silent_one_way(forwarders):
    forwarders["lb2"]["layer4"]["heard"] = []
    (told,) = problems(forwarders)
    assert told.startswith("The mirror is silent: what lb1 has in its connection table does not appear on lb2")


def test_a_host_that_never_forwarded(forwarders):
    forwarders["lb2"]["layer4"]["status"] = {}
    assert any(told.startswith("Nothing is forwarded on lb2") for told in problems(forwarders))
