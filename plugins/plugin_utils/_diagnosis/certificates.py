# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about certificates: those that the controller has, and those that another tool writes on the hosts."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ansible_collections.pacs.loadbalancer.plugins.module_utils._x509 import DAY, SOON, in_days
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.observed import Host, Observed, Site
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._diagnosis.problem import Problem
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import listed

# Days: a CA may take a week to answer, and a list of revoked certificates often holds for no longer than that.
SOON_REVOKED = 7
# Seconds: whoever renews by itself does so a month before the end, and has had a week to try again.
LATE = 21 * DAY


def unusable(name: str, host: Host) -> Iterator[Problem]:
    for its in host.get("certificates", ()):
        if its["problem"]:
            yield Problem(
                "certificate_unusable",
                name,
                f"The certificate {its['certificate']} of {its['service']} on {name} {its['problem']}.",
                "See why the tool that renews it has not: HAProxy cannot load it at its next start.",
            )


def not_loaded(name: str, host: Host) -> Iterator[Problem]:
    for its in host.get("certificates", ()):
        if its["served"] is False and not its["problem"]:
            yield Problem(
                "certificate_not_loaded",
                name,
                f"HAProxy on {name} does not serve what {its['certificate']} holds for {its['service']}.",
                "See why: journalctl -u haproxy-renewal. Then: systemctl reload haproxy.",
            )


def expired(site: Site, observed: Observed, now: float) -> Iterator[Problem]:
    for where, what, end in moments(site, observed):
        if end <= now:
            yield Problem(
                "certificate_expired",
                where,
                f"The {what} of {where} expired on {_date(end)}: clients refuse it.",
                "Renew it, and deploy.",
            )
    for service, end in _lists(site):
        if end <= now:
            yield Problem(
                "revocation_list_expired",
                service,
                f"The list of revoked certificates of {service} expired on {_date(end)}: every client is refused.",
                "Get a new one from the CA, and deploy.",
            )


# --- worth knowing, and no problem -----------------------------------------------------------------------------------


def expires(site: Site, observed: Observed, now: float, soon: float = (SOON + 1) * DAY) -> Iterator[Problem]:
    """``soon``: seconds; a list of revoked certificates has its own."""
    for where, what, end in moments(site, observed):
        if now < end <= now + soon:
            yield Problem(
                "certificate_expires",
                where,
                f"The {what} of {where} expires {_left(end - now)}, on {_date(end)}.",
                "Renew it, and deploy.",
            )
    for service, end in _lists(site):
        if now < end <= now + (SOON_REVOKED + 1) * DAY:
            yield Problem(
                "revocation_list_expires",
                service,
                f"The list of revoked certificates of {service} expires {_left(end - now)}, on {_date(end)}; then every"
                " client is refused.",
                "Get a new one from the CA, and deploy.",
            )


def unproven(site: Site) -> Iterator[Problem]:
    for its in site.get("certificates", ()):
        if its["unproven"]:
            yield Problem(
                "certificate_unproven",
                its["service"],
                f"Of the certificate of {its['service']} nothing shows that clients know who issued it"
                f" ({its['unproven']}).",
                "If that is an intermediate CA, add its certificate. Give the CA that clients trust as ca to have the"
                " chain verified.",
            )


def ends(site: Site, observed: Observed, now: float) -> list[tuple[str, str]]:
    """Every certificate whose end is known, in words, and when that is."""
    found = [(f"{what} of {where}", end) for where, what, end in moments(site, observed)]
    return [(what, f"{_left(end - now)}, on {_date(end)}" if end > now else "expired") for what, end in found]


def moments(site: Site, observed: Observed) -> Iterator[tuple[str, str, int]]:
    """Where, what and when, of every certificate whose end is known."""
    for its in site.get("certificates", ()):
        if its["not_after"]:
            yield its["service"], "certificate", its["not_after"]
    hosts: dict[tuple[str, str, int], list[str]] = {}
    for name, host in observed.items():
        for seen in host.get("certificates", ()):
            if seen["not_after"]:
                hosts.setdefault((seen["service"], seen["certificate"], seen["not_after"]), []).append(name)
    for (service, path, end), names in hosts.items():
        yield service, f"certificate {path} on {listed(names)}", end


def _lists(site: Site) -> Iterator[tuple[str, int]]:
    for its in site.get("certificates", ()):
        if its["revoked_until"]:
            yield its["service"], its["revoked_until"]


def _left(seconds: float) -> str:
    return in_days(int(seconds // DAY))


def _date(epoch: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(epoch))
