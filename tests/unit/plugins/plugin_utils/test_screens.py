# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person reads: the preflight's table and the status screen."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observations import HOSTS, NOW, VIP, endpoint, forwarders, host, node, pair, site

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import preflight, status
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed, moment, span
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens import text
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.preflight import preflight_table
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.status import status_screen, status_tables

SITE = site()
FORWARDED = site(layer4=("dicom",))
REFUSED = ("refused", "refused the connection")


@pytest.fixture
def observed():
    return pair()


def screen(observed, of=SITE, hosts=HOSTS):
    found, notices = status.problems(of, observed, hosts), status.notices(of, observed, NOW)
    return status_screen(observed, of["services"], hosts, status.vips(of, observed), found, notices, NOW)


# --- preflight -------------------------------------------------------------------------------------------------------


def test_preflight_table():
    observed = {
        name: {
            "endpoints": [
                endpoint("web", "pacs1", 80, "http", ms),
                endpoint("dicom", "pacs2", 104, "echo", 0.4, REFUSED),
            ]
        }
        for name, ms in (("lb1", 2.06), ("lb2", 12.3))
    }
    assert preflight_table(observed) == (
        "service  node   address        port  check  lb1      lb2\n"
        "web      pacs1  198.51.100.21  80    http   2.1 ms   12 ms\n"
        "dicom    pacs2  198.51.100.22  104   echo   refused  refused\n"
        "\n"
        "dicom on pacs2 (198.51.100.22 port 104), asked from lb1 and lb2: refused the connection"
    )


def test_preflight_table_where_all_answers_has_no_more_lines():
    observed = {"lb1": {"endpoints": [endpoint("web", "pacs1", 80, "http", 2.06)]}}
    assert preflight_table(observed).count("\n") == 1


def test_preflight_table_when_a_host_asked_less():
    braces = ("http_status", "answered 503 {maintenance}")
    observed = {
        "lb1": {"endpoints": [endpoint("web", "pacs1", 80, "http", 9.4, braces)]},
        "lb2": {"endpoints": []},
    }
    assert preflight_table(observed).splitlines()[1].endswith("http   http status  not asked")
    assert preflight_table(observed).endswith("asked from lb1: answered 503 {maintenance}")


def test_preflight_table_with_what_is_worth_knowing():
    observed = {"lb1": {"endpoints": [endpoint("web", "pacs1", 80, "http", 2.06)]}}
    assert preflight_table(observed, preflight.notices(FORWARDED, observed, NOW)).endswith(
        "\n"
        "\n"
        "Notices:\n"
        "- The nodes see clients of forwarded services as 198.51.100.10; checks and all other connections\n"
        "  come from 198.51.100.11 and 198.51.100.12. [nodes_see_vip]\n"
        "  Add all of these addresses to the nodes' tables and firewalls."
    )


# --- status ----------------------------------------------------------------------------------------------------------


def test_a_healthy_pair(observed):
    lb1 = observed["lb1"]["haproxy"]
    lb1["workers"].append({"pid": 2, "current": False, "sessions": 1, "uptime_s": 99})
    lb1["services"]["dicom"]["pacs1"]["sessions"] = 6
    lb1.update(sessions={"dicom": 6}, old_sessions=1)
    assert screen(observed) == (
        "VIP 198.51.100.10: active on lb1 since 13:02:48 UTC (2 h 3 min)\n"
        "\n"
        "load balancer  VRRP    priority  sessions  on old workers  HAProxy           Keepalived\n"
        "lb1            MASTER  254       6         1 (1 worker)    2.6.12-1+deb12u4  2.2.7\n"
        "lb2            BACKUP  253       0         0               2.6.12-1+deb12u4  2.2.7\n"
        "\n"
        "service  node            lb1                lb2                sessions\n"
        "dicom    pacs1           UP L4OK 2 h 3 min  UP L4OK 2 h 3 min  6\n"
        "dicom    pacs2 (backup)  UP L4OK 2 h 3 min  UP L4OK 2 h 3 min  0"
    )


def test_a_deployment_ends_with_the_tables_of_what_it_has_observed(observed):
    known = {name: {"haproxy": host["haproxy"], "keepalived": host["keepalived"]} for name, host in observed.items()}
    shown = status_tables(known, SITE["services"], HOSTS, status.vips(SITE, known), NOW)
    assert shown == screen(observed)
    assert status_tables(known, SITE["services"], ("lb1", "lb3"), [VIP], NOW).count("not reached") == 1


def test_no_holder(observed):
    del observed["lb1"]["keepalived"]["addresses"][VIP]
    observed["lb1"]["keepalived"]["instances"][0].update(state="BACKUP", held=[])
    assert screen(observed).startswith("VIP 198.51.100.10: active on none of the load balancers that were reached\n")


def test_two_holders_have_a_line_each(observed):
    observed["lb2"]["keepalived"]["addresses"][VIP] = NOW - 5
    assert screen(observed).startswith(
        "VIP 198.51.100.10: active on lb1 since 13:02:48 UTC (2 h 3 min)\n"
        "VIP 198.51.100.10: active on lb2 since 15:05:47 UTC (5 s)\n"
    )


def test_a_load_balancer_that_was_not_reached(observed):
    del observed["lb1"]
    assert "lb1            not reached  -" in screen(observed)


def test_haproxy_does_not_run(observed):
    gone = dict(running=False, msg="There is no socket.", version=None, workers=[], services={}, sessions={})
    observed["lb2"]["haproxy"].update(gone)
    assert "lb2            BACKUP  253       0         0               not running" in screen(observed)


def test_a_service_that_is_not_in_the_inventory_is_shown(observed):
    for saw in observed.values():
        saw["haproxy"]["services"]["hl7"] = {"broker": node(sessions=2)}
    assert "hl7      broker          UP L4OK 2 h 3 min  UP L4OK 2 h 3 min  4" in screen(observed)


def test_problems_and_notices_have_a_heading_and_a_code_each(observed):
    observed["lb1"]["haproxy"]["outdated"] = ["/usr/sbin/haproxy"]
    observed["lb2"]["keepalived"]["instances"][0]["state"] = "FAULT"
    assert screen(observed).endswith(
        "\n"
        "\n"
        "Problems:\n"
        "- Keepalived on lb2 is in state FAULT and cannot take over the VIP. [keepalived_fault]\n"
        "  See why: journalctl -u keepalived.\n"
        "\n"
        "Notices:\n"
        "- HAProxy on lb1 is older than /usr/sbin/haproxy and needs a restart to pick it up.\n"
        "  [restart_pending]\n"
        "  playbooks/site.yml moves the VIP away and restarts it."
    )


def test_what_the_kernel_forwards():
    shown = screen(forwarders(), FORWARDED)
    assert (
        "layer 4  map      connections  mirrored  received  queued  table\n"
        "lb1      in sync  3            3         7         1       100 of 1000" in shown
    )
    assert (
        "dicom      pacs1  3 (up, 131 slots)  3 (up, 131 slots)\ndicom      pacs2  0 (down, 0 slots)  0 (down, 0 slots)"
        in shown
    )
    assert max(map(len, shown.splitlines())) <= text.WIDTH


def test_a_map_that_is_out_of_sync_and_a_mirror_that_is_not_running():
    observed = forwarders()
    observed["lb2"]["layer4"].update(current=False)
    observed["lb2"]["layer4"]["mirror"].update(running=False)
    assert "lb2      out of sync  3            -         -         -       100 of 1000" in screen(observed, FORWARDED)
    observed["lb2"]["layer4"]["mirror"].update(wanted=False)
    assert "lb2      out of sync  3            no        -         -       100 of 1000" in screen(observed, FORWARDED)


@given(
    st.integers(1, 4),
    st.integers(1, 30),
    st.sampled_from(["UP", "DOWN 1/2", "MAINT", "no check"]),
    st.integers(0, 10**8),
)
def test_no_line_is_wider_than_the_screen(number, sessions, state, change):
    names = ["loadbalancer%d" % index for index in range(number)]
    one = host()
    one["haproxy"]["services"]["dicom"]["pacs2"] = node(state, "L7OKC", False, sessions, "a long reason " * 9, change)
    observed = {name: copy.deepcopy(one) for name in names}
    lines = screen(observed, hosts=[*names, "away"]).splitlines()
    assert max(map(len, lines)) <= text.WIDTH
    assert lines == [line.rstrip() for line in lines]


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seconds, words",
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
def test_span(seconds, words):
    assert span(seconds) == words


def test_a_moment_of_another_day_has_its_date():
    assert moment(NOW - 86400, NOW) == "2026-11-23 15:05:52 UTC (1 d 0 h)"


@pytest.mark.parametrize("words, said", [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (list("abc"), "a, b and c")])
def test_listed(words, said):
    assert listed(words) == said
