# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person reads at a terminal. Each filter is documented in the YAML file of its name."""

from __future__ import annotations

import time

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import certificates, preflight, status
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.preflight import preflight_table as table
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.status import status_screen as screen


def preflight_table(site, observed):
    now = time.time()
    return table(observed, preflight.notices(site, observed, now), certificates.ends(site, observed, now))


def status_screen(site, observed, hosts, now=None):
    now = time.time() if now is None else now
    return screen(
        observed,
        site["services"],
        hosts,
        status.vips(site, observed),
        status.problems(site, observed, hosts, now),
        status.notices(site, observed, now),
        now,
        certificates.ends(site, observed, now),
    )


class FilterModule:
    def filters(self):
        return {"preflight_table": preflight_table, "status_screen": status_screen}
