#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: configuration_files
short_description: Replace the configuration files of a daemon, all or none
version_added: "1.0.0"
description:
  - Compares all files of a set in one call. Where some differ, the programs that read them accept or refuse all of
    those before any is replaced. A refused file changes nothing.
  - Each file is replaced by a rename, in the order of O(files). A run that is killed leaves every file whole, the
    former or the new one, and the next run completes it.
  - A set is a whole. A file that was deployed as part of it and is not in O(files) any more is put back as it was
    before the first deployment. Mostly there was none; then it is removed, with the directories that were made for it.
  - What was deployed is recorded under C(/var/lib/pacs.loadbalancer), and the files before it are kept there, for root
    alone. While a run has the lock of M(pacs.loadbalancer.run_lock), all that it deploys is part of one change.
  - In check mode it compares only, and validates nothing.
options:
  name:
    description: Name of the set.
    type: str
    required: true
  files:
    description: All files of the set, in the order in which they are to be replaced.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path. A directory that does not exist is made, with mode C(0755).
        type: str
        required: true
      content:
        description:
          - The text, in base64 (P(ansible.builtin.b64encode#filter)).
          - It appears in no log and no output but that of C(--diff). Were it plain text, Ansible would blank out its
            words there too.
        type: str
      link:
        description: In place of a text, the target of a symbolic link.
        type: str
      mode:
        description: The mode in octal.
        type: str
        default: "0644"
      owner:
        description: The owner.
        type: str
        default: root
      group:
        description: The group.
        type: str
        default: root
      validate:
        description: A command, as a list of words, that accepts the file by its exit code 0. C(%s) in a word stands for
          the path of the candidate.
        type: list
        elements: str
        default: []
      secret:
        description: The text holds a secret; C(--diff) and a refusal leave its lines out.
        type: bool
        default: false
      loaded:
        description:
          - The daemon reads it when it loads its configuration, so that it is part of the fingerprint.
          - C(@fingerprint@) in such a text becomes the fingerprint, so that the daemon can say what it runs.
        type: bool
        default: false
  packages:
    description:
      - Debian packages to look for. Nothing is installed.
      - While one is missing, nothing can be validated. Then those files are written that need no O(files[].validate),
        so that a drop-in holds from the first start on, and nothing is recorded.
    type: list
    elements: str
    default: []
  undo:
    description:
      - Changes of the site, as M(pacs.loadbalancer.site_record) names them. In place of O(files) the set
        becomes what it was before them, by the same validation.
      - A set that another change has made so stays as it is. Of a change that was not confirmed yet no trace is left.
    type: list
    elements: str
    default: []
  units:
    description: Units of systemd that serve with these files. They are looked at, and left as they are.
    type: list
    elements: str
    default: []
  state:
    description:
      - With V(deployed) the files are as in O(files).
      - With V(restored) they are as they were before the last deployment, for example because a reload failed.
    type: str
    choices: [deployed, restored]
    default: deployed
attributes:
  check_mode:
    description: Compares only.
    support: full
  diff_mode:
    description: Shows each file that differs.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Write what HAProxy reads, once HAProxy has accepted it
  pacs.loadbalancer.configuration_files:
    name: haproxy
    packages: [haproxy]
    files:
      - path: /etc/systemd/system/haproxy.service.d/state.conf
        content: "{{ lookup('ansible.builtin.template', 'unit.conf.j2') | b64encode }}"
      - path: /etc/haproxy/haproxy.cfg
        content: "{{ lookup('ansible.builtin.template', 'haproxy.cfg.j2') | b64encode }}"
        group: haproxy
        mode: "0640"
        validate: [/usr/sbin/haproxy, -c, -f, "%s"]
        loaded: true

- name: Put the former files back
  pacs.loadbalancer.configuration_files:
    name: haproxy
    state: restored
"""

RETURN = r"""
files:
  description: Each file of the set, those too that were deployed and are not wanted any more.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: Its path.
      type: str
    exists:
      description: Whether it was there before this run.
      type: bool
    differs:
      description: Whether it was not there as it is wanted.
      type: bool
    drifted:
      description: Whether it was not as it was last deployed. A file that was never deployed has not drifted.
      type: bool
  sample:
    - {path: /etc/haproxy/haproxy.cfg, exists: true, differs: false, drifted: false}
missing:
  description: Those O(packages) that are not installed.
  type: list
  elements: str
  returned: success
recorded:
  description: Whether the record called just these files deployed; an interrupted run may not
    have come to that.
  type: bool
  returned: success
fingerprint:
  description: The fingerprint of what is loaded; with O(undo), that of the files before. Empty where nothing is.
  type: str
  returned: success
deployed:
  description: What was deployed last before this run; empty where nothing was.
  type: dict
  returned: success
  contains:
    fingerprint:
      description: Its fingerprint.
      type: str
    when:
      description: When, in UTC.
      type: str
    by:
      description: Who did it; without a lock, the user of this host.
      type: str
    pending:
      description: Whether it is part of a change of the site that was not confirmed yet.
      type: bool
  sample: {fingerprint: 9f2c41d07be3, when: "2026-11-25T13:04:05Z", by: ops}
idle:
  description: Those O(units) that are not active, or not started at boot.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _systemd
from ansible_collections.pacs.loadbalancer.plugins.module_utils._file_set import FileSet, host_key
from ansible_collections.pacs.loadbalancer.plugins.module_utils._files import Refused, marked, wanted
from ansible_collections.pacs.loadbalancer.plugins.module_utils._packages import missing

FILE = {
    "path": {"type": "str", "required": True},
    "content": {"type": "str", "no_log": True},
    "link": {"type": "str"},
    "mode": {"type": "str", "default": "0644"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "validate": {"type": "list", "elements": "str", "default": []},
    "secret": {"type": "bool", "default": False},
    "loaded": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": FILE,
                "mutually_exclusive": [("content", "link")],
                "required_one_of": [("content", "link")],
            },
            "packages": {"type": "list", "elements": "str", "default": []},
            "undo": {"type": "list", "elements": "str", "default": []},
            "units": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["deployed", "restored"], "default": "deployed"},
        },
        supports_check_mode=True,
    )
    change = restore if module.params["state"] == "restored" else deploy
    try:
        module.exit_json(**change(FileSet(module.params["name"]), module))
    except Refused as reason:
        module.fail_json(msg=str(reason))
    except OSError as error:
        module.fail_json(msg="%s cannot be written: %s." % (error.filename, error.strerror))


def deploy(files: FileSet, module: AnsibleModule) -> dict:
    ask, deployed = module.params, files.record
    if ask["undo"]:
        comparison = files.compare(*files.before(ask["undo"]))
    else:
        comparison = files.compare(*marked([wanted(entry) for entry in ask["files"]], host_key()))
    absent = missing(ask["packages"])
    if absent and not module.check_mode:
        files.prepare(comparison)
    elif comparison.changed() and not module.check_mode:
        files.deploy(comparison, ask["undo"])
    return {
        "changed": bool(absent) or comparison.changed(),
        "files": comparison.report(),
        "missing": absent,
        "recorded": comparison.recorded,
        "fingerprint": comparison.fingerprint,
        "deployed": {key: deployed[key] for key in ("fingerprint", "when", "by", "pending") if key in deployed},
        "idle": [unit for unit in ask["units"] if not (_systemd.is_active(unit) and _systemd.inspect(unit)["enabled"])],
        "diff": comparison.difference() if module._diff else [],
    }


def restore(files: FileSet, module: AnsibleModule) -> dict:
    former = files.former()
    if not module.check_mode:
        files.restore(former)
    return {"changed": bool(former)}


if __name__ == "__main__":
    main()
