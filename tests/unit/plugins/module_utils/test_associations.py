# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What HAProxy says of a table; tests/unit/test_callers.py asks a real one."""

from __future__ import annotations

import pytest

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _associations

# 2.6, and 3.0
OLD = """\
# table: _callers_dicom, type: string, size:250, used:2
0x55cace74cbf8: key=CT\\ 1 use=1 exp=604799800 gpc0=0 conn_cnt=2 bytes_in_cnt=40 bytes_out_cnt=7
0x55cace74cc58: key=A\\x3D\\\\ use=0 exp=604799800 gpc0=1 conn_cnt=1 bytes_in_cnt=5 bytes_out_cnt=6

# table: _refused_dicom, type: string, size:250, used:0

"""
NEW = OLD.replace(" gpc0=", " shard=0 gpc0=")


@pytest.mark.parametrize("text", [OLD, NEW])
def test_each_entry_by_its_table_and_its_title(text):
    tables = _associations.parse_tables(text)
    assert list(tables) == ["_callers_dicom", "_refused_dicom"] and tables["_refused_dicom"] == {}
    assert list(tables["_callers_dicom"]) == ["CT 1", "A=\\"]
    entry = tables["_callers_dicom"]["CT 1"]
    assert [entry[name] for name in ("conn_cnt", "bytes_in_cnt", "bytes_out_cnt", "gpc0")] == [2, 40, 7, 0]


@pytest.mark.parametrize("text", ["", "Unknown table\n", "0x: key=\\\n", OLD[:57]])
def test_anything_else_is_no_entry(text):
    assert not any(_associations.parse_tables(text).values())
