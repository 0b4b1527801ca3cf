# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for the API of AWX 24.6: as much of it as the modules of awx.awx ask, on loopback, in memory.

Written from what those modules and awxkit send and expect, and from the rules by which AWX's serializers refuse: what a
job template does not ask, a node of a workflow or a schedule may not answer. Every write is kept in ``writes``.
"""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from copy import deepcopy

from resources import ASSOCIATIONS, FIELDS, NODE_PROMPTS, TYPES, WORKFLOW_KINDS, Refused, check_messages, check_rrule
from survey_rules import check_survey, errors_of, shown

TOKEN = "a-token"


class Controller:
    """What it holds, by resource and ID; ``playbooks``: those that its project has."""

    def __init__(self, playbooks):
        self.playbooks = playbooks
        self.writes = []
        self.last = 0
        self.held = {name: {} for name in FIELDS}
        self.surveys = {}
        for name, kind in (("Machine", "ssh"), ("Red Hat Ansible Automation Platform", "cloud")):
            self.create("credential_types", {"name": name, "kind": kind, "managed": True})
        self.writes.clear()

    # --- objects ------------------------------------------------------------------------------------------------------

    def create(self, resource, data):
        self.last += 1
        url = f"/api/v2/{resource}/{self.last}/"
        item = {**deepcopy(FIELDS[resource]), "id": self.last, "type": TYPES[resource], "url": url}
        item |= {"related": {"survey_spec": f"{url}survey_spec/"}, "summary_fields": {}}
        item["associations"] = {name: [] for name in ASSOCIATIONS.get(resource, ())}
        self.change(resource, item, data)
        self.held[resource][self.last] = item
        if resource == "projects":
            item["summary_fields"]["current_update"] = {"id": 1}
        return item

    def change(self, resource, item, data):
        """What the serializer does not know it leaves out, and so does this."""
        changed = {**item, **{name: value for name, value in data.items() if name in FIELDS[resource]}}
        self.check(resource, changed)
        item.update(changed)
        unified = item.get("unified_job_template") if resource == "workflow_job_template_nodes" else None
        if unified:
            item["related"]["unified_job_template"] = self.unified(unified)["url"]

    def delete(self, resource, item):
        del self.held[resource][item["id"]]
        nodes = self.held["workflow_job_template_nodes"]
        if resource == "workflow_job_templates":
            self.held["workflow_job_template_nodes"] = {
                number: node for number, node in nodes.items() if node["workflow_job_template"] != item["id"]
            }

    def unified(self, number):
        return next(self.held[kind][number] for kind in WORKFLOW_KINDS if number in self.held[kind])

    def of(self, resource, name):
        """Return the one that has this name, without what the API shows of none."""
        (item,) = [item for item in self.held[resource].values() if item["name"] == name]
        return item

    def linked(self, item, association):
        """Return the names of what an item is associated with."""
        resource = association if association in self.held else "notification_templates"
        return {self.held[resource][number]["name"] for number in item["associations"][association]}

    def survey(self, item):
        return self.surveys.get(item["id"], {})

    # --- rules --------------------------------------------------------------------------------------------------------

    def check(self, resource, item):
        for name in ("name", "organization", "inventory", "project", "source_project", "workflow_job_template"):
            if name in FIELDS[resource] and FIELDS[resource][name] is ... and item.get(name) in (..., None, ""):
                raise Refused({name: ["This field is required."]})
        if resource == "job_templates" and item["playbook"] not in self.playbooks:
            raise Refused({"playbook": ["Playbook not found for project."]})
        if resource == "schedules":
            check_rrule(item["rrule"])
        if resource == "notification_templates":
            check_messages(item["messages"])
        if resource == "workflow_job_template_nodes" and item["unified_job_template"]:
            self.check_prompts(self.unified(item["unified_job_template"]), item)

    def check_prompts(self, template, node):
        for name, asked in NODE_PROMPTS.items():
            if node[name] not in (None, "") and not template.get(asked):
                raise Refused({name: ["Field is not configured to prompt on launch."]})
        given = dict(node["extra_data"])
        for question in self.survey(template).get("spec", []):
            if errors := errors_of(question, given, required=False):
                raise Refused({"variables_needed_to_start": errors})
            given.pop(question["variable"], None)
        if given:
            raise Refused({"extra_vars": [f"Variables {', '.join(given)} are not allowed on launch."]})

    # --- requests -----------------------------------------------------------------------------------------------------

    def answer(self, method, path, query, data):
        """Return the status and the JSON of an answer."""
        if method != "GET":
            self.writes.append((method, path, data))
        resource, *rest = path.removeprefix("/api/v2/").strip("/").split("/", 2)
        if resource == "project_updates":
            return 200, {"status": "successful"}
        if not rest:
            return self.found(resource, query) if method == "GET" else (201, self.show(self.create(resource, data)))
        item = self.held.get(resource, {}).get(int(rest[0]))
        if item is None:
            return 404, {"detail": "Not found."}
        if rest[1:]:
            return self.part(method, resource, item, rest[1], data)
        if method == "DELETE":
            self.delete(resource, item)
            return 204, None
        if method == "PATCH":
            self.change(resource, item, data)
        return 200, self.show(item)

    def part(self, method, resource, item, part, data):
        if part == "survey_spec":
            if method == "GET":
                return 200, shown(self.survey(item))
            if method == "POST":
                check_survey(data)
            self.surveys[item["id"]] = data if method == "POST" else {}
            return 200, {}
        if part == "create_approval_template":
            made = self.create("workflow_approval_templates", data)
            self.change(resource, item, {"unified_job_template": made["id"]})
            return 201, self.show(made)
        if part not in item["associations"]:
            return 404, {"detail": "Not found."}
        linked = item["associations"][part]
        if method == "GET":
            return 200, listed([{"id": number} for number in linked])
        if data.get("disassociate"):
            linked.remove(data["id"])
        else:
            linked.append(data["id"])
        return 204, None

    def found(self, resource, query):
        kinds = WORKFLOW_KINDS if resource == "unified_job_templates" else (resource,)
        items = [item for kind in kinds for item in self.held[kind].values()]
        for name, value in query.items():
            if items and name not in items[0]:
                return 400, {"detail": f"{TYPES.get(resource)} has no field named '{name}'"}
            items = [item for item in items if str(item.get(name)) == value]
        return 200, listed([self.show(item) for item in items])

    def show(self, item):
        """An object as the API shows it: what is secret, never."""
        seen = {name: deepcopy(value) for name, value in item.items() if name != "associations"}
        if item["type"] == "credential":
            fields = self.held["credential_types"][item["credential_type"]]["inputs"].get("fields", [])
            secret = {field["id"] for field in fields if field.get("secret")} | {"ssh_key_data", "password"}
            seen["inputs"] = {name: "$encrypted$" if name in secret else at for name, at in item["inputs"].items()}
        return seen


def listed(items):
    return {"count": len(items), "next": None, "previous": None, "results": items}


class Server(http.server.ThreadingHTTPServer):
    """The controller on a port of loopback; a context manager."""

    daemon_threads = True

    def __init__(self, controller):
        super().__init__(("127.0.0.1", 0), Handler)
        self.controller = controller
        self.environment = {
            "CONTROLLER_HOST": f"http://127.0.0.1:{self.server_port}",
            "CONTROLLER_OAUTH_TOKEN": TOKEN,
            "CONTROLLER_REQUEST_TIMEOUT": "60",
        }

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *raised):
        self.shutdown()
        super().__exit__(*raised)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        data = json.loads(self.rfile.read(length) or "null")
        status, body = 401, {"detail": "Authentication credentials were not provided."}
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            try:
                query = dict(urllib.parse.parse_qsl(url.query))
                status, body = self.server.controller.answer(self.command, url.path, query, data)
            except Refused as refused:
                status, body = 400, refused.args[0]
        self.send_response(status)
        text = b"" if body is None else json.dumps(body).encode()
        for name, value in {
            "X-API-Product-Name": "AWX",
            "X-API-Product-Version": "24.6.1",
            "Content-Type": "application/json",
            "Content-Length": str(len(text)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PATCH = do_DELETE = do_GET

    def log_message(self, *words):
        """Say nothing: what was written is kept."""
