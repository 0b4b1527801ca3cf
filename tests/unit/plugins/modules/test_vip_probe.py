# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib
import select
import threading
import time

import peers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import until

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _endpoint as endpoint
from ansible_collections.pacs.loadbalancer.plugins.module_utils import _probe as probe
from ansible_collections.pacs.loadbalancer.plugins.module_utils._check import Check
from ansible_collections.pacs.loadbalancer.plugins.module_utils._dicom import pdu, stream
from ansible_collections.pacs.loadbalancer.plugins.module_utils._failure import Failure
from ansible_collections.pacs.loadbalancer.plugins.module_utils._timeline import Sample, summarise
from ansible_collections.pacs.loadbalancer.plugins.modules import vip_probe

# --- The statistics, on timelines made by hand -----------------------------


def ok(sent, ended=None, node=""):
    return Sample(sent, sent if ended is None else ended, None, node)


def bad(sent, ended=None, kind="refused", text="refused the connection"):
    return Sample(sent, sent if ended is None else ended, Failure(kind, text))


def every(begin, end, step=0.01):
    return [round(begin + i * step, 6) for i in range(round((end - begin) / step))]


def spans(result):
    return [(o["start"], o["end"], o["length_ms"], o["failed"], o["kind"]) for o in result["outages"]]


def test_no_failure_is_no_outage():
    result = summarise([ok(t, t + 0.001, "pacs1") for t in every(0, 1)], 1.0, 1000.0)
    assert (result["requests"], result["succeeded"], result["failures"]) == (100, 100, 0)
    assert result["outages"] == []
    assert result["longest_silence_ms"] == 10.0
    assert result["nodes"] == {"pacs1": 100}
    assert result["latency_ms"] == {"p50": 1.0, "p95": 1.0, "p99": 1.0, "max": 1.0}
    assert (result["began"], result["ended"]) == (1000.0, 1001.0)


def test_an_outage_lasts_from_the_last_answer_to_the_next():
    samples = [ok(t) for t in every(0, 0.3)] + [bad(t) for t in every(0.3, 0.5)] + [ok(t) for t in every(0.5, 1)]
    result = summarise(samples, 1.0, 1000.0)
    assert spans(result) == [(0.29, 0.5, 210.0, 20, "refused")]
    assert result["outages"][0]["start_epoch"] == 1000.29
    assert result["outages"][0]["cause"] == "refused the connection"
    assert result["longest_silence_ms"] == 210.0
    assert result["errors"] == {"refused": 20}


def test_a_request_that_times_out_belongs_to_the_outage_in_which_it_was_sent():
    # Sent in the silence, and given up when others have long been answered again.
    samples = [ok(t) for t in every(0, 0.3)] + [bad(t, t + 1, "timeout", "timed out") for t in every(0.3, 0.5)]
    samples += [ok(t) for t in every(0.5, 3)]
    assert spans(summarise(samples, 3.0, 0.0)) == [(0.29, 0.5, 210.0, 20, "timeout")]


def test_a_request_sent_just_before_the_last_answer_belongs_to_the_silence_after_it():
    samples = [ok(t) for t in every(0, 0.28)] + [ok(0.28, 0.295), bad(0.29, 1.29, "timeout", "timed out")]
    samples += [ok(t) for t in every(0.5, 2)]
    assert spans(summarise(samples, 2.0, 0.0))[0][:2] == (0.295, 0.5)


def test_two_outages_have_their_own_causes():
    samples = [ok(0.0), bad(0.1), bad(0.15, kind="reset"), ok(0.2), ok(0.3), bad(0.4, kind="http_status"), ok(0.5)]
    assert spans(summarise(samples, 0.6, 0.0)) == [
        (0.0, 0.2, 200.0, 2, "refused"),
        (0.3, 0.5, 200.0, 1, "http_status"),
    ]


def test_silence_at_either_end_counts():
    assert summarise([ok(0.4)], 1.0, 0.0)["longest_silence_ms"] == 600.0
    assert summarise([ok(0.7)], 1.0, 0.0)["longest_silence_ms"] == 700.0
    result = summarise([bad(0.0), ok(0.5), bad(0.9)], 1.0, 0.0)
    assert spans(result) == [(0.0, 0.5, 500.0, 1, "refused"), (0.5, 1.0, 500.0, 1, "refused")]


def test_no_answer_at_all_is_one_outage():
    result = summarise([bad(t, t + 1, "timeout", "timed out") for t in every(0, 0.5)], 0.5, 0.0)
    assert spans(result) == [(0.0, 0.5, 500.0, 50, "timeout")]
    assert result["latency_ms"] == {"p50": None, "p95": None, "p99": None, "max": None}


def test_a_late_answer_ends_no_later_than_the_probe():
    result = summarise([ok(0.0), ok(0.5, 1.4)], 1.0, 0.0)
    assert result["longest_silence_ms"] == 1000.0
    assert result["latency_ms"]["max"] == 900.0


def test_a_silence_without_failures_is_no_outage():
    result = summarise([ok(0.0), ok(0.1, 0.8)], 1.0, 0.0)
    assert (result["outages"], result["longest_silence_ms"]) == ([], 800.0)


def test_what_the_probe_slept_is_no_silence_but_shortens_no_outage():
    quiet = [ok(0.0), ok(0.5), ok(0.6)]
    assert summarise(quiet, 0.7, 0.0, [(0.01, 0.45)])["longest_silence_ms"] == 100.0
    failed = [ok(0.0), bad(0.3), ok(0.5), ok(0.6)]
    assert summarise(failed, 0.7, 0.0, [(0.01, 0.45)])["longest_silence_ms"] == 500.0


def test_percentiles_are_nearest_ranks():
    result = summarise([ok(0.0, i / 1000) for i in range(1, 201)], 1.0, 0.0)
    assert result["latency_ms"] == {"p50": 100.0, "p95": 190.0, "p99": 198.0, "max": 200.0}


moment = st.integers(0, 1000).map(lambda ms: ms / 1000)
samples_ = st.lists(
    st.builds(
        lambda sent, took, kind: Sample(sent, sent + took, kind and Failure(kind, kind)),
        moment,
        moment,
        st.sampled_from([None, None, "refused", "timeout"]),
    ),
    max_size=40,
)


@given(samples_)
def test_every_timeline_adds_up(samples):
    result = summarise(samples, 1.0, 0.0)
    outages = result["outages"]
    assert result["requests"] == len(samples) == result["succeeded"] + result["failures"]
    assert sum(o["failed"] for o in outages) == result["failures"] == sum(result["errors"].values())
    for outage in outages:
        assert 0 <= outage["start"] <= outage["end"] <= 1.0
        assert outage["length_ms"] == pytest.approx((outage["end"] - outage["start"]) * 1000, abs=0.11)
        assert not any(
            s.failure is None and outage["start"] + 1e-4 < min(s.ended, 1.0) < outage["end"] - 1e-4 for s in samples
        )
    assert all(a["end"] <= b["start"] for a, b in zip(outages, outages[1:]))
    assert max([0.0, *(o["length_ms"] for o in outages)]) <= result["longest_silence_ms"] <= 1000.0
    silences = len({min(s.ended, 1.0) for s in samples if s.failure is None} | {0.0, 1.0}) - 1
    assert result["longest_silence_ms"] >= 1000.0 / silences - 0.1


@given(samples_, st.lists(st.tuples(moment, moment).map(sorted).map(tuple), max_size=3))
def test_stalls_only_ever_shorten_a_silence(samples, stalls):
    assert (
        summarise(samples, 1.0, 0.0, stalls)["longest_silence_ms"] <= summarise(samples, 1.0, 0.0)["longest_silence_ms"]
    )


# --- The probe, on servers that come and go ---------------------------------


def run(port, check="http", duration=0.6, interval=0.01, timeout=0.3, stop_file="", **keys):
    hold = check == "association"
    asked = Check("echo" if hold else check, **keys)
    return probe.run(probe.Plan("127.0.0.1", port, asked, hold, interval, duration, timeout, "X-Node", stop_file))


@contextlib.contextmanager
def meanwhile(action):
    """Runs action in a thread during the block, and has its errors."""
    errors = []

    def target():
        try:
            action()
        except BaseException as error:
            errors.append(error)
            raise

    thread = threading.Thread(target=target)
    thread.start()
    yield
    thread.join()
    assert not errors


def pause(seconds):
    select.select([], [], [], seconds)


@pytest.mark.parametrize(
    ("check", "behave"),
    [
        ("http", peers.http_server(headers="x-node: pacs1\r\n")),
        ("tcp", peers.hang),
        ("echo", peers.verification_scp),
    ],
)
def test_a_server_that_answers_shows_no_outage(check, behave):
    with peers.Server(behave) as server:
        result = run(server.port, check, timeout=2)
        # A connection that only connects may be over before the server has taken it.
        until(lambda: server.connections == result["requests"])
    assert result["outages"] == []
    assert result["succeeded"] == result["requests"]
    assert 30 <= result["requests"] <= 60
    assert result["nodes"] == ({"pacs1": result["requests"]} if check == "http" else {})
    assert result["ended"] - result["began"] == pytest.approx(0.6, abs=0.002)


def test_the_loop_is_open():
    """A server that hangs does not slow the requests down, and each has its own timeout."""
    with peers.Server(peers.hang) as server:
        result = run(server.port, duration=0.5, timeout=0.3)
    assert result["failures"] == result["requests"] >= 30
    assert result["errors"] == {"timeout": result["requests"]}
    assert result["outages"][0]["cause"] == "timed out after 0.3 s without an HTTP answer"


def test_a_server_that_goes_and_comes_back_is_one_outage():
    server = peers.Server(peers.http_server())
    away = []

    def go_and_come():
        pause(0.3)
        server.close()
        away.append(time.monotonic())
        pause(0.4)
        away.append(time.monotonic())
        with peers.Server(peers.http_server(), port=server.port):
            pause(0.9)

    with meanwhile(go_and_come):
        result = run(server.port, duration=1.2, timeout=1)
    (outage,) = result["outages"]
    assert outage["kind"] in ("refused", "reset")
    assert outage["length_ms"] == result["longest_silence_ms"]
    # Between two requests it goes, and between two it comes: a busy machine is late with them.
    assert 0.7 < outage["length_ms"] / ((away[1] - away[0]) * 1000) < 2.5
    assert outage["start_epoch"] == pytest.approx(result["began"] + outage["start"], abs=0.002)
    assert set(result["errors"]) <= {"refused", "reset"}


def test_a_status_that_is_not_accepted_is_a_failure():
    with peers.Server(peers.http_server("503 Service Unavailable")) as server:
        result = run(server.port, duration=0.1)
    assert result["outages"][0]["cause"] == "answered HTTP 503, not 200-399"
    with peers.Server(peers.http_server("503 Service Unavailable")) as server:
        assert run(server.port, duration=0.1, status="503")["failures"] == 0


def test_a_probe_that_does_not_get_the_processor_blames_nobody(monkeypatch):
    """For longer than the timeout nothing runs here, while the server answers at once."""
    real = probe.Pace.wait
    hogs = iter([0.002])

    async def wait(pace, *args, **kwargs):
        due = await real(pace, *args, **kwargs)
        if pace.now() > 0.2:
            for delay in hogs:
                asyncio.get_running_loop().call_later(delay, hog)
        return due

    def hog():
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            pause(0.01)

    monkeypatch.setattr(probe.Pace, "wait", wait)
    with peers.Server(peers.http_server()) as server:
        result = run(server.port, timeout=0.1)
    assert result["errors"] == {}
    assert result["probe_lag_ms"] > 250
    assert result["longest_silence_ms"] < 250


@pytest.mark.parametrize("check", ["http", "association"])
def test_a_probe_ends_before_its_time_where_a_file_says_so(check, tmp_path):
    stop = tmp_path / "stop"
    behave = {"http": peers.http_server(), "association": peers.verification_scp}[check]

    def tell():
        pause(0.3)
        stop.touch()

    with peers.Server(behave) as server, meanwhile(tell):
        result = run(server.port, check, duration=30, timeout=2, stop_file=str(stop))
    assert 0.25 < result["ended"] - result["began"] < 10
    assert result["outages"] == []


# --- One association held open ----------------------------------------------


def test_an_association_is_held_and_its_longest_pause_measured():
    def slow_once(number):
        if number == 5:
            pause(0.3)

    with peers.Server(lambda c: peers.verification_scp(c, slow_once)) as server:
        result = run(server.port, "association", duration=0.8, timeout=2)
    assert server.connections == 1
    assert (result["broken"], result["cause"], result["failures"]) == (False, None, 0)
    assert 300 <= result["longest_silence_ms"] < 450
    assert 15 <= result["requests"] <= 55


@pytest.mark.parametrize(
    ("end", "kind", "cause"),
    [
        (lambda: None, "closed", "closed the connection without C-ECHO-RSP"),
        (
            lambda: stream.encode(pdu.Abort(2, 2)),
            "aborted",
            "aborted the association: DICOM UL service-provider, unexpected-PDU",
        ),
        (lambda: pause(2) or b"", "timeout", "timed out after 0.3 s without C-ECHO-RSP"),
    ],
)
def test_an_association_that_breaks_is_reported(end, kind, cause):
    def behave(connection):
        def break_at(number):
            if number == 10:
                connection.sendall(end() or b"")
                raise OSError("enough")

        peers.verification_scp(connection, break_at)

    with peers.Server(behave) as server:
        result = run(server.port, "association", duration=2, timeout=0.3)
    assert (result["broken"], result["cause"]) == (True, cause)
    assert (result["succeeded"], result["errors"]) == (9, {kind: 1})
    assert result["ended"] - result["began"] < 1
    assert result["outages"][0]["end"] == pytest.approx(result["ended"] - result["began"], abs=0.002)


def test_an_association_that_cannot_be_opened_is_broken():
    result = run(peers.free_port(), "association")
    assert (result["broken"], result["cause"], result["requests"]) == (True, "refused the connection", 1)


def test_a_real_pacs_holds_the_association_and_sees_it_released():
    from pynetdicom import AE, evt
    from pynetdicom.sop_class import Verification

    seen = []
    ae = AE("INFINITT")
    ae.add_supported_context(Verification)
    handlers = [(event, lambda e: seen.append(e.event.name)) for event in (evt.EVT_RELEASED, evt.EVT_ABORTED)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        result = run(server.server_address[1], "association", timeout=2)
        peers.wait_for(lambda: seen)
    finally:
        server.shutdown()
    assert seen == ["EVT_RELEASED"]
    assert (result["broken"], result["failures"]) == (False, 0)
    assert result["requests"] >= 10


# --- The module -------------------------------------------------------------


def test_failed_requests_do_not_fail_the_task(capsys):
    code, result = peers.run_module(vip_probe, capsys, address="127.0.0.1", port=peers.free_port(), duration=0.05)
    assert (code, result["failures"]) == (0, result["requests"])
    # To Ansible, `failed` says that the task has failed, and to async_status `started` that it
    # is still running.
    assert {"failed", "started", "finished"}.isdisjoint(result)


def test_the_module_returns_what_was_measured(capsys):
    with peers.Server(peers.http_server(headers="X-Node: pacs2\r\n")) as server:
        code, result = peers.run_module(
            vip_probe, capsys, address="127.0.0.1", port=server.port, duration=0.2, _ansible_check_mode=True
        )
    assert (code, result["changed"], result["failures"]) == (0, False, 0)
    assert set(result["nodes"]) == {"pacs2"}
    assert "broken" not in result


def test_a_cookie_names_the_node_among_other_cookies_and_each_request_is_kept(capsys):
    headers = "Set-Cookie: JSESSIONID=1; Path=/\r\nX-Node: pacs2\r\nSet-Cookie: PACSNODE=3f2c; path=/; HttpOnly\r\n"
    with peers.Server(peers.http_server(headers=headers)) as server:
        code, result = peers.run_module(
            vip_probe,
            capsys,
            address="127.0.0.1",
            port=server.port,
            duration=0.2,
            node_cookie="PACSNODE",
            samples=True,
        )
    assert (code, result["nodes"]) == (0, {"3f2c": result["requests"]})
    assert len(result["samples"]) == result["requests"]
    assert all(sent <= ended < 10 and (node, kind) == ("3f2c", "") for sent, ended, node, kind in result["samples"])


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"port": 0}, "port is 0"),
        ({"duration": 0}, "duration is 0 s"),
        ({"interval": 0}, "interval is 0 s"),
        ({"interval": 1, "timeout": 10_000}, "an interval of 1 ms and a timeout of 10000 s"),
        ({"called_ae": "A" * 17}, "called_ae is"),
        ({"address": "pacs.invalid"}, "pacs.invalid has a name that cannot be resolved"),
    ],
)
def test_the_module_refuses_what_cannot_be(capsys, params, words):
    code, result = peers.run_module(vip_probe, capsys, **{"address": "127.0.0.1", "port": 1, "duration": 0.1, **params})
    assert code == 1
    assert words in result["msg"]


def test_a_host_without_ports_left_has_measured_nothing(capsys, monkeypatch):
    async def ask(*_args):
        return endpoint.Answer(0.0, failure=Failure("local", "could not be asked (Cannot assign requested address)"))

    monkeypatch.setattr(probe, "ask", ask)
    code, result = peers.run_module(vip_probe, capsys, address="127.0.0.1", port=1, duration=0.05)
    assert (code, result["failed"]) == (1, True)
    assert "nothing was measured" in result["msg"]
