# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pages for people point to exists, and what they say of all playbooks is so."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys

import pytest
import yaml
from rendering import REPOSITORY

PAGES = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(page):
    """The headings of a page, as they stand in a link."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for path, anchor in LINK.findall(page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), f"{path}#{anchor}"


def test_what_contributing_names_is_there():
    """Files and directories; those that somebody is yet to write are called NAME."""
    words = re.findall(r"`([\w./-]+)`", (REPOSITORY / "CONTRIBUTING.md").read_text())
    named = {word.rstrip("/") for word in words if "/" in word or word.endswith((".py", ".yml", ".md", ".j2", ".json"))}
    named = {name for name in named if "NAME" not in name and not name.startswith(".")}
    assert len(named) > 60
    there = [
        f"/{path.relative_to(REPOSITORY)}" for path in REPOSITORY.glob("[!.]*/**/*") if "collections" not in path.parts
    ]
    there += [f"/{path.name}" for path in REPOSITORY.iterdir()]
    assert {name for name in named if not any(path.endswith(f"/{name}") for path in there)} == set()


def test_every_test_that_is_named_as_a_proof_exists():
    named = set(re.findall(r"`(test_\w+)`", (REPOSITORY / "docs/security.md").read_text()))
    places = [*REPOSITORY.glob("tests/unit/**/test_*.py"), *REPOSITORY.glob("molecule/*/tests/test_*.py")]
    assert len(named) > 15
    assert named <= set(re.findall(r"^def (test_\w+)", "\n".join(path.read_text() for path in places), re.MULTILINE))


class Loader(yaml.SafeLoader):
    """Of files whose texts are for another one to fill in."""


Loader.add_constructor("!unsafe", yaml.SafeLoader.construct_yaml_str)


def test_tower_s_page_has_the_job_templates_and_workflows_of_controller():
    page = (REPOSITORY / "docs/tower.md").read_text()
    templates = yaml.load((REPOSITORY / "playbooks/tower/templates.yml").read_text(), Loader)["controller_templates"]
    rows = re.findall(r"^\| ([^|]+) \| `(playbooks/\w+\.yml)` \|.*\| ([^|]+) \|$", page, re.MULTILINE)
    assert rows == [(template["name"], template["playbook"], template["description"]) for template in templates]
    workflows = yaml.safe_load((REPOSITORY / "playbooks/tower/workflows.yml").read_text())["controller_workflows"]
    for workflow in workflows:
        jobs = [node.get("unified_job_template", "*approval*") for node in workflow["simplified_workflow_nodes"]]
        (row,) = re.findall(rf"^\| {re.escape(workflow['name'])} \| (.*) \|$", page, re.MULTILINE)
        assert [job for job in jobs if job in row] == jobs, row


def reached(path, seen=()):
    """A playbook, or a file of tasks, and all that it may import."""
    if path in seen:
        return seen
    seen, text = [*seen, path], path.read_text()
    playbooks = [REPOSITORY / "playbooks" / name for name in re.findall(r"import_playbook: (\S+)", text)]
    tasks = re.findall(r"(?:import|include)_tasks: (\w+)\.yml|pacs\.loadbalancer\.infinitt\n +tasks_from: (\w+)", text)
    for other in [*playbooks, *(REPOSITORY / f"roles/infinitt/tasks/{''.join(name)}.yml" for name in tasks)]:
        seen = reached(other, seen)
    return seen


def told_by(playbook):
    """The keys of what it tells the next job, by variable."""
    found = {}
    for text in (path.read_text() for path in reached(playbook)):
        for variable, value in re.findall(r"set_stats:\n +data:\n +(\w+):((?: .*)?(?:\n {8,}\w+: .*)*)", text):
            found.setdefault(variable, set()).update(re.findall(r"(\w+): \"", value))
    return found


@pytest.fixture(scope="module")
def told():
    """What each playbook tells, by its name."""
    return {path.name: told_by(path) for path in REPOSITORY.glob("playbooks/*.yml") if path.name != "controller.yml"}


def test_tower_s_page_has_what_each_playbook_tells_the_next_job(told):
    page = (REPOSITORY / "docs/tower.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| `(loadbalancer_\w+)` \| ([^|]+) \|$", page, re.MULTILINE)
    assert {(name, variable) for name, its in told.items() for variable in its} == {
        (name, variable) for playbooks, variable, _has in rows for name in re.findall(r"`(\w+\.yml)`", playbooks)
    }
    assert all(told.values())
    for _playbooks, variable, has in rows:
        keys = set().union(*(its.get(variable, set()) for its in told.values()))
        # Those of the status come from a filter, and test_status_runs.py has them.
        assert not keys or keys == set(re.findall(r"`(\w+)`", has)), variable


def test_what_a_job_of_a_workflow_takes_from_the_ones_before_it_is_told_by_one_of_them(told):
    templates = yaml.load((REPOSITORY / "playbooks/tower/templates.yml").read_text(), Loader)["controller_templates"]
    by_name = {template["name"]: template for template in templates}
    taken = []
    for workflow in yaml.safe_load((REPOSITORY / "playbooks/tower/workflows.yml").read_text())["controller_workflows"]:
        before = {}
        for node in workflow["simplified_workflow_nodes"]:
            template = by_name.get(node.get("unified_job_template"), {})
            for variable, key in re.findall(r"(loadbalancer_\w+)\.(\w+)", str(template.get("extra_vars"))):
                taken.append(variable)
                assert key in before.get(variable, ()), f"{workflow['name']}: {variable}.{key}"
            before |= told.get(template.get("playbook", "").removeprefix("playbooks/"), {})
    assert taken


def test_the_readme_names_each_playbook():
    named = re.findall(r"(\w+)\.yml", (REPOSITORY / "README.md").read_text())
    assert {path.stem for path in REPOSITORY.glob("playbooks/*.yml")} <= set(named)


def test_the_examples_for_ci_run_what_make_test_runs(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    tests = runpy.run_path("tools/test.py")
    parts = [*tests["WITHOUT_LAB"], *tests["BESIDE"]]
    labs = [" ".join(command[1:]) for command in tests["WITH_LAB"].values()]
    github = yaml.safe_load((REPOSITORY / ".github/workflows/test.yml").read_text())["jobs"]
    gitlab = yaml.safe_load((REPOSITORY / ".gitlab-ci.yml").read_text())
    for jobs, matrix, part, lab in (
        (github, lambda job: job["strategy"]["matrix"], "target", "arguments"),
        (gitlab, lambda job: job["parallel"]["matrix"][0], "TARGET", "ARGUMENTS"),
    ):
        # Their matrix takes hours: sanity has a part of its own there.
        assert sorted([*matrix(jobs["part"])[part], "matrix"]) == sorted([*parts, "sanity"]) and "matrix" in jobs
        assert matrix(jobs["lab"])[lab] == labs


def test_no_playbook_is_for_a_node(tmp_path):
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("loadbalancers: {hosts: {lb1: , lb2: }}\nnodes: {hosts: {pacs1: , pacs2: }}\n")
    playbooks = sorted(map(str, REPOSITORY.glob("playbooks/*.yml")))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "--inventory", str(inventory), "--list-hosts", *playbooks],
        env={**os.environ, "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_LOCAL_TEMP": str(tmp_path)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and done.stdout.count("\nplaybook: ") == len(playbooks), done.stdout + done.stderr
    # controller.yml is for the controller, which is no host of the site.
    assert set(re.findall(r"^      (\S+)$", done.stdout, re.MULTILINE)) == {"lb1", "lb2", "localhost"}


def test_every_test_of_what_people_do_is_run_by_make():
    (run,) = re.findall(r"operations/test_%\.py,([\w ]+)\)", (REPOSITORY / "Makefile").read_text())
    there = [path.stem.removeprefix("test_") for path in REPOSITORY.glob("molecule/default/operations/test_*.py")]
    assert sorted(run.split()) == sorted(there)
