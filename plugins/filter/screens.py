# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person reads at a terminal. Each filter is documented in the YAML file of its name."""

from __future__ import annotations

import time

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis import certificates, drift, preflight, status
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens import data
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.preflight import preflight_table as table
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.status import status_screen as screen
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._screens.status import status_tables as tables


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


def status_tables(site, observed, hosts, now=None):
    return tables(observed, site["services"], hosts, status.vips(site, observed), now)


def status_data(site, observed, hosts, now=None):
    now = time.time() if now is None else now
    return data.status_data(
        now,
        {name: {key: its for key, its in host.items() if key != "deployed"} for name, host in observed.items()},
        {name: drift.deployed(host.get("deployed", ())) for name, host in observed.items()},
        status.problems(site, observed, hosts, now),
        status.notices(site, observed, now),
    )


def status_summary(site, known):
    return data.status_summary(known, status.vips(site, known["observed"]))


class FilterModule:
    def filters(self):
        return {
            "preflight_table": preflight_table,
            "status_data": status_data,
            "status_screen": status_screen,
            "status_summary": status_summary,
            "status_tables": status_tables,
        }
