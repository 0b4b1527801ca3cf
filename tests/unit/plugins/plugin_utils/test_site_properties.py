# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Properties of every site, over the whole table of variables: nothing that a user writes raises, and what is accepted,
the real programs accept.

The sites are made by Hypothesis, rendered all at once, and handed to haproxy, keepalived and nft. PACS_EXAMPLES says
how many (100 where it is not set).
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import string
from concurrent.futures import ThreadPoolExecutor

import pytest
import rendering
from factories import DEFAULTS, HOSTILE, PRODUCT, build, facts
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from pki import MIDDLE, NAME, ROOT, SELF_SIGNED, WEB
from programs import haproxy_says, in_namespace, keepalived_says, on_this_machine
from running import REJECT

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import addresses, values
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import no_file
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import ValidationError
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.tls import pem_files
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import (
    HOST_VARIABLES,
    NODE_KEYS,
    RUN_VARIABLES,
    SERVICE_KEYS,
    SITE_VARIABLES,
)

EXAMPLES = int(os.environ.get("PACS_EXAMPLES", "100"))
KNOWN = PRODUCT["__infinitt_services"]
SPOILERS = [*" #\"'\\{}%$!/@,;:-.|&<\n\r\t\x00", "{{1}}", "ä", "\u2028"]

# --- what a user may write, by the table ------------------------------------------------------------------------------


def both(numbers):
    """Numbers, and the strings that a survey sends in their place."""
    return numbers | numbers.map(str) | numbers.map(lambda number: f" {number} ")


def like(pattern):
    return st.from_regex(pattern, fullmatch=True)


def vips(version):
    """Addresses of the load balancers' networks, mostly those that are free."""
    base = "198.51.100." if version == 4 else "2001:db8::"
    prefixes = ["", "/24", "/32"] if version == 4 else ["", "/64", "/128"]
    return st.builds("{}{}{}".format, st.just(base), st.integers(100, 140), st.sampled_from(prefixes))


def is_right(parser):
    def check(value):
        try:
            parser(value)
        except ValidationError:
            return False
        return True

    return check


code = st.integers(100, 599).map(str)
codes = code | code | st.tuples(code, code).map("-".join)
plain = st.text(alphabet=[*string.ascii_letters, *string.digits, *"_.-"], min_size=1, max_size=63)
names = st.tuples(plain.filter(values.NAME.fullmatch), st.integers(1, 20), st.sampled_from(SPOILERS)).map(
    lambda drawn: drawn[0][:62] + (drawn[2] if drawn[1] == 13 else "")
)
switches = st.booleans() | st.sampled_from(["true", "yes", "False", " no "])
times = (
    st.sampled_from(["8h", "30m", " 600 ", "1s"])
    | st.sampled_from(["24d", "25d", 2147483])
    | both(st.integers(1, 3000000))
)
titles = st.text(alphabet=[*string.printable[:94], " "], min_size=1, max_size=16).filter(is_right(values.ae_title))
certificate = {"certificate": WEB.chain, "key": WEB.key}
clients = {"client_ca": MIDDLE.pem + ROOT.pem, "client_crl": MIDDLE.revoke() + ROOT.revoke()}
tls = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from([NAME, " 198.51.100.10"]),
        "profile": st.sampled_from(["intermediate", " modern"]),
        "plain": st.sampled_from(["redirect", "serve ", "close"]),
        "hsts": st.sampled_from(["730d", 0]),
        "port": both(st.integers(1, 65535)),
    },
).map(lambda more: {**certificate, **more}) | st.sampled_from(["optional", "required"]).map(
    lambda word: {**certificate, **clients, "client_certificate": word}
)
node_tls = st.fixed_dictionaries(
    {"ca": st.sampled_from([ROOT.pem, MIDDLE.pem + ROOT.pem])}, optional={"name": st.sampled_from([NAME, "pacs1 "])}
) | st.just({"ca": SELF_SIGNED.pem, "fingerprints": SELF_SIGNED.sha256})
NODE = {
    "name": names | st.integers(0, 99),
    "address": st.ip_addresses().map(str).filter(is_right(addresses.node_address)),
    "weight": both(st.integers(1, 256)) | st.just(0),
    "backup": switches,
    "max_connections": both(st.integers(1, 1000000)),
    "tls_name": st.sampled_from([NAME, " pacs1.example.org"]),
}
SERVICE = {
    "enabled": switches,
    "port": both(st.integers(1, 65535)),
    "node_port": both(st.integers(1, 65535)),
    "vip": vips(4) | vips(6),
    "mode": st.sampled_from(["http", "tcp", " tcp "]),
    "layer": st.sampled_from([4, 7, "4", " 7"]),
    "nodes": st.nothing(),  # drawn below
    "check": st.sampled_from(["tcp", "http", "associate", "echo"]),
    "check_path": like(values.PATH),
    "check_host": like(values.HOST),
    "check_status": st.lists(codes, min_size=1, max_size=5).map(",".join),
    "called_ae": titles,
    "calling_ae": titles,
    "allowed_sources": st.lists(st.ip_addresses(v=4).map(str), min_size=1, max_size=4)
    | st.sampled_from(["203.0.113.0/24, 203.0.112.0/24", "198.51.100.0/25,198.51.100.0/24", "2001:db8:1::/48"]),
    "client_connections": both(st.integers(0, 1000000)),
    "client_rate": both(st.integers(0, 1000000)),
    "find": st.sampled_from(["study", " worklist", "none"]),
    "dicom": switches,
    "allowed_calling_ae": st.lists(titles, min_size=1, max_size=3) | titles,
    "routes": st.nothing(),  # drawn below
    "health": st.sampled_from(["alone", " alone"]),  # together has its own tests
    "persistence": st.sampled_from(["source", "cookie", "none"]),
    "persist_for": times,
    "timeout": times,
    "tls": tls,
    "node_tls": node_tls,
}
PROXY_ONLY = (
    *("layer", "persistence", "persist_for", "timeout", "max_connections"),
    *("dicom", "allowed_calling_ae", "routes", "tls", "node_tls"),
)
SITE = {
    "infinitt_vip": st.nothing(),  # these five are drawn below
    "infinitt_former_vips": st.nothing(),
    "infinitt_nodes": st.nothing(),
    "infinitt_services": st.nothing(),
    "infinitt_layer": st.nothing(),
    "infinitt_preflight": st.sampled_from(["all", "any ", "none"]),
    "infinitt_unattended_upgrades": st.sampled_from(["exclude", " stagger", "keep"]),
    "infinitt_failover": st.sampled_from(["standard", " fast", "conservative"]),
    "infinitt_peers_only": switches,
    "infinitt_mirror_encrypted": switches,
    "infinitt_router_id": both(st.integers(1, 255)),
    "infinitt_stats_port": both(st.integers(1, 65535)),
    "infinitt_maintenance_page": st.sampled_from(["<h1>Later</h1>", " <p>'\"\n#{{1}}", "/etc/hostname"]),
    "infinitt_on_event": like(values.COMMAND),
    "infinitt_stats_password": st.text(
        alphabet=[char for char in string.printable[:94] if char != "'"], min_size=1, max_size=128
    ),
}
SITE["infinitt_metrics"] = st.just({}) | st.fixed_dictionaries(
    {"allowed_sources": SERVICE["allowed_sources"]},
    optional={"port": both(st.integers(1, 65535)), "node_exporter": st.booleans()},
)
words = st.text(alphabet=string.printable[:94], min_size=1, max_size=20)
SITE["infinitt_notify"] = st.fixed_dictionaries(
    {},
    optional={
        "webhook": st.fixed_dictionaries(
            {"url": st.sampled_from(["https://[2001:db8::5]:8443/a?b=c", " https://chat.example.org"])},
            optional={"header": words.map("X-Key: {}".format), "ca": st.just({"on_hosts": "/etc/ssl/ca.pem"})},
        ),
        "mail": st.fixed_dictionaries(
            {
                "server": st.sampled_from(["mail", "198.51.100.5", "2001:db8::5"]),
                "from": st.just("pacs@example.org"),
                "to": st.sampled_from(["ops@example.org", "a@b.c, d@e.f", ["a@b.c"]]),
            },
            optional={"port": both(st.integers(1, 65535)), "starttls": st.sampled_from([False, "no"])},
        ),
    },
)
SITE["infinitt_records"] = st.just({}) | st.fixed_dictionaries(
    {},
    optional={
        "syslog": st.lists(
            st.fixed_dictionaries(
                {
                    "server": st.sampled_from(["syslog.example.org", " siem", "2001:db8::5", "198.51.100.5"]),
                    "ca": st.just({"on_hosts": "/etc/ssl/ca.pem"}),
                    "name": st.just("siem.example.org"),
                },
                optional={"port": both(st.integers(1, 65535)), "relp": st.sampled_from([False, "no", True])},
            ),
            max_size=2,
            unique_by=lambda its: its["server"],
        )
    },
)
SITE["infinitt_modalities"] = st.lists(
    st.fixed_dictionaries(
        {"name": names | st.integers(0, 99), "address": st.ip_addresses().map(str), "ae": titles},
        optional={"port": both(st.integers(1, 65535))},
    ),
    max_size=3,
)
SITE["infinitt_check_every"] = st.sampled_from(["5m", 60, " 1h"])
HOST = {
    "infinitt_address": st.nothing(),  # drawn below, since it is one of the host's
    "infinitt_interface": st.sampled_from(["eth0", " eth0", "eth0:1"]),
    "infinitt_gateway": st.sampled_from(["none", "198.51.100.1", "2001:db8::1", "fe80::1%eth0"]),
    "infinitt_mirror_address": st.nothing(),
}
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(HOSTILE)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


def test_every_variable_and_every_key_is_drawn():
    assert SITE.keys() == SITE_VARIABLES.keys() and HOST.keys() == HOST_VARIABLES.keys()
    assert NODE.keys() == NODE_KEYS.keys() and SERVICE.keys() == SERVICE_KEYS.keys()


def some(draw, strategies, often=3, without=()):
    """A few of the keys, each with a value."""
    left = {key: of for key, of in strategies.items() if not of.is_empty and key not in without}
    return {key: draw(of) for key, of in left.items() if draw(st.integers(0, often)) == 0}


@st.composite
def nodes(draw, version, without):
    """A list of one to four nodes, mostly of one address family."""
    count = draw(st.integers(1, 4))
    one_family = st.ip_addresses(v=version).map(str).filter(is_right(addresses.node_address))
    return [
        {"name": name, "address": address, **some(draw, NODE, 5, without=("name", "address", *without))}
        for name, address in zip(
            draw(st.lists(NODE["name"], min_size=count, max_size=count, unique_by=str)),
            draw(
                st.lists(
                    one_family if draw(st.integers(0, 6)) else NODE["address"],
                    min_size=count,
                    max_size=count,
                    unique=True,
                )
            ),
        )
    ]


@st.composite
def services(draw, of_site, version, without):
    written = {}
    known = st.sampled_from([*KNOWN, "stats", "pair", "affinity_dicom"])
    for name in draw(st.lists(known | names, max_size=5, unique=True)):
        keys = some(draw, SERVICE, 3, without)
        if name not in KNOWN:
            keys["port"] = draw(SERVICE["port"])
        chosen = draw(st.integers(0, 5))
        if chosen == 0:
            keys["nodes"] = draw(nodes(version, without))
        elif chosen == 1:
            keys["nodes"] = draw(st.lists(st.sampled_from([node["name"] for node in of_site]), min_size=1))
        if "routes" not in without and draw(st.integers(0, 5)) == 0:
            title = st.fixed_dictionaries({"called_ae": titles}, optional={"calling_ae": titles})
            chosen = st.lists(st.sampled_from([node["name"] for node in of_site]), min_size=1)
            keys["routes"] = [
                {**draw(title), "nodes": draw(chosen | nodes(version, without))}
                for _route in range(draw(st.integers(1, 3)))
            ]
        if {"routes", "allowed_calling_ae"} & {*keys} and draw(st.integers(0, 9)):
            keys.update(dicom=True, mode="tcp")
        written[name] = keys
    return written


def pair(version, variables):
    """Two load balancers with an address of either family, of which the one is their own for VRRP."""
    load_balancers = {}
    for number, (name, its) in enumerate(variables.items(), 1):
        v4, v6 = f"198.51.100.1{number}", f"2001:db8::1{number}"
        known = facts(v4, gateway="198.51.100.1", default_ipv6={"gateway": "fe80::1", "interface": "eth0"})
        known["eth0"]["ipv6"].append({"address": v6, "prefix": "64", "scope": "global"})
        known["interfaces"].remove("default_ipv6")
        load_balancers[name] = {"variables": its, "ansible_host": v4 if version == 4 else v6, "facts": known}
    return load_balancers


def spoil(draw, place, table):
    """Put a character into a text, or anything at all in the place of a value."""
    texts = [key for key, value in place.items() if isinstance(value, str)]
    if texts and draw(st.booleans()):
        key = draw(st.sampled_from(texts))
        at = draw(st.integers(0, len(place[key])))
        place[key] = place[key][:at] + draw(st.sampled_from(SPOILERS)) + place[key][at:]
    else:
        place[draw(st.sampled_from(list(table)))] = draw(anything)


@st.composite
def sites(draw):
    """The load balancers, and the variables of a site: right in most, and now and then with one value of any kind."""
    version = draw(st.sampled_from([4, 4, 6]))
    written = some(draw, SITE)
    forwards = draw(st.booleans())
    if forwards or draw(st.booleans()):
        written["infinitt_layer"] = draw(st.sampled_from([4, "4 "] if forwards else [7, " 7", ""]))
    without = PROXY_ONLY if forwards and draw(st.integers(0, 4)) else ()
    written["infinitt_vip"] = draw(vips(version))
    base = "198.51.100." if version == 4 else "2001:db8::"
    former = [f"{base}150", f"{base}151/{24 if version == 4 else 64}"]
    written["infinitt_former_vips"] = draw(st.sampled_from(["", [], former, " , ".join(former)]))
    written["infinitt_nodes"] = draw(nodes(version, without))
    written["infinitt_services"] = draw(services(written["infinitt_nodes"], version, without))
    if draw(st.integers(0, 9)):
        written.setdefault("infinitt_stats_password", "secret")
    usual = st.sampled_from(["lb1", "lb2.example.org", "2001:db8::12", "-", "LB_3"])
    odd = st.text(alphabet=string.printable[:95], min_size=1, max_size=3)
    load_balancers = draw(st.lists(usual if draw(st.integers(0, 9)) else odd, min_size=1, max_size=2, unique=True))
    variables = {name: some(draw, HOST) for name in load_balancers}
    if draw(st.booleans()):
        for number, its in enumerate(variables.values(), 1):
            its["infinitt_address"] = f"198.51.100.1{number}" if version == 4 else f"2001:db8::1{number}"
            its["infinitt_mirror_address"] = draw(
                st.sampled_from(["", f"198.51.100.1{number}", f"2001:db8::1{number}"])
            )
    if draw(st.integers(0, 3)) == 0:
        places = [(written, SITE)]
        places += [(node, NODE) for node in written["infinitt_nodes"]]
        places += [(service, SERVICE) for service in written["infinitt_services"].values()]
        places += [(its, HOST) for its in variables.values()]
        spoil(draw, *draw(st.sampled_from(places)))
    return pair(version, variables), written


# --- nothing raises ---------------------------------------------------------------------------------------------------

keys = st.sampled_from([*SERVICE_KEYS, *NODE_KEYS, *KNOWN, "x", 104])


@settings(max_examples=EXAMPLES)
@given(
    st.dictionaries(
        st.sampled_from([*DEFAULTS, *RUN_VARIABLES]),
        anything
        | st.dictionaries(keys, anything | st.dictionaries(keys, anything, max_size=3), max_size=3)
        | st.lists(st.dictionaries(keys, anything, max_size=3), max_size=3),
    ),
    st.dictionaries(st.text(max_size=8), st.dictionaries(st.sampled_from(list(HOST_VARIABLES)), anything), max_size=2),
)
def test_nothing_that_a_user_writes_raises(written, variables):
    for load_balancers in (None, pair(4, variables)):
        site = build(load_balancers, **written)
        as_dict(site)
        for problem in site.problems:
            assert isinstance(problem, str) and "\n" not in problem and problem.endswith(".")


# --- what is accepted, the real programs accept -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def accepted():
    """By number, what was written, the site that was accepted, and its texts on the first load balancer."""
    made = {}

    @settings(
        max_examples=EXAMPLES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(sites())
    def make(drawn):
        load_balancers, written = drawn
        site = build(on_this_machine(load_balancers), **written)
        assume(not site.problems)
        first = next(iter(site.hosts))
        made[len(made)] = (drawn, dataclasses.replace(site, hosts={first: site.hosts[first]}))

    make()
    assert len(made) >= EXAMPLES / 2
    asked = {number: (drawn[1], as_dict(site)) for number, (drawn, site) in made.items()}
    texts = rendering.render(asked, timeout=60 + EXAMPLES)
    return {number: (*made[number], next(iter(texts[number].values()))) for number in made}


def judge(accepted, complaint):
    """Fail with the shortest site of which a program complains: ``complaint`` says what, or nothing."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = dict(zip(accepted, pool.map(lambda item: complaint(*item), accepted.items())))
    failed = [number for number, said in complaints.items() if said]
    if failed:
        shortest = min(failed, key=lambda number: len(repr(accepted[number][0])))
        pytest.fail(f"{len(failed)} of {len(accepted)}: {complaints[shortest]}\nwritten: {accepted[shortest][0]!r}")


def test_every_section_stands_where_it_should(accepted):
    def complaint(_number, of):
        _drawn, site, text = of
        expected = [("peers", "pair"), ("peers", "self"), *(("backend", service.name) for service in site.services)]
        expected += [("frontend", service.name) for service in site.services if not service.route_of]
        expected += [
            ("backend", f"_affinity_{service.name}") for service in site.services if service.affinity == service.name
        ]
        expected += [("backend", f"_callers_{service.name}") for service in site.services if service.dicom]
        expected += [
            ("backend", f"_refused_{service.name}")
            for service in site.services
            if service.dicom and service.allowed_calling_ae
        ]
        expected += [("frontend", "_stats")] * bool(site.stats_port) + [("frontend", "_metrics")] * bool(site.metrics)
        found = re.findall(r"^(\w+) (\S+)$", text["haproxy"], re.MULTILINE)
        if sorted(found) != sorted(expected):
            return f"haproxy.cfg has the sections {found}"
        servers = re.findall(r"^    server (\S+) ", text["haproxy"], re.MULTILINE)
        return (
            ""
            if servers == [node.name for service in site.services for node in service.nodes]
            else f"servers: {servers}"
        )

    judge(accepted, complaint)


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
def test_haproxy_accepts_what_the_model_accepts(accepted, tmp_path):
    def complaint(number, of):
        (_load_balancers, written), site, texts = of
        # A directory for each: two sites may give their files the same names, and are tried side by side.
        here = tmp_path / str(number)
        here.mkdir()
        for file in pem_files(written["infinitt_services"], as_dict(site)["services"], no_file):
            (here / file.name).write_text(file.content)
        path = here / "haproxy.cfg"
        text = texts["haproxy"].replace("/etc/haproxy/reject_calling_ae.lua", str(REJECT))
        path.write_text(text.replace("/etc/haproxy/tls/", f"{here}/"))
        code, said = haproxy_says(path)
        return said if code or "WARNING" in said or "ALERT" in said else ""

    judge(accepted, complaint)


@pytest.mark.skipif(not shutil.which("keepalived"), reason="keepalived is not installed")
def test_keepalived_accepts_what_the_model_accepts(accepted, tmp_path):
    def complaint(number, of):
        code, said = keepalived_says(of[2]["keepalived"], tmp_path / f"{number}.conf")
        return f"exit code {code}: {said}" if code or said else ""

    judge(accepted, complaint)


def test_nft_accepts_what_the_model_accepts(accepted, tmp_path):
    forwarded = {number: of for number, of in accepted.items() if "layer4" in of[2]}
    assert forwarded
    for number, of in forwarded.items():
        (tmp_path / f"{number}.nft").write_text(of[2]["layer4"])
    # One namespace for all of them.
    script = (
        'cd "$1"; for file in *.nft; do nft --check --file "$file" >"$file.said" 2>&1 || echo "$?" >>"$file.said"; done'
    )
    in_namespace("sh", "-c", script, "sh", str(tmp_path), given="")
    judge(forwarded, lambda number, _of: (tmp_path / f"{number}.nft.said").read_text())
