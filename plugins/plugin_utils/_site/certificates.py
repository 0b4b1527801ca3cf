# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user's PEM files must be before HAProxy gets them: a chain with its key, CAs, lists of revoked ones.

A refusal says what is wrong and never repeats a byte of a key. Dates are for preflight, which knows the time: what has
expired is no reason to refuse a switchover.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization
except ImportError:  # the model has a sentence for it
    x509 = None  # type: ignore[assignment]

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _x509
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import ValidationError

CERTIFICATE, CRL = "CERTIFICATE", "X509 CRL"
KEY = re.compile(r"(EC |RSA |)PRIVATE KEY")


@dataclass(frozen=True)
class Chain:
    """A certificate with those that lead to its CA, and its key, both as PEM.

    ``unproven``: who issued it, where nothing here shows that its clients know that CA; otherwise empty.
    """

    certificate: _x509.Certificate
    pem: str
    key: str
    unproven: str


def read_chain(text: str, key_text: str, name: str | None, ca: Sequence[bytes] = ()) -> Chain:
    """Return the certificate of a service and its key, which fits. Raises ValidationError.

    ``key_text``: empty where the key stands beside the certificate. ``name``: a name that it must cover. Each
    certificate must have been issued by the next; ``ca``: and the last by one of these, where there are any.
    """
    ders = _of(text, CERTIFICATE, "certificate")
    certificate = _parsed(ders[0])
    key = _key(key_text or text)
    try:
        fits = _load(ders[0]).public_key() == key.public_key()
    except Exception as error:  # an algorithm that cryptography does not know
        raise ValidationError(
            f"has a key of a kind that is not known ({type(error).__name__})", "use RSA or ECDSA"
        ) from None
    if not fits:
        raise ValidationError(
            f"is for {listed(certificate.names)}, and the key does not fit it",
            "give the key that the certificate was requested with",
        )
    if name and not certificate.covers(name):
        raise ValidationError(
            f"is for {listed(certificate.names) or 'no name'}, and not for {name}",
            "give a certificate with that name, or another name",
        )
    _check_chain(ders, ca)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    alone = len(ders) == 1 and not certificate.self_issued and not ca
    unproven = _common_name(_load(ders[0]).issuer) if alone else ""
    return Chain(certificate, "".join(map(_pem, ders)), private, unproven)


def read_authorities(text: str) -> tuple[list[bytes], str]:
    """Return the certificates of one or more CAs, in DER and as PEM. Raises ValidationError."""
    ders = _of(text, CERTIFICATE, "certificate")
    for der in ders:
        _parsed(der)
    return ders, "".join(map(_pem, ders))


def read_revoked(text: str, authorities: Sequence[bytes]) -> tuple[int, str]:
    """Return until when a list of revoked certificates holds, and it as PEM; each CA must have one. Raises
    ValidationError.

    OpenSSL refuses every client whose CA has none, and all of them once it has expired.
    """
    ders = _of(text, CRL, "list of revoked certificates (X509 CRL)")
    lists = [_loaded(x509.load_der_x509_crl, der, "a list of revoked certificates") for der in ders]
    for der in authorities:
        authority = _load(der)
        if not any(one.issuer == authority.subject and one.is_signature_valid(authority.public_key()) for one in lists):
            raise ValidationError(
                f"has no list of {listed(_parsed(der).names)}, so that every client would be refused",
                "give the list of each CA",
            )
    ends = [int(one.next_update_utc.timestamp()) for one in lists if one.next_update_utc]
    return min(ends, default=0), "".join(_pem(der, CRL) for der in ders)


def _of(text: str, label: str, what: str) -> list[bytes]:
    try:
        blocks = _x509.blocks(text)
    except ValueError as error:
        raise ValidationError(f"cannot be read: {error}", "copy it again, with its first and its last line") from None
    found = [der for its, der in blocks if its == label]
    if not found:
        raise ValidationError(
            f"has no {what} in PEM",
            f"give text with -----BEGIN {label}----- (openssl pkcs12 -nodes makes PEM of a .pfx)",
        )
    return found


def _key(text: str) -> Any:
    if "ENCRYPTED PRIVATE KEY" in text or "Proc-Type: 4,ENCRYPTED" in text:
        raise ValidationError(
            "has a key with a passphrase, which nobody types at a reload",
            "remove it (openssl pkey), and keep the key in a vault",
        )
    block = next((match[0] for match in _x509.PEM.finditer(text) if KEY.fullmatch(match[1])), None)
    if block is None:
        raise ValidationError("has no private key in PEM", "give the key, in the same file or as key")
    return _loaded(lambda pem: serialization.load_pem_private_key(pem, None), block.encode(), "a private key")


def _check_chain(ders: Sequence[bytes], ca: Sequence[bytes]) -> None:
    chain = [_load(der) for der in ders]
    for number, (its, issuer) in enumerate(zip(chain, chain[1:]), 1):
        if not _issued(its, issuer):
            raise ValidationError(
                f"is not in order: number {number + 1} of its {len(chain)} certificates has not issued number {number}",
                "put the service's own first, then the one that issued it, and so on",
            )
    roots = [_load(der) for der in ca]
    last = chain[-1]
    if roots and not any(last == root or _issued(last, root) for root in roots):
        raise ValidationError(
            f"ends at one that {_common_name(last.issuer)} has issued, which ca does not have",
            "add the certificates between the service's own and the CA, or correct ca",
        )


def _issued(its: Any, issuer: Any) -> bool:
    try:
        its.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _common_name(name: Any) -> str:
    return str(name.rfc4514_string())


def _load(der: bytes) -> Any:
    return _loaded(x509.load_der_x509_certificate, der, "a certificate")


def _loaded(loader: Any, data: bytes, what: str) -> Any:
    try:
        return loader(data)
    except Exception:  # whatever cryptography raises for bytes that it cannot read
        raise ValidationError(
            f"has {what} that cannot be read", "copy it again, with its first and its last line"
        ) from None


def _parsed(der: bytes) -> _x509.Certificate:
    try:
        return _x509.parse(der)
    except ValueError:
        raise ValidationError(
            "has a certificate that cannot be read", "copy it again, with its first and its last line"
        ) from None


def _pem(der: bytes, label: str = CERTIFICATE) -> str:
    body = base64.b64encode(der).decode()
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"
