# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in the way of a deployment."""

from __future__ import annotations

import pytest
from observations import ADDRESSES, MACS, NOW, SSHD, VIP, before, endpoint, site

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import preflight

SITE = site(services=("web", "dicom"))
FORWARDED = site(services=("web", "dicom"), layer4=("dicom",))
LB1, LB2 = ADDRESSES["lb1"], ADDRESSES["lb2"]
FOREIGN = "02:00:00:00:00:99"
REFUSED = ("refused", "refused the connection")


@pytest.fixture
def observed():
    return before()


def problems(observed, require="all", of=SITE):
    return preflight.problems(of, observed, require)


def codes(observed, **more):
    return [problem.code for problem in problems(observed, **more)]


def test_nothing_stands_in_the_way_of_a_fresh_pair(observed):
    assert problems(observed) == []


def test_a_vip_that_the_pair_holds_is_not_in_use_by_another(observed):
    observed["lb2"]["owners"]["eth0"][VIP] = [MACS["lb1"]]
    assert problems(observed) == []


def test_under_limit_the_absent_holder_is_known_by_its_own_address(observed):
    del observed["lb2"]
    observed["lb1"]["owners"]["eth0"][VIP] = [MACS["lb2"]]
    assert problems(observed) == []


def test_under_limit_a_lost_peer_need_not_answer(observed):
    del observed["lb2"]
    observed["lb1"]["owners"]["eth0"][LB2] = []
    assert problems(observed) == []


def test_a_foreign_holder_is_reported_once_with_its_mac(observed):
    for name in observed:
        observed[name]["owners"]["eth0"][VIP] = [FOREIGN]
    (problem,) = problems(observed)
    assert problem.code == "vip_in_use" and problem.where == VIP
    assert problem.text == (
        f"The VIP {VIP} is already in use: {FOREIGN} answers for it (asked from lb1) and belongs to none of the load"
        " balancers."
    )


def test_a_foreign_holder_beside_the_real_one_is_seen(observed):
    observed["lb2"]["owners"]["eth0"][VIP] = [MACS["lb1"], FOREIGN]
    assert FOREIGN in problems(observed)[0].text


def test_a_peer_that_does_not_answer(observed):
    observed["lb1"]["owners"]["eth0"][LB2] = []
    (problem,) = problems(observed)
    assert problem.code == "peer_unreachable"
    assert problem.text == f"lb1 cannot reach lb2: nothing answers for its infinitt_address {LB2} on eth0."


@pytest.mark.parametrize(
    "line, taken",
    [
        ('LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=7,fd=6))', True),
        ('LISTEN 0 511 *:80 *:* users:(("apache2",pid=7,fd=6))', True),
        (f'LISTEN 0 511 {VIP}:80 0.0.0.0:* users:(("nginx",pid=7,fd=6))', True),
        (f'LISTEN 0 511 {VIP}%eth0:80 0.0.0.0:* users:(("nginx",pid=7,fd=6))', True),
        ("LISTEN 0 511 0.0.0.0:80 0.0.0.0:*", True),
        (f'LISTEN 0 511 {LB1}:1024 0.0.0.0:* users:(("rpc",pid=7,fd=6))', True),
        ('LISTEN 0 511 127.0.0.1:1024 0.0.0.0:* users:(("rpc",pid=7,fd=6))', True),
        ('LISTEN 0 511 127.0.0.1:80 0.0.0.0:* users:(("nginx",pid=7,fd=6))', False),
        ('LISTEN 0 511 [::]:80 [::]:* users:(("nginx",pid=7,fd=6))', False),
        ('LISTEN 0 511 0.0.0.0:8080 0.0.0.0:* users:(("nginx",pid=7,fd=6))', False),
        (f'LISTEN 0 511 {VIP}:80 0.0.0.0:* users:(("haproxy",pid=7,fd=6))', False),
    ],
)
def test_ports_that_another_program_has(observed, line, taken):
    observed["lb1"]["listeners"].append(line)
    found = problems(observed)
    assert bool(found) == taken, found
    assert all(problem.text.startswith("Port ") and " of lb1, which " in problem.text for problem in found)
    assert {problem.code for problem in found} <= {"port_taken"}


def test_an_ipv6_vip_minds_ipv6_listeners(observed):
    of = site()
    of["hosts"]["lb1"]["ports"] = [{"address": "2001:db8::10", "port": 80, "for": "web"}]
    observed["lb1"]["listeners"] = [SSHD, 'LISTEN 0 511 [::]:80 [::]:* users:(("nginx",pid=7,fd=6))']
    assert codes(observed, of=of) == ["port_taken"]


@pytest.mark.parametrize(
    "require, answers, found",
    [
        ("all", [True, False], ["node_silent"]),
        ("any", [True, False], []),
        ("any", [False, False], ["service_silent"]),
        ("none", [False, False], []),
    ],
)
def test_how_many_nodes_must_answer(observed, require, answers, found):
    observed["lb2"]["endpoints"] = [
        endpoint(node=f"pacs{number}", error=None if answer else REFUSED) for number, answer in enumerate(answers, 1)
    ]
    assert codes(observed, require=require) == found


def test_a_silent_node_is_named_with_the_reason(observed):
    observed["lb1"]["endpoints"] = [endpoint(error=REFUSED)]
    (problem,) = problems(observed)
    assert problem.text == "dicom on pacs1 (198.51.100.21 port 104) does not answer lb1: refused the connection."


def test_a_service_that_no_node_answers_for_is_named_with_all_reasons(observed):
    observed["lb1"]["endpoints"] = [endpoint(error=REFUSED), endpoint(node="pacs2", error=("timeout", "timed out"))]
    (problem,) = problems(observed, require="any")
    assert problem.text == "No node answers lb1 for dicom: pacs1 refused the connection, pacs2 timed out."


# --- layer 4 ---------------------------------------------------------------------------------------------------------

TIMEOUT = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established:"


@pytest.mark.parametrize("seconds, refused", [("600", True), ("86399", True), ("86400", False), ("432000", False)])
def test_a_kernel_that_forgets_silent_connections(observed, seconds, refused):
    observed["lb1"]["settings"] = [TIMEOUT + seconds]
    found = problems(observed, of=FORWARDED)
    assert [problem.code for problem in found] == ["established_timeout"] * refused
    assert all(f"lb1 forgets a connection after {seconds} s of silence" in problem.text for problem in found)
    # At layer 7 the kernel has nothing to remember.
    assert problems(observed) == []


def test_a_kernel_without_wireguard_is_refused_where_the_mirror_is_encrypted(observed):
    encrypted = site(layer4=("dicom",), infinitt_mirror_encrypted=True)
    observed["lb1"]["wireguard"] = True
    (problem,) = problems(observed, of=encrypted)
    assert problem.code == "mirror_not_encryptable"
    assert problem.text == "The mirror of lb2 is to be encrypted, and its kernel has no WireGuard."
    assert problems(observed, of=FORWARDED) == []


def test_a_file_system_that_is_full_or_read_only(observed):
    observed["lb2"]["unwritable"] = {"/etc/haproxy": "full", "/var/lib": "read-only"}
    (problem,) = problems(observed)
    assert problem.code == "unwritable"
    assert problem.text == "Nothing can be written on lb2: /etc/haproxy is full and /var/lib is read-only."


@pytest.mark.parametrize(
    "package, version, said",
    [
        *(("haproxy", version, "") for version in ("", "2.4.0", "3.2.26")),
        ("haproxy", "2.2.9", "lb2 would run HAProxy 2.2.9, and what would be written is for 2.4 to 3.2."),
        ("haproxy", "3.3", "lb2 would run HAProxy 3.3, and what would be written is for 2.4 to 3.2."),
        *(("keepalived", version, "") for version in ("", "2.2.0", "2.3.4")),
        ("keepalived", "2.1.5", "lb2 would run Keepalived 2.1.5, and 2.2 or later is needed."),
        *(("nftables", version, "") for version in ("", "1.0.6", "1.1.3", "1.1.8")),
        ("nftables", "1.1.7", "lb2 would forward with nftables 1.1.7, which cannot do that."),
    ],
)
def test_a_version_that_cannot_do_its_part_is_refused(package, version, said, observed):
    observed["lb1"]["settings"] = observed["lb2"]["settings"] = [TIMEOUT + "432000"]
    observed["lb2"]["versions"][package] = version
    found = [(problem.code, problem.text) for problem in problems(observed, of=FORWARDED)]
    assert found == [("version_unsuitable", said)] * bool(said)
    # At layer 7 nothing is forwarded.
    assert [problem.text for problem in problems(observed)] == [said] * (bool(said) and package != "nftables")


def test_our_tables_in_the_sites_own_rules(observed):
    observed["lb1"]["settings"] = [
        TIMEOUT + "432000",
        "/etc/nftables.conf:table inet layer4 {",
        "/etc/nftables.conf:\ttable ip layer4-guard { # progname python3",
    ]
    (problem,) = problems(observed, of=FORWARDED)
    assert problem.code == "tables_saved"
    assert problem.text.startswith(
        "/etc/nftables.conf on lb1 contains a saved copy of our own rules (table inet layer4 and ip layer4-guard)"
    )


def test_whom_the_nodes_see_is_said_where_something_is_forwarded():
    (notice,) = preflight.notices(FORWARDED, {}, NOW)
    assert notice.code == "nodes_see_vip"
    assert notice.text == (
        f"The nodes see clients of forwarded services as {VIP}; checks and all other connections come from {LB1} and"
        f" {LB2}."
    )
    assert preflight.notices(SITE, {}, NOW) == []


def test_what_a_forwarded_web_loses():
    notices = preflight.notices(site(services=("web", "dicom"), layer4=("web",)), {}, NOW)
    assert [notice.code for notice in notices] == ["nodes_see_vip", "web_forwarded"]
    assert all(word in notices[1].text for word in ("cookie", "X-Forwarded-For", "NAT"))


@pytest.mark.parametrize("state, code", [("BACKUP", ["vip_stray"]), ("MASTER", [])])
def test_a_vip_that_keepalived_did_not_put_there_is_named(state, code):
    observed = before()
    instance = {"state": state, "vips": [f"{VIP}/24"], "held": [VIP], "interface": "eth0", "priority": 254}
    observed["lb2"]["keepalived"] = {"addresses": {VIP: 3}, "instances": [instance]}
    found = preflight.problems(site(), observed, "all")
    assert [problem.code for problem in found] == code
    assert all("198.51.100.10 is on eth0 of lb2" in problem.text for problem in found)
