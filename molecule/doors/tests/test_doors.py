# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who gets in, and who does not, through a pair that site.yml deployed; each with the tools that a modality has.

Each test leaves the pair as the inventory says.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re

import pytest
from pair import AE, ASSOCIATION, CONFIGURATION, PAIR, REPOSITORY, haproxy, module, play, the_holder, traffic, until

NUMBER = 100_000 if os.environ.get("ALL") else 20_000
NAME = "pacs.example.org"
PKI = REPOSITORY / ".build/doors"
TRUST = "--add-cert-file /srv/tls/hospital-ca.pem"


def identity(name):
    return f"--enable-tls /srv/tls/{name}.key /srv/tls/{name}.pem {TRUST}"


def echo(lab, vip, port, *options, aet="MODALITY"):
    """What DCMTK's echoscu says, on one line; empty, where its C-ECHO was answered."""
    said = lab["modality"].run(f"timeout 20 echoscu {' '.join(options)} -aet {aet} -aec {AE} {vip} {port}")
    return re.sub(r"\s+", " ", said.stdout + said.stderr) or ("" if said.rc == 0 else f"exit code {said.rc}")


def https(lab, vip, *options, url="/"):
    return lab["modality"].run(
        f"curl -s --cacert /srv/tls/hospital-ca.pem --resolve {NAME}:443:{vip} {' '.join(options)} https://{NAME}{url}"
    )


def logged(lab, holder, since):
    """The record of each session."""
    return lab[holder].check_output(f"journalctl --identifier pacs-session --output cat --since @{since}")


def now(host):
    return host.check_output("date +%s")


@pytest.fixture(scope="module", params=PAIR, ids=["HAProxy 2.6", "HAProxy 3.0"])
def release(request, lab, vip):
    """The load balancer that has the VIP: each in turn, since each has another HAProxy."""
    if the_holder(lab, vip) != request.param:
        assert play("switchover", infinitt_to=request.param).code == 0
    return request.param


# --- TLS --------------------------------------------------------------------------------------------------------------


def test_a_second_run_changes_nothing_and_status_counts_the_days():
    again = play("site")
    assert again.code == 0 and again.changed == {"lb1": 0, "lb2": 0}, again.said
    status = play("status")
    assert status.code == 0 and "Problems" not in status.said, status.said
    for what in ("of dicom_tls", "/srv/tls/pacs.pem on lb1 and lb2 of web"):
        assert re.search(rf"certificate {what} in (89|90) days, on 20", status.said), status.said


def test_viewers_get_https_and_http_2(lab, vip, release):
    page = https(lab, vip, "-D- -o /dev/null -w '%{http_version}'")
    assert page.rc == 0 and page.stdout.endswith("\n2"), page
    assert https(lab, vip, "--tls-max 1.1", "--ciphers DEFAULT@SECLEVEL=0").rc == 35


def test_a_modality_with_a_certificate_stores_over_tls_and_its_name_stands_in_the_log(lab, vip, release):
    since = now(lab[release])
    stored = lab["modality"].run(
        f"storescu {identity('ct1')} -aet CT1 -aec {AE} {vip} 2762 /srv/dicom/CT_small.dcm /srv/dicom/MR_small.dcm"
    )
    assert stored.rc == 0, stored
    assert until(lambda: '"certificate":"CT1.example.org"' in logged(lab, release, since), 5)


@pytest.mark.parametrize(
    "options",
    [f"--anonymous-tls {TRUST}", identity("stranger"), identity("revoked"), ""],
    ids=["no certificate", "another CA", "revoked", "no TLS"],
)
def test_a_modality_that_cannot_show_who_it_is_gets_no_association(lab, vip, release, options):
    assert echo(lab, vip, 2762, identity("ct1")) == ""
    assert echo(lab, vip, 2762, options) != ""


def test_a_modality_with_tls_1_1_gets_no_association(lab, vip, release):
    shake = f"openssl s_client -connect {vip}:2762 -CAfile /srv/tls/hospital-ca.pem -verify_return_error"
    shake += " -cert /srv/tls/ct1.pem -key /srv/tls/ct1.key -cipher DEFAULT@SECLEVEL=0"
    said = {
        version: lab["modality"].run(f"timeout 10 {shake} -{version} </dev/null") for version in ("tls1_1", "tls1_2")
    }
    assert said["tls1_2"].rc == 0, said["tls1_2"]
    assert said["tls1_1"].rc != 0 and "alert protocol version" in said["tls1_1"].stderr, said["tls1_1"]


@pytest.fixture(scope="module")
def described(lab):
    """What each HAProxy calls its configuration, as the inventory has it and as a test may ask."""

    def now():
        return {host: re.search("description: (.*)", haproxy(lab[host], "show info"))[1] for host in PAIR}

    now.first = now()
    return now


def test_another_certificate_breaks_no_request_and_no_association(lab, vip, holder, described):
    modality = lab["modality"]
    command = f"echoscu {identity('ct1')} -aet CT1 -aec {AE} --repeat 1000000 {vip} 2762"
    modality.check_output(f"systemd-run --unit lab-echo --collect {command}")
    try:
        with traffic(lab, vip) as seen:
            done = play("site", doors_certificate="renewed")
        assert done.code == 0 and "certificate_expires" in done.said, done.said
        assert all(described()[host] != described.first[host] for host in PAIR)
        assert seen["failures"] == 0, seen["outages"]
        assert modality.service("lab-echo").is_running, "the association broke"
    finally:
        # A planned move would wait for it.
        modality.run("systemctl stop lab-echo")
    told = play("status", doors_certificate="renewed")
    assert re.search(r"The certificate of dicom_tls expires in (19|20) days", told.said), told.said
    assert the_holder(lab, vip) == holder


def test_another_page_alone_is_loaded_and_breaks_nothing(lab, vip, described):
    """After the other certificate; the way back is that of both."""
    former = described()
    with traffic(lab, vip) as seen:
        done = play("site", doors_certificate="renewed", infinitt_maintenance_page="<p>Later.</p>")
    assert done.code == 0 and all(described()[host] != former[host] for host in PAIR), done.said
    assert seen["failures"] == 0, seen["outages"]
    assert play("site").code == 0 and described() == described.first


@pytest.mark.parametrize(
    "name, sentence",
    [
        pytest.param("expired", "expired", marks=pytest.mark.long),
        ("another-name", "is for ris.example.org, and not for pacs.example.org"),
    ],
)
def test_a_certificate_that_clients_would_refuse_is_refused_first(lab, name, sentence):
    before = [lab[host].check_output(CONFIGURATION) for host in PAIR]
    told = play("site", doors_certificate=name)
    assert told.code != 0 and sentence in told.said, told.said
    assert [lab[host].check_output(CONFIGURATION) for host in PAIR] == before


def test_a_certificate_that_another_tool_renews_is_served_without_ansible(lab, vip):
    def served():
        shown = lab["modality"].run(
            f"openssl s_client -connect {vip}:443 -servername {NAME} </dev/null | openssl x509 -noout -enddate"
        )
        return shown.stdout

    former = served()
    with traffic(lab, vip) as seen, traffic(lab, vip, **ASSOCIATION, calling_ae="MODALITY") as held:
        for name in PAIR:
            done = module(
                name, "ansible.builtin.copy", src=str(PKI / "renewed.pem"), dest="/srv/tls/pacs.pem", mode="0600"
            )
            assert done["changed"], done
        assert until(lambda: served() not in ("", former), 30), former
    assert seen["failures"] == 0, seen["outages"]
    assert held["failures"] == 0, held["outages"]
    # On the other host as well: status compares what is served with the file.
    assert until(lambda: play("status").code == 0, 30)


def test_a_node_with_another_certificate_is_down_and_preflight_says_why(lab, vip, holder):
    def up():
        rows = [row.split(",") for row in haproxy(lab[holder], "show stat").splitlines()]
        return next(row[17] for row in rows if row[:2] == ["web", "pacs2"]).startswith("UP")

    def has(name):
        module("pacs2", "ansible.builtin.copy", src=str(PKI / f"{name}.pem"), dest="/etc/nginx/node.pem", mode="0600")
        lab["pacs2"].check_output("systemctl reload nginx")

    assert up()
    has("another-name")
    try:
        assert until(lambda: not up(), 15)
        assert https(lab, vip, "-o /dev/null -w '%{http_code}'").stdout == "200"
        told = play("preflight")
        assert told.code != 0, told.said
        assert "has a certificate for ris.example.org, not for nodes.example.org" in told.said, told.said
    finally:
        has("node")
    assert until(up, 15) and until(lambda: play("status").code == 0, 30)


# --- who may connect --------------------------------------------------------------------------------------------------


def test_other_networks_are_closed_and_logged(lab, vip, release):
    modality = lab["modality"]
    stranger = str(ipaddress.ip_address(vip) + 6)
    since = now(lab[release])
    find = "findscu -W -aet MODALITY -aec %s -k 0010,0010= %s 2204" % (AE, vip)
    assert "Lab^Anna" in modality.check_output(f"{find} 2>&1")
    modality.check_output(f"ip address add {stranger}/27 dev eth0")
    try:
        script = (
            "import socket, sys; s = socket.create_connection((sys.argv[1], 2204), 5, (sys.argv[2], 0));"
            " s.sendall(b'x'); print(s.recv(1))"
        )
        said = modality.run("python3 -c %s %s %s", script, vip, stranger)
    finally:
        modality.check_output(f"ip address delete {stranger}/27 dev eth0")
    assert said.stdout == "b''\n" or "reset" in said.stderr, said
    assert until(lambda: re.search(rf'"ris",.*"client":"{stranger}",.*"refused"', logged(lab, release, since)), 5)


def test_prometheus_reads_the_metrics_and_nobody_else(lab, vip):
    for number, name in enumerate(PAIR, 1):
        address = ipaddress.ip_address(vip) + number
        page = f"http://{address}:9101/metrics"
        metrics = lab["modality"].check_output("curl -sS --max-time 5 %s", page)
        assert 'haproxy_server_status{proxy="dicom",server="pacs1",state="UP"}' in metrics
        # Reset, before or after curl calls it connected.
        assert lab["pacs1"].run("curl -sS --max-time 5 %s", page).rc in (7, 52, 56), "it was not closed"
        lab[name].check_output("systemctl start loadbalancer.service")
        page = f"http://{address}:9100/metrics"
        metrics = lab["modality"].check_output("curl -sS --max-time 5 %s", page)
        assert 'pacs_health{state="healthy"} 1' in metrics, metrics
        assert "pacs_certificate_expiry_timestamp_seconds{" in metrics and "node_load1 " in metrics
        assert lab["pacs1"].run("curl -sS --max-time 3 %s", page).rc == 28, "it was not closed"


# --- DICOM ------------------------------------------------------------------------------------------------------------


def test_an_ae_title_that_is_not_allowed_is_rejected_in_words(lab, vip, release):
    since = now(lab[release])
    assert echo(lab, vip, 104, aet="CT7") == ""
    told = echo(lab, vip, 104, aet="US1")
    assert "Calling AE Title Not Recognized" in told, told
    assert until(lambda: re.search(r'"calling_ae":"US1","called_ae":"INFINITT"', logged(lab, release, since)), 5)


def test_a_title_leads_to_its_node(lab, vip, release):
    for number in range(4):
        assert echo(lab, vip, 105, aet=f"MAMMO{number}") == ""
    rows = [row.split(",") for row in haproxy(lab[release], "show stat").splitlines()]
    served = {
        (row[0], row[1]): int(row[7]) for row in rows if row[0].startswith("query:") and row[1].startswith("pacs")
    }
    assert len(served) == 1 and served.popitem()[1] >= 4, rows


def test_a_door_is_no_part_of_layer_4(lab):
    told = play("preflight", infinitt_layer=4)
    assert told.code != 0 and re.search(r"infinitt_services\.dicom\.allowed_calling_ae .*layer", told.said), told.said


# --- who never begins -------------------------------------------------------------------------------------------------


def test_status_names_two_haproxy_that_are_not_connected(lab):
    def connected():
        return any(
            connected for name in PAIR for connected in module(name, "pacs.loadbalancer.haproxy_info")["peers"].values()
        )

    assert until(connected, 10)
    for name in PAIR:
        lab[name].check_output(
            "nft 'table inet lab_apart { chain input { type filter hook input priority 0; tcp dport 1024 drop; }; }'"
        )
    try:
        assert until(lambda: not connected(), 30)
        said = play("status")
    finally:
        for name in PAIR:
            lab[name].check_output("nft delete table inet lab_apart")
    assert said.code != 0 and "HAProxy on lb1 and HAProxy on lb2 are not connected" in said.said, said.said
    assert "[peers_apart]" in said.said
    assert until(connected, 30)


def test_a_handshake_that_is_not_begun_ends_after_ten_seconds(lab, vip):
    """By HAProxy 3.0, on lb2; 2.6 has no time for it."""
    if the_holder(lab, vip) != "lb2":
        assert play("switchover", infinitt_to="lb2").code == 0
    script = "import socket, sys; print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 15).recv(1))"
    for port in (443, 2762):
        said = lab["modality"].run("python3 -c %s %s %s", script, vip, str(port))
        assert said.stdout == "b''\n" or "reset" in said.stderr, said


# --- a crowd ----------------------------------------------------------------------------------------------------------


def used(host, program):
    """The memory in KiB and the descriptors of a program's processes."""
    pids = host.check_output(f"pidof {program}").split()
    memory = [int(host.run(f"awk '/^VmRSS/ {{ print $2 }}' /proc/{pid}/status").stdout or 0) for pid in pids]
    files = [int(host.run(f"ls /proc/{pid}/fd | wc -l").stdout or 0) for pid in pids]
    return sum(memory), sum(files)


def test_a_crowd_of_hostile_clients_takes_nothing_from_the_others(lab, vip, holder):
    modality = lab["modality"]
    before = {program: used(lab[holder], program) for program in ("haproxy", "keepalived")}
    association = {"port": 104, "check": "association", "calling_ae": "MODALITY"}
    patient = {"timeout": 10, "interval": 50}  # the crowd's programs run on these processors as well
    with traffic(lab, vip, **patient) as seen, traffic(lab, vip, **association, **patient) as held:
        said = modality.run(f"nice python3 /srv/tls/hostile.py {vip} {NUMBER} 14")
    assert said.rc == 0, said
    found = json.loads(said.stdout)
    print(found)
    assert sum(count for kind in found.values() for count in kind.values()) >= NUMBER
    assert not [kind for kind, what in found.items() if set(what) != {"closed"}], found
    assert seen["failures"] == 0, seen["outages"]
    assert held["failures"] == 0, held["outages"]
    assert the_holder(lab, vip) == holder
    for program, (memory, files) in before.items():
        # What it keeps for the next crowd is little, and it has let go of the connections.
        assert until(lambda: used(lab[holder], program)[1] < files + 20, 60), (files, used(lab[holder], program))
        assert used(lab[holder], program)[0] < memory + 50_000, (memory, used(lab[holder], program))
    assert play("status").code == 0
