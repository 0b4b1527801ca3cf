# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each query of the dashboard, asked of a real Prometheus that reads a real HAProxy and what monitoring writes."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import urllib.parse
import urllib.request

import pytest
import rendering
from factories import build
from known import full
from loadbalancer import metrics
from running import haproxy, until

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.output import as_dict

DASHBOARD = json.loads((rendering.REPOSITORY / "monitoring/dashboard.json").read_text())
QUERIES = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
OURS, THEIRS = "127.51.100.11:11902", "127.51.100.11:11901"

pytestmark = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("haproxy")) or os.getuid() != 0,
    reason="prometheus or haproxy is not installed, or this is not root",
)


class Textfile(http.server.BaseHTTPRequestHandler):
    """node_exporter's part: it shows the file that it finds."""

    def do_GET(self):
        content = metrics.text(full()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_words):
        pass


@contextlib.contextmanager
def textfile():
    host, _colon, port = OURS.partition(":")
    with http.server.ThreadingHTTPServer((host, int(port)), Textfile) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def prometheus(directory):
    """Yield a question to it: a query, and the values that it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = "127.0.0.1:%d" % free.getsockname()[1]
    (directory / "prometheus.yml").write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "500ms", "scrape_timeout": "400ms"},
                "rule_files": [str(rendering.REPOSITORY / "monitoring/alerts.yml")],
                "scrape_configs": [{"job_name": "pacs", "static_configs": [{"targets": [OURS, THEIRS]}]}],
            }
        )
    )
    command = ["prometheus", f"--config.file={directory}/prometheus.yml", f"--web.listen-address={address}"]
    with (
        open(directory / "log", "wb") as log,
        subprocess.Popen([*command, f"--storage.tsdb.path={directory}/data"], stdout=log, stderr=log) as process,
    ):

        def ask(query):
            url = f"http://{address}/api/v1/query?" + urllib.parse.urlencode({"query": query})
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    return json.load(answer)["data"]["result"]
            except OSError:
                return []

        try:
            yield ask
        finally:
            process.terminate()


def test_every_query_finds_something(tmp_path):
    site = build(infinitt_metrics={"port": 11901, "allowed_sources": ["198.51.100.0/24"]})
    text = rendering.render({"metrics": ({}, as_dict(site))})["metrics"]["lb1"]["haproxy"]
    # It asks from any address of loopback.
    replaced = {f":{port}\n": f":{port + 11000}\n" for port in (80, 104, 105, 204)} | {
        "reject unless": "reject if FALSE #"
    }
    for name in ("haproxy", "prometheus"):
        (tmp_path / name).mkdir()
    with haproxy(text, tmp_path / "haproxy", replaced=replaced), textfile(), prometheus(tmp_path / "prometheus") as ask:
        # Two looks at least, or no rate is known.
        until(lambda: len(ask("count_over_time(up[1m]) > 2 and up == 1")) == 2, 30)
        silent = [(title, query) for title, query in QUERIES if not ask(query)]
    assert silent == []


def test_the_dashboard_has_what_it_needs():
    assert len(QUERIES) > 10
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {"${datasource}"}
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
