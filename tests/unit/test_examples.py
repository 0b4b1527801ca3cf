# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sites to copy in inventory/ are rendered, and HAProxy accepts them."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml
from pki import MIDDLE, ROOT, WEB
from programs import haproxy_says
from rendering import REPOSITORY
from running import REJECT
from test_golden import render

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.tls import pem_files

# The lab is none, and that of TLS needs files of the site's.
OTHERS = ("lab", "tls")
EXAMPLES = sorted(
    path.parent.name for path in REPOSITORY.glob("inventory/*/hosts.yml") if path.parent.name not in OTHERS
)


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
@pytest.mark.parametrize("name", EXAMPLES)
def test_haproxy_accepts_it(name, tmp_path):
    code, said = render(REPOSITORY / "inventory" / name / "hosts.yml", tmp_path, "--limit", "lb1")
    assert code == 0, said
    path = tmp_path / "lb1/haproxy.cfg"
    path.write_text(path.read_text().replace("/etc/haproxy/reject_calling_ae.lua", str(REJECT)))
    code, said = haproxy_says(path)
    assert code == 0 and "WARNING" not in said, said


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
def test_haproxy_accepts_the_site_with_tls_and_its_certificates(tmp_path):
    inventory = shutil.copytree(REPOSITORY / "inventory/tls", tmp_path / "inventory")
    files = {
        "pacs.pem": WEB.chain,
        "pacs.key": WEB.key,
        "nodes-ca.pem": ROOT.pem,
        "modalities-ca.pem": MIDDLE.pem + ROOT.pem,
        "modalities-revoked.pem": MIDDLE.revoke() + ROOT.revoke(),
    }
    for name, text in files.items():
        (inventory / name).write_text(text)
    directory = json.dumps({"haproxy_pem_directory": str(tmp_path)})
    code, said = render(inventory / "hosts.yml", tmp_path, "--limit", "lb1", "--extra-vars", directory)
    assert code == 0, said
    text = (inventory / "hosts.yml").read_text().replace("{{ inventory_dir }}", str(inventory))
    written = yaml.safe_load(text)["loadbalancers"]["vars"]["infinitt_services"]
    services = [
        {"name": "web", "mode": "http", "port": 80, "node_tls": True},
        {"name": "dicom_tls", "mode": "tcp", "port": 2762},
    ]
    for file in pem_files(written, [{**service, "tls": True} for service in services], lambda path: open(path).read()):
        (tmp_path / file.name).write_text(file.content)
    code, said = haproxy_says(tmp_path / "lb1/haproxy.cfg")
    assert code == 0 and "WARNING" not in said, said
