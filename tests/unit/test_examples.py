# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sites to copy in inventory/ are rendered, and the real programs accept them."""

from __future__ import annotations

import json
import re
import shutil

import namespaces
import pytest
import yaml
from layer4 import config, trial
from loadbalancer import channels
from pki import MIDDLE, ROOT, SELF_SIGNED, WEB, Issued
from programs import INTERFACE, haproxies, haproxy_says, in_namespace, keepalived_says
from rendering import REPOSITORY, render_inventory
from running import REJECT

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.tls import pem_files

EXAMPLES = sorted({path.parent.name for path in REPOSITORY.glob("inventory/*/hosts.yml")} - {"lab"})
OTHER_NODE = Issued("pacs2")
# What a site brings, or another tool writes on its load balancers.
FILES = {
    "pacs.pem": WEB.chain,
    "pacs.key": WEB.key,
    "nodes-ca.pem": ROOT.pem,
    "nodes.pem": SELF_SIGNED.pem + OTHER_NODE.pem,
    "modalities-ca.pem": MIDDLE.pem + ROOT.pem,
    "modalities-revoked.pem": MIDDLE.revoke() + ROOT.revoke(),
    "fullchain.pem": WEB.chain,
    "privkey.pem": WEB.key,
}
FINGERPRINT = re.compile("(?:[0-9A-F]{2}:){31}[0-9A-F]{2}")


def services_of(inventory):
    """What the site says of its services, and what the model makes of those with TLS, as far as their files go."""
    text = inventory.read_text().replace("{{ inventory_dir }}", str(inventory.parent))
    written = yaml.safe_load(text)["loadbalancers"]["vars"].get("infinitt_services", {})
    told = [
        {"name": name, "mode": "http" if name == "web" else "tcp", "port": keys.get("port", 80), **keys}
        for name, keys in written.items()
    ]
    return written, told


@pytest.fixture(params=EXAMPLES)
def rendered(request, tmp_path):
    """The directory of lb1's files, for a site that has what it names."""
    inventory = shutil.copytree(REPOSITORY / "inventory" / request.param, tmp_path / "inventory") / "hosts.yml"
    for name, text in FILES.items():
        (inventory.parent / name).write_text(text)
    theirs = iter((SELF_SIGNED.sha256, OTHER_NODE.sha256))
    inventory.write_text(FINGERPRINT.sub(lambda _example: next(theirs), inventory.read_text()))
    directory = json.dumps({"haproxy_pem_directory": str(tmp_path)})
    code, said = render_inventory(inventory, tmp_path, "--limit", "lb1", "--extra-vars", directory)
    assert code == 0, said
    for file in pem_files(*services_of(inventory), lambda path: open(path).read()):
        (tmp_path / file.name).write_text(file.content or FILES[file.link.rpartition("/")[2]])
    return tmp_path / "lb1"


@pytest.mark.skipif(
    not all(map(shutil.which, ("haproxy", "keepalived"))), reason="haproxy or keepalived is not installed"
)
def test_the_real_programs_accept_it(rendered, tmp_path):
    path = rendered / "haproxy.cfg"
    path.write_text(path.read_text().replace("/etc/haproxy/reject_calling_ae.lua", str(REJECT)))
    for program in haproxies():
        code, said = haproxy_says(path, program)
        assert code == 0 and "WARNING" not in said, (program, said)
    text = (rendered / "keepalived.conf").read_text().replace("eth0", INTERFACE)
    assert keepalived_says(text, tmp_path / "keepalived.conf") == (0, "")
    if (rendered / "notify.json").exists():
        told = json.loads((rendered / "notify.json").read_text())
        assert [channels.place(*its) for its in told.items()] == [
            "The mail server mail.example.org",
            "The webhook at chat.example.org",
        ]
    if (rendered / "layer4.nft").exists():
        config.check(str(rendered / "layer4.json"))
        in_namespace("nft", "--check", "--file", "-", given=(rendered / "layer4.nft").read_text())
        if not namespaces.missing():
            trial.try_mirror(str(rendered / "conntrackd.conf"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_page_leads_to_it(name):
    pages = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *REPOSITORY.glob("docs/*.md")]
    assert any(f"inventory/{name}" in page.read_text() for page in pages)
