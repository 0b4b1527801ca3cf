# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a peer's certificate must be, and in words what it is. Who issued it is for OpenSSL to verify."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass

from . import _x509
from ._failure import Failure

EXPIRED, NOT_YET = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID


@dataclass(frozen=True)
class Trust:
    """What a peer's certificate must be; raises ValueError, one sentence, for a value that cannot be.

    name: asked for, and covered by the certificate; empty: any. ca: PEM, or the path of a file; empty: those that the
    host trusts. fingerprints: SHA-256 of the certificates that are accepted; without ca, whoever issued them. verify:
    False accepts any.
    """

    name: str = ""
    ca: str = ""
    fingerprints: tuple[str, ...] = ()
    verify: bool = True

    def __post_init__(self) -> None:
        for fingerprint in self.fingerprints:
            if len(fingerprint) != 64 or set(fingerprint) - set("0123456789abcdef"):
                raise ValueError(f"the fingerprint {fingerprint!r} must be a SHA-256 in 64 hexadecimal digits")
        self.context()

    def context(self) -> ssl.SSLContext:
        """Return what OpenSSL is to verify. The names and the fingerprints it leaves to check()."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        if not self.verify or (self.fingerprints and not self.ca):
            context.verify_mode = ssl.CERT_NONE
        elif not self.ca:
            context.load_default_certs()
        else:
            text = "-----BEGIN" in self.ca
            try:
                context.load_verify_locations(**{"cadata" if text else "cafile": self.ca})
            except OSError as error:  # ssl.SSLError is one
                raise ValueError(f"the ca {'given' if text else self.ca} cannot be read ({reason_of(error)})") from None
        return context

    def check(self, certificate: _x509.Certificate) -> None:
        """Raise Failure where the certificate is not as wanted; who issued it, OpenSSL has verified."""
        if self.fingerprints and certificate.sha256 not in self.fingerprints:
            raise Failure("certificate", f"has another certificate than expected (SHA-256 {certificate.sha256})")
        if self.verify and certificate.days_left(time.time()) < 0:
            raise Failure("certificate", f"has a certificate that expired {_ago(certificate)}")
        if self.verify and self.name and not certificate.covers(self.name):
            names = ", ".join(certificate.names) or "no name"
            raise Failure("certificate", f"has a certificate for {names}, not for {self.name}")


def note(certificate: _x509.Certificate) -> str | None:
    """Return a word on a certificate that ends soon."""
    left = certificate.days_left(time.time())
    if left > _x509.SOON:
        return None
    if left < 0:
        return f"has a certificate that expired {_ago(certificate)}"
    return f"has a certificate that expires {_x509.in_days(left)}"


def _ago(certificate: _x509.Certificate) -> str:
    days = -certificate.days_left(time.time()) - 1
    return "today" if days == 0 else f"{days} day ago" if days == 1 else f"{days} days ago"


def reason_of(error: OSError) -> str:
    """Return OpenSSL's reason in small letters, or the system's."""
    reason = getattr(error, "reason", None)
    return reason.replace("_", " ").lower() if reason else str(error.strerror or error)
