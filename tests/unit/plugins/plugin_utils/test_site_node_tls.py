# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS of the nodes: what the user writes, and one sentence for whatever is wrong with it."""

from __future__ import annotations

import re

import pytest
import yaml
from factories import NODES, ROLE, build, service
from hypothesis import given
from hypothesis import strategies as st
from pki import NAME, OTHER, ROOT, SELF_SIGNED, WEB

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.node_tls import KEYS
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import no_file
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.tls import pem_files

GOOD = {"ca": ROOT.pem, "name": NAME}
PINNED = {"ca": SELF_SIGNED.pem + OTHER.pem, "fingerprints": [SELF_SIGNED.sha256, OTHER.sha256]}
NAMED = [{**node, "tls_name": f"{node['name']}.example.org"} for node in NODES]


def files(path):
    return ROOT.pem if path == "/srv/ca.pem" else no_file(path)


def of(nodes=(), **written):
    return build(infinitt_nodes=[*nodes] or NODES, infinitt_services={"web": {"node_tls": written}}, reader=files)


def check_of(site, name="web"):
    return next(check for check in as_dict(site)["node_checks"] if check["name"] == name)


@pytest.mark.parametrize("ca", [ROOT.pem, "/srv/ca.pem"])
def test_one_key_says_it_to_haproxy_and_to_the_check_of_the_nodes(ca):
    site = of(ca=ca, name=NAME)
    assert site.problems == []
    (file,) = pem_files({"web": {"node_tls": {"ca": ca, "name": NAME}}}, as_dict(site)["services"], files)
    assert file.content == ROOT.pem and file.name.startswith("web-nodes-")
    assert as_dict(site)["services"][0]["node_tls"] == {"ca": file.name, "name": NAME}
    assert check_of(site)["tls"] == {"ca": ROOT.pem, "name": NAME, "fingerprints": []}
    assert "tls" not in check_of(site, "dicom") and service(site, "dicom").node_tls is None


def test_a_file_of_the_hosts_is_named_to_both():
    written = {"ca": {"on_hosts": "/etc/ssl/hospital.pem"}, "name": NAME}
    site = of(**written)
    assert site.problems == [] and check_of(site)["tls"]["ca"] == "/etc/ssl/hospital.pem"
    (file,) = pem_files({"web": {"node_tls": written}}, as_dict(site)["services"], files)
    assert (file.name, file.link) == (service(site, "web").node_tls.ca, "/etc/ssl/hospital.pem")


def test_each_node_may_have_a_name_of_its_own():
    site = of(NAMED, ca=ROOT.pem)
    assert site.problems == [] and check_of(site)["tls"]["name"] == ""
    assert [node["tls_name"] for node in check_of(site)["nodes"]] == ["pacs1.example.org", "pacs2.example.org"]


WAYS_TO_WRITE = [
    ",".join(PINNED["fingerprints"]),
    [its.upper() for its in PINNED["fingerprints"]],
    [f"sha256 Fingerprint={':'.join(re.findall('..', its.upper()))}" for its in PINNED["fingerprints"]],
]


@pytest.mark.parametrize("fingerprints", WAYS_TO_WRITE)
def test_self_signed_certificates_are_pinned_and_need_no_name(fingerprints):
    site = of(ca=PINNED["ca"], fingerprints=fingerprints)
    assert site.problems == [] and check_of(site)["tls"] == {**PINNED, "name": ""}


def test_it_goes_with_tls_of_the_clients_and_on_former_vips_and_routes():
    tls = {"certificate": WEB.chain, "key": WEB.key}
    route = [{"called_ae": "RIS", "nodes": ["pacs2"]}]
    written = {"dicom": {"tls": tls, "node_tls": GOOD, "dicom": True, "routes": route}}
    site = build(infinitt_services=written, infinitt_former_vips="198.51.100.9")
    assert site.problems == []
    its = [its for its in site.services if its.name.startswith("dicom")]
    assert len(its) > 2 and all(one.node_tls == its[0].node_tls and one.tls for one in its)
    assert [file.name.split("-")[1] for file in pem_files(written, as_dict(site)["services"], files)].count(
        "nodes"
    ) == 1
    assert check_of(site, "dicom:to:pacs2")["tls"]["ca"] == ROOT.pem


# --- what is wrong ----------------------------------------------------------------------------------------------------

WRONG = {
    "no mapping": (ROOT.pem, "node_tls is not a mapping; give keys such as ca and name."),
    "unknown key": ({**GOOD, "cas": 1}, "node_tls.cas is not a known key; did you mean ca."),
    "no ca": ({"name": NAME}, "node_tls has no ca; give the nodes' CA, or their own certificates where they are self-"),
    "no certificate": ({"ca": WEB.key, "name": NAME}, "node_tls.ca has no certificate in PEM; give text with"),
    "no file": ({"ca": "/srv/none.pem", "name": NAME}, "node_tls.ca is /srv/none.pem, which cannot be read on the con"),
    "no name": ({"ca": ROOT.pem}, "node_tls has no name, and pacs1 and pacs2 no tls_name, so that any certificate of"),
    "an address": (
        {**GOOD, "name": "198.51.100.21"},
        "node_tls.name is 198.51.100.21, and HAProxy finds no addresses in certificates; give a name that it has.",
    ),
    "a port": (
        {**GOOD, "name": "pacs1:443"},
        "node_tls.name is 'pacs1:443', which is not valid; give a name that the node's certificate",
    ),
    "only fingerprints": (
        {"fingerprints": [SELF_SIGNED.sha256]},
        "node_tls has fingerprints and no ca, and HAProxy verifies with certificates alone; give those certificates",
    ),
    "no fingerprint": ({**GOOD, "fingerprints": ["ab:cd"]}, "fingerprints is ['ab:cd']; give SHA-256 fingerprints, 64"),
    "of another": (
        {**PINNED, "fingerprints": [*PINNED["fingerprints"], "0" * 64]},
        f"node_tls.fingerprints has {'0' * 64}, which no certificate of ca has; add that certificate to ca, since",
    ),
    "not known": (
        {**PINNED, "fingerprints": [SELF_SIGNED.sha256]},
        f"node_tls.ca has a certificate for Another CA with another fingerprint ({OTHER.sha256}); remove it, or add",
    ),
    "issued": (
        {"ca": WEB.pem, "fingerprints": [WEB.sha256]},
        f"that of a certificate for {NAME}, *.{NAME} and 198.51.100.10 that a CA has issued, and HAProxy verifies such"
        " a one up to its CA alone; give that CA as ca and the certificate's name as name, without fingerprints.",
    ),
    "on the hosts": (
        {"ca": {"on_hosts": "/etc/ssl/x.pem"}, "fingerprints": [WEB.sha256]},
        "node_tls.fingerprints cannot be compared with a ca that only the hosts have; give ca as PEM or as a path on",
    ),
}


@pytest.mark.parametrize("written, sentence", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_sentence(written, sentence):
    (problem,) = build(infinitt_services={"web": {"node_tls": written}}, reader=files).problems
    assert problem.startswith("infinitt_services.web.node_tls") and sentence in problem and problem.endswith(".")


@pytest.mark.parametrize("name, keys, layer", [("web", {"layer": 4}, 7), ("dicom", {}, 4)])
def test_only_a_proxy_can_do_it(name, keys, layer):
    (problem,) = build(infinitt_services={name: {**keys, "node_tls": GOOD}}, infinitt_layer=layer).problems
    assert problem == (
        f"infinitt_services.{name}.node_tls is set at layer 4, where clients themselves speak TLS with the nodes: only"
        " a proxy can do it for them; remove it, or set layer: 7."
    )


@pytest.mark.parametrize(
    "query, refused",
    [({}, False), ({"node_tls": GOOD}, False), ({"node_tls": {**GOOD, "name": "ris.example.org"}}, True)],
)
def test_nodes_that_are_checked_together_are_verified_alike(query, refused):
    written = {"dicom": {"node_tls": GOOD, "health": "together"}, "query": query}
    problems = build(infinitt_services=written).problems
    assert problems == (
        [
            "infinitt_services.query.node_tls is not that of dicom, with which its nodes are checked"
            " together; give both the same, or set health: alone."
        ]
        if refused
        else []
    )


def test_nothing_is_different_without():
    assert pem_files({}, as_dict(build())["services"], files) == []
    assert all("tls" not in check for check in as_dict(build())["node_checks"])


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_argument_specs_name_every_key():
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    described = next(text for text in specs["infinitt_services"]["description"] if text.startswith("C(node_tls)"))
    assert {*KEYS} <= {*re.findall(r"C\((\w+)\)", described)}


@given(st.dictionaries(st.sampled_from([*KEYS]), st.none() | st.integers() | st.text(max_size=9) | st.just(WEB.pem)))
def test_nothing_that_a_user_writes_raises(written):
    for problem in of(**written).problems:
        assert problem.endswith(".") and "\n" not in problem
