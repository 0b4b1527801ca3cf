# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader

from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._site.problems import ValidationError
from ansible_collections.pacs.loadbalancer.plugins.plugin_utils._survey import survey

SPECS = Path(__file__).parents[2] / "roles/infinitt/meta/argument_specs.yml"


def infinitt_survey(questions):
    """Return the survey of a job template: see infinitt_survey.yml."""
    specs = DataLoader().load_from_file(str(SPECS))
    try:
        return survey(questions, specs["argument_specs"]["main"]["options"])
    except ValidationError as error:
        raise AnsibleFilterError(f"{error.reason}; {error.hint}.") from error


class FilterModule:
    def filters(self):
        return {"infinitt_survey": infinitt_survey}
