# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was measured of a fault, against the figures to reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._drill.faults import FAULTS, PAUSE, PLANNED_PAUSE, Fault
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._phrases import lapse


def verdicts(record: Mapping[str, Any], profile: str, layer: int) -> list[dict[str, Any]]:
    """Return for each promise ``what`` it is, what was ``measured``, what is ``to_reach``, and whether it was ``kept``.

    ``record``: see report.py; here with ``undone`` (seconds since the epoch), ``silence_ms`` of the web and the
    ``holder`` at the end.
    ``profile``: the failover profile. ``layer``: of the association. ``kept`` is None where nothing is promised.
    """
    fault = FAULTS[record["name"]]
    return [
        _is(record["holder"] != record["target"], "VIP moved"),
        *_web(record, fault, profile),
        *_association(record, fault, profile, layer),
        _is(not record["problems"], "healthy afterwards"),
    ]


def failed_between(probe: Mapping[str, Any], since: float, until: float) -> int:
    """Return how many requests failed in outages that began in this time (seconds since the epoch)."""
    return sum(outage["failed"] for outage in probe["outages"] if since <= outage["start_epoch"] < until)


def _web(record: Mapping[str, Any], fault: Fault, profile: str) -> Iterator[dict[str, Any]]:
    web = record["probes"].get("web")
    if web is None:
        return
    bound = fault.silence.get(profile)
    if not fault.planned:
        yield _at_most("web: longest silence", record["silence_ms"], bound)
        late = failed_between(web, record["undone"], web["ended"] + 1)
        yield _none_of("web: failed after the fault", late)
    else:
        yield _none_of("web: failed requests", web["failures"])


def _association(record: Mapping[str, Any], fault: Fault, profile: str, layer: int) -> Iterator[dict[str, Any]]:
    dicom = record["probes"].get("dicom")
    if dicom is None:
        return
    if "broken" not in dicom:
        yield _none_of("dicom: failed requests", dicom["failures"])
        return
    promised = fault.planned or layer == 4
    yield {
        "what": "association",
        "measured": "broken" if dicom["broken"] else "not broken",
        "to_reach": "not broken" if promised else "no promise",
        "kept": not dicom["broken"] if promised else None,
    }
    if layer == 4 and not dicom["broken"]:
        pause = PLANNED_PAUSE if fault.planned else PAUSE.get(profile)
        yield _at_most("longest wait for a C-ECHO", dicom["latency_ms"]["max"], pause)


def _is(kept: bool, what: str) -> dict[str, Any]:
    return {"what": what, "measured": "yes" if kept else "no", "to_reach": "yes", "kept": kept}


def _at_most(what: str, measured: float, bound: float | None) -> dict[str, Any]:
    """``measured`` in milliseconds, ``bound`` in seconds."""
    return {
        "what": what,
        "measured": lapse(measured),
        "to_reach": "no figure" if bound is None else lapse(bound * 1000),
        "kept": None if bound is None else measured <= bound * 1000,
    }


def _none_of(what: str, number: int) -> dict[str, Any]:
    return {"what": what, "measured": str(number), "to_reach": "0", "kept": number == 0}
