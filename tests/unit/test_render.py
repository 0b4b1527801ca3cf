# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is rendered for all kinds of sites: accepted by the real programs, and with the lines on which the promises
rest.
"""

from __future__ import annotations

import dataclasses
import re
import shutil

import pytest
import rendering
from factories import HOSTILE, NODES, build, facts, hosts
from programs import INTERFACE, haproxy_says, in_namespace, keepalived_says, on_this_machine
from running import REJECT

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

PAIR = hosts()
V6 = {
    f"lb{n}": {
        "variables": {},
        "ansible_host": f"2001:db8::1{n}",
        "facts": {
            **facts("203.0.113.1"),
            "eth0": {"device": "eth0", "ipv6": [{"address": f"2001:db8::1{n}", "prefix": "64", "scope": "global"}]},
        },
    }
    for n in (1, 2)
}
RIS = [{"name": "ris", "address": "198.51.100.31"}]

# What the user writes, by the kind of site: the load balancers, and their variables.
SITES = {
    "pair": (PAIR, {}),
    "single": ({"lb1": PAIR["lb1"]}, {}),
    "three": (
        hosts(lb3={"ansible_host": "198.51.100.13", "facts": facts("198.51.100.13")}),
        {"infinitt_failover": "fast"},
    ),
    "ipv6": (
        V6,
        {"infinitt_vip": "2001:db8::10/64", "infinitt_nodes": [{"name": "pacs1", "address": "2001:db8::21"}, NODES[1]]},
    ),
    "two vips": (PAIR, {"infinitt_services": {"mwl": {"vip": "198.51.100.9/24", "port": 104, "node_port": 204}}}),
    "former vips": (PAIR, {"infinitt_former_vips": "198.51.100.9, 198.51.100.8/24"}),
    "every check": (
        PAIR,
        {
            "infinitt_services": {
                "web": {
                    "check_path": "/health?full=1",
                    "check_host": "pacs.example.org",
                    "check_status": "200,302,401-403",
                },
                "dicom": {"check": "echo", "called_ae": "ARCHIVE", "calling_ae": "LB 1"},
                "query": {"check": "associate"},
                "ris": {"port": 8080, "mode": "http", "check": "tcp", "persistence": "source"},
            }
        },
    ),
    "unequal nodes": (
        PAIR,
        {
            "infinitt_nodes": [
                {**NODES[0], "weight": 10, "max_connections": 20},
                {**NODES[1], "weight": 0},
                {"name": "pacs3", "address": "198.51.100.23", "backup": True},
            ]
        },
    ),
    "backup nodes": (
        PAIR,
        {
            "infinitt_nodes": [
                NODES[0],
                {**NODES[1], "backup": True},
                {"name": "pacs3", "address": "198.51.100.23", "backup": True},
            ],
            "infinitt_services": {"mwl": {"nodes": ["pacs1", "pacs2"]}},
        },
    ),
    "names of ours": (
        PAIR,
        {
            "infinitt_services": {
                name: {"port": 2575 + i} for i, name in enumerate(("stats", "affinity_dicom", "pair"))
            },
            "infinitt_stats_port": 8404,
            "infinitt_stats_password": "secret",
        },
    ),
    "link-local gateway": (
        {
            name: {**host, "facts": {**host["facts"], "default_ipv6": {"gateway": "fe80::1", "interface": "eth0"}}}
            for name, host in V6.items()
        },
        {"infinitt_vip": "2001:db8::10/64", "infinitt_services": {"mwl": {"vip": "2001:db8::9"}}},
    ),
    "persistence": (
        PAIR,
        {
            "infinitt_services": {
                "web": {"persist_for": "4h"},
                "dicom": {"persistence": "none"},
                "query": {"persist_for": "30m"},
            }
        },
    ),
    "nodes of its own": (PAIR, {"infinitt_services": {"mwl": {"nodes": RIS}, "query": {"nodes": ["pacs2"]}}}),
    "stats page": (PAIR, {"infinitt_stats_port": 8404, "infinitt_stats_password": 'a"#{{7*7}}\\$%!'}),
    "one service": (
        PAIR,
        {
            "infinitt_services": {"web": {"enabled": False}, "query": {"enabled": False}, "mwl": {"enabled": False}},
            "infinitt_gateway": "none",
        },
    ),
    "door": (
        PAIR,
        {
            "infinitt_former_vips": "198.51.100.9",
            "infinitt_services": {
                "dicom": {
                    "dicom": True,
                    "client_connections": 30,
                    "check": "echo",
                    "allowed_calling_ae": ["CT1", "A'\"#*$%"],
                    "routes": [{"called_ae": "RIS*", "calling_ae": "'", "nodes": RIS}],
                },
                "web": {"allowed_sources": "203.0.113.0/24", "client_rate": 50},
                "query": {"dicom": True, "routes": [{"called_ae": "RIS*", "nodes": RIS}]},
            },
        },
    ),
    "health together": (
        PAIR,
        {"infinitt_services": {"dicom": {"check": "echo", "health": "together"}, "query": {"check": "associate"}}},
    ),
    "nodes out": (
        hosts(
            lb2={
                "states": {
                    "web": {name: {"state": "maintenance", "since": 1, "by": "ada"} for name in ("pacs1", "pacs2")},
                    "dicom": {"pacs1": {"state": "drain", "since": 1, "by": "ada"}},
                    "query": {"pacs1": {"state": "active", "since": 1, "by": "ada"}},
                }
            }
        ),
        {},
    ),
    "odd names": (
        PAIR,
        {
            "infinitt_nodes": [{**NODES[0], "name": "PACS_1.a-b"}, NODES[1]],
            "infinitt_services": {
                "web": {"check_path": "/a~b$c&d=(e)*+,;:@%20!", "check_host": "[2001:db8::1]:80"},
                "dicom": {"check": "echo", "called_ae": """A"B'#{{1}}%$"""},
                "hl7.v2_x-y": {"port": 2575},
            },
        },
    ),
}


@pytest.fixture(scope="module")
def rendered():
    """By site and host, the two configurations.

    Most sites are looked at on their first load balancer alone: rendering takes its time.
    """
    asked = {}
    for name, (load_balancers, written) in SITES.items():
        site = build(on_this_machine(load_balancers), **written)
        assert site.problems == [], name
        if name not in ("pair", "three", "stats page"):
            site = dataclasses.replace(site, hosts={"lb1": site.hosts["lb1"]})
        asked[name] = (written, as_dict(site))
    return rendering.render(asked)


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def section(text, head):
    """The lines of one section of haproxy.cfg, or of one block of keepalived.conf."""
    found = re.search(rf"^( *){head}(?: \{{)?\n(.*?)(?=^\1\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no {head}"
    return lines(found[2])


# --- the real programs ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
@pytest.mark.parametrize("name", SITES)
def test_haproxy_accepts_it(name, rendered, tmp_path):
    for host, text in rendered[name].items():
        path = tmp_path / f"{host}.cfg"
        # The page and the program are on the load balancers alone.
        text = text["haproxy"].replace("/etc/haproxy/unavailable.html", "/etc/hostname")
        path.write_text(text.replace("/etc/haproxy/reject_calling_ae.lua", str(REJECT)))
        code, said = haproxy_says(path)
        assert code == 0 and "WARNING" not in said and "ALERT" not in said, said


@pytest.mark.skipif(not shutil.which("keepalived"), reason="keepalived is not installed")
@pytest.mark.parametrize("name", SITES)
def test_keepalived_accepts_it(name, rendered, tmp_path):
    for host, text in rendered[name].items():
        assert keepalived_says(text["keepalived"], tmp_path / f"{host}.conf") == (0, "")


# --- haproxy.cfg ------------------------------------------------------------------------------------------------------


def test_the_four_services_of_a_pair(rendered):
    text = rendered["pair"]["lb1"]["haproxy"]
    for name, port, mode in (("web", 80, "http"), ("dicom", 104, "tcp"), ("query", 105, "tcp"), ("mwl", 204, "tcp")):
        frontend = section(text, f"frontend {name}")
        assert (
            f"bind 198.51.100.10:{port} transparent" in frontend
            and f"mode {mode}" in frontend
            and f"default_backend {name}" in frontend
        )
        servers = [line.split()[1:3] for line in section(text, f"backend {name}") if line.startswith("server ")]
        assert servers == [["pacs1", f"198.51.100.21:{port}"], ["pacs2", f"198.51.100.22:{port}"]]


def test_the_web_keeps_a_client_by_cookie_and_otherwise_by_its_address(rendered):
    backend = section(rendered["pair"]["lb1"]["haproxy"], "backend web")
    assert "cookie PACSNODE insert indirect nocache httponly" in backend
    assert "balance source" in backend and "hash-type consistent" in backend
    assert not any(line.startswith("stick ") for line in backend), "a cookie would rewrite the shared table"
    cookies = [re.search(r" cookie (\w+)$", line)[1] for line in backend if line.startswith("server ")]
    assert len(set(cookies)) == 2 and not any("pacs" in cookie for cookie in cookies)
    assert "http-check send meth HEAD uri / ver HTTP/1.1 hdr Host 198.51.100.10 hdr Connection close" in backend
    assert "http-check expect status 200-399" in backend


def test_the_client_is_told_to_the_nodes_and_its_own_word_is_not(rendered):
    frontend = section(rendered["pair"]["lb1"]["haproxy"], "frontend web")
    assert "http-request set-header X-Forwarded-For %[src]" in frontend
    assert not any("forwardfor" in line for line in frontend), "option forwardfor would append to the client's own"


def test_dicom_query_and_mwl_share_one_replicated_table(rendered):
    text = rendered["pair"]["lb1"]["haproxy"]
    assert re.findall(r"^backend (_affinity_\w+)$", text, re.MULTILINE) == ["_affinity_dicom"]
    assert section(text, "backend _affinity_dicom") == [
        "stick-table type ipv6 size 100k expire 28800s srvkey name peers pair"
    ]
    for name in ("dicom", "query", "mwl"):
        backend = section(text, f"backend {name}")
        assert (
            "stick on src table _affinity_dicom" in backend
            and "balance source" in backend
            and "hash-type consistent" in backend
        )
    assert section(text, "peers pair") == ["peer lb1 198.51.100.11:1024", "peer lb2 198.51.100.12:1024"]


def test_both_hosts_run_the_same_services_and_know_their_own_name(rendered):
    def shared(text, name):
        own = ("localpeer ", "description ")
        known = [line for line in lines(text) if not line.startswith(own) and "127.0.0.1" not in line]
        return [line.replace(f'"load_balancer":"{name}"', "") for line in known]

    first, second = (rendered["pair"][host]["haproxy"] for host in ("lb1", "lb2"))
    assert shared(first, "lb1") == shared(second, "lb2")
    assert "localpeer lb1" in lines(first) and "localpeer lb2" in lines(second)


def test_a_single_unit_is_its_own_peer_so_that_its_table_outlives_a_reload(rendered):
    text = rendered["single"]["lb1"]["haproxy"]
    assert [line.split()[1] for line in section(text, "peers pair")] == ["lb1"]
    assert section(text, "backend _affinity_dicom") == [
        "stick-table type ipv6 size 100k expire 28800s srvkey name peers pair"
    ]


def test_three_hosts_are_three_peers(rendered):
    assert [line.split()[1] for line in section(rendered["three"]["lb3"]["haproxy"], "peers pair")] == [
        "lb1",
        "lb2",
        "lb3",
    ]


def test_ipv6_stands_in_brackets(rendered):
    text = rendered["ipv6"]["lb1"]["haproxy"]
    assert "bind [2001:db8::10]:104 transparent" in section(text, "frontend dicom")
    assert [line.split()[2] for line in section(text, "backend dicom") if line.startswith("server ")] == [
        "[2001:db8::21]:104",
        "198.51.100.22:104",
    ]
    assert "peer lb2 [2001:db8::12]:1024" in section(text, "peers pair")


def test_one_port_on_two_vips(rendered):
    text = rendered["two vips"]["lb1"]["haproxy"]
    assert "bind 198.51.100.10:104 transparent" in section(text, "frontend dicom")
    assert "bind 198.51.100.9:104 transparent" in section(text, "frontend mwl")
    assert [line.split()[2] for line in section(text, "backend mwl") if line.startswith("server ")] == [
        "198.51.100.21:204",
        "198.51.100.22:204",
    ]


def test_every_check_is_what_was_asked_for(rendered):
    text = rendered["every check"]["lb1"]["haproxy"]
    web = section(text, "backend web")
    assert (
        "http-check send meth HEAD uri /health?full=1 ver HTTP/1.1 hdr Host pacs.example.org hdr Connection close"
        in web
    )
    assert "http-check expect status 200,302,401-403" in web
    steps = {
        name: [line.split()[1:3] for line in section(text, f"backend {name}") if line.startswith("tcp-check ")]
        for name in ("dicom", "query")
    }
    assert [step[0] for step in steps["dicom"]] == [
        "connect",
        "send-binary",
        "expect",
        "send-binary",
        "expect",
        "send-binary",
    ]
    assert [step[0] for step in steps["query"]] == ["connect", "send-binary", "expect", "send-binary"]
    assert steps["dicom"][0] == steps["query"][0] == ["connect", "linger"]
    assert b"ARCHIVE".ljust(16) + b"LB 1".ljust(16) in bytes.fromhex(steps["dicom"][1][1])
    for name in ("mwl", "ris"):
        backend = section(text, f"backend {name}")
        assert not any(
            line.startswith(("option httpchk", "option tcp-check", "tcp-check", "http-check")) for line in backend
        )
        assert all(re.search(r" check\b", line) for line in backend if line.startswith("server "))


def test_weight_limit_and_backup_of_a_node(rendered):
    servers = [
        line.split(" check")[1]
        for line in section(rendered["unequal nodes"]["lb1"]["haproxy"], "backend dicom")
        if line.startswith("server ")
    ]
    assert servers == [" weight 10 maxconn 20", " weight 0", " backup"]


def test_several_backup_nodes_serve_at_once(rendered):
    text = rendered["backup nodes"]["lb1"]["haproxy"]
    assert "option allbackups" in section(text, "backend dicom")
    assert "option allbackups" not in section(text, "backend mwl"), "there is one"


def test_services_may_have_the_names_of_what_stands_beside_them(rendered):
    text = rendered["names of ours"]["lb1"]["haproxy"]
    for name in ("stats", "affinity_dicom", "pair"):
        assert f"default_backend {name}" in section(text, f"frontend {name}")
    assert "stats enable" in section(text, "frontend _stats")


def test_persistence_as_asked_for(rendered):
    text = rendered["persistence"]["lb1"]["haproxy"]
    assert "cookie PACSNODE insert indirect nocache httponly maxidle 14400s" in section(text, "backend web")
    dicom = section(text, "backend dicom")
    assert "balance leastconn" in dicom and not any(line.startswith(("stick ", "hash-type ")) for line in dicom)
    assert "stick on src table _affinity_query" in section(text, "backend query")
    assert (
        "expire 1800s" in section(text, "backend _affinity_query")[0]
        and "expire 28800s" in section(text, "backend _affinity_mwl")[0]
    )


def test_services_with_nodes_of_their_own_share_no_table(rendered):
    text = rendered["nodes of its own"]["lb1"]["haproxy"]
    assert [line.split()[1] for line in section(text, "backend mwl") if line.startswith("server ")] == ["ris"]
    assert [line.split()[1] for line in section(text, "backend query") if line.startswith("server ")] == ["pacs2"]
    assert re.findall(r"^backend _affinity_(\w+)$", text, re.MULTILINE) == ["dicom", "query", "mwl"]


def test_the_stats_page_stands_on_the_hosts_own_address_alone_and_only_where_asked_for(rendered):
    for host, address in (("lb1", "198.51.100.11"), ("lb2", "198.51.100.12")):
        page = section(rendered["stats page"][host]["haproxy"], "frontend _stats")
        assert f"bind {address}:8404" in page
        assert """stats auth 'stats:a"#{{7*7}}\\$%!'""" in page
    assert (
        "stats auth" not in rendered["pair"]["lb1"]["haproxy"]
        and "stats enable" not in rendered["pair"]["lb1"]["haproxy"]
    )


def test_an_old_worker_outlives_the_longest_study(rendered):
    assert "hard-stop-after 12h" in section(rendered["pair"]["lb1"]["haproxy"], "global")
    assert "timeout client 3600s" in section(rendered["pair"]["lb1"]["haproxy"], "frontend dicom")


def test_the_door_stands_on_every_vip_and_the_nodes_behind_a_route_are_those_of_one_service(rendered):
    text = rendered["door"]["lb1"]["haproxy"]
    for name in ("dicom", "dicom:198.51.100.9"):
        frontend = section(text, f"frontend {name}")
        assert r"acl calling_ae_allowed var(sess.calling_ae) -m reg '\ACT1\z'" in frontend
        assert r"acl calling_ae_allowed var(sess.calling_ae) -m reg '\AA\x27\x22\x23.*\x24\x25\z'" in frontend
        assert any(line.startswith("use_backend dicom:to:ris if ") for line in frontend)
    assert len(re.findall(r"^backend dicom:to:ris$", text, re.MULTILINE)) == 1
    assert "frontend dicom:to:ris" not in text
    # One client, one node behind both services' routes.
    assert "stick on src table _affinity_dicom:to:ris" in section(text, "backend query:to:ris")
    assert "lua-load" not in rendered["pair"]["lb1"]["haproxy"]


# --- keepalived.conf --------------------------------------------------------------------------------------------------

NEAR = "min_ttl 255 max_ttl 255"  # a peer is on this link


def test_a_pair_speaks_to_each_other_and_prefers_nobody(rendered):
    for host, own, other, priority in (("lb1", 11, 12, 254), ("lb2", 12, 11, 253)):
        text = rendered["pair"][host]["keepalived"]
        instance = section(text, "vrrp_instance vip")
        for line in (
            "state BACKUP",
            "nopreempt",
            "advert_int 0.25",
            f"interface {INTERFACE}",
            "virtual_router_id 10",
            f"priority {priority}",
            f"unicast_src_ip 198.51.100.{own}",
        ):
            assert line in instance
        assert section(text, "unicast_peer") == [f"198.51.100.{other} {NEAR}"]
        assert {"check_unicast_src", "unicast_ttl 255"} <= set(instance)
        assert section(text, "virtual_ipaddress") == [f"198.51.100.10/24 dev {INTERFACE}"]
        assert "vrrp_version 3" in section(text, "global_defs")
        # HAProxy's end is told by systemd at once, and one that hangs by a script: either takes the VIP away.
        assert 'file "/run/keepalived.guard"' in section(text, "track_file file_2")
        assert 'file "/run/haproxy.state"' in section(text, "track_file file_3")
        assert section(text, "track_file") == ["file_1", "file_2", "file_3"]
        assert "weight 0" in section(text, "vrrp_script haproxy_answers") and section(text, "track_script") == [
            "haproxy_answers",
            "gateway",
        ]


def test_a_single_unit_announces_itself_to_its_own_vip(rendered):
    assert section(rendered["single"]["lb1"]["keepalived"], "unicast_peer") == [f"198.51.100.10 {NEAR}"]


def test_the_fast_profile_of_three_hosts(rendered):
    text = rendered["three"]["lb2"]["keepalived"]
    assert "advert_int 0.1" in section(text, "vrrp_instance vip")
    assert section(text, "unicast_peer") == [f"198.51.100.11 {NEAR}", f"198.51.100.13 {NEAR}"]


def test_the_first_vip_is_announced_and_the_others_go_with_it(rendered):
    text = rendered["two vips"]["lb1"]["keepalived"]
    assert section(text, "virtual_ipaddress") == [f"198.51.100.10/24 dev {INTERFACE}"]
    assert section(text, "virtual_ipaddress_excluded") == [f"198.51.100.9/24 dev {INTERFACE}"]


def test_a_former_vip_is_served_with_the_same_nodes_and_the_same_affinity(rendered):
    text = rendered["former vips"]["lb1"]["haproxy"]
    assert "bind 198.51.100.9:104 transparent" in section(text, "frontend dicom:198.51.100.9")
    assert section(text, "backend dicom:198.51.100.9") == section(text, "backend dicom")
    assert text.count("srvkey") == 1
    excluded = section(rendered["former vips"]["lb1"]["keepalived"], "virtual_ipaddress_excluded")
    assert excluded == [f"198.51.100.9/24 dev {INTERFACE}", f"198.51.100.8/24 dev {INTERFACE}"]


def test_an_ipv6_vip_is_not_the_source_of_the_hosts_own_connections(rendered):
    text = rendered["link-local gateway"]["lb1"]["keepalived"]
    assert section(text, "virtual_ipaddress") == [f"2001:db8::10/64 dev {INTERFACE} preferred_lft 0"]
    assert section(text, "virtual_ipaddress_excluded") == [f"2001:db8::9/64 dev {INTERFACE} preferred_lft 0"]


def test_a_link_local_gateway_is_asked_on_its_interface(rendered):
    check = section(rendered["link-local gateway"]["lb1"]["keepalived"], "vrrp_script gateway")
    (command,) = (line for line in check if line.startswith("script "))
    assert command.endswith(f' /usr/bin/ping -n -q -c 1 -W 1 fe80::1%{INTERFACE}"') and "--reuid=nobody" in command


@pytest.mark.parametrize("name", ["two vips", "link-local gateway"])
def test_keepalived_release_takes_every_vip_off_again(name, rendered, tmp_path):
    text = rendered[name]["lb1"]["keepalived"].replace(f"dev {INTERFACE}", "dev lo")
    (tmp_path / "keepalived.conf").write_text(text)
    script = (rendering.REPOSITORY / "roles/keepalived/files/keepalived-release").read_text()
    assert "/etc/keepalived/keepalived.conf" in script
    script = script.replace("/etc/keepalived/keepalived.conf", str(tmp_path / "keepalived.conf"))
    vips = re.findall(r"^ +(\S+/\d+) dev lo", text, re.MULTILINE)
    assert len(vips) == 2
    added = "".join(f"ip address add {vip} dev lo\n" for vip in vips)
    said = in_namespace(
        "sh", "-e", given=f"ip link set lo up\n{added}ip -o address show dev lo\n{script}ip -o address show dev lo"
    )
    assert all(said.count(f" {vip} ") == 1 for vip in vips)


def test_without_a_gateway_none_is_asked(rendered):
    assert "ping" in rendered["pair"]["lb1"]["keepalived"]
    assert "ping" in rendered["one service"]["lb1"]["keepalived"], "the site's variable holds for each host"


# --- nothing breaks out -----------------------------------------------------------------------------------------------

REFUSED = {
    "node's name": lambda text: {"infinitt_nodes": [{**NODES[0], "name": text}, NODES[1]]},
    "node's address": lambda text: {"infinitt_nodes": [{**NODES[0], "address": text}, NODES[1]]},
    "service's name": lambda text: {"infinitt_services": {text: {"port": 2575}}},
    "status": lambda text: {"infinitt_services": {"web": {"check_status": text}}},
    "vip": lambda text: {"infinitt_vip": text},
    "service's vip": lambda text: {"infinitt_services": {"mwl": {"vip": text}}},
    "router id": lambda text: {"infinitt_router_id": text},
    "command": lambda text: {"infinitt_on_event": text},
}


@pytest.mark.parametrize("field", REFUSED)
def test_the_model_refuses_what_is_not_a_name_or_an_address(field):
    for text in HOSTILE:
        assert build(on_this_machine(PAIR), **REFUSED[field](text)).problems, text


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
def test_what_the_model_lets_through_does_not_leave_its_line(tmp_path):
    def site(paths, names, titles, secret):
        services = {
            f"web{i}": {"port": 8000 + i, "mode": "http", "check_path": path, "check_host": names[i % len(names)]}
            for i, path in enumerate(paths)
        }
        services |= {
            f"dicom{i}": {"port": 9000 + i, "check": "echo", "called_ae": title} for i, title in enumerate(titles)
        }
        return {"infinitt_services": services, "infinitt_stats_port": 8404, "infinitt_stats_password": secret}

    def passes(key, text):
        return not build(on_this_machine(PAIR), infinitt_services={"web": {key: text}}).problems

    paths = [f"/{text}" for text in HOSTILE if passes("check_path", f"/{text}")]
    names = [text for text in HOSTILE if passes("check_host", text)]
    titles = [text for text in HOSTILE if passes("called_ae", text)]
    assert (
        paths == ["/$a", "/a!b", "/-a"]
        and names == ["-a"]
        and "a{{1}}" in titles
        and not any(ord(char) < 32 for char in "".join(titles))
    )
    secret = "".join(re.findall(r"[!-&(-~]+", "".join(HOSTILE)))
    sites = {
        "hostile": site(paths, names, titles, secret),
        "harmless": site(["/a"] * len(paths), ["a"], ["a"] * len(titles), "a"),
    }
    built = {name: build(on_this_machine({"lb1": PAIR["lb1"]}), **written) for name, written in sites.items()}
    assert built["hostile"].problems == []
    texts = {
        name: hosts["lb1"]["haproxy"]
        for name, hosts in rendering.render({name: (sites[name], as_dict(built[name])) for name in sites}).items()
    }

    assert [line.split()[:2] for line in texts["hostile"].splitlines()] == [
        line.split()[:2] for line in texts["harmless"].splitlines()
    ]
    for path in paths:
        assert f"http-check send meth HEAD uri {path} ver HTTP/1.1 hdr Host -a hdr" in texts["hostile"]
    assert f"    stats auth 'stats:{secret}'\n" in texts["hostile"]
    (tmp_path / "haproxy.cfg").write_text(texts["hostile"])
    code, said = haproxy_says(tmp_path / "haproxy.cfg")
    assert code == 0, said


def test_a_node_out_of_service_is_disabled_and_no_other(rendered):
    text = rendered["nodes out"]["lb1"]["haproxy"]
    out = re.findall(r"^backend ([a-z]+)$|^    server (\w+) .* disabled", text, re.MULTILINE)
    assert [service or node for service, node in out] == [
        "web", "pacs1", "pacs2", "dicom", "pacs1", "query", "mwl",
    ]  # fmt: skip


def test_services_that_share_a_clients_node_may_share_its_health(rendered):
    text = rendered["health together"]["lb1"]["haproxy"]
    connects = [
        "tcp-check connect port 104 linger comment dicom",
        "tcp-check connect port 105 linger comment query",
        "tcp-check connect port 204 comment mwl",
    ]
    for name in ("dicom", "query", "mwl"):
        backend = section(text, f"backend {name}")
        assert [line for line in backend if line.startswith("tcp-check connect")] == connects
    assert not any("tcp-check" in line for line in section(text, "backend web"))
