# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""site.yml and status.yml as Tower runs them, against the lab `tower`.

ansible-runner gets a plain clone as its project, an inventory, a survey's answers (all of them strings, some empty), an
SSH key and become. It runs as a user who can write only to its private data directory and has nothing of Ansible in its
home. Its environment holds what requirements/controller.txt asks for, and the oldest ansible-core that meta/runtime.yml
promises.
"""

from __future__ import annotations

import http.client
import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest
import yaml

CLONE = pathlib.Path(__file__).parents[2]
OLDEST = yaml.safe_load((CLONE / "meta/runtime.yml").read_text())["requires_ansible"].removeprefix(">=")
LAB = os.environ | {
    "PACS_LAB": "tower",
    "ANSIBLE_CONFIG": str(CLONE / "ansible.cfg"),
    "ANSIBLE_INVENTORY": str(CLONE / "inventory/lab"),
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
}
PYTHON = "/usr/bin/python3"  # another user cannot reach a Python in root's home
USER = "nobody"
ROUTER_ID = 77


def run(*command, **options):
    """Run a command to its end and return its output; a failure shows all of it."""
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, check=False, **options)
    assert done.returncode == 0, (
        f"{' '.join(map(str, command))} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
    )
    return done.stdout


def ask(pattern, message):
    """Return the value of a template for each host of the lab that the pattern matches."""
    printed = run("ansible", pattern, "--module-name", "debug", "--args", f"msg={message}", env=LAB, cwd=CLONE)
    return {
        host: json.loads(result)["msg"]
        for host, result in re.findall(r"^(\S+) \| SUCCESS => (\{$.*?^\})$", printed, re.MULTILINE | re.DOTALL)
    }


@pytest.fixture(scope="module")
def lab():
    """The lab `tower`, without anything deployed, removed at the end."""
    try:
        for playbook in ("create", "prepare"):
            run("ansible-playbook", CLONE / f"molecule/shared/{playbook}.yml", env=LAB, cwd=CLONE)
        yield
    finally:
        run("ansible-playbook", CLONE / "molecule/shared/destroy.yml", env=LAB, cwd=CLONE)


@pytest.fixture(scope="module")
def room():
    """A directory that every user can reach."""
    with tempfile.TemporaryDirectory(prefix="tower-") as path:
        os.chmod(path, 0o755)
        yield pathlib.Path(path)


@pytest.fixture(scope="module")
def environment(room):
    """What Tower calls an execution environment: programs and libraries, but no collections."""
    target = room / "environment"
    run(
        "pip",
        "--python",
        PYTHON,
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--target",
        target,
        f"ansible-core=={OLDEST.rpartition('.')[0]}.*",
        "ansible-runner>=2.4,<3",
        "--requirement",
        CLONE / "requirements/controller.txt",
    )
    return {"PATH": f"{target}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(target), "LANG": "C.UTF-8"}


@pytest.fixture(scope="module")
def private_data(lab, room):
    """ansible-runner's private data directory: the user's own, except for the project, a clone that belongs to root."""
    data = room / "data"
    for directory in ("env", "inventory", "home"):
        (data / directory).mkdir(parents=True)
    hosts = ask("loadbalancers", "{{ {'ansible_host': ansible_host} }}")
    (site,) = ask(
        "lb1",
        "{{ {'user': ansible_user, 'key': ansible_ssh_private_key_file,"
        " 'vip': infinitt_vip, 'nodes': infinitt_nodes} }}",
    ).values()
    shutil.copy(site["key"], data / "env/ssh_key")
    files = {
        "inventory/hosts.json": {"loadbalancers": {"hosts": hosts, "vars": {"infinitt_nodes": site["nodes"]}}},
        "env/extravars": {
            "infinitt_vip": site["vip"],
            "infinitt_router_id": str(ROUTER_ID),
            "infinitt_interface": "",
            "infinitt_preflight": "",
        },
        "env/envvars": {"ANSIBLE_HOST_KEY_CHECKING": "False"},  # as Tower sets it
    }
    for name, content in files.items():
        (data / name).write_text(json.dumps(content))
    (data / "env/cmdline").write_text(f"--user {site['user']} --become")
    run("chown", "--recursive", USER, data)
    run(CLONE / "tools/snapshot.sh", room / "repository")
    run("git", "clone", "--quiet", room / "repository", data / "project")
    return data


@pytest.fixture(scope="module")
def as_user(private_data, environment):
    """Run a command as the user."""
    unprivileged = [
        "setpriv",
        f"--reuid={USER}",
        "--regid=nogroup",
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
        "--no-new-privs",
    ]
    return lambda *command: run(
        *unprivileged, *command, env=environment | {"HOME": str(private_data / "home")}, cwd=private_data
    )


@pytest.fixture(scope="module")
def job(as_user, private_data):
    """Run a playbook of the project as a job; return its events, in order."""
    as_user("test", "!", "-w", "project")

    def run_job(playbook):
        as_user("ansible-runner", "run", private_data, "--playbook", f"playbooks/{playbook}.yml", "--ident", playbook)
        directory = private_data / "artifacts" / playbook / "job_events"
        read = [json.loads(path.read_text()) for path in directory.glob("*.json")]
        return sorted(read, key=lambda event: event["counter"])

    return run_job


@pytest.fixture(scope="module")
def events(job):
    """Those of the deployment."""
    return job("site")


def test_deploys_both_load_balancers(events):
    recap = events[-1]["event_data"]
    assert set(recap["ok"]) == {"lb1", "lb2"}
    assert not recap["failures"] and not recap["dark"]


def test_collection_is_the_clone(events, private_data):
    roles = {path for event in events if "/roles/" in (path := event.get("event_data", {}).get("task_path", ""))}
    assert roles
    assert all(path.startswith(str(private_data / "project")) for path in roles), roles


def test_extra_variable_that_is_a_string_counts(events):
    ids = run(
        "ansible",
        "loadbalancers",
        "--module-name",
        "command",
        "--args",
        "grep -h virtual_router_id /etc/keepalived/keepalived.conf",
        env=LAB,
        cwd=CLONE,
    )
    assert ids.count(f"virtual_router_id {ROUTER_ID}\n") == 2


def test_vip_answers(events):
    (vip,) = ask("lb1", "{{ infinitt_vip }}").values()
    web = http.client.HTTPConnection(vip.partition("/")[0], timeout=5)
    web.request("HEAD", "/")
    answer = web.getresponse()
    web.close()
    assert answer.status == 200
    assert answer.headers["X-Node"] in ("pacs1", "pacs2")


def test_status_tells_the_next_job(events, job):
    (vip,) = ask("lb1", "{{ infinitt_vip }}").values()
    # What a workflow's next node gets as variables.
    told = job("status")[-1]["event_data"]["artifact_data"]["loadbalancer_status"]
    assert (told["health"], told["problems"]) == ("healthy", [])
    assert [*told["vips"]] == [vip.partition("/")[0]]
    assert told["vips"][vip.partition("/")[0]] in (["lb1"], ["lb2"])


def test_what_it_was_tried_with_is_written_down(events, environment):
    (core,) = importlib.metadata.distributions(name="ansible-core", path=[environment["PYTHONPATH"]])
    variables = f"tried='make tower' tried_core={core.version}"
    run("ansible-playbook", CLONE / "molecule/shared/tried.yml", "--extra-vars", variables, env=LAB, cwd=CLONE)
