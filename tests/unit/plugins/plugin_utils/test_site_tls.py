# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS of a service: what the user writes, and one sentence for whatever is wrong with it."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from factories import ROLE, build, service
from hypothesis import given
from hypothesis import strategies as st
from pki import MIDDLE, NAME, OTHER, ROOT, WEB

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._drill.plan import probes
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site import certificates
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.tls import TLS_KEYS, pem_files, sealed
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import Choice

GOOD = {"certificate": WEB.chain, "key": WEB.key, "name": NAME}
CLIENTS = {"client_certificate": "required", "client_ca": ROOT.pem}
ON_HOSTS = {"certificate": {"on_hosts": "/etc/live/fullchain.pem"}, "key": {"on_hosts": "/etc/live/privkey.pem"}}


def files(path):
    known = {"/srv/pacs.pem": WEB.chain, "/srv/pacs.key": WEB.key, "/srv/vaulted": "$ANSIBLE_VAULT;1.1;AES256\n00"}
    if path == "/srv/pacs.pfx":
        raise UnicodeDecodeError("utf-8", b"\x80", 0, 1, "invalid")
    if path in known:
        return known[path]
    raise FileNotFoundError(2, "No such file or directory", path)


def of(**written):
    return build(infinitt_services={"web": {"tls": written}}, reader=files)


def written_files(site, written):
    return {file.name: file for file in pem_files({"web": {"tls": written}}, as_dict(site)["services"], files)}


def test_a_certificate_as_text():
    site = of(**GOOD)
    assert site.problems == []
    tls = service(site, "web").tls
    assert (tls.port, tls.plain, tls.profile, tls.hsts, tls.client_certificate) == (
        443,
        "redirect",
        "intermediate",
        None,
        "none",
    )
    assert tls.not_after == int(WEB.certificate.not_valid_after_utc.timestamp()) and tls.sha256 == WEB.sha256
    found = written_files(site, GOOD)
    assert list(found) == [tls.certificate, f"{tls.certificate}.key"]
    assert found[tls.certificate].content == WEB.chain and found[f"{tls.certificate}.key"].content == WEB.key


@pytest.mark.parametrize(
    "written",
    [
        {"certificate": "/srv/pacs.pem", "key": "/srv/pacs.key"},
        {"certificate": WEB.key + WEB.chain},
        {"certificate": f"Bag Attributes\n{WEB.chain}\n{WEB.key}".replace("\n", "\r\n")},
        {"certificate": "/srv/pacs.pem", "key": WEB.key, "ca": ROOT.pem},
        {"certificate": WEB.pem + MIDDLE.pem + ROOT.pem, "key": WEB.key, "ca": OTHER.pem + ROOT.pem},
    ],
)
def test_it_is_the_same_wherever_it_comes_from(written):
    site = of(**written)
    assert site.problems == [] and service(site, "web").tls.sha256 == WEB.sha256
    assert [file.content for file in written_files(site, written).values()][1] == WEB.key


def test_another_certificate_has_another_name_and_the_same_one_the_same():
    renewed = MIDDLE.issue(NAME, NAME)
    names = [service(of(**GOOD, **more), "web").tls.certificate for more in ({}, {"plain": "serve"})]
    names.append(service(of(certificate=renewed.chain, key=renewed.key), "web").tls.certificate)
    assert names[0] == names[1] != names[2]


def test_one_that_the_hosts_have_is_a_link():
    site = of(**ON_HOSTS, **{**CLIENTS, "client_crl": {"on_hosts": "/etc/live/crl.pem"}})
    tls = service(site, "web").tls
    assert (
        site.problems == []
        and tls.not_after is None
        and tls.paths
        == {
            "certificate": "/etc/live/fullchain.pem",
            "key": "/etc/live/privkey.pem",
            "client_crl": "/etc/live/crl.pem",
        }
    )
    found = written_files(site, {**ON_HOSTS, **CLIENTS, "client_crl": {"on_hosts": "/etc/live/crl.pem"}})
    assert {name: file.link for name, file in found.items() if file.link} == {
        tls.certificate: "/etc/live/fullchain.pem",
        f"{tls.certificate}.key": "/etc/live/privkey.pem",
        tls.client_crl: "/etc/live/crl.pem",
    }
    assert found[tls.client_ca].content == ROOT.pem


def test_a_service_of_tcp_speaks_tls_on_its_own_port():
    written = {"port": 2762, "node_port": 104, "tls": {**GOOD, **CLIENTS, "client_ca": MIDDLE.pem}}
    written["tls"]["client_crl"] = MIDDLE.revoke(WEB)
    site = build(infinitt_services={"dicom_tls": written})
    assert site.problems == []
    its = service(site, "dicom_tls")
    assert its.ports() == [2762] and its.tls.revoked_until and its.tls.client_certificate == "required"
    check = next(check for check in as_dict(site)["vip_checks"] if check["name"] == "dicom_tls")
    # A load balancer has no client certificate.
    assert (check["check"], check["port"]) == ("tcp", 2762)
    assert check["tls"] == {"name": NAME, "fingerprints": [WEB.sha256]}


@pytest.mark.parametrize("plain, ports", [("redirect", [80, 443]), ("serve", [80, 443]), ("close", [443])])
def test_the_ports_of_the_web(plain, ports):
    site = of(**GOOD, plain=plain)
    assert site.problems == [] and service(site, "web").ports() == ports
    assert [port["port"] for port in site.hosts["lb1"].ports if port["for"] == "web"] == ports
    assert as_dict(site)["vip_checks"][0]["port"] == 443


def test_a_former_vip_has_the_same():
    site = build(infinitt_services={"web": {"tls": GOOD}}, infinitt_former_vips="198.51.100.9")
    assert site.problems == [] and service(site, "web:198.51.100.9").tls == service(site, "web").tls
    assert len(written_files(site, GOOD)) == 2 and len(as_dict(site)["certificates"]) == 1


def test_nothing_is_different_without():
    assert service(build(), "web").tls is None and service(of(**GOOD), "dicom").tls is None
    assert pem_files({}, as_dict(build())["services"], files) == [] and as_dict(build())["certificates"] == []


@pytest.mark.parametrize("alone, unproven", [(WEB.pem, "CN=Hospital Issuing CA"), (WEB.chain, ""), (ROOT.pem, "")])
def test_a_certificate_that_stands_alone_may_lack_one(alone, unproven):
    key = ROOT.key if alone == ROOT.pem else WEB.key
    assert service(of(certificate=alone, key=key), "web").tls.unproven == unproven
    assert service(of(certificate=WEB.pem, key=WEB.key, ca=MIDDLE.pem), "web").tls.unproven == ""


# --- what is wrong ----------------------------------------------------------------------------------------------------

SECRET = "\n".join(WEB.key.splitlines()[1:-1])
WRONG = {
    "no mapping": (WEB.key, "tls is not a mapping; give keys such as certificate, key and name."),
    "unknown key": ({**GOOD, "cert": 1}, "tls.cert is not a known key; did you mean certificate."),
    "nothing": ({"name": NAME}, "tls has no certificate; give it in PEM, as text or as a path."),
    "no path": ({"certificate": "pacs.pem"}, "tls.certificate is neither PEM nor a path; give PEM, the absolute path"),
    "no file": (
        {"certificate": "/srv/none.pem"},
        "tls.certificate is /srv/none.pem, which cannot be read on the controller (No such file or directory); correct",
    ),
    "pfx": (
        {"certificate": "/srv/pacs.pfx"},
        "/srv/pacs.pfx, which cannot be read on the controller (it is not a text",
    ),
    "vaulted": ({**GOOD, "key": "/srv/vaulted"}, "tls.key is /srv/vaulted, which is encrypted with Ansible Vault; let"),
    "no key": ({"certificate": WEB.chain}, "tls.certificate has no private key in PEM; give the key, in the same file"),
    "no certificate": (
        {"certificate": WEB.key},
        "has no certificate in PEM; give text with -----BEGIN CERTIFICATE-----",
    ),
    "passphrase": (
        {**GOOD, "key": WEB.locked()},
        "has a key with a passphrase, which nobody types at a reload; remove",
    ),
    "another key": ({**GOOD, "key": OTHER.key}, f"is for {NAME}, *.{NAME} and 198.51.100.10, and the key does not fit"),
    "another name": ({**GOOD, "name": "pacs.example.com"}, "and 198.51.100.10, and not for pacs.example.com; give"),
    "no order": (
        {**GOOD, "certificate": WEB.pem + ROOT.pem + MIDDLE.pem},
        "is not in order: number 2 of its 3 certificates has not issued number 1; put the service's own first",
    ),
    "another CA": (
        {**GOOD, "ca": OTHER.pem},
        "ends at one that CN=Hospital CA has issued, which ca does not have; add",
    ),
    "one is missing": (
        {**GOOD, "certificate": WEB.pem, "ca": ROOT.pem},
        "ends at one that CN=Hospital Issuing CA has issued, which ca does not have; add the certificates between",
    ),
    "damaged": ({**GOOD, "certificate": WEB.chain.replace("MII", "!II", 1)}, "cannot be read: a block of the PEM is"),
    "damaged inside": ({**GOOD, "certificate": WEB.pem.replace("MII", "MIA", 1)}, "certificate that cannot be read"),
    "damaged key": (
        {**GOOD, "key": WEB.key.replace("M", "N", 1)},
        "has a private key that cannot be read; copy it again",
    ),
    "two places": (
        {**ON_HOSTS, "key": WEB.key},
        "tls.key is not where the certificate is; have both on the hosts, or neither.",
    ),
    "unchecked": ({**ON_HOSTS, "ca": ROOT.pem}, "tls.ca is for a certificate that the controller checks, and"),
    "hsts and plain": (
        {**GOOD, "hsts": "730d", "plain": "serve"},
        "tls.hsts is set although plain is serve; set plain",
    ),
    "hsts": ({**GOOD, "hsts": "for ever"}, "tls.hsts is 'for ever'; give a time up to ten years, such as 730d."),
    "no client ca": (
        {**GOOD, "client_certificate": "required"},
        "tls.client_ca is not set although client_certificate",
    ),
    "no client": (
        {**GOOD, "client_ca": ROOT.pem},
        "tls.client_ca is set, and no client is asked; set client_certificate",
    ),
    "no list": ({**GOOD, **CLIENTS, "client_crl": ROOT.pem}, "tls.client_crl has no list of revoked certificates"),
    "another list": (
        {**GOOD, **CLIENTS, "client_crl": OTHER.revoke(WEB)},
        "tls.client_crl has no list of Hospital CA, so that every client would be refused; give the list of each CA.",
    ),
    "profile": ({**GOOD, "profile": "old"}, "tls.profile is 'old'; give one of intermediate, modern."),
}


@pytest.mark.parametrize("written, sentence", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_sentence(written, sentence):
    (problem,) = build(infinitt_services={"web": {"tls": written}}, reader=files).problems
    assert problem.startswith("infinitt_services.web.tls") and sentence in problem and problem.endswith(".")
    assert not any(line in problem for line in SECRET.splitlines())


@pytest.mark.parametrize("key, value", [("plain", "serve"), ("hsts", "1d"), ("port", 443)])
def test_what_only_http_has_is_refused_on_a_service_of_tcp(key, value):
    (problem,) = build(infinitt_services={"dicom": {"tls": {**GOOD, key: value}}}, reader=files).problems
    assert problem == f"infinitt_services.dicom.tls.{key} is set on a tcp service; remove it: only HTTP has that."


@pytest.mark.parametrize("name, keys, layer", [("web", {"layer": 4}, 7), ("dicom", {}, 4)])
def test_layer_4_cannot_look_into_it(name, keys, layer):
    (problem,) = build(infinitt_services={name: {**keys, "tls": GOOD}}, infinitt_layer=layer).problems
    assert problem.startswith(f"infinitt_services.{name}.tls is set at layer 4, where the kernel forwards connections")


def test_443_may_be_taken():
    (problem,) = build(infinitt_services={"web": {"tls": GOOD}, "viewer": {"port": 443}}).problems
    assert problem.startswith("infinitt_services.viewer.port is 443, which web already uses on 198.51.100.10;")
    (problem,) = build(infinitt_services={"web": {"tls": {**GOOD, "port": 104}}}).problems
    assert problem.startswith("infinitt_services.dicom.port is 104, which web already uses")


def test_a_missing_cryptography_is_one_sentence(monkeypatch):
    monkeypatch.setattr(certificates, "x509", None)
    (problem,) = of(**GOOD).problems
    assert problem.endswith(
        "needs the Python package cryptography where Ansible runs; install it there: pip install cryptography."
    )


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_no_key_comes_out_of_the_site_nor_of_what_is_shown():
    site = of(**GOOD)
    shown = [repr(site), json.dumps(as_dict(site)), json.dumps(sealed({"web": {"tls": GOOD}}))]
    shown += [repr(written_files(site, GOOD))]
    for line in SECRET.splitlines():
        assert not any(line in text for text in shown)


def test_what_is_sealed_still_tells_one_from_another():
    assert sealed({"web": {"tls": GOOD}}) == sealed({"web": {"tls": dict(GOOD)}})
    assert sealed({"web": {"tls": GOOD}}) != sealed({"web": {"tls": {**GOOD, "key": OTHER.key}}})
    for as_it_is in (None, "", 4, ["a"], {"web": {"port": 80}, 104: None}):
        assert sealed(as_it_is) == as_it_is


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_argument_specs_name_every_key_and_every_choice():
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    named = re.findall(r"C\((\w+)\)", " ".join(specs["infinitt_services"]["description"]))
    choices = {word for parser in TLS_KEYS.values() if isinstance(parser, Choice) for word in parser.words}
    assert {*TLS_KEYS, *choices} <= {*named}


@given(
    st.dictionaries(st.sampled_from([*TLS_KEYS]), st.none() | st.integers() | st.text(max_size=9) | st.just(WEB.pem))
)
def test_nothing_that_a_user_writes_raises(written):
    for problem in of(**written).problems:
        assert problem.endswith(".") and "\n" not in problem


# --- the drill --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plain, status, cookie", [("redirect", "308", ""), ("serve", "200-399", "PACSNODE")])
def test_a_drill_asks_plain_http_as_it_is_answered(plain, status, cookie):
    asked = probes(as_dict(of(**GOOD, plain=plain)))["web"]
    assert (asked["port"], asked["check_status"], asked["node_cookie"]) == (80, status, cookie)


def test_a_drill_asks_no_web_that_is_closed_without_tls():
    assert [*probes(as_dict(of(**GOOD, plain="close")))] == ["dicom"]
