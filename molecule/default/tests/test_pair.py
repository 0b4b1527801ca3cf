# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A deployed pair: what stands on its hosts, real traffic through it, and what becomes of changes, right and wrong
ones.

The tests run in this order on one lab. Each leaves the pair as site.yml made it, or as its own site.yml run says; so
that site.yml runs as seldom as it may, some of them look at what one before them has deployed.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
import subprocess
import time

import pytest
from pair import (
    AE,
    CONFIGURATION,
    PAIR,
    ansible,
    haproxy,
    header,
    module,
    other,
    owners,
    play,
    started,
    the_holder,
    traffic,
)

EVERYTHING = bool(os.environ.get("ALL"))  # as `make test-all` has it


def stored_on(lab):
    """How many instances each node has."""
    return {
        name: json.loads(lab[name].check_output("curl -s http://127.0.0.1:8042/statistics"))["CountInstances"]
        for name in ("pacs1", "pacs2")
    }


@pytest.fixture(scope="module")
def shown():
    """What status.yml says of the pair that was just deployed."""
    return play("status")


# --- what stands on the hosts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAIR)
def test_both_daemons_run_and_start_at_boot(lab, name):
    for unit in ("haproxy", "keepalived"):
        assert lab[name].service(unit).is_running and lab[name].service(unit).is_enabled
    assert lab[name].check_output("systemctl is-system-running") == "running"


@pytest.mark.parametrize("name", PAIR)
def test_configurations_are_for_root_and_their_daemon_alone(lab, name):
    for path, group in (("/etc/haproxy/haproxy.cfg", "haproxy"), ("/etc/keepalived/keepalived.conf", "root")):
        file = lab[name].file(path)
        assert (file.user, file.group, file.mode) == ("root", group, 0o640)
    assert not lab[name].run("ls /etc/haproxy/haproxy.cfg.*~ 2>/dev/null").stdout, "a backup was left behind"


@pytest.mark.parametrize("name", PAIR)
def test_the_host_itself_shows_what_the_controller_shows(lab, vip, holder, shown, name):
    host = lab[name]
    # As the timer keeps it, by a sandboxed service; and as root sees it, who asks the daemons.
    for each in PAIR:
        lab[each].check_output("systemctl start loadbalancer.service")
    kept = json.loads(host.check_output("cat /run/loadbalancer/state.json"))
    assert host.service("loadbalancer.timer").is_running and host.service("loadbalancer.timer").is_enabled
    assert kept["name"] == name and kept["problems"] == [], kept["problems"]
    asked = json.loads(host.check_output("loadbalancer status --json"))
    assert (asked["health"], list(asked["others"])) == ("healthy", [other(name)])
    assert asked["others"][other(name)]["problems"] == []
    screen = host.check_output("loadbalancer status")
    says = "" if name == holder else ", which says so itself"
    assert re.search(rf"^VIP {vip}: active on {holder}( since .*)?{says}$", screen, re.MULTILINE), screen
    for line in screen.splitlines():
        if re.match(r"(web|dicom|query|mwl) ", line):
            assert " ".join(line.split()[:2]) in shown.said
    # A member of the group may look, and nobody else; it asks no daemon.
    host.check_output("useradd --system --groups adm lab-operator")
    try:
        assert "healthy" in host.check_output(
            "setpriv --reuid lab-operator --regid nogroup --init-groups loadbalancer status"
        )
        denied = host.run("setpriv --reuid nobody --regid nogroup --clear-groups loadbalancer status")
        assert (denied.rc, denied.stdout) == (3, "Only root and members of the group adm may see this.\n")
    finally:
        host.check_output("userdel lab-operator")


@pytest.mark.parametrize("name", PAIR)
def test_no_daemon_may_do_more_than_it_needs(lab, name):
    host = lab[name]
    for unit in ("haproxy", "keepalived"):
        pid = host.check_output("systemctl show --property MainPID --value %s", unit)
        assert "Read-only file system" in host.run("nsenter --target %s --mount touch /etc/mine", pid).stderr
        assert re.search(r"^NoNewPrivs:\s+1$", host.check_output("cat %s", f"/proc/{pid}/status"), re.MULTILINE)
    socket = host.file("/run/haproxy/admin.sock")
    assert (socket.user, socket.group, socket.mode) == ("root", "haproxy", 0o660)


@pytest.mark.parametrize("name", PAIR)
def test_systemd_understands_what_was_written_and_finds_every_program(lab, name):
    units = ("haproxy", "haproxy-state", "keepalived", "keepalived-guard", "keepalived-release")
    words = ("--man=no", "--recursive-errors=no", *(f"{unit}.service" for unit in units))
    said = lab[name].run("systemd-analyze verify " + " ".join(words)).stderr
    assert not re.search("/etc/systemd/|not executable", said), said


@pytest.mark.parametrize("name", PAIR)
def test_a_strangers_connection_to_haproxys_peers_is_dropped_and_counted(lab, name):
    address, mine = (lab[host].check_output("hostname -I").split()[0] for host in (name, "modality"))
    assert lab["modality"].run("timeout 3 bash -c %s", f"</dev/tcp/{address}/1024").rc == 124
    counted = lab[name].check_output("nft list set inet keepalived_guard callers4")
    assert re.search(rf"{mine} \. (tcp|6) \. 1024 counter packets [1-9]", counted), counted


@pytest.mark.parametrize("name", PAIR)
def test_there_is_no_stats_page(lab, name):
    listening = lab[name].check_output("ss -Hltn")
    assert set(re.findall(r":(\d+) +0.0.0.0", listening)) == {"22", "80", "104", "105", "204", "1024"}


def test_exactly_one_host_holds_the_vip_and_one_answers_for_it(lab, vip, holder):
    assert lab["modality"].run(f"arping -d -c3 {vip}").rc == 0, "two hosts answer"


def test_status_shows_a_healthy_pair(holder, vip, shown):
    assert shown.code == 0 and not any(shown.changed.values())
    assert f"VIP {vip}: active on {holder} since" in shown.said and "Problems" not in shown.said


# --- real traffic -----------------------------------------------------------------------------------------------------


def test_web_has_a_cookie_and_tells_the_node_who_asked(lab, vip):
    modality = lab["modality"]
    mine = modality.check_output("hostname -I").split()[0]
    answer = modality.check_output(f"curl -sD- -H 'X-Forwarded-For: 203.0.113.7' http://{vip}/")
    node = header(answer, "X-Node")
    assert f"<h1>{node}</h1>" in answer
    assert header(answer, "X-Client") == mine, "the client's own X-Forwarded-For came through"
    cookie = re.search(r"Set-Cookie: (PACSNODE=\w+);", answer, re.IGNORECASE)[1]
    assert node not in cookie
    other_cookie = next(
        name
        for name in re.findall(
            r"server pacs\d .* cookie (\w+)", lab["lb1"].check_output("cat /etc/haproxy/haproxy.cfg")
        )
        if name not in cookie
    )
    led = modality.check_output(f"curl -sD- -H 'Cookie: PACSNODE={other_cookie}' http://{vip}/")
    assert header(led, "X-Node") != node, "the cookie does not lead to its node"
    assert {header(modality.check_output(f"curl -sI http://{vip}/"), "X-Node") for again in range(5)} == {node}, (
        "no fallback to the source"
    )


def test_dicom_stores_finds_and_gets_on_104(lab, vip):
    modality = lab["modality"]
    before = stored_on(lab)
    modality.check_output(f"storescu -aec {AE} {vip} 104 /srv/dicom/CT_small.dcm /srv/dicom/MR_small.dcm")
    after = stored_on(lab)
    assert sorted(after[name] - before[name] for name in after) == [0, 2]
    found = modality.run(f"findscu -S -aec {AE} -k 0008,0052=STUDY -k 0010,0010= -k 0020,000D= {vip} 104")
    assert found.rc == 0 and "CompressedSamples^CT1" in found.stdout + found.stderr


def test_query_finds_and_moves_on_105(lab, vip):
    modality = lab["modality"]
    modality.check_output(f"storescu -aec {AE} -aet MODALITY {vip} 105 /srv/dicom/CT_small.dcm")
    found = modality.run(f"findscu -S -aet MODALITY -aec {AE} -k 0008,0052=STUDY -k 0010,0020= -k 0020,000D= {vip} 105")
    study = re.search(r"\(0020,000d\) UI \[([\d.]+)", found.stdout + found.stderr)[1]
    modality.run("find /srv/received -type f -delete")
    modality.check_output(
        f"movescu -S -aet MODALITY -aem MODALITY -aec {AE} -k 0008,0052=STUDY -k 0020,000D={study} {vip} 105"
    )
    assert modality.check_output("find /srv/received -type f | wc -l") == "1"


def test_worklist_on_204(lab, vip):
    worklist = lab["modality"].run(
        f"findscu -W -aet MODALITY -aec {AE} -k 0010,0010= -k 0040,0100[0].0008,0060= {vip} 204"
    )
    assert sorted(re.findall(r"PN \[(Lab\^\w+)", worklist.stdout + worklist.stderr)) == [
        "Lab^Anna",
        "Lab^Bert",
        "Lab^Cora",
    ]


def test_one_node_for_a_client_on_104_105_and_204_and_both_hosts_know_it(lab, vip, holder):
    def served():
        rows = [
            row.split(",")
            for row in haproxy(lab[holder], "show stat").splitlines()
            if row.startswith(("dicom,pacs", "query,pacs", "mwl,pacs"))
        ]
        return {(row[0], row[1]): int(row[7]) for row in rows}

    before = served()
    for port in (104, 105, 204):
        lab["modality"].check_output(f"echoscu -aet MODALITY -aec {AE} {vip} {port}")
    grown = {key for key, count in served().items() if count > before[key]}
    assert len({node for service, node in grown}) == 1 and {service for service, node in grown} == {
        "dicom",
        "query",
        "mwl",
    }
    client = lab["modality"].check_output("hostname -I").split()[0]
    entries = [
        re.search(rf"key=::ffff:{client} .*server_key=(\w+)", haproxy(lab[name], "show table _affinity_dicom"))
        for name in PAIR
    ]
    assert [entry and entry[1] for entry in entries] == [grown.pop()[1]] * 2


def test_the_backend_check_speaks_to_orthanc_and_dcmtk(lab):
    nodes = [{"name": name, "address": lab[name].check_output("hostname -I").split()[0]} for name in ("pacs1", "pacs2")]
    services = [
        {"name": f"{check}{port}", "port": port, "check": check}
        for port in (104, 105, 204)
        for check in ("associate", "echo")
    ]
    answered = module("lb1", "pacs.loadbalancer.infinitt_backend_check", nodes=nodes, services=services)
    assert (answered.get("reachable"), answered.get("silent")) == (12, 0), answered["msg"]
    assert set(answered["endpoints"][1 * 2]["latency_ms"]) >= {"connect", "associate", "echo"}
    refused = module(
        "lb1",
        "pacs.loadbalancer.infinitt_backend_check",
        nodes=nodes[:1],
        services=[{"name": "dicom", "port": 104, "check": "echo", "called_ae": "NOBODY"}],
    )
    assert refused["endpoints"][0]["error"]["kind"] == "rejected" and "called AE title not recognized" in refused[
        "msg"
    ].replace("-", " ")


# --- a change, from its dry run to the way back -----------------------------------------------------------------------


def self_signed():
    """A certificate and its key, in PEM."""
    request = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=pacs -keyout - -out -"
    )
    made = subprocess.run(
        request.split(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
    ).stdout
    key, end, certificate = made.partition("-----END PRIVATE KEY-----\n")
    return certificate, key + end


@pytest.fixture(scope="module")
def second(vip):
    """Another VIP of the lab."""
    return str(ipaddress.ip_address(vip) - 1)


@pytest.fixture(scope="module")
def change(second):
    """The variables of a change: a second VIP with a port of the first one, checks that speak DICOM, and secrets."""
    certificate, key = self_signed()
    return {
        "infinitt_services": {
            "web": {"tls": {"certificate": certificate, "key": key, "plain": "serve"}},
            "dicom": {"check": "echo"},
            "query": {"check": "associate"},
            "mwl": {"check": "echo"},
            "ris": {"vip": second, "port": 104, "node_port": 204},
        },
        "infinitt_stats_port": 8404,
        "infinitt_stats_password": "CANARY-4d1f7a",
    }


@pytest.fixture(scope="module")
def aloud():
    """Run a playbook that says all it can; every such run is kept in `aloud.runs`."""
    runs = []

    def run(playbook, *arguments, **variables):
        runs.append(play(playbook, "-vvv", "--diff", *arguments, **variables))
        return runs[-1]

    run.runs = runs
    return run


def test_a_dry_run_of_a_deployed_pair_shows_a_change_and_makes_none(lab, change, aloud):
    before = [lab[name].check_output(CONFIGURATION) for name in PAIR]
    # The packages of layer 4 are not there, or nothing of it runs.
    told = aloud("site", "--check", infinitt_failover="fast", infinitt_layer=4, **change)
    assert told.code == 0 and min(told.changed.values()) > 0, told.said
    assert "- advert_int 0.25" in told.said and "+ advert_int 0.1" in told.said
    assert [lab[name].check_output(CONFIGURATION) for name in PAIR] == before


@pytest.mark.parametrize(
    "variable, value, program",
    [
        ("haproxy_hard_stop_after", "for ever", "unexpected character"),
        pytest.param(
            "keepalived_checks",
            [{"name": "gone", "command": "/nowhere", "interval": 1, "timeout": 1, "fall": 1, "rise": 1, "weight": 0}],
            "not found/accessible",
            marks=pytest.mark.long,
        ),
    ],
)
def test_what_the_real_program_refuses_replaces_nothing(lab, change, aloud, variable, value, program):
    before = [lab[name].check_output(CONFIGURATION) for name in PAIR]
    refused = aloud("site", "--skip-tags", "preflight", **{variable: value}, **change)
    assert refused.code != 0 and "failed to validate" in refused.said and program in refused.said, refused.said[-4000:]
    assert [lab[name].check_output(CONFIGURATION) for name in PAIR] == before


def test_a_second_vip_with_the_same_port_costs_nothing(lab, vip, holder, second, change, aloud):
    with traffic(lab, vip) as seen:
        deployed = aloud("site", **change)
    assert deployed.code == 0, deployed.said[-4000:]
    assert deployed.said.index("HAProxy would be reloaded.") < deployed.said.index("PLAY [Deploy"), (
        "it was not said first"
    )
    assert seen["failures"] == 0, seen["outages"]
    assert the_holder(lab, vip) == holder, "the VIP moved"
    assert the_holder(lab, second) == holder
    worklist = lab["modality"].run(f"findscu -W -aec {AE} -k 0010,0010= {second} 104")
    assert "Lab^Anna" in worklist.stdout + worklist.stderr
    lab["modality"].check_output(f"storescu -aec {AE} {vip} 104 /srv/dicom/CT_small.dcm")


def test_a_second_run_changes_nothing(change):
    again = play("site", **change)
    assert again.code == 0, again.said
    assert again.changed == {"lb1": 0, "lb2": 0}
    assert "skipping: no hosts matched" in again.said, "a host without a difference was entered"
    assert "answer through the VIP, asked from" in again.said


def test_no_secret_is_in_any_output_or_log(lab, change, aloud):
    assert len(aloud.runs) >= 3, "this looks at what the tests before it have run"
    assert aloud("status", **change).code == 0, aloud.runs[-1].said[-4000:]
    key = change["infinitt_services"]["web"]["tls"]["key"]
    words = [change["infinitt_stats_password"], *key.splitlines()[1:-1]]
    # Base64 is no secret either, wherever the word begins in a text.
    shapes = [
        *words,
        *(base64.b64encode(f"{' ' * shift}{word}".encode())[4:-4].decode() for word in words for shift in range(3)),
    ]
    assert "stats auth" in lab["lb1"].check_output("cat /etc/haproxy/haproxy.cfg")
    for name in PAIR:
        assert lab[name].check_output("stat --format '%a %U' /etc/haproxy/tls/*").splitlines() == ["600 root"] * 2
        assert key in lab[name].check_output("cat /etc/haproxy/tls/*.key") + "\n"
    logged = [lab[name].check_output("journalctl --boot --output cat") for name in PAIR]
    for shape in shapes:
        assert not any(shape in said for said in (*(run.said for run in aloud.runs), *logged)), shape


def test_the_dicom_checks_leave_no_complaint_in_the_nodes_logs(lab):
    for node in ("pacs1", "pacs2"):
        said = lab[node].check_output("journalctl --unit wlmscpfs --unit dcmqrscp --output cat --since -20s")
        assert not re.search(r"fail|abort|error|reject|illegal", said, re.IGNORECASE), said


ADVERTISEMENT = 0.25  # seconds, of the profile standard


@pytest.mark.parametrize(
    "variables",
    [{"infinitt_router_id": 77, "infinitt_on_event": "/usr/bin/logger --tag lab-event"}, {}],
    ids=["new", "former"],
)
def test_another_router_id_moves_nothing(lab, vip, holder, change, variables):
    since = lab[other(holder)].check_output("date +%s")
    with traffic(lab, vip) as seen, owners(lab, vip) as had:
        # The way back is that of the change before it as well.
        deployed = play("site", **variables, **(change if variables else {}))
    assert deployed.code == 0, deployed.said
    assert the_holder(lab, vip) == holder and had["both"] == 0, had
    assert had["nobody"] < 4 * ADVERTISEMENT and len(seen["outages"]) <= 1, (had, seen["outages"])
    said = lab[other(holder)].check_output(f"journalctl --unit keepalived-guard --output cat --since @{since}")
    assert "This host does not take the VIP: " in said and "This host may take the VIP again." in said
    if variables:
        told = lab[other(holder)].check_output("journalctl --identifier lab-event --output cat")
        name = lab[other(holder)].check_output("uname -n")
        assert re.search(rf"^state {name} FAULT BACKUP", told, re.MULTILINE), told


# --- more changes, and what stops them --------------------------------------------------------------------------------


def test_a_reload_that_fails_puts_the_former_file_back(lab, vip, holder):
    victim = lab[other(holder)]
    before = victim.check_output("sha256sum /etc/haproxy/haproxy.cfg")
    victim.check_output("systemd-run --unit squatter python3 -m http.server 2575")
    hl7 = {"hl7": {"port": 2575}}
    told = play("site", infinitt_services=hl7, infinitt_preflight="none")
    assert told.code != 0 and re.search(
        rf"Port 2575 of {other(holder)}, which hl7 needs on [\d.]+, is taken by python3", told.said
    ), told.said
    with traffic(lab, vip) as seen:
        refused = play("site", "--skip-tags", "preflight", infinitt_services=hl7)
    assert refused.code != 0
    assert (
        f"HAProxy on {other(holder)} refused the new configuration" in refused.said
        and "Address already in use" in refused.said
    ), refused.said
    assert victim.check_output("sha256sum /etc/haproxy/haproxy.cfg") == before
    assert refused.changed[holder] == 0, "the active host changed although the standby was not healthy"
    assert seen["failures"] == 0 and the_holder(lab, vip) == holder
    victim.check_output("systemctl stop squatter")


def test_a_vip_that_was_set_by_hand_is_found(lab, vip, holder):
    lab[other(holder)].check_output(f"ip address add {vip}/27 dev eth0")
    told = play("preflight")
    status = play("status")
    lab[other(holder)].check_output(f"ip address delete {vip}/27 dev eth0")
    assert told.code != 0 and "[vip_stray]" in told.said, told.said
    assert "[split_brain]" in status.said, status.said
    for name in PAIR:
        assert "Split brain: " in lab[name].check_output(
            "journalctl --unit keepalived-guard --output cat --since -1min"
        )


def test_a_vip_that_moves_during_a_run_stops_it(lab, vip, holder):
    """The order of the hosts, standby first, is then wrong."""
    said = []
    with started("ansible-playbook", "playbooks/site.yml", "--extra-vars", "infinitt_failover=fast") as run:
        for line in run.stdout:
            said.append(line)
            if line.startswith("PLAY [Deploy"):
                lab[holder].check_output("systemctl restart keepalived")
    assert run.returncode != 0
    assert re.search(
        rf"The VIP has (left {holder}|moved from {holder} to {other(holder)}) since this run began",
        re.sub(r"\s+", " ", "".join(said)),
    ), "".join(said)


def test_a_changed_unit_is_restarted_without_the_vip(lab, vip, holder):
    """And what the run before left half done is completed."""
    for name in PAIR:
        for drop_in in ("haproxy.service.d/state.conf", "keepalived.service.d/restart.conf"):
            lab[name].check_output(f"sh -c 'echo \"# drift\" >> /etc/systemd/system/{drop_in}'")
    with traffic(lab, vip) as seen:
        deployed = play("site")
    assert deployed.code == 0, deployed.said
    assert the_holder(lab, vip) == other(holder), "the VIP was not moved before the restart"
    assert seen["longest_silence_ms"] < 1000
    for name in PAIR:
        assert module(name, "pacs.loadbalancer.haproxy_info")["outdated"] == []
        assert module(name, "pacs.loadbalancer.keepalived_info")["outdated"] == []
    assert play("status").code == 0


@pytest.mark.long
def test_an_edit_by_hand_that_was_loaded_is_taken_back(lab, vip, holder):
    """Its fingerprint is still that of the file before the edit."""
    victim = lab[other(holder)]
    wanted = module(other(holder), "pacs.loadbalancer.keepalived_info")["instances"][0]["configured_priority"]
    victim.check_output("sed -i 's/priority .*/priority 100/' /etc/keepalived/keepalived.conf")
    victim.check_output("sed -i 's/timeout queue 30s/timeout queue 31s/' /etc/haproxy/haproxy.cfg")
    victim.check_output("systemctl reload keepalived haproxy")
    assert "[files_drifted]" in play("status").said
    reloads = module(other(holder), "pacs.loadbalancer.haproxy_info")["reloads"]
    deployed = play("site")
    assert deployed.code == 0 and deployed.changed[holder] == 0, deployed.said
    now = module(other(holder), "pacs.loadbalancer.keepalived_info")["instances"][0]["configured_priority"]
    assert now == wanted and module(other(holder), "pacs.loadbalancer.haproxy_info")["reloads"] == reloads + 1
    assert the_holder(lab, vip) == holder and play("status").code == 0


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_run_that_finds_another_at_work_changes_nothing(lab):
    locked = {"run": "tower-7/1/1", "act": "playbooks/switchover.yml", "by": "an operator", "since": time.time()}
    record = json.dumps({**locked, "until": time.time() + 600})
    before = {name: lab[name].check_output(CONFIGURATION) for name in PAIR}
    lab["lb2"].check_output("echo %s > /run/pacs.loadbalancer/lock.json", record)
    refused = play("site", infinitt_failover="conservative")
    assert refused.code != 0 and "playbooks/switchover.yml runs here: an operator" in refused.said, refused.said
    assert {name: lab[name].check_output(CONFIGURATION) for name in PAIR} == before
    assert not lab["lb1"].file("/run/pacs.loadbalancer/lock.json").exists
    lab["lb2"].check_output("rm /run/pacs.loadbalancer/lock.json")
    for name in PAIR:
        journal = lab[name].check_output("journalctl --identifier pacs.loadbalancer --output cat")
        assert re.search(r"^playbooks/site\.yml \(.+ on .+\): begins$", journal, re.MULTILINE)
        assert re.search(r"^playbooks/site\.yml \(.+ on .+\): ended$", journal, re.MULTILINE)


def test_bad_input_is_told_at_once_with_any_tags_and_changes_nothing(lab):
    before = [lab[name].check_output(CONFIGURATION) for name in PAIR]
    for tags in ("haproxy", "keepalived", "verify", "preflight") if EVERYTHING else ("keepalived", "verify"):
        wrong = play(
            "site",
            "--tags",
            tags,
            infinitt_vip="",
            infinitt_nodes="arch-a",
            infinitt_router_id="300",
            infinitt_services={"web": {"prot": 1}},
        )
        assert wrong.code != 0 and wrong.changed == {"lb1": 0, "lb2": 0}
        for sentence in (
            "infinitt_vip is not set; give the virtual IP",
            "infinitt_nodes is 'arch-a', which is not a list",
            "infinitt_router_id is 300, which is out of range; give a whole number from 1 to 255",
            "infinitt_services.web.prot is not a known key; did you mean port",
        ):
            assert sentence in wrong.said, wrong.said
    assert [lab[name].check_output(CONFIGURATION) for name in PAIR] == before


@pytest.mark.parametrize(
    "written, sentence",
    [
        ("all: {hosts: {lb1: {}}}", "The inventory has no group loadbalancers"),
        ("loadbalancers: {}", "The group loadbalancers of the inventory is empty"),
    ],
)
def test_an_inventory_without_load_balancers_is_no_success(tmp_path, written, sentence):
    (tmp_path / "hosts.yml").write_text(written)
    for playbook in ("site", "preflight", "status"):
        told = play(playbook, "--inventory", str(tmp_path / "hosts.yml"))
        assert told.code != 0 and sentence in told.said, told.said


def test_a_vip_that_a_stranger_holds_is_refused(lab, vip):
    stranger = str(ipaddress.ip_address(vip) + 5)
    lab["modality"].check_output(f"ip address add {stranger}/32 dev eth0")
    told = play("preflight", infinitt_vip=stranger)
    lab["modality"].check_output(f"ip address delete {stranger}/32 dev eth0")
    mac = lab["modality"].file("/sys/class/net/eth0/address").content_string.strip()
    assert told.code != 0 and f"The VIP {stranger} is already in use: {mac} answers for it" in told.said, told.said


def test_a_node_that_does_not_answer_stops_the_preflight_unless_told_otherwise(lab):
    lab["pacs2"].check_output("systemctl stop wlmscpfs")
    told = {require: play("preflight", infinitt_preflight=require) for require in ("all", "any", "none")}
    lab["pacs2"].check_output("systemctl start wlmscpfs")
    assert [told[require].code == 0 for require in ("all", "any", "none")] == [False, True, True]
    assert "mwl on pacs2" in told["all"].said and "refused the connection" in told["all"].said


def test_status_says_what_is_wrong(lab, holder):
    lab[other(holder)].check_output("systemctl stop haproxy")
    told = play("status")
    lab[other(holder)].check_output("systemctl start haproxy")
    assert told.code != 0
    assert re.search(rf"HAProxy on {other(holder)}: \S+ refuses connections: HAProxy is not running", told.said), (
        told.said
    )


def test_a_drill_asks_first_and_then_heals_and_reports_what_a_client_saw(lab, vip, tmp_path):
    asked = {"infinitt_faults": "keepalived_stopped,haproxy_killed", "infinitt_probe_host": "modality"}
    refused = play("failover_drill", **asked)
    assert refused.code != 0 and set(refused.changed.values()) == {0}
    assert f"Say yes with: -e infinitt_confirm={vip}" in refused.said

    # Of the figures the machine of a test may miss one; what it guards against is longer than half a second.
    done = play(
        "failover_drill", **asked, infinitt_confirm=vip, infinitt_report_dir=str(tmp_path), infinitt_force="yes"
    )
    assert done.code == 0, done.said
    report = json.loads(next(tmp_path.glob("*.json")).read_text())
    assert [fault["name"] for fault in report["faults"]] == ["keepalived_stopped", "haproxy_killed"]
    for fault in report["faults"]:
        assert fault["problems"] == [] and fault["holder"] != fault["target"], fault
        assert 0 < fault["silence_ms"] <= 500, fault["probes"]["web"]["silences"]
        assert {sample[2] for sample in fault["probes"]["web"]["samples"] if not sample[3]} <= {"pacs1", "pacs2"}
        assert 14 <= fault["undone"] <= 17
    assert all(word in next(tmp_path.glob("*.html")).read_text() for word in ("Keepalived stopped", "HAProxy killed"))


def test_from_elsewhere_by_the_collections_name():
    code, said = ansible("ansible-playbook", "pacs.loadbalancer.preflight")
    assert code == 0, said
