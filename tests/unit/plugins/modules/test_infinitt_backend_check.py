# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import resource
import socket
import threading
import time
import tracemalloc

import peers
import pytest
from asked import AC, HOSTILE, HOSTILE_HTTP, SLACK, TIMEOUT, ask, error_of, service, silent_after_ac
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, Verification

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _backend_check as backend_check
from ansible_collections.pacs.loadbalancer.plugins.module_utils import _http_head as http_head
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom import errors, pdu, stream
from ansible_collections.pacs.loadbalancer.plugins.modules import infinitt_backend_check

# --- Real DICOM peers -------------------------------------------------------


@pytest.fixture
def pacs():
    """Starts pynetdicom's SCP: pacs(**settings) gives its port and its log of events."""
    running = []

    def start(context=Verification, **settings):
        ae = AE("INFINITT")
        ae.add_supported_context(context)
        for name, value in settings.items():
            setattr(ae, name, value)
        seen = []
        handlers = [
            (event, lambda e: seen.append(e.event.name))
            for event in (evt.EVT_RELEASED, evt.EVT_ABORTED, evt.EVT_REJECTED)
        ]
        server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        running.append(server)
        return server.server_address[1], seen

    yield start
    for server in running:
        server.shutdown()


@pytest.mark.parametrize(
    ("check", "phases"), [("associate", ["connect", "associate"]), ("echo", ["connect", "associate", "echo"])]
)
def test_pynetdicom_answers_and_sees_a_released_association(pacs, check, phases):
    port, seen = pacs()
    described = ask(port, check, timeout=3)
    assert described["error"] is None
    assert list(described["latency_ms"]) == phases
    assert sum(described["latency_ms"].values()) <= described["total_ms"] + 0.2
    peers.wait_for(lambda: seen)
    assert seen == ["EVT_RELEASED"]


def test_pynetdicom_rejects_the_called_ae_title(pacs):
    port, seen = pacs(require_called_aet=True)
    described = ask(port, called_ae="OTHER", timeout=3)
    assert described["error"] == {
        "kind": "rejected",
        "text": "rejected the association: rejected-permanent, DICOM UL service-user, called-AE-title-not-recognized",
    }


def test_pynetdicom_rejects_the_calling_ae_title(pacs):
    port, seen = pacs(require_calling_aet=["CT1"])
    assert "calling-AE-title-not-recognized" in ask(port, timeout=3)["error"]["text"]
    assert ask(port, calling_ae="CT1", timeout=3)["error"] is None


@pytest.mark.parametrize("check", ["associate", "echo"])
def test_pynetdicom_without_verification_is_reported_and_released(pacs, check):
    port, seen = pacs(context=CTImageStorage)
    error = ask(port, check, timeout=3)["error"]
    assert error["kind"] == "not_accepted"
    assert "accepted the association but not Verification" in error["text"]
    peers.wait_for(lambda: seen)
    assert seen == ["EVT_RELEASED"]


def test_a_full_pacs_answers_associate_but_not_echo(pacs):
    port, seen = pacs(maximum_associations=1)
    client = AE("CT1")
    client.add_requested_context(Verification)
    held = client.associate("127.0.0.1", port)
    assert held.is_established
    full, echo = ask(port, "associate", timeout=3), ask(port, "echo", timeout=3)
    held.release()
    assert full["reachable"]
    assert full["note"].startswith("is busy: rejected-transient")
    assert echo["error"]["kind"] == "rejected"
    assert "local-limit-exceeded" in echo["error"]["text"]


# --- Hostile peers: each costs at most the timeout and bounded memory -------


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_dicom_peer_costs_at_most_the_timeout(name):
    behave, expected, words = HOSTILE[name]
    kind, text = error_of(behave)
    assert re.fullmatch(expected, kind)
    assert re.search(words, text)


@pytest.mark.parametrize("name", HOSTILE_HTTP)
def test_a_hostile_http_peer_costs_at_most_the_timeout(name):
    behave, expected, words = HOSTILE_HTTP[name]
    kind, text = error_of(behave, "http")
    assert (kind, words in text) == (expected, True)


@pytest.mark.parametrize(
    ("check", "behave"),
    [
        ("echo", peers.flood(AC[:6] + bytes(100), bytes(65536))),
        (
            "echo",
            peers.says(AC, stream.encode(pdu.PData((pdu.PDV(1, bytes(16000), last=False),))) * 200, then="hang"),
        ),
        ("http", peers.flood(b"HTTP/1.1 200 OK\r\n", b"A: B\r\n" * 10000)),
    ],
)
def test_a_hostile_peer_costs_bounded_memory(check, behave):
    with peers.Server(behave) as server:
        tracemalloc.start(1)
        try:
            assert not ask(server.port, check)["reachable"]
            ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/module_utils/*")])
            assert tracemalloc.get_traced_memory()[1] < 4_000_000
            assert sum(trace.size for trace in ours.traces) < 200_000
        finally:
            tracemalloc.stop()


def test_an_association_that_goes_wrong_is_aborted():
    assert silent_after_ac() == ("timeout", [stream.encode(pdu.Abort())])


def test_a_peer_that_does_not_answer_the_release_has_answered():
    with peers.Server(peers.says(AC, peers.echo_response(), then="hang")) as server:
        described = ask(server.port)
    assert described["error"] is None
    assert described["total_ms"] < TIMEOUT * 1000


# --- Addresses --------------------------------------------------------------


@pytest.mark.parametrize("check", ["tcp", "http", "associate", "echo"])
def test_a_closed_port_refuses(check):
    described = ask(peers.free_port(), check)
    assert described["error"] == {"kind": "refused", "text": "refused the connection"}
    assert described["latency_ms"] == {}


def test_a_name_that_does_not_exist_is_reported():
    error = ask(104, address="pacs.invalid", timeout=3)["error"]
    assert error["kind"] == "name_not_found"
    assert error["text"].startswith("has a name that cannot be resolved (")


@pytest.mark.parametrize("name", ["a" * 64, "a..b", "a\0b"])
def test_what_can_be_no_name_is_reported(name):
    assert ask(104, address=name)["error"]["kind"] == "name_not_found"


def test_a_slow_name_server_costs_at_most_the_timeout(monkeypatch):
    answered = threading.Event()
    real = socket.getaddrinfo

    def slow(host, *args, flags=0, **kwargs):
        if host == "slow.invalid" and not flags & socket.AI_NUMERICHOST:
            answered.wait(10)
        return real(host, *args, flags=flags, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    error = ask(104, address="slow.invalid")["error"]
    answered.set()
    assert error == {"kind": "timeout", "text": "timed out after 0.2 s without an address for its name"}


def test_a_name_with_several_addresses_is_asked_at_each(monkeypatch):
    real = socket.getaddrinfo

    def both(host, port, *args, flags=0, **kwargs):
        if host != "both.invalid":
            return real(host, port, *args, flags=flags, **kwargs)
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (family, socket.SOCK_STREAM, 6, "", (host, port))
            for family, host in ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1"))
        ]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with peers.Server(peers.verification_scp) as server:
        assert ask(server.port, address="both.invalid")["error"] is None


def test_ipv6_works_and_is_named_in_brackets():
    seen = []

    def behave(connection):
        seen.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with peers.Server(behave, "::1") as server:
        assert ask(server.port, "http", address="::1")["error"] is None
        port = server.port
    assert b"\r\nHost: [::1]\r\n" in seen[0]
    (endpoint,) = backend_check.make_endpoints([{"name": "pacs1", "address": "::1"}], [service(port=port)])
    assert str(endpoint) == f"dicom on pacs1 ([::1]:{port})"


# --- HTTP -------------------------------------------------------------------


def test_the_request_is_a_head():
    seen = []

    def behave(connection):
        seen.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.0 401 Unauthorized\n\n")

    with peers.Server(behave) as server:
        described = ask(
            server.port, "http", check_path="/health?x=1", check_host="pacs.example:8080", check_status="200,401"
        )
    assert described["error"] is None
    assert list(described["latency_ms"]) == ["connect", "http"]
    assert seen[0] == (
        b"HEAD /health?x=1 HTTP/1.1\r\nHost: pacs.example:8080\r\n"
        b"User-Agent: pacs.loadbalancer\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("200", {200}),
        ("200-399", set(range(200, 400))),
        ("200,302,401", {200, 302, 401}),
        ("200-202,404", {200, 201, 202, 404}),
    ],
)
def test_haproxys_lists_of_statuses_are_read(value, accepted):
    ranges = http_head.parse_statuses(value)
    assert {status for status in range(1000) if any(status in r for r in ranges)} == accepted


@pytest.mark.parametrize("value", ["", "20", "399-200", "200-", "200, 302", "2xx", "200-300-400", "600"])
def test_what_is_no_list_of_statuses_is_refused(value):
    with pytest.raises(ValueError, match="check_status is .*such as 200"):
        http_head.parse_statuses(value)


# --- All at once ------------------------------------------------------------


def ask_many(nodes, services, timeout=TIMEOUT, retries=0, delay=0.0):
    endpoints = backend_check.make_endpoints(nodes, services)
    started = time.monotonic()
    answers = backend_check.ask_all(endpoints, timeout, retries, delay)
    return endpoints, answers, time.monotonic() - started


def nodes(number):
    return [{"name": f"pacs{i}", "address": "127.0.0.1"} for i in range(1, number + 1)]


def test_eight_endpoints_that_hang_cost_one_timeout():
    with peers.Server(peers.hang) as server:
        services = [
            service(f"s{i}", server.port, check) for i, check in enumerate(("http", "echo", "echo", "associate"))
        ]
        _endpoints, answers, seconds = ask_many(nodes(2), services)
    assert [a.failure.kind for a in answers] == ["timeout"] * 8
    assert TIMEOUT <= seconds < TIMEOUT + SLACK


def test_fifty_nodes_of_four_services_work():
    with peers.Server(peers.verification_scp) as server:
        services = [
            service(f"s{i}", server.port, check) for i, check in enumerate(("tcp", "echo", "associate", "echo"))
        ]
        _endpoints, answers, _seconds = ask_many(nodes(50), services, timeout=5)
    assert len(answers) == 200
    assert [a.failure for a in answers if a.failure] == []


def test_a_low_limit_of_open_files_is_raised():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        # Nobody accepts, so that 200 sockets are open at a time and only here.
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            services = [service(f"s{i}", listener.getsockname()[1]) for i in range(4)]
            _endpoints, answers, _seconds = ask_many(nodes(50), services)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert {a.failure.kind for a in answers} == {"timeout"}


def test_a_hard_limit_of_open_files_lets_endpoints_wait(monkeypatch):
    monkeypatch.setattr(backend_check, "socket_limit", lambda wanted: 7)
    test_fifty_nodes_of_four_services_work()


def test_only_what_failed_is_asked_again():
    counts = {"good": 0, "late": 0}

    def good(connection):
        counts["good"] += 1
        peers.verification_scp(connection)

    def late(connection):
        counts["late"] += 1
        if counts["late"] == 3:
            peers.verification_scp(connection)

    with peers.Server(good) as one, peers.Server(late) as two:
        services = [service("good", one.port), service("late", two.port)]
        _endpoints, answers, seconds = ask_many(nodes(1), services, timeout=3, retries=5, delay=0.05)
    assert [a.failure for a in answers] == [None, None]
    assert counts == {"good": 1, "late": 3}
    assert seconds >= 0.1


# --- The verdict ------------------------------------------------------------


def judged(require, *dead):
    endpoints = backend_check.make_endpoints(
        [{"name": "pacs1", "address": "198.51.100.21"}, {"name": "pacs2", "address": "198.51.100.22"}],
        [service("dicom", 104), service("mwl", 204)],
    )
    answers = [
        backend_check.Answer(
            0.0, failure=errors.DicomError("refused", "refused the connection") if str(e)[:14] in dead else None
        )
        for e in endpoints
    ]
    return backend_check.judge(endpoints, answers, require, "lb1")


def test_the_sentence_counts_and_names():
    assert judged("all") == (True, "4 endpoints answer from lb1")
    assert judged("all", "dicom on pacs2") == (
        False,
        "1 of 4 endpoints does not answer from lb1: dicom on pacs2 (198.51.100.22:104) refused the connection",
    )
    assert judged("all", "dicom on pacs2", "dicom on pacs1") == (
        False,
        "2 of 4 endpoints do not answer from lb1: dicom on pacs1 (198.51.100.21:104) refused the connection;"
        " dicom on pacs2 (198.51.100.22:104) refused the connection",
    )


def test_any_wants_a_node_for_each_service():
    assert judged("any", "dicom on pacs2")[0]
    enough, msg = judged("any", "dicom on pacs1", "dicom on pacs2")
    assert not enough
    assert msg.startswith("no node answers for dicom, and 2 of 4 endpoints do not answer from lb1: dicom on pacs1 (")


def test_none_only_reports():
    enough, msg = judged("none", "dicom on pacs1", "dicom on pacs2")
    assert enough
    assert msg.startswith("2 of 4 endpoints do not answer from lb1: ")


# --- Parameters -------------------------------------------------------------


def made(node_list, **keys):
    return [str(e) for e in backend_check.make_endpoints(node_list, [service(**keys)])]


def test_a_service_may_have_some_of_the_nodes_or_its_own():
    two = nodes(2)
    assert made(two) == ["dicom on pacs1 (127.0.0.1:104)", "dicom on pacs2 (127.0.0.1:104)"]
    assert made(two, nodes=["pacs2"]) == ["dicom on pacs2 (127.0.0.1:104)"]
    assert made(two, nodes=[{"name": "ris", "address": "198.51.100.30", "weight": 2}], node_port=2040) == [
        "dicom on ris (198.51.100.30:2040)"
    ]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"nodes": ["pacs3"]}, "service dicom names the node pacs3, which is not in nodes (pacs1, pacs2)"),
        ({"nodes": [{"name": "ris", "adress": "x"}]}, "a node of service dicom has the unknown key adress"),
        ({"nodes": [{"name": "ris"}]}, "no name or no address"),
        ({"port": 0}, "the port of service dicom is 0"),
        ({"node_port": 65536}, "the port of service dicom is 65536"),
        ({"called_ae": "A" * 17}, "service dicom: called_ae is"),
        ({"check_status": "ok"}, "service dicom: check_status is 'ok'"),
        ({"check_path": "/a b"}, "service dicom: check_path is '/a b'"),
        ({"check_host": "a\r\nX: y"}, "service dicom: check_host is"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(keys, words):
    with pytest.raises(ValueError) as error:
        made(nodes(2), **keys)
    assert words in str(error.value)


def test_nothing_to_ask_is_refused():
    with pytest.raises(ValueError, match="service dicom has no nodes"):
        made([])
    with pytest.raises(ValueError, match="services is empty"):
        backend_check.make_endpoints(nodes(1), [])


# --- The module -------------------------------------------------------------


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_module_reports_what_answers(capsys, check_mode):
    with peers.Server(peers.verification_scp) as server:
        code, result = peers.run_module(
            infinitt_backend_check,
            capsys,
            nodes=nodes(2),
            services=[{"name": "dicom", "port": server.port, "check": "echo"}],
            _ansible_check_mode=check_mode,
        )
    assert (code, result["changed"], result["reachable"], result["silent"]) == (0, False, 2, 0)
    assert result["endpoints"][1]["node"] == "pacs2"
    assert result["endpoints"][1]["check"] == "echo"


def test_the_module_fails_with_one_sentence(capsys):
    port = peers.free_port()
    code, result = peers.run_module(
        infinitt_backend_check, capsys, nodes=nodes(1), services=[{"name": "mwl", "port": 204, "node_port": port}]
    )
    assert (code, result["failed"]) == (1, True)
    assert result["msg"] == (
        f"1 of 1 endpoint does not answer from {socket.gethostname()}:"
        f" mwl on pacs1 (127.0.0.1:{port}) refused the connection"
    )
    assert result["endpoints"][0]["error"]["kind"] == "refused"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"services": [{"name": "dicom", "port": 104, "chek": "echo"}]}, "chek"),
        ({"services": [{"name": "dicom"}]}, "one of the following is required: port, node_port"),
        ({"nodes": [{"name": "a", "address": "127.0.0.1", "prot": 1}], "services": [{"name": "d", "port": 1}]}, "prot"),
        (
            {"nodes": [{"name": "a", "address": "127.0.0.1"}], "services": [{"name": "d", "port": 1}], "timeout": 0},
            "timeout is 0",
        ),
        (
            {"nodes": [{"name": "a", "address": "127.0.0.1"}], "services": [{"name": "d", "port": 1}], "retries": -1},
            "retries is -1",
        ),
    ],
)
def test_the_module_refuses_what_cannot_be(capsys, params, words):
    code, result = peers.run_module(infinitt_backend_check, capsys, **params)
    assert code == 1
    assert words in result["msg"]
