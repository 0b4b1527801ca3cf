# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes that speak TLS, as a real HAProxy verifies them in its checks and in each connection: rendered, on loopback."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import shutil
import socket
import ssl

import peers
import pytest
import rendering
from factories import NODES, build, hosts
from pki import MIDDLE, NAME, OTHER, ROOT, SELF_SIGNED, WEB, Issued
from pynetdicom import AE
from pynetdicom.sop_class import Verification
from running import haproxy, unchecked, until

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _haproxy
from ansible_collections.pacs.loadbalancer.plugins.modules import infinitt_backend_check
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import no_file
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.tls import pem_files

pytestmark = pytest.mark.skipif(
    not shutil.which("haproxy") or os.getuid() != 0, reason="haproxy is not installed, or this is not root"
)
# Two HAProxies would share a port.
PORTS = itertools.count(12200)
VIP, NODE = "127.63.100.10", "127.63.100.21"
BY_CA = {"ca": ROOT.pem, "name": NAME}
PINNED = {"ca": SELF_SIGNED.pem, "fingerprints": SELF_SIGNED.sha256}
TOO_OLD = Issued("pacs1", days=-3, starts=-9)

# What the node has, what is asked of it, and what the check of the nodes says then; None: it is good.
CASES = {
    "ca": (WEB, BY_CA, None),
    "wildcard": (WEB, {**BY_CA, "name": "viewer.pacs.example.org"}, None),
    "pinned": (SELF_SIGNED, PINNED, None),
    "another_ca": (OTHER.issue(NAME, NAME), BY_CA, "not of a known CA"),
    "another_name": (MIDDLE.issue("ris", "ris.example.org"), BY_CA, f"for ris.example.org, not for {NAME}"),
    "expired": (MIDDLE.issue(NAME, NAME, days=-3, starts=-9), BY_CA, "that has expired"),
    "too_early": (MIDDLE.issue(NAME, NAME, starts=3), BY_CA, "that is not valid yet"),
    "not_pinned": (Issued("pacs1", names=["pacs1.example.org"]), PINNED, "not of a known CA"),
    "of_the_ca_only": (WEB, PINNED, "not of a known CA"),
    "pinned_and_expired": (TOO_OLD, {"ca": TOO_OLD.pem, "fingerprints": TOO_OLD.sha256}, "that has expired"),
    "without": (None, BY_CA, "does not speak TLS"),
}
KINDS = {"web": {"mode": "http"}, "dicom": {"check": "echo"}, "plain": {"check": "tcp"}}
WORDS = {f"{kind}_{case}": words for kind in KINDS for case, (_issued, _asked, words) in CASES.items()}


class Nodes:
    """A node with another port, and another certificate there, for each service.

    ``reached``: where anything came; ``resumed``: where without a certificate, in a session that was resumed.
    """

    def __init__(self, directory):
        self._directory, self.contexts = directory, {}
        self.reached, self.resumed = set(), set()

    def serve(self, name, issued):
        def behave(connection):
            if connection.session_reused:
                self.resumed.add(name)
            if name.startswith("web"):
                peers.http_server()(connection)
            else:
                peers.verification_scp(connection)
            self.reached.add(name)

        if issued is None:
            return peers.Server(peers.http_server("400 Bad Request"), NODE)
        self.contexts[name] = issued.served(self._directory)
        return peers.Server(peers.over_tls(behave, self.contexts[name]), NODE)


class Running:
    """A site, and the HAProxy that runs it."""

    def __init__(self, written, directory, text=lambda text: text):
        site = as_dict(build(hosts(), infinitt_nodes=NODES[:1], infinitt_services=written))
        assert site["problems"] == []
        self.checks, self._text = site["node_checks"], text
        self.ports = {service["name"]: service["port"] for service in site["services"]}
        for file in pem_files(written, site["services"], no_file):
            (directory / file.name).write_text(file.content)
        rendered = rendering.render({"": ({"haproxy_pem_directory": str(directory)}, site)})[""]["lb1"]["haproxy"]
        self._haproxy = haproxy(text(rendered), directory, replaced={"127.51.": "127.63."})

    def __enter__(self):
        self._admin = self._haproxy.__enter__()
        until(lambda: self._rows() and not any("INI" in row["check_status"] for row in self._rows().values()))
        return self

    def __exit__(self, *error):
        self._haproxy.__exit__(*error)

    def _rows(self):
        with contextlib.suppress(_haproxy.NoAnswer):
            rows = _haproxy.parse_stat(_haproxy.ask(self._admin, "show stat -1 4 -1", 2))
            return {row["pxname"]: row for row in rows if row["svname"] == "pacs1"}

    def up(self, name):
        return self._rows()[name]["status"].startswith("UP")


def written_of(ports):
    """One service for each kind and case."""
    written = {name: {"enabled": False} for name in ("web", "dicom", "query", "mwl")}
    for name, port in ports.items():
        kind, case = name.split("_", 1)
        asked = {**KINDS[kind], "port": next(PORTS), "node_port": port, "node_tls": CASES[case][1]}
        written[name] = {**asked, "persistence": "none"}
    return written


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    of = Nodes(tmp_path_factory.mktemp("nodes"))
    with contextlib.ExitStack() as stack:
        of.ports = {name: stack.enter_context(of.serve(name, CASES[name.split("_", 1)[1]][0])).port for name in WORDS}
        yield of


@pytest.fixture(scope="module")
def running(nodes, tmp_path_factory):
    with Running(written_of(nodes.ports), tmp_path_factory.mktemp("running")) as site:
        yield site


@pytest.fixture(scope="module")
def trusting(nodes, tmp_path_factory):
    """The same without checks: every node is taken for healthy, and tried once."""

    def text(rendered):
        return unchecked(rendered).replace("retries 3", "retries 0")

    with Running(written_of(nodes.ports), tmp_path_factory.mktemp("trusting"), text) as site:
        yield site


@pytest.mark.parametrize("name", WORDS)
def test_a_node_is_up_where_its_certificate_is_good(running, name):
    assert running.up(name) == (WORDS[name] is None)


def test_the_check_of_the_nodes_sees_the_same_and_says_why(running, capsys):
    checks = [{**check, "nodes": [{"name": "pacs1", "address": NODE}]} for check in running.checks]
    _code, result = peers.run_module(infinitt_backend_check, capsys, services=checks, require="none")
    assert len(result["endpoints"]) == len(WORDS)
    for end in result["endpoints"]:
        words = WORDS[end["service"]]
        assert end["reachable"] == (words is None), end
        assert words is None or words in end["error"]["text"], end


def get(port):
    client = http.client.HTTPConnection(VIP, port, timeout=10)
    client.request("GET", "/")
    return client.getresponse().status


def echo(port):
    modality = AE("CT1")
    modality.acse_timeout = modality.dimse_timeout = modality.network_timeout = 5
    modality.add_requested_context(Verification)
    association = modality.associate(VIP, port, ae_title="INFINITT")
    if not association.is_established:
        return None
    status = association.send_c_echo()
    association.release()
    return status.Status


@pytest.mark.parametrize("name", WORDS)
def test_each_connection_is_verified_and_nothing_is_sent_to_another_node(trusting, nodes, name):
    nodes.reached.clear()
    good = WORDS[name] is None
    port = trusting.ports[name]
    if name.startswith("web"):
        assert get(port) == (200 if good else 503)
    else:
        assert echo(port) == (0 if good else None)
    if good:
        until(lambda: name in nodes.reached, 5)
    assert good or name not in nodes.reached


def test_every_check_sees_the_certificate_that_the_node_has_now(running, nodes, tmp_path):
    name = "dicom_wildcard"
    until(lambda: running.up(name), 10)
    CASES["another_ca"][0].served(tmp_path, nodes.contexts[name])
    until(lambda: not running.up(name), 10)
    WEB.served(tmp_path, nodes.contexts[name])
    until(lambda: running.up(name), 10)
    assert nodes.resumed == set()


# --- what it goes together with ---------------------------------------------------------------------------------------


def test_tls_of_the_clients_ends_and_tls_to_the_nodes_begins(nodes, tmp_path):
    tls = {"certificate": WEB.chain, "key": WEB.key}
    written = written_of({name: nodes.ports[name] for name in ("dicom_ca", "dicom_another_ca")})
    for name in ("dicom_ca", "dicom_another_ca"):
        written[name]["tls"] = tls
    with Running(written, tmp_path) as site:
        until(lambda: site.up("dicom_ca") and not site.up("dicom_another_ca"), 10)
        context = ssl.create_default_context(cadata=ROOT.pem)
        modality = AE("CT1")
        modality.add_requested_context(Verification)
        association = modality.associate(VIP, site.ports["dicom_ca"], ae_title="INFINITT", tls_args=(context, NAME))
        assert association.is_established and association.send_c_echo().Status == 0
        association.release()


def test_each_node_is_asked_for_its_own_name(nodes, tmp_path):
    written = written_of({"dicom_ca": nodes.ports["dicom_ca"]})
    for name, good in ((NAME, True), ("ris.example.org", False)):
        written["dicom_ca"] |= {"node_tls": {"ca": ROOT.pem}, "nodes": [{**NODES[0], "tls_name": name}]}
        with Running(written, tmp_path) as site:
            until(lambda good=good, site=site: site.up("dicom_ca") == good, 10)


@pytest.mark.parametrize("asking", ["dicom_{}", "plain_{}", ""])
@pytest.mark.parametrize("case", ["ca", "another_ca"])
def test_services_whose_nodes_are_checked_together_may_speak_it_or_not(nodes, tmp_path, asking, case):
    """The one with TLS decides about the others too, whichever was asked for it, and one of them speaks none."""
    ports = {f"{kind}_{case}": nodes.ports[f"{kind}_{case}"] for kind in ("dicom", "plain")}
    with socket.create_server((NODE, 0)) as bare:
        written = written_of(ports)
        written["bare"] = {"port": next(PORTS), "node_port": bare.getsockname()[1]}
        for name in (*ports, "bare"):
            written[name].pop("persistence", None)
        written[asking.format(case) or "bare"]["health"] = "together"
        with Running(written, tmp_path) as site:
            for name in (*ports, "bare"):
                until(lambda name=name: site.up(name) == (case == "ca"), 10)
