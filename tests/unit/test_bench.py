# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/benchmarks.md, which `make bench` writes anew."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs/benchmarks.md"


@pytest.fixture
def report(monkeypatch):
    """bench/report.py, without Matplotlib, which draws for it."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "bench"))
    monkeypatch.setitem(sys.modules, "plots", types.SimpleNamespace(draw=lambda *_drawn: None))
    yield importlib.import_module("report")
    for name in ("report", "cases"):
        del sys.modules[name]


def test_make_bench_keeps_what_was_measured_by_hand(report, tmp_path):
    kept = report.by_hand(PAGE)
    assert kept.startswith("\n## What people do\n") and PAGE.read_text().endswith(kept)
    assert kept.count("\n## ") == 2 and kept.count("\n| ") > 10
    assert report.by_hand(tmp_path / "new.md") == ""
    assert report.BY_HAND not in (REPOSITORY / "bench/page.md").read_text()
