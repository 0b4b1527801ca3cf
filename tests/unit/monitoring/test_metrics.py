# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What node_exporter gets to read."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from known import MASTER, STANDBY, full, seen
from loadbalancer import metrics
from observations import NOW, VIP

PROMTOOL = shutil.which("promtool")
LINE = re.compile(r'^(?P<series>pacs_[a-z0-9_]+(?:\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})?) (?P<value>\S+)$')


def series(known):
    """By series its value."""
    lines = metrics.text(known).splitlines()
    found = [LINE.match(line) for line in lines if not line.startswith("#")]
    assert all(found)
    return {its["series"]: float(its["value"]) for its in found}


def test_every_metric_is_written_and_has_its_meaning():
    text = metrics.text(full())
    assert re.findall(r"^# TYPE pacs_(\S+) ", text, re.MULTILINE) == list(metrics.METRICS)


@pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed")
def test_prometheus_accepts_it():
    checked = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=metrics.text(full()), capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_what_a_holder_and_a_standby_say():
    holder, standby = series(seen("lb1", STANDBY)), series(seen("lb2", MASTER))
    assert holder['pacs_health{state="healthy"}'] == 1 and holder['pacs_health{state="down"}'] == 0
    assert holder[f'pacs_vip_held{{vip="{VIP}"}}'] == 1 and standby[f'pacs_vip_held{{vip="{VIP}"}}'] == 0
    assert holder['pacs_vrrp_state{instance_name="PACS",state="MASTER"}'] == 1
    assert standby['pacs_vrrp_state{instance_name="PACS",state="MASTER"}'] == 0
    assert holder["pacs_observed_timestamp_seconds"] == NOW and holder["pacs_deployment_verified"] == 1
    assert not [name for name in holder if name.startswith("pacs_problems")]


def test_a_host_whose_keepalived_is_stopped_still_says_that_it_does_not_hold_the_vip():
    def stop(host):
        host["keepalived"].update(running=False, instances=[], addresses={})

    found = series(seen("lb1", STANDBY, stop))
    assert found["pacs_keepalived_running"] == 0 and found[f'pacs_vip_held{{vip="{VIP}"}}'] == 0


def test_what_is_wrong():
    found = series(full())
    assert found['pacs_problems{code="node_down"}'] == 1
    assert found['pacs_node_up{service="dicom",node="pacs2"}'] == 0
    assert found['pacs_node_out{service="dicom",node="pacs1",state="maintenance"}'] == NOW - 100
    assert found["pacs_handover_timestamp_seconds"] == NOW - 60.5
    assert found["pacs_vrrp_advertisements_ignored_total"] == 7


def test_a_node_that_a_person_has_taken_out_is_not_called_down():
    def take_out(host):
        host["haproxy"]["services"]["dicom"]["pacs2"].update(status="MAINT", up=False)

    found = series(seen("lb1", STANDBY, take_out))
    assert 'pacs_node_up{service="dicom",node="pacs1"}' in found
    assert 'pacs_node_up{service="dicom",node="pacs2"}' not in found


def test_who_answers_for_the_vip_and_why_it_moved():
    def change(host):
        host["keepalived"]["guard"]["answering"] = {VIP: 2}
        host["keepalived"]["guard"]["moves"] = {"taken": {"peer_gave_up": 2}, "given_up": {"no_node": 1, "fault": 3}}

    found = series(seen("lb1", STANDBY, change))
    assert found[f'pacs_vip_answering{{vip="{VIP}"}}'] == 2
    assert {name: value for name, value in found.items() if "moves" in name} == {
        'pacs_vip_moves_total{move="taken",reason="peer_gave_up"}': 2,
        'pacs_vip_moves_total{move="given_up",reason="fault"}': 3,
        'pacs_vip_moves_total{move="given_up",reason="no_node"}': 1,
    }


def test_who_called():
    found = {name: value for name, value in series(full()).items() if "association" in name}
    assert found == {
        'pacs_associations_total{service="dicom",calling_ae="CT1"}': 5,
        'pacs_associations_total{service="dicom",calling_ae="other"}': 1,
        'pacs_associations_refused_total{service="dicom",calling_ae="CT1",by="node"}': 2,
        'pacs_associations_refused_total{service="dicom",calling_ae="other",by="node"}': 1,
        'pacs_associations_refused_total{service="dicom",calling_ae="CT9",by="load_balancer"}': 4,
        'pacs_association_received_bytes_total{service="dicom",calling_ae="CT1"}': 5000,
        'pacs_association_received_bytes_total{service="dicom",calling_ae="other"}': 1000,
        'pacs_association_sent_bytes_total{service="dicom",calling_ae="CT1"}': 200,
        'pacs_association_sent_bytes_total{service="dicom",calling_ae="other"}': 100,
    }


def test_what_the_kernel_and_the_mirror_carry():
    found = series(full())
    assert found['pacs_layer4_received_bytes_total{service="dicom",node="pacs1"}'] == 5000
    assert found['pacs_layer4_sent_bytes_total{service="dicom",node="pacs1"}'] == 700
    assert found["pacs_layer4_newcomers_retried_total"] == 2
    assert found["pacs_layer4_newcomers_given_to_haproxy_total"] == 1
    assert (found["pacs_mirror_sent_bytes_total"], found["pacs_mirror_received_bytes_total"]) == (324, 140)


def test_what_the_other_one_lacks():
    found = series(full())
    assert found['pacs_mirror_compared_connections{peer="lb2"}'] == 3
    assert found['pacs_mirror_missing_connections{peer="lb2"}'] == 1


def test_which_configuration_is_in_force():
    def change(host):
        host["keepalived"]["configuration"] = None

    found = [name for name in series(seen("lb1", STANDBY, change)) if "configuration" in name]
    assert found == ['pacs_configuration_info{daemon="haproxy",fingerprint="9f2c41d07be3"}']


def test_a_silent_peer():
    assert series(seen("lb1", None))['pacs_peer_answers{peer="lb2"}'] == 0


def test_a_name_cannot_forge_a_line():
    known = full()
    known["observed"]["haproxy"]["peers"] = {'x"} 1\npacs_split_brain 1\n\\': True}
    lines = metrics.text(known).splitlines()
    assert lines.count("pacs_split_brain 1") == 0 and lines.count("pacs_split_brain 0.0") == 1


def test_it_is_replaced_as_a_whole_where_somebody_reads_it(tmp_path):
    metrics.write("one 1\n", str(tmp_path / "nobody"))
    assert not list(tmp_path.iterdir())
    metrics.write("one 1\n", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["pacs_loadbalancer.prom"]
    assert (tmp_path / metrics.FILE).stat().st_mode & 0o777 == 0o644
