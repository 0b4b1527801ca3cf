# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the PEM files of this scenario into a directory: PYTHONPATH=tests/unit python certificates.py DIRECTORY

A server's file has its key at its end; a modality's is beside it.
"""

from __future__ import annotations

import pathlib
import sys

from pki import NAME, OTHER, Issued

DIRECTORY = pathlib.Path(sys.argv[1])
HOSPITAL = Issued("Hospital CA", ca=True, days=3650)
MODALITIES = Issued("Modalities CA", ca=True, days=3650)
SERVERS = {
    "pacs": HOSPITAL.issue(NAME, NAME, days=90),
    "renewed": HOSPITAL.issue(NAME, NAME, days=20),
    "expired": HOSPITAL.issue(NAME, NAME, days=-1, starts=-30),
    "node": HOSPITAL.issue("pacs", "nodes.example.org"),
    "another-name": HOSPITAL.issue("ris.example.org", "ris.example.org"),
}
CLIENTS = {
    "ct1": MODALITIES.issue("CT1.example.org"),
    "revoked": MODALITIES.issue("STOLEN.example.org"),
    "stranger": OTHER.issue("CT1.example.org"),
}


def main():
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    files = {f"{name}.pem": issued.chain + issued.key for name, issued in SERVERS.items()}
    for name, issued in CLIENTS.items():
        files |= {f"{name}.pem": issued.chain, f"{name}.key": issued.key}
    files |= {
        "hospital-ca.pem": HOSPITAL.pem,
        "modalities-ca.pem": MODALITIES.pem,
        "modalities-revoked.pem": MODALITIES.revoke(CLIENTS["revoked"]),
    }
    for name, text in files.items():
        (DIRECTORY / name).write_text(text)


if __name__ == "__main__":
    main()
