# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for Galaxy that has one version of one collection: ansible-galaxy verifies a signature of nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COLLECTION = "/api/v3/collections/pacs/loadbalancer/"


@contextlib.contextmanager
def serving(tarball, version):
    """Serve a tarball as version `version` of pacs.loadbalancer on a port of loopback; yield the server's address."""
    content = tarball.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            if path == "/download":
                return self.answer(content)
            described = {
                "/api/": {"available_versions": {"v3": "v3/"}},
                COLLECTION: {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"},
                f"{COLLECTION}versions/": {"meta": {"count": 1}, "links": {}, "data": [{"version": version}]},
                f"{COLLECTION}versions/{version}/": {
                    "namespace": {"name": "pacs"},
                    "collection": {"name": "loadbalancer"},
                    "version": version,
                    "href": f"{COLLECTION}versions/{version}/",
                    "download_url": f"{address}/download",
                    "artifact": {"sha256": hashlib.sha256(content).hexdigest()},
                    "metadata": {"dependencies": {}},
                    "signatures": [],
                },
            }
            return self.answer(json.dumps(described[path]).encode()) if path in described else self.send_error(404)

        def answer(self, body):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"{address}/api/"
        finally:
            server.shutdown()
