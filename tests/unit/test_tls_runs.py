# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS as a real HAProxy ends it, with real clients: rendered, and run on loopback."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import peers
import pytest
import rendering
from factories import NODES, build, hosts
from pki import MIDDLE, NAME, OTHER, ROOT, WEB
from pynetdicom import AE
from pynetdicom.sop_class import Verification
from running import on_loopback, recorded, until

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _haproxy
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.pem import no_file
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.tls import pem_files

pytestmark = pytest.mark.skipif(
    not shutil.which("haproxy") or os.getuid() != 0, reason="haproxy is not installed, or this is not root"
)
VIP, NODE = "127.62.100.10", "127.62.100.21"
HTTP, HTTPS, DICOM = 12080, 12443, 12762
CERTIFICATE = {"certificate": WEB.chain, "key": WEB.key, "name": NAME}
GOOD, REVOKED = MIDDLE.issue('CT 1\n"forged"'), MIDDLE.issue("CT 2")
CLIENTS = {
    "client_certificate": "required",
    "client_ca": ROOT.pem + MIDDLE.pem,
    "client_crl": ROOT.revoke() + MIDDLE.revoke(REVOKED),
}
KINDS = {
    "redirect": {"hsts": "730d"},
    "serve": {"plain": "serve"},
    "close": {"plain": "close", "profile": "modern"},
    "optional": {"client_certificate": "optional"},
}


def written(kind):
    tls = {**CERTIFICATE, **KINDS[kind]}
    clients = {**CLIENTS, "client_certificate": tls.pop("client_certificate", "required")}
    return {
        "web": {"port": HTTP, "tls": {**tls, "port": HTTPS}},
        "dicom": {"port": DICOM, "node_port": 12104, "dicom": False, "tls": {**CERTIFICATE, **clients}},
        "query": {"enabled": False},
        "mwl": {"enabled": False},
    }


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def rendered(directory):
    """By kind, the configuration; its PEM files are in ``directory``. It has the one node that is there: a new worker
    of HAProxy takes one that it has not checked yet for healthy.
    """
    sites = {}
    for kind in KINDS:
        site = build(hosts(), infinitt_nodes=NODES[:1], infinitt_services=written(kind))
        assert site.problems == []
        sites[kind] = ({"haproxy_pem_directory": str(directory)}, as_dict(site))
        for file in pem_files(written(kind), as_dict(site)["services"], no_file):
            (directory / file.name).write_text(file.content)
    (directory / "root.pem").write_text(ROOT.pem)
    return {kind: texts["lb1"]["haproxy"] for kind, texts in rendering.render(sites).items()}


class HAProxy:
    """HAProxy on loopback, without its peers; ``log`` is what it wrote, ``admin`` its socket."""

    def __init__(self, directory):
        self.admin, self._path, self._log = directory / "admin", directory / "haproxy.cfg", directory / "log"

    def __enter__(self):
        self._out = self._log.open("w")
        command = ["haproxy", "-W", "-f", str(self._path)]
        self._process = subprocess.Popen(command, stdout=self._out, stderr=subprocess.DEVNULL)
        until(lambda: self.checked() == {"web", "dicom"}, 15)
        return self

    def __exit__(self, *_error):
        self._process.terminate()
        self._process.wait()
        self._out.close()

    def write(self, text):
        self._path.write_text(on_loopback(text, self._path.parent, "127.62.100."))
        return self

    def reload(self):
        self._process.send_signal(signal.SIGUSR2)

    def log(self):
        return self._log.read_text()

    def checked(self):
        try:
            rows = _haproxy.parse_stat(_haproxy.ask(str(self.admin), "show stat -1 4 -1", 2))
        except _haproxy.NoAnswer:
            return None
        return {row["pxname"] for row in rows if row["svname"] == "pacs1" and row["check_status"] in ("L4OK", "L7OK")}


class Echo(http.server.BaseHTTPRequestHandler):
    """A node that answers with the request's own headers."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = str(self.headers).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_GET

    def log_message(self, *_words):
        pass


@pytest.fixture(scope="module")
def node():
    """The web's node, and that of DICOM, which gives back what it gets."""
    web = http.server.ThreadingHTTPServer((NODE, HTTP), Echo)
    web.handle_error = lambda *_words: None  # a check closes as it likes
    dicom = socket.create_server((NODE, 12104))

    def serve():
        while True:
            try:
                client = dicom.accept()[0]
            except OSError:
                return
            threading.Thread(target=give_back, args=(client,), daemon=True).start()

    for target in (web.serve_forever, serve):
        threading.Thread(target=target, daemon=True).start()
    yield
    web.shutdown()
    dicom.shutdown(socket.SHUT_RDWR)


def give_back(client):
    """A node that gives back what it gets; where that is an A-ASSOCIATE-RQ, one that answers a C-ECHO."""
    with client, contextlib.suppress(OSError):
        if client.recv(1, socket.MSG_PEEK) == b"\x01":
            peers.verification_scp(client)
        while data := client.recv(4096):
            client.sendall(data)


@pytest.fixture(scope="module", params=KINDS)
def running(request, rendered, node, tmp_path_factory):
    with HAProxy(tmp_path_factory.mktemp(request.param)).write(rendered[request.param]) as daemon:
        daemon.kind = request.param
        yield daemon


def only(running, *kinds):
    if running.kind not in kinds:
        pytest.skip("of another kind")


def curl(url, *options):
    """The exit code, the status line and headers in lower case, and the body."""
    resolve = [word for port in (HTTP, HTTPS) for word in ("--resolve", f"{NAME}:{port}:{VIP}")]
    command = ["curl", "--silent", "--include", "--max-time", "5", "--cacert", "/dev/stdin", *resolve, *options, url]
    done = subprocess.run(command, input=ROOT.pem, stdout=subprocess.PIPE, text=True, check=False)
    head, _blank, body = done.stdout.replace("\r", "").partition("\n\n")
    return done.returncode, head.lower(), body.lower()


def test_the_web_speaks_http_2_and_the_node_hears_of_tls(running):
    code, head, body = curl(f"https://{NAME}:{HTTPS}/")
    assert code == 0 and head.startswith("http/2 200")
    assert "x-forwarded-proto: https" in body and "x-forwarded-for: 127." in body
    cookie = re.search("set-cookie: (.*)", head)[1]
    assert "pacsnode=" in cookie and "httponly" in cookie and ("secure" in cookie) == (running.kind != "serve")
    assert ("strict-transport-security: max-age=63072000" in head) == (running.kind == "redirect")
    assert curl(f"https://{NAME}:{HTTPS}/", "--http1.1")[1].startswith("http/1.1 200")


def test_nobody_forges_the_header(running):
    body = curl(f"https://{NAME}:{HTTPS}/", "--header", "X-Forwarded-Proto: http")[2]
    assert re.findall("x-forwarded-proto: .*", body) == ["x-forwarded-proto: https"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_plain_http_is_redirected_with_its_query_and_its_method(running, method):
    only(running, "redirect", "optional")
    code, head, _body = curl(f"http://{NAME}:{HTTP}/a/b?c=d&e", "--request", method)
    assert code == 0 and head.startswith("http/1.1 308")
    assert f"location: https://{NAME}:{HTTPS}/a/b?c=d&e" in head and "strict-transport" not in head


def test_a_redirect_to_an_address_of_ipv6_keeps_its_brackets(running):
    only(running, "redirect")
    head = curl(f"http://{VIP}:{HTTP}/", "--header", f"Host: [2001:db8::10]:{HTTP}")[1]
    assert f"location: https://[2001:db8::10]:{HTTPS}/" in head


def test_plain_http_may_be_served(running):
    only(running, "serve")
    _code, head, body = curl(f"http://{NAME}:{HTTP}/", "--header", "X-Forwarded-Proto: https")
    assert head.startswith("http/1.1 200") and "x-forwarded-proto: http\n" in body


def test_plain_http_may_be_closed(running):
    only(running, "close")
    assert curl(f"http://{NAME}:{HTTP}/")[0] == 7


def tls(port, client=None, low=None, high=None, ciphers=None):
    """What a client hears of an echo, or the reason of the refusal."""
    context = ssl.create_default_context(cadata=ROOT.pem)
    if low:
        # A client as old as this knows no better.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = low, high or low
    if ciphers:
        context.set_ciphers(ciphers)
    if client:
        context.load_cert_chain(*client)
    try:
        with (
            socket.create_connection((VIP, port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=NAME) as wrapped,
        ):
            wrapped.sendall(b"hello\r\n\r\n")
            return wrapped.recv(5) or "closed"
    except ssl.SSLError as error:
        return error.reason
    except OSError as error:
        return type(error).__name__


@pytest.fixture
def certificate(tmp_path):
    def write(issued):
        path = tmp_path / "client.pem"
        path.write_text(issued.key + issued.chain)
        return (path,)

    return write


V = ssl.TLSVersion


@pytest.mark.parametrize("version", [V.TLSv1, V.TLSv1_1])
def test_old_versions_are_refused(running, version):
    assert tls(HTTPS, low=version) == "TLSV1_ALERT_PROTOCOL_VERSION"
    assert tls(DICOM, low=version) == "TLSV1_ALERT_PROTOCOL_VERSION"


def test_modern_refuses_tls_1_2_and_intermediate_does_not(running):
    expected = "TLSV1_ALERT_PROTOCOL_VERSION" if running.kind == "close" else b"HTTP/"
    assert tls(HTTPS, low=V.TLSv1_2) == expected


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "AES256-GCM-SHA384"])
def test_ciphers_that_the_guideline_does_not_name_are_refused(running, cipher):
    only(running, "redirect")
    context = ssl.create_default_context(cadata=ROOT.pem)
    context.maximum_version = V.TLSv1_2
    context.set_ciphers(cipher)
    with socket.create_connection((VIP, HTTPS), timeout=5) as plain, pytest.raises(ssl.SSLError, match="HANDSHAKE"):
        context.wrap_socket(plain, server_hostname=NAME)


# --- DICOM ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("high", [V.TLSv1_2, V.TLSv1_3])
def test_a_client_with_a_certificate_of_the_ca_gets_through(running, certificate, high):
    assert tls(DICOM, certificate(GOOD), V.TLSv1_2, high) == b"hello"


@pytest.mark.parametrize(
    "issued, reason",
    [
        (OTHER.issue("CT 3"), "UNKNOWN_CA"),
        (REVOKED, "CERTIFICATE_REVOKED"),
        (MIDDLE.issue("CT 4", days=0, starts=-9), "EXPIRED"),
    ],
)
@pytest.mark.parametrize("high", [V.TLSv1_2, V.TLSv1_3])
def test_a_client_with_another_certificate_is_refused(running, certificate, issued, reason, high):
    assert reason in tls(DICOM, certificate(issued), V.TLSv1_2, high)


def test_a_client_without_a_certificate_is_refused_where_one_is_required(running):
    expected = b"hello" if running.kind == "optional" else "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert tls(DICOM) == expected


def echo(client=None):
    """The status of a C-ECHO by a real modality's means, pynetdicom; None where there is no association."""
    context = ssl.create_default_context(cadata=ROOT.pem)
    if client:
        context.load_cert_chain(*client)
    modality = AE("CT1")
    modality.acse_timeout = modality.dimse_timeout = modality.network_timeout = 5
    modality.add_requested_context(Verification)
    association = modality.associate(VIP, DICOM, ae_title="INFINITT", tls_args=(context, NAME))
    if not association.is_established:
        return None
    status = association.send_c_echo()
    association.release()
    return status.Status


def test_a_modality_with_a_certificate_gets_an_association_and_no_other_does(running, certificate):
    assert echo(certificate(GOOD)) == 0
    assert echo(certificate(REVOKED)) is None and echo(certificate(OTHER.issue("CT 3"))) is None
    assert echo() == (0 if running.kind == "optional" else None)


def test_plain_dicom_is_refused(running):
    with socket.create_connection((VIP, DICOM), timeout=5) as client:
        client.sendall(b"\x01\x00" + (200).to_bytes(4, "big") + bytes(200))
        assert b"\x02" not in client.recv(100)[:1]


# --- the log, and another certificate ---------------------------------------------------------------------------------


def test_the_certificates_name_stands_in_the_log_and_forges_no_line(running, certificate):
    before = len(running.log())
    assert tls(DICOM, certificate(GOOD)) == b"hello"
    until(lambda: "CT 1" in running.log()[before:], 15)
    (its,) = [its for its in recorded(running.log()[before:]) if its["service"] == "dicom"]
    assert (its["certificate"], its["node"], its["ended"]) == ('CT 1\n"forged"', "pacs1", "closed")


def test_another_certificate_breaks_no_request_and_no_association(running, directory, certificate):
    """Under requests that follow each other, and an association that stays."""
    only(running, "optional")
    renewed = MIDDLE.issue(NAME, NAME)
    services = written("optional")
    services["web"]["tls"] |= {"certificate": renewed.chain, "key": renewed.key}
    site = as_dict(build(hosts(), infinitt_nodes=NODES[:1], infinitt_services=services))
    for file in pem_files(services, site["services"], no_file):
        (directory / file.name).write_text(file.content)
    text = rendering.render({"new": ({"haproxy_pem_directory": str(directory)}, site)})["new"]["lb1"]["haproxy"]
    context = ssl.create_default_context(cadata=ROOT.pem)
    served, failures, stop = [], [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                client = http.client.HTTPSConnection(NAME, HTTPS, context=context, timeout=5)
                client.sock = context.wrap_socket(socket.create_connection((VIP, HTTPS), 5), server_hostname=NAME)
                served.append(ssl.DER_cert_to_PEM_cert(client.sock.getpeercert(True)))
                client.request("GET", "/")
                assert client.getresponse().status == 200
            except Exception as error:
                failures.append(repr(error))
            finally:
                client.close()

    modality = ssl.create_default_context(cadata=ROOT.pem)
    modality.load_cert_chain(*certificate(GOOD))
    kept = modality.wrap_socket(socket.create_connection((VIP, DICOM), 5), server_hostname=NAME)
    kept.sendall(b"before")
    assert kept.recv(6) == b"before"
    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: len(served) > 20, 15)
    running.write(text).reload()
    until(lambda: served[-20:] == [renewed.pem] * 20, 15)
    stop.set()
    asking.join()
    kept.sendall(b"after")
    assert kept.recv(5) == b"after"
    assert failures == [] and served[0] == WEB.pem
