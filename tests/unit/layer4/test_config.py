# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A configuration before it is taken."""

from __future__ import annotations

import json

import pytest
from layer4 import config


def test_a_configuration_has_just_its_keys(told):
    config.check(str(config.CONFIGURATION))
    config.CONFIGURATION.write_text(json.dumps({**dict.fromkeys(config.KEYS - {"dead_after"}, 0), "death_after": 15}))
    with pytest.raises(
        SystemExit, match=r"the keys are connections, death_after, .* and should be connections, dead_after"
    ):
        config.check(str(config.CONFIGURATION))
