# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the stand-in: the fields of each resource with AWX's defaults, and what its serializers refuse.

``...`` is a field that must be given.
"""

from __future__ import annotations

import re

from jinja2 import StrictUndefined, TemplateError, sandbox


class Refused(Exception):
    """An answer with status 400; its argument is the JSON of the answer."""


NAMED = {"name": ..., "description": ""}
ASKED = ("diff_mode", "inventory", "job_type", "labels", "limit", "scm_branch", "skip_tags", "tags", "variables")
SURVEYED = {
    **NAMED,
    "organization": None,
    "extra_vars": "",
    "allow_simultaneous": False,
    "survey_enabled": False,
    **dict.fromkeys((f"ask_{what}_on_launch" for what in ASKED), False),
}
FIELDS = {
    "organizations": {**NAMED, "max_hosts": 0, "custom_virtualenv": None, "default_environment": None},
    "execution_environments": {**NAMED, "organization": None, "image": ..., "credential": None, "pull": ""},
    "projects": {
        **{**NAMED, "organization": None, "scm_type": "", "scm_url": "", "scm_branch": "", "scm_revision": ""},
        **{"scm_update_on_launch": False, "allow_override": False, "default_environment": None, "credential": None},
    },
    "credential_types": {**NAMED, "kind": "cloud", "managed": False, "inputs": {}, "injectors": {}},
    "credentials": {**NAMED, "organization": None, "credential_type": ..., "inputs": {}},
    "labels": {"name": ..., "organization": ...},
    "notification_templates": {
        **{**NAMED, "organization": ..., "notification_type": ..., "notification_configuration": {}},
        "messages": None,
    },
    "inventories": {**NAMED, "organization": ..., "kind": "", "host_filter": None, "variables": ""},
    "inventory_sources": {
        **{**NAMED, "inventory": ..., "source": ..., "source_path": "", "source_project": None},
        **{"execution_environment": None, "overwrite": False, "overwrite_vars": False, "update_on_launch": False},
    },
    "job_templates": {
        **{**SURVEYED, "job_type": "run", "inventory": ..., "project": ..., "playbook": ""},
        **{"execution_environment": None, "limit": ""},
        # AWX has False, False and 1 for these, and so a line that is missing would not be seen.
        **dict.fromkeys(("allow_simultaneous", "become_enabled", "job_slice_count")),
    },
    "workflow_job_templates": {**SURVEYED, "limit": "", "inventory": None},
    "workflow_job_template_nodes": {
        **{"identifier": ..., "workflow_job_template": ..., "unified_job_template": None, "extra_data": {}},
        **{"job_type": None, "diff_mode": None, "limit": None, "all_parents_must_converge": False},
    },
    "workflow_approval_templates": {**NAMED, "timeout": 0},
    "schedules": {**NAMED, "rrule": ..., "unified_job_template": ..., "enabled": True, "extra_data": {}},
}
TYPES = {resource: resource.removesuffix("s") for resource in FIELDS} | {"inventories": "inventory"}
WORKFLOW_KINDS = (
    "job_templates",
    "workflow_job_templates",
    "projects",
    "inventory_sources",
    "workflow_approval_templates",
)
TOLD = tuple(f"notification_templates_{when}" for when in ("started", "success", "error"))
ASSOCIATIONS = {
    "job_templates": ("credentials", "labels", *TOLD),
    "workflow_job_templates": ("labels", *TOLD, "notification_templates_approvals"),
    "workflow_job_template_nodes": ("success_nodes", "failure_nodes", "always_nodes"),
}
# What a node of a workflow may give its job, and what the job template must ask for then.
NODE_PROMPTS = {
    "job_type": "ask_job_type_on_launch",
    "diff_mode": "ask_diff_mode_on_launch",
    "limit": "ask_limit_on_launch",
}


def check_rrule(text):
    rules = re.findall(r"RULE:(\S*)", text)
    if len(re.findall(r"DTSTART(?:;[^:]+:[0-9]+T[0-9]+|:[0-9]+T[0-9]+Z)", text)) != 1 or not rules:
        raise Refused({"rrule": ["One DTSTART with a timezone and a rule are required."]})
    for rule in rules:
        if "INTERVAL=" not in rule or "SECONDLY" in rule or re.search(r"BYDAY=[0-9]", rule):
            raise Refused({"rrule": [f"{rule} is not supported."]})


# As much of the job that a notification is rendered for as AWX tries it with.
JOB = {"name": "Stub", "status": "running", "artifacts": {}, "playbook": "ping.yml", "summary_fields": {}}


def render(message, job):
    """Render a notification as AWX does, which takes no name that is not there."""
    env = sandbox.ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    return env.from_string(message).render(job=job, url="https://controller.example.org/#/jobs/1")


def check_messages(messages):
    for event, parts in (messages or {}).items():
        if event not in ("started", "success", "error", "workflow_approval"):
            raise Refused({"messages": [f"Event '{event}' invalid."]})
        for name, text in parts.items() if event != "workflow_approval" else ():
            if name not in ("message", "body") or name == "message" and "\n" in text:
                raise Refused({"messages": [f"'{name}' invalid."]})
            try:
                render(text, JOB)
            except TemplateError as error:
                raise Refused({"messages": [str(error)]}) from error
