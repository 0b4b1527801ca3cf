# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a certificate says of itself, against what cryptography reads of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pki import MIDDLE, NAME, OTHER, ROOT, WEB, Issued

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _x509


def der(issued):
    ((label, found),) = _x509.blocks(issued.pem)
    assert label == "CERTIFICATE"
    return found


@pytest.mark.parametrize("issued", [ROOT, MIDDLE, WEB, Issued("Far away", days=40000)])
def test_dates_and_fingerprint(issued):
    read, known = _x509.parse(der(issued)), issued.certificate
    assert read.not_before == int(known.not_valid_before_utc.timestamp())
    assert read.not_after == int(known.not_valid_after_utc.timestamp())
    assert read.sha256 == issued.sha256 and read.self_issued == (issued.issuer is issued)


def test_names_are_those_of_the_extension_and_else_the_common_name():
    assert _x509.parse(der(WEB)).names == (NAME, f"*.{NAME}", "198.51.100.10")
    assert _x509.parse(der(OTHER)).names == ("Another CA",)
    assert _x509.parse(der(OTHER.issue("x", "2001:db8::10"))).names == ("2001:db8::10",)


@pytest.mark.parametrize("name", [NAME, NAME.upper(), f"{NAME}.", f"a.{NAME}", "198.51.100.10"])
def test_it_covers_its_names(name):
    assert _x509.parse(der(WEB)).covers(name)


@pytest.mark.parametrize("name", ["example.org", f"a.b.{NAME}", f".{NAME}", "198.51.100.11", "", f"x{NAME}"])
def test_it_covers_no_other(name):
    assert not _x509.parse(der(WEB)).covers(name)


def test_days_left_are_whole_ones():
    read = _x509.parse(der(WEB))
    assert [read.days_left(read.not_after + seconds) for seconds in (-86401, -86399, -1, 1)] == [1, 0, 0, -1]


@settings(max_examples=300)
@given(
    st.binary(max_size=80) | st.integers(0, 900).map(lambda end: der(WEB)[:end]),
    st.integers(0, 400),
    st.integers(0, 255),
)
def test_bytes_that_are_no_certificate_are_one_error(data, at, byte):
    damaged = bytearray(der(WEB))
    damaged[at % len(damaged)] = byte
    for bad in (data, bytes(damaged)):
        try:
            _x509.parse(bad)
        except ValueError as error:
            assert str(error) == "the certificate cannot be read"


def test_a_damaged_block_is_said():
    with pytest.raises(ValueError, match="damaged"):
        _x509.blocks(WEB.pem.replace("MII", "!II"))
