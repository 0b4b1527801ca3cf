# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pages for people point to exists."""

from __future__ import annotations

import re

import pytest
from rendering import REPOSITORY

PAGES = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(page):
    """The headings of a page, as they stand in a link."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for path, anchor in LINK.findall(page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), f"{path}#{anchor}"


def test_every_test_that_is_named_as_a_proof_exists():
    named = set(re.findall(r"`(test_\w+)`", (REPOSITORY / "docs/security.md").read_text()))
    places = [*REPOSITORY.glob("tests/unit/**/test_*.py"), *REPOSITORY.glob("molecule/*/tests/test_*.py")]
    assert len(named) > 15
    assert named <= set(re.findall(r"^def (test_\w+)", "\n".join(path.read_text() for path in places), re.MULTILINE))
