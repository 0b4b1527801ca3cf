# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the table of variables into each role's README.md, or with --check tell which are stale.

The type, the choices and the meaning of a variable stand in meta/argument_specs.yml, its default in defaults/main.yml, and only
there. The table goes between two marks in the README; all around it is written by hand.
"""

from __future__ import annotations

import json
import pathlib
import re
import sys

import jinja2
import yaml

BEGIN, END = "<!-- variables -->", "<!-- end of variables -->"
TABLE = jinja2.Template(
    """
| variable | type | default | meaning |
| --- | --- | --- | --- |
{% for row in rows -%}
| `{{ row.name }}` | {{ row.type }} | {{ row.default }} | {{ row.meaning }} |
{% endfor %}
"""
)
# What argument specs and modules mark up with: C(code), V(value), O(option)...
MARKUP = re.compile(r"\b[CVOEPM]\(([^)]*)\)")


def text(description):
    """A description (a sentence or a list of them) as the content of one cell."""
    sentences = [description] if isinstance(description, str) else description or []
    return MARKUP.sub(r"`\1`", " ".join(" ".join(sentences).split())).replace("|", "\\|")


def value(default):
    """A default as code, or where to find it when it does not fit into a cell."""
    if default is None:
        return ""
    shown = default if isinstance(default, str) and default else json.dumps(default)
    if len(shown) > 60 or "\n" in shown or "{{" in shown:
        return "see [defaults](defaults/main.yml)"
    return f"`{shown}`".replace("|", "\\|")


def rows(options, defaults, prefix=""):
    """The rows of the options, each followed by those of its suboptions."""
    for name, spec in options.items():
        kind = spec.get("type", "str")
        if "elements" in spec:
            kind = f"{kind} of {spec['elements']}"
        if "choices" in spec:
            kind = " ".join(
                f"`{json.dumps(choice) if isinstance(choice, bool) else choice}`" for choice in spec["choices"]
            )
        default = "required" if spec.get("required") else value(defaults.get(name, spec.get("default")))
        yield {"name": prefix + name, "type": kind, "default": default, "meaning": text(spec.get("description"))}
        inner = f"{prefix}{name}[]." if spec.get("type") == "list" else f"{prefix}{name}."
        yield from rows(spec.get("options", {}), {}, inner)


def readme(role):
    """The role's README as it has to be, and as it is."""
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text()) or {}
    undocumented = sorted(set(defaults) - set(spec["options"]))
    if undocumented:
        sys.exit(f"{role}: in defaults/main.yml but not in meta/argument_specs.yml: {', '.join(undocumented)}")
    path = role / "README.md"
    now = (
        path.read_text()
        if path.exists()
        else f"# {role.name}\n\n{text(spec.get('short_description'))}.\n\n{BEGIN}\n{END}\n"
    )
    if BEGIN not in now or END not in now:
        sys.exit(f"{path}: the lines {BEGIN} and {END} must say where the table goes")
    head, rest = now.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    table = TABLE.render(rows=rows(spec["options"], defaults)).strip()
    return path, f"{head}{BEGIN}\n{table}\n{END}{tail}"


def main(check):
    """Write every README, or exit with the names of those that are not what they have to be."""
    roles = [spec.parent.parent for spec in sorted(pathlib.Path("roles").glob("*/meta/argument_specs.yml"))]
    changed = [(path, wanted) for path, wanted in map(readme, roles) if not path.exists() or path.read_text() != wanted]
    if check and changed:
        sys.exit(f"stale, run 'make docs': {', '.join(str(path) for path, wanted in changed)}")
    for path, wanted in changed:
        path.write_text(wanted)
        print(path)


if __name__ == "__main__":
    main(check="--check" in sys.argv[1:])
