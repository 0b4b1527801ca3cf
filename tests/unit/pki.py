# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates, keys and lists of revoked certificates for the tests, of a hospital's own CA."""

from __future__ import annotations

import datetime
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM


def name_of(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def alternative(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Issued:
    """A certificate and its key; ``pem``, ``key`` and ``chain`` (all certificates to the CA, without it) as text."""

    def __init__(self, common_name, issuer=None, names=(), days=90, ca=False, starts=-1):
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.subject = name_of(common_name)
        self.issuer = issuer or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(self.issuer.subject)
            .public_key(self.private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + starts * DAY)
            .not_valid_after(NOW + days * DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([alternative(name) for name in names]), False)
        self.certificate = builder.sign(self.issuer.private, hashes.SHA256())
        self.pem = self.certificate.public_bytes(PEM).decode()
        self.key = self.private.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        above = "" if self.issuer is self or self.issuer.issuer is self.issuer else self.issuer.chain
        self.chain = self.pem + above
        self.sha256 = self.certificate.fingerprint(hashes.SHA256()).hex()

    def issue(self, common_name, *names, **more):
        return Issued(common_name, self, names, **more)

    def served(self, directory, context=None):
        """The context of a server that has it from now on; its file is in a directory."""
        path = directory / f"{self.sha256}.pem"
        path.write_text(self.key + self.chain)
        context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def locked(self, passphrase=b"secret"):
        return self.private.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(passphrase)
        ).decode()

    def revoke(self, *revoked, days=30):
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.subject)
            .last_update(NOW - 2 * DAY)
            .next_update(NOW + days * DAY)
        )
        for its in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(its.certificate.serial_number)
                .revocation_date(NOW - DAY)
                .build()
            )
        return builder.sign(self.private, hashes.SHA256()).public_bytes(PEM).decode()


ROOT = Issued("Hospital CA", ca=True, days=3650)
MIDDLE = ROOT.issue("Hospital Issuing CA", ca=True, days=1000)
OTHER = Issued("Another CA", ca=True)
NAME = "pacs.example.org"
SELF_SIGNED = Issued("pacs1", names=["pacs1.example.org"])
WEB = MIDDLE.issue(NAME, NAME, "*.pacs.example.org", "198.51.100.10")
