# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates that another tool writes on this host: whether HAProxy can use them, and whether it does."""

from __future__ import annotations

import hashlib
import re
import ssl

from . import _haproxy, _x509
from ._trust import EXPIRED, NOT_YET, reason_of

# X509_V_FLAG_PARTIAL_CHAIN: any certificate may be the last that is verified. Python names it from 3.10 on.
_PARTIAL_CHAIN = 0x80000
_SERVED = re.compile(r"^SHA1 FingerPrint: ([0-9A-F]{40})$", re.MULTILINE)


class Unusable(Exception):
    """HAProxy cannot use it, or clients would not accept it; the message continues "The certificate PATH"."""


def look(certificate: str, key: str, name: str) -> _x509.Certificate:
    """Return what a file says of the certificate that it begins with; raise Unusable.

    key: the path of its key; empty where that stands beside the certificate. name: what it must cover; empty: any.
    """
    try:
        found = _chain(certificate)
        read = _x509.parse(found[0])
    except OSError as error:
        raise Unusable("cannot be read (%s)" % error.strerror) from None
    except IndexError:
        raise Unusable("is not in PEM") from None
    except ValueError as error:
        raise Unusable("cannot be used: %s" % error) from None
    _check_chain(certificate, key, found)
    if name and not read.covers(name):
        raise Unusable("is for %s, not for %s" % (", ".join(read.names) or "no name", name))
    return read


def served(certificate: str, name: str, socket: str, timeout: float) -> bool | None:
    """Return whether HAProxy has loaded what the file holds; None where it does not say.

    name: the path by which HAProxy's configuration names the file.
    """
    try:
        der, *_others = _chain(certificate)
        answer = _SERVED.search(_haproxy.ask(socket, "show ssl cert %s" % name, timeout))
    except (OSError, ValueError, _haproxy.NoAnswer):
        return None
    return answer and answer[1] == hashlib.sha1(der).hexdigest().upper()


def see(wanted: dict, directory: str, socket: str, timeout: float) -> dict:
    """Return what the module certificate_info does of one certificate.

    wanted: service, certificate, key, name and file, as it is asked. directory: where HAProxy finds that file.
    """
    not_after, problem = None, ""
    try:
        not_after = look(wanted["certificate"], wanted["key"], wanted["name"]).not_after
    except Unusable as reason:
        problem = str(reason)
    return {
        "service": wanted["service"],
        "certificate": wanted["certificate"],
        "not_after": not_after,
        "served": served(wanted["certificate"], "%s/%s" % (directory, wanted["file"]), socket, timeout),
        "problem": problem,
    }


def _chain(path: str) -> list[bytes]:
    """Return the certificates of a file, in DER. Raises OSError, and ValueError where a block is damaged."""
    with open(path, encoding="ascii", errors="replace") as file:
        return [der for label, der in _x509.blocks(file.read()) if label == "CERTIFICATE"]


def _check_chain(certificate: str, key: str, chain: list[bytes]) -> None:
    """Let a client that trusts the last certificate of the chain shake hands with a server that has the files."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(certificate, key or None, password=_no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise Unusable("has another key than it needs") from None
        # Where PEM lacks what is looked for, OpenSSL gives no reason.
        raise Unusable("cannot be loaded (%s)" % (reason_of(error) if error.reason else "it has no key")) from None
    except OSError as error:
        raise Unusable("has a key that cannot be read (%s)" % error.strerror) from None
    except ValueError:
        raise Unusable("has a key with a passphrase, which nobody types at a reload") from None
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(cadata=chain[-1])
    client.verify_flags |= _PARTIAL_CHAIN
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                if error.verify_code in (EXPIRED, NOT_YET):
                    return  # which the dates say
                raise Unusable("is not followed by the one that issued it (%s)" % error.verify_message) from None
            except ssl.SSLError as error:
                raise Unusable("cannot be used (%s)" % reason_of(error)) from None


def _no_passphrase() -> str:
    raise ValueError("it has a passphrase")
