# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian's Prometheus on this machine, which looks at the lab's pair as docs/monitoring.md says, only sooner.

In the lab every duration of the alerts is divided by ALERTS_SOONER, every one of the scrapes and of the timers on the
load balancers by LOOKS_SOONER, and nothing else is changed: no threshold, no query.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import time
import urllib.parse
import urllib.request

import yaml
from pair import PAIR, REPOSITORY, until

ALERTS_SOONER, LOOKS_SOONER = 10, 6
DOCUMENTED = ("198.51.100.11", "198.51.100.12")
MILLISECONDS = {"s": 1000, "m": 60_000, "h": 3_600_000}
# `for: 2m`, `scrape_interval: 15s`, `[10m]`; and `OnUnitActiveSec=30s` of a timer.
DURATION = re.compile(r"(\bfor: |_interval: |\[|^OnUnitActiveSec=)(\d+)(s|m|h)\b", re.MULTILINE)
TIMERS = ("loadbalancer.timer", "loadbalancer-check.timer")
DASHBOARD = json.loads((REPOSITORY / "monitoring/dashboard.json").read_text())
ALERTS = (REPOSITORY / "monitoring/alerts.yml").read_text()
NAMES = {rule["alert"] for rule in yaml.safe_load(ALERTS)["groups"][0]["rules"]}


def sooner(text, times):
    """The same, with every duration divided."""
    return DURATION.sub(lambda found: f"{found[1]}{int(found[2]) * MILLISECONDS[found[3]] // times}ms", text)


def look_sooner(host):
    """Let a load balancer look at itself and ask the PACS more often."""
    for timer in TIMERS:
        unit = sooner(host.check_output(f"cat /etc/systemd/system/{timer}"), LOOKS_SOONER)
        every = re.findall("^OnUnitActiveSec=.*", unit, re.M)
        # An empty value forgets all moments of the timer.
        lines = ["[Timer]", "OnUnitActiveSec=", "OnActiveSec=1s", *every]
        place = f"/etc/systemd/system/{timer}.d"
        host.check_output(f"mkdir -p {place} && printf '%s\\n' {' '.join(lines)} > {place}/lab.conf")
    host.check_output("systemctl daemon-reload && systemctl restart " + " ".join(TIMERS))


class Prometheus:
    """One that runs; ``began``: when it did, in seconds since the epoch."""

    def __init__(self, address):
        self.address, self.began = address, time.time()

    def ask(self, query):
        """The series that answer a query now."""
        return self._get("query", query=query)

    def over(self, query, start, end, step):
        """The series that answer a query in a time, every ``step`` seconds."""
        return self._get("query_range", query=query, start=start, end=end, step=step)

    def firing(self):
        """The names of the alerts that fire now, each with the labels of those that do."""
        return _by_name(self.ask('ALERTS{alertstate="firing"}'))

    def fired(self, since):
        """The names of the alerts that have fired since then."""
        return _by_name(self.over('ALERTS{alertstate="firing"}', since, time.time(), 1))

    def moments(self, since, step):
        """When each alert fired since then, by its name: seconds since the epoch, every ``step`` seconds."""
        found = {}
        for its in self.over('max by (alertname) (ALERTS{alertstate="firing"})', since, time.time(), step):
            found[its["metric"]["alertname"]] = [moment for moment, _value in its["values"]]
        return found

    def _get(self, what, **words):
        url = f"http://{self.address}/api/v1/{what}?" + urllib.parse.urlencode(words)
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]["result"]


def _by_name(series):
    found = {}
    for its in series:
        labels = {name: value for name, value in its["metric"].items() if name not in ("__name__", "alertstate")}
        found.setdefault(labels.pop("alertname"), []).append(labels)
    return found


def configured(addresses, looks):
    """The configuration that docs/monitoring.md gives, with the addresses of this lab's load balancers."""
    (scrape,) = re.findall(r"```yaml\n(scrape_configs:\n.*?)```", (REPOSITORY / "docs/monitoring.md").read_text(), re.S)
    for written, address in zip(DOCUMENTED, addresses):
        scrape = scrape.replace(f"{written}:", f"{address}:")
    return sooner(f"global: {{evaluation_interval: 15s}}\nrule_files: [alerts.yml]\n{scrape}", looks)


@contextlib.contextmanager
def running(directory, addresses=DOCUMENTED, alerts=ALERTS_SOONER, looks=LOOKS_SOONER):
    """A Prometheus with all that it needs in that directory, which has heard of both load balancers.

    ``addresses``: theirs. ``alerts``, ``looks``: how much sooner an alert fires, and how much more often it looks.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "alerts.yml").write_text(sooner(ALERTS, alerts))
    (directory / "prometheus.yml").write_text(configured(addresses, looks))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = "127.0.0.1:%d" % free.getsockname()[1]
    command = ["prometheus", f"--config.file={directory}/prometheus.yml", f"--web.listen-address={address}"]
    with (
        open(directory / "log", "wb") as log,
        subprocess.Popen([*command, f"--storage.tsdb.path={directory}/data"], stdout=log, stderr=log) as process,
    ):
        asked = Prometheus(address)

        def hears():
            with contextlib.suppress(OSError):
                return len(asked.ask("up == 1")) == 2 * len(PAIR)
            return False

        try:
            assert until(hears, 30), (directory / "log").read_text()[-2000:]
            yield asked
        finally:
            process.terminate()
