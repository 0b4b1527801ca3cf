# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: its hosts, the inventory that people change, the playbooks, and what is seen of all of them."""

from __future__ import annotations

import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from .actions import Playbook
from .belief import Step

REPOSITORY = pathlib.Path(__file__).parents[3]
WORK = REPOSITORY / ".build/history"
OBSERVE = REPOSITORY / "molecule/shared/files/observe.py"
FAULT = REPOSITORY / "molecule/history/fault.yml"
INTERRUPT = REPOSITORY / "molecule/shared/testing/callback"
RECAP = re.compile(r"(?m)^(\S+) +: ok=\d+ +changed=(\d+)")
# What a refusal must leave as it is: files, and the processes that run, with the time of their last reload.
LOOK = (
    "find /etc /usr/local /var/lib/pacs.loadbalancer -type f -exec sha256sum {} + 2>/dev/null;"
    " for unit in haproxy keepalived keepalived-guard layer4 conntrackd; do"
    " echo $(systemctl show --property=MainPID,StateChangeTimestamp --value $unit) $unit.service; done"
)
# What is left of a broken association: its ends, its entries, and what the daemons said.
EVIDENCE = "ss -Htanoi; conntrack --dump 2>/dev/null; journalctl --no-pager --output short-precise --lines 20000"
NONE = Step("")


class Lab:
    """config: an object of
    inventories  what is given to --inventory
    environment  variables that Podman needs here
    observer     what ../files/observe.py is asked with, without `wait` and `ask`
    vips         the addresses that are the VIP, one after the other; the observer's is that of the traffic
    third        containers of load balancers that are in service only for a while, by name
    journal      file of the traffic on the modality
    nodes        containers of the nodes, by name
    addresses    addresses of all load balancers, by name
    """

    def __init__(self, config: dict, repository: pathlib.Path = REPOSITORY) -> None:
        self._config, self._repository = config, repository
        self._environment = {**os.environ, **config["environment"], "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
        self._all: dict[str, str] = {**config["observer"]["balancers"], **config["third"]}
        self.containers: dict[str, str] = {**self._all, **config["nodes"]}
        self.balancers: list[str] = list(config["observer"]["balancers"])  # those in service
        self.guests: set[str] = set()  # those that are not there from the beginning, and may have been deployed since
        self.vips: list[str] = config["vips"]
        self.site: dict[str, object] = {}  # what people have changed in the inventory
        self.former: dict[str, object] = {}  # and before the last change
        self._journal_read = 0
        WORK.mkdir(parents=True, exist_ok=True)

    def _run(self, command: list[str], check: bool = True, **options) -> subprocess.CompletedProcess:
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, env=self._environment, check=check, **options)

    def execute(self, host: str, command: str) -> str:
        """Run a command of the shell on a host, whatever its code; return what it printed."""
        podman = ["podman", "exec", self.containers[host], "sh", "-c", command]
        return self._run(podman, stderr=subprocess.STDOUT, check=False).stdout

    def pid_files(self) -> dict[str, str]:
        """Return the files that contain the process of each load balancer, if it runs."""
        format_ = ["podman", "inspect", "--format", "{{.PidFile}}"]
        return {host: self._run([*format_, name], check=True).stdout.strip() for host, name in self._all.items()}

    def observe(self, layer: int, **wanted) -> dict:
        """Return what observe.py sees of the load balancers."""
        units = ["haproxy", "keepalived", "keepalived-guard", *(["layer4"] if layer == 4 else [])]
        if layer == 4 and len(self.balancers) > 1:
            units.append("conntrackd")
        balancers = {host: self._all[host] for host in self.balancers}
        question = json.dumps({**self._config["observer"], "balancers": balancers, "units": units, **wanted})
        return json.loads(self._run([sys.executable, str(OBSERVE), question], check=True).stdout)

    def journal(self) -> list[dict]:
        """Return what the clients have noted since the last time."""
        show = ["podman", "exec", self._config["observer"]["modality"], "tail", "-c", f"+{self._journal_read + 1}"]
        text = self._run([*show, self._config["journal"]], check=True).stdout
        complete = text[: text.rfind("\n") + 1]
        self._journal_read += len(complete.encode())
        return [json.loads(line) for line in complete.splitlines()]

    def look(self) -> dict[str, str]:
        """Return the checksum of each file, and the process and its times of each unit, on all that can be reached."""

        def look_at(host: str) -> dict[str, str]:
            lines = [line.rpartition(" ") for line in self.execute(host, LOOK).splitlines()]
            return {f"{host}:{name}": state for state, _blank, name in lines if state}

        with concurrent.futures.ThreadPoolExecutor() as pool:
            return {key: value for seen in pool.map(look_at, self.balancers) for key, value in seen.items()}

    def keep_evidence(self, name: str) -> None:
        """Write down what is left of a broken promise on every host that can be reached, until it happens again."""
        for host, container in self.containers.items():
            state = self._run(["podman", "inspect", "--format", "{{.State.Status}}", container], check=False).stdout
            if state.strip() == "running":
                (WORK / f"{name}-{host}.evidence").write_text(self.execute(host, EVIDENCE))

    def fault(self, tasks: str, targets: list[str]) -> None:
        """Do what a file of molecule/shared/tasks says to some hosts."""
        command = [
            "ansible-playbook",
            *self._inventories(),
            str(FAULT),
            "--extra-vars",
            f"lab_targets={','.join(targets)} lab_fault={tasks}",
        ]
        done = self._run(command, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise RuntimeError(f"{tasks} on {' and '.join(targets)}: {done.stdout[-2000:]}")

    def _inventories(self) -> list[str]:
        return [f"--inventory={path}" for path in self._config["inventories"]]

    def fill(self, values: object, step: Step, host: str):
        """Put the step's value and place into every text."""
        if isinstance(values, dict):
            return {key: self.fill(one, step, host) for key, one in values.items()}
        if not isinstance(values, str):
            return values
        others = ", ".join(self._config["addresses"][one] for one in self.balancers if one != host)
        return values.replace("{value}", step.value).replace("{host}", host).replace("{others}", others)

    def serve(self, playbook: Playbook, step: Step, host: str) -> None:
        """Note which load balancers are in service after a playbook that said well."""
        match playbook.name:
            case "remove_loadbalancer":
                gone = self.fill(playbook.extra, step, host)["infinitt_host"]
                self.balancers = [one for one in self.balancers if one != gone]
                self.guests -= {gone}
            case "site" if "--check" not in playbook.options:
                third = self._config["third"] if playbook.third else []
                self.balancers = [*self._config["observer"]["balancers"], *third]

    def start(self, playbook: Playbook, name: str, step: Step = NONE, host: str = "") -> Running:
        """Start a playbook with the inventory as it stands, and what the playbook changes in it."""
        site = self.site | self.fill(playbook.change, step, host)
        inventory = WORK / f"{name}.hosts.json"
        hosts: dict[str, dict] = dict.fromkeys(self._config["third"] if playbook.third else [], {})
        self.guests |= set(hosts)
        inventory.write_text(json.dumps({"loadbalancers": {"hosts": hosts, "vars": site}}))
        extra = self.fill(playbook.extra, step, host)
        command = [
            "ansible-playbook", *self._inventories(), f"--inventory={inventory}",
            str(self._repository / f"playbooks/{playbook.name}.yml"), *playbook.options,
            *(["--extra-vars", json.dumps(extra)] if extra else []),
        ]  # fmt: skip
        environment = dict(self._environment)
        environment["ANSIBLE_CONFIG"] = str(self._repository / "ansible.cfg")
        environment["ANSIBLE_COLLECTIONS_PATH"] = str(self._repository / "collections")
        if playbook.kill_after:
            log = WORK / f"{name}.interrupt"
            log.unlink(missing_ok=True)
            environment |= {
                "ANSIBLE_CALLBACK_PLUGINS": str(INTERRUPT), "ANSIBLE_CALLBACKS_ENABLED": "interrupt",
                "INTERRUPT_AFTER": step.value, "INTERRUPT_LOG": str(log),
            }  # fmt: skip
        return Running(command, environment, WORK / f"{name}.log", site)


class Running:
    """A playbook that runs."""

    def __init__(self, command: list[str], environment: dict[str, str], log: pathlib.Path, site: dict) -> None:
        self.site, self._log = site, log
        with log.open("w") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
            )

    def end(self, seconds: float) -> dict:
        """Wait for it, and return its code, what it changed by host, what it said last, and whether it was killed."""
        deadline = time.monotonic() + seconds
        late = False
        try:
            self._process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            late = True
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        output = self._log.read_text(errors="replace")
        failures = re.findall(r'(?:fatal|ERROR).*?(?:"msg": (.*?)$|: (.*?)$)', output, re.MULTILINE)
        said = next((" ".join("".join(parts).split()) for parts in failures), "nothing")
        code = self._process.returncode
        return {
            "code": code,
            "killed": code == -signal.SIGKILL and not late,
            "changed": {host: int(number) for host, number in RECAP.findall(output)},
            "said": f"it took more than {seconds} s" if late else said[:400],
        }
