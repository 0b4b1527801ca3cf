# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible, loaded once for all that the tests render. It runs in a process of its own, because Ansible's collection
loader would change what they import.

Requests on standard input and answers on standard output, as JSON, a line each, until the input ends:
``{"sites": [[variables, site], ...]}``: the texts by host of each. ``{"render": [argument, ...]}``: what `make render`
does with them, its exit code and what it said. ``{"failed": ...}`` is an answer too.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "tools/render"
sys.path.insert(0, str(TOOL))

import rendering


def hasten():
    """Let Ansible compile each template once, not for each text; and let its lookup of templates, which adds to a copy
    of the variables, copy no deeper than that: both together are three quarters of its time.
    """
    from ansible.plugins.loader import lookup_loader

    lookup_loader.get("ansible.builtin.template", class_only=True).run.__globals__["deepcopy"] = dict
    try:
        from ansible._internal._templating._jinja_bits import (
            _TEMPLATE_OVERRIDE_FIELD_NAMES,
            AnsibleEnvironment,
            _TemplateCompileContext,
        )
    except ImportError:
        return  # before ansible-core 2.19 templates are compiled elsewhere
    compiled, compile_template = {}, AnsibleEnvironment.compile

    def remembered(environment, source, *args, **options):
        if not isinstance(source, str):
            return compile_template(environment, source, *args, **options)
        syntax = [getattr(environment, name) for name in _TEMPLATE_OVERRIDE_FIELD_NAMES]
        context = _TemplateCompileContext.current(optional=True)
        key = (source, args, *options.items(), *syntax, context and context.escape_backslashes)
        if key not in compiled:
            compiled[key] = compile_template(environment, source, *args, **options)
        return compiled[key]

    AnsibleEnvironment.compile = remembered


class Sites:
    """Sites that are computed already, each for itself in the inventory."""

    def __init__(self):
        from ansible.inventory.manager import InventoryManager
        from ansible.parsing.dataloader import DataLoader
        from ansible.vars.manager import VariableManager

        loader = DataLoader()
        self._inventory = InventoryManager(loader, sources=[])
        self._inventory.add_group("loadbalancers")
        self._variables = VariableManager(loader, self._inventory)
        self._renderer = rendering.Renderer(loader, self._inventory, self._variables)

    def texts(self, known, site):
        from ansible.utils.unsafe_proxy import wrap_var

        for host in site["hosts"]:
            self._inventory.add_host(host, "loadbalancers")
            # Before ansible-core 2.19 what is not called unsafe is a template.
            self._variables.set_nonpersistent_facts(host, wrap_var({**known, "__infinitt": site}))
        names = rendering.names(site)
        texts = {host: self._renderer.texts(self._inventory.get_host(host), names) for host in site["hosts"]}
        for host in site["hosts"]:
            self._variables._nonpersistent_fact_cache.pop(host)
            self._inventory._inventory.remove_host(self._inventory.get_host(host))
            self._inventory.clear_caches()
        return texts


def program(arguments):
    """The program that `make render` runs, in a child, since each of Ansible's programs has its process to itself."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)
        code = 1
        try:
            import runpy

            sys.argv = [str(TOOL), *arguments]
            runpy.run_path(str(TOOL), run_name="__main__")
        except SystemExit as error:
            code = error.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    os.close(writer)
    with open(reader) as output:
        said = output.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def main():
    from ansible.plugins.loader import init_plugin_loader

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever Ansible says is no answer
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
    init_plugin_loader([str(rendering.REPOSITORY / "collections")])
    hasten()
    sites = Sites()  # before a child is made, which then has all that is imported for them
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = program(asked["render"]) if "render" in asked else [sites.texts(*one) for one in asked["sites"]]
        except Exception:
            answer, sites = {"failed": traceback.format_exc()}, Sites()
        json.dump(answer, answers)
        print(file=answers, flush=True)


if __name__ == "__main__":
    main()
