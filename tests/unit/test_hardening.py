# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the daemons may do, as systemd itself judges it from their units, and what follows their end.

It must understand all of these units.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import jinja2
import pytest
import yaml
from rendering import REPOSITORY

SHIPPED = Path("/lib/systemd/system")
DIRECTORY = "/etc/systemd/system/"
# Of the units that packages bring, what is written beside them or in place of them.
WRITTEN = {
    "haproxy": "haproxy.service.d/hardening.conf",
    "haproxy-records": "haproxy-records.service",
    "keepalived": "keepalived.service.d/hardening.conf",
    "conntrackd": "conntrackd.service.d/layer4.conf",
    "layer4": "layer4.service",
    "layer4-mirror": "layer4-mirror.service",
    "layer4-records": "layer4-records.service",
    "loadbalancer": "loadbalancer.service",
    "loadbalancer-notify": "loadbalancer-notify.service",
    "loadbalancer-check": "loadbalancer-check.service",
    "loadbalancer-records": "loadbalancer-records.service",
}
VALUES = {
    "ansible_managed": "",
    "layer4_mirror_interface": "layer4-mirror",
    "layer4_mirror_address": "169.254.37.80",
    "layer4_mirror_peers": ["169.254.37.81"],
    "layer4_mirror_tunnel": {"peer": "2001:db8::12", "peer_key": "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="},
    "monitoring_textfile_directory": "/var/lib/prometheus/node-exporter",
    "monitoring_notify": {"webhook": {}},
    "monitoring_check": {"every": 300},
    "monitoring_node_exporter": {
        "address": "2001:db8::11",
        "port": 9100,
        "allowed_sources": ["198.51.100.50", "2001:db8::/64"],
    },
    "haproxy_records_port": 1026,
    "__haproxy_records_file": "/usr/local/lib/haproxy-records.sed",
    "__monitoring_records_file": "/etc/loadbalancer/records.conf",
    "haproxy_state_file": "/run/haproxy.state",
    "__haproxy_renewed": ["/etc/ssl/certs/pacs.pem"],
    "__keepalived_guard": {"directory": "/usr/local/lib/keepalived-guard/0123"},
    "__keepalived_guard_settings": {"hold_file": "/run/keepalived.guard"},
}
# systemd's measure, from 0 to 100: it shows a tenth of it.
LIMITS = {
    "haproxy": 29,
    "layer4": 29,
    "layer4-mirror": 29,
    "layer4-records": 29,
    "keepalived": 39,
    "conntrackd": 39,
    "loadbalancer": 29,
    "loadbalancer-notify": 20,
    "loadbalancer-check": 20,
    "haproxy-records": 15,
    "loadbalancer-records": 20,
}


FAMILIES = ("Debian", "RedHat")


def units(family: str) -> dict[str, str]:
    """All that the roles write for systemd on systems of that family, by path in its directory."""
    found = {}
    for role in ("haproxy", "keepalived", "layer4", "monitoring"):
        directory = REPOSITORY / "roles" / role
        templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader([directory / "templates", directory / "files"]),
            trim_blocks=True,
            keep_trailing_newline=True,
            undefined=jinja2.StrictUndefined,
        )
        templates.filters["dirname"] = os.path.dirname
        written = yaml.safe_load((directory / "vars/main.yml").read_text())
        values = {**VALUES, **yaml.safe_load((directory / f"vars/{family}.yml").read_text())}
        for value in written.values():
            for file in value if isinstance(value, list) else []:
                path = jinja2.Template(file["path"]).render(written) if isinstance(file, dict) else ""
                if path.startswith(DIRECTORY):
                    (name,) = re.findall(r"builtin.(?:file|template)', '([^']+)'", file["content"])
                    found[path.removeprefix(DIRECTORY)] = templates.get_template(name).render(values)
    return found


UNITS = units("Debian")
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")


def capabilities(unit: str) -> set[str]:
    (found,) = re.findall("^CapabilityBoundingSet=(.*)$", UNITS[WRITTEN[unit]], re.MULTILINE)
    return set(found.split())


@needs_systemd
@pytest.mark.parametrize("family", FAMILIES)
def test_systemd_understands_every_unit_and_drop_in(family, tmp_path):
    texts = units(family)
    assert {*WRITTEN.values(), "keepalived-guard.service", "haproxy-renewal.path"} <= set(texts)
    asked = set()
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        asked.add(name.replace("@", "@198.51.100.10") if path.parent == tmp_path else path.parent.name[: -len(".d")])
    there = {
        name for name in asked if (tmp_path / name.replace("@198.51.100.10", "@")).exists() or (SHIPPED / name).exists()
    }
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *sorted(there)],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    # What the roles write elsewhere is not on this machine, and WireGuard's program need not be.
    missing = re.compile(r"Command (\S+) is not executable: No such file")
    elsewhere = {f"/usr/local/sbin/{path.name}" for path in (REPOSITORY / "roles").glob("*/files/*")}
    elsewhere |= {"/usr/bin/wg", "/usr/sbin/rsyslogd"}
    elsewhere.add("/usr/local/sbin/loadbalancer")  # packed of files/lib
    said = [line for line in done.stderr.splitlines() if not ((its := missing.search(line)) and its[1] in elsewhere)]
    assert said == []


@needs_systemd
@pytest.mark.parametrize("unit", WRITTEN)
def test_a_daemon_is_exposed_no_more_than_this(unit, tmp_path):
    path = tmp_path / DIRECTORY[1:] / WRITTEN[unit].replace("@", "@vip")
    path.parent.mkdir(parents=True)
    path.write_text(UNITS[WRITTEN[unit]])
    if path.suffix != ".service":
        shipped = SHIPPED / f"{unit}.service"
        if not shipped.exists():
            pytest.skip(f"{unit} is not installed")
        shutil.copy(shipped, path.parents[1])
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--root={tmp_path}"]
    judged = subprocess.run(
        [*command, f"--threshold={LIMITS[unit]}", f"{unit}.service"], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
    # A word that systemd does not know is a line here, and has no effect.
    assert judged.stderr == ""


@pytest.mark.parametrize("unit", WRITTEN)
def test_no_daemon_writes_gains_privileges_or_loads_a_module(unit):
    lines = UNITS[WRITTEN[unit]].splitlines()
    for line in ("ProtectSystem=strict", "NoNewPrivileges=yes", "ProtectKernelModules=yes"):
        assert line in lines
    places = {line.partition("=")[2] for line in lines if line.startswith("ReadWritePaths=")}
    assert places <= {"/run", f"-{VALUES['monitoring_textfile_directory']}"}
    assert "CAP_SYS_MODULE" not in capabilities(unit)


def test_keepaliveds_scripts_are_run_by_somebody_without_rights():
    texts = [path.read_text() for path in (REPOSITORY / "tests/unit/golden").glob("*/lb1/keepalived.conf")]
    scripts = [script for text in texts for script in re.findall('^    script "(.*)"$', text, re.MULTILINE)]
    assert len(scripts) > 2
    for script in scripts:
        assert re.match("/usr/bin/setpriv --reuid=(haproxy|nobody) --regid=(haproxy|nogroup) --clear-groups ", script)


def test_monitoring_may_read_what_both_daemons_say_of_themselves():
    assert capabilities("keepalived") | capabilities("haproxy") <= capabilities("loadbalancer")


def test_layer4_may_read_what_keepalived_says_of_itself():
    """The kernel shows a process to one that has all of its capabilities, or another one that is worse (ptrace(2))."""
    assert capabilities("keepalived") <= capabilities("layer4")
    assert not {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_MODULE"} & set().union(*map(capabilities, WRITTEN))


@pytest.mark.parametrize(
    "unit, daemon", [("haproxy-state.service", "haproxy"), ("keepalived-release.service", "keepalived")]
)
def test_what_follows_the_end_of_a_daemon_follows_that_of_a_masked_one_too(unit, daemon):
    """systemd forgets the drop-ins of a unit that is masked: the VIP would leave with the next check only."""
    assert f"BindsTo={daemon}.service\n" in UNITS[unit] and "ExecStop=/" in UNITS[unit]
    drop_ins = [text for path, text in UNITS.items() if path.startswith(f"{daemon}.service.d/")]
    assert drop_ins and not any("ExecStop" in text for text in drop_ins)
