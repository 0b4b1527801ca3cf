# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modalities: those that are asked whether they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import Problems, show
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.values import is_set
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.variables import MODALITY_KEYS, read_keys

PORT = 104
NEEDED = ("name", "address", "ae")


def read(problems: Problems, written: Any) -> list[dict[str, Any]]:
    """Return the keys of each modality of a list; note what is missing, and names that occur twice."""
    if not is_set(written):
        return []
    if not isinstance(written, Sequence) or isinstance(written, (str, bytes)):
        problems.note(
            "infinitt_modalities",
            f"is {show(written)}, which is not a list",
            "give a list such as [{name: ct1, address: 198.51.100.50, ae: CT1}]",
        )
        return []
    found: dict[str, dict[str, Any]] = {}
    for index, entry in enumerate(written):
        place = f"infinitt_modalities[{index}]"
        keys = read_keys(problems, place, entry, MODALITY_KEYS)
        for key in NEEDED if isinstance(entry, Mapping) else ():
            if not is_set(entry.get(key)):
                problems.note(place, f"has no {key}", "a modality needs a name, an address and its AE title, ae")
        if keys.get("name") in found:
            problems.note(place, f"repeats the name {keys['name']}", "give every modality its own name")
        elif {*NEEDED} <= {*keys}:
            found[keys["name"]] = {"port": PORT, **keys}
    return list(found.values())
