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
    message = r"the keys are address, connections, death_after, .* and should be address, connections, dead_after"
    with pytest.raises(SystemExit, match=message):
        config.check(str(config.CONFIGURATION))


def test_a_file_of_another_version_is_read_in_the_moment_of_an_update(told):
    config.CONFIGURATION.write_text(json.dumps({"services": told["services"], "haproxy_peers_port": 1024}))
    assert config.load() == config.Config(told["services"])
    assert (config.load().vips, config.load().versions) == (["198.51.100.10"], {4})
