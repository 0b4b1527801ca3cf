# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whoever watches the pair hears of each fault, and of its end, and of nothing else: by Prometheus' alerts, by mail, by
a webhook.

The tests run in this order on one lab, and each leaves the pair as it was. ALL=1 has all faults.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import faults
import pytest
from pair import PAIR, REPOSITORY, holds, other, the_holder, traffic, until
from prometheus import DASHBOARD, NAMES, look_sooner, running
from receivers import Mail, Webhook, serving

KEPT = REPOSITORY / ".build/results/eyes.json"
STEP = 10  # seconds between two points of what is kept
BEGINS, ENDS = 240, 150  # seconds at most until an alert fires, and until it does not any more


Act = Callable[[faults.Place], None]


@dataclass(frozen=True)
class Fault:
    """``alerts``: those that it must raise; ``also``: what follows from it, and may fire; ``told``: the events of which
    mail and webhook must tell, with their end.
    """

    name: str
    alerts: frozenset[str]
    make: Act
    undo: Act
    also: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()


def alerts(words):
    return frozenset(f"Pacs{word}" for word in words.split())


NODE_FAULTS = (
    Fault(
        "a worklist whose nodes are all down",
        alerts("ServiceWithoutNode CheckFails NodeDown Degraded"),
        faults.everywhere("systemctl stop wlmscpfs"),
        faults.everywhere("systemctl start wlmscpfs"),
        told=frozenset({"service_without_node", "vip_unanswered"}),
    ),
    Fault(
        "one of two web servers is down",
        alerts("LastNode NodeDown Degraded"),
        faults.on_pacs1("systemctl stop nginx"),
        faults.on_pacs1("systemctl start nginx"),
        told=frozenset({"node_down"}),
    ),
    Fault(
        "a certificate that ends soon",
        alerts("CertificateExpires"),
        faults.issue(5),
        faults.issue(90),
        told=frozenset({"certificate_expires"}),
    ),
)
LOSS = (
    Fault(
        "the holder loses its power",
        alerts("VipMoved LoadBalancerGone MirrorSilent Degraded"),
        faults.power_off,
        faults.power_on,
        also=alerts("NothingWritten"),
        told=frozenset({"state", "host_unreachable"}),
    ),
)
SLOW = (
    Fault("a worklist that thinks for three seconds", alerts("CheckSlow"), faults.think(3), faults.answer_at_once),
    Fault(
        "a node that was taken out two days ago",
        alerts("NodeOutForLong"),
        faults.take_out,
        faults.bring_back,
        told=frozenset({"node_out"}),
    ),
    Fault("nothing looks at the holder", alerts("NotObserved"), faults.stop_looking, faults.look),
    # The last to be made and the first to be undone: a node's maintenance waits until a change is complete.
    Fault(
        "a deployment that was killed",
        alerts("DeploymentNotVerified"),
        faults.stop_half_way,
        faults.deploy,
        also=alerts("Degraded FilesDrifted"),
    ),
)
STANDBY = (
    Fault(
        "a configuration that somebody edited and that HAProxy refuses",
        alerts("ReloadRefused FilesDrifted Degraded"),
        faults.edit,
        faults.edit_undone,
        told=frozenset({"haproxy_reload_rejected", "files_drifted"}),
    ),
    Fault(
        "a connection table that is nearly full",
        alerts("ConnectionTableNearlyFull Degraded"),
        faults.fill_table,
        faults.empty_table,
        told=frozenset({"conntrack_nearly_full"}),
    ),
)
MIRROR = (
    Fault(
        "a mirror that is cut off",
        alerts("MirrorSilent MirrorBehind MirrorIncomplete Degraded"),
        faults.cut_mirror,
        faults.mend_mirror,
        told=frozenset({"mirror_silent"}),
    ),
)
NOBODY = (
    Fault(
        "Keepalived is stopped on both",
        alerts("VipHeldByNobody StandbyNotReady CheckFails Degraded"),
        faults.stop_keepalived,
        faults.start_keepalived,
        also=alerts("VipMoved MirrorSilent"),
        told=frozenset({"keepalived_down", "vip_no_holder"}),
    ),
)
TWO = (
    Fault(
        "a stranger takes the VIP",
        alerts("VipHeldByTwo Degraded"),
        faults.stranger_takes,
        faults.stranger_leaves,
        also=alerts("CheckFails"),
        told=frozenset({"split_brain"}),
    ),
    Fault("the standby writes nothing", alerts("NothingWritten"), faults.write_nothing, faults.write),
)
PHASES = {"nodes": NODE_FAULTS, "loss": LOSS}
MORE_PHASES = {"standby": STANDBY, "nobody": NOBODY, "two": TWO, "mirror": MIRROR, "slow": SLOW}


@pytest.fixture(scope="module")
def watcher(vip):
    """The address of this machine in the lab, where the load balancers look for the webhook and the mail server."""
    return vip.rpartition(".")[0] + ".1"


@pytest.fixture(scope="module", autouse=True)
def webhook(watcher):
    with serving(Webhook, address=(watcher, 9095)) as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def mail(watcher):
    with serving(Mail, address=(watcher, 9025)) as server:
        yield server


@pytest.fixture(scope="module")
def prometheus(lab, webhook, mail, tmp_path_factory):
    for name in PAIR:
        # What nobody has taken, as nobody was there yet, would be told later and later.
        lab[name].check_output("rm --force /run/loadbalancer/told.json")
        look_sooner(lab[name])
    with running(tmp_path_factory.mktemp("prometheus")) as its:
        yield its


@pytest.fixture(scope="module", autouse=True)
def hospital(lab, vip):
    """Some work through the VIP, so that there is something to see: a study, a worklist, a query, a page."""
    work = (
        f"while :; do timeout 5 storescu -aet CT1 -aec INFINITT {vip} 104 /srv/dicom/CT_small.dcm;"
        f" timeout 5 findscu -W -aet CT1 -aec INFINITT -k 0010,0010= {vip} 204;"
        f" timeout 5 findscu -S -aet VIEWER -aec INFINITT -k 0008,0052=STUDY -k 0010,0010= {vip} 105;"
        f" curl --silent --max-time 5 --output /dev/null http://{vip}/; sleep 1; done >/dev/null 2>&1"
    )
    lab["modality"].run("systemctl stop lab-hospital")
    lab["modality"].check_output("systemd-run --unit lab-hospital --collect sh -c %s", work)
    yield
    lab["modality"].run("systemctl stop lab-hospital")


def test_a_healthy_pair_raises_nothing(prometheus):
    # It was deployed a moment ago, and the VIP has come with that.
    assert until(lambda: prometheus.ask("pacs_check_success") and not prometheus.firing(), 120), prometheus.firing()
    quiet = time.time()
    assert not until(prometheus.firing, 20), prometheus.fired(quiet)


@pytest.mark.parametrize("phase", [*PHASES, *(pytest.param(name, marks=pytest.mark.long) for name in MORE_PHASES)])
def test_each_alert_fires_with_its_fault_and_clears_with_it(lab, vip, holder, prometheus, webhook, phase):
    its_faults, place, began = (PHASES | MORE_PHASES)[phase], faults.Place(lab, vip, holder), time.time()
    before = len(webhook.got)
    wanted, told = (frozenset().union(*(getattr(its, key) for its in its_faults)) for key in ("alerts", "told"))
    allowed = wanted.union(*(fault.also for fault in its_faults))
    made = []
    try:
        for fault in its_faults:
            made.insert(0, fault)
            fault.make(place)
        assert until(lambda: wanted <= set(prometheus.fired(began)), BEGINS), wanted - set(prometheus.fired(began))
        assert until(lambda: told <= {its["event"] for its in events(webhook)[before:]}, BEGINS), told
    finally:
        for fault in made:
            fault.undo(place)
    assert until(lambda: not prometheus.firing(), ENDS), prometheus.firing()
    fired = prometheus.fired(began)
    assert set(fired) <= allowed, {name: fired[name] for name in set(fired) - allowed}
    assert until(lambda: not unfinished(webhook), ENDS), unfinished(webhook)


def test_every_alert_has_its_fault():
    tried = frozenset().union(*(fault.alerts for its in (PHASES | MORE_PHASES).values() for fault in its))
    assert tried == NAMES


@pytest.mark.long
def test_a_webhook_that_hangs_or_fails_delays_no_move(lab, vip, prometheus, webhook):
    def pause():
        """How long a client, which asks every 10 ms, waits while the VIP moves."""
        holder = the_holder(lab, vip)
        with traffic(lab, vip, interval=10) as seen:
            lab[holder].check_output("echo 1 > /run/keepalived.handover")
            moved = until(lambda: holds(lab[other(holder)], vip), 20)
            lab[holder].check_output("echo 0 > /run/keepalived.handover")
        assert moved
        return seen["longest_silence_ms"]

    usual = pause()
    webhook.open.clear()
    try:
        pause()
        assert until(lambda: webhook.held, BEGINS), "nobody has called the webhook, which hangs"
        hanging = pause()
    finally:
        webhook.open.set()
    before = len(webhook.got)
    webhook.answers += [500] * 1000
    try:
        pause()
        assert until(lambda: len(webhook.got) > before, BEGINS), "nobody has called the webhook, which fails"
        failing = pause()
    finally:
        webhook.answers.clear()
    assert max(hanging, failing) < max(2 * usual, 500), (usual, hanging, failing)
    assert until(lambda: not prometheus.firing(), ENDS), prometheus.firing()


def test_mail_and_webhook_tell_of_the_same(webhook, mail):
    def by_mail():
        lines = "".join(its["mail"].get_content() for its in mail.got).splitlines()
        return {line for line in lines if line.endswith("]")}

    def by_webhook():
        return {f"{its['at']} {its['text']} [{its['event']}]" for its in events(webhook)}

    assert len(by_webhook()) > 4
    assert until(lambda: by_mail() == by_webhook(), 60), by_mail() ^ by_webhook()


def test_every_query_of_the_dashboard_finds_something(prometheus):
    """What they find is kept, for a picture: bench/dashboard.py."""
    ends = time.time()
    found = [
        {
            "title": panel["title"],
            "type": panel["type"],
            "unit": panel["fieldConfig"]["defaults"].get("unit", ""),
            "targets": [
                {
                    "query": target["expr"],
                    "legend": target["legendFormat"],
                    "series": prometheus.over(target["expr"], prometheus.began, ends, STEP),
                }
                for target in panel["targets"]
            ],
        }
        for panel in DASHBOARD["panels"]
    ]
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps({"began": prometheus.began, "ended": ends, "step": STEP, "panels": found}))
    assert [target["query"] for panel in found for target in panel["targets"] if not target["series"]] == []


def events(webhook):
    return [body for _command, _headers, body in webhook.got]


def unfinished(webhook):
    """The problems of which nobody has told that they are over."""
    last = {(its["event"], its["host"], its["where"]): its["to"] for its in events(webhook) if its["event"] != "state"}
    return [key for key, number in last.items() if number != "0"]
