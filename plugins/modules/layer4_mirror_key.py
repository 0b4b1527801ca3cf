#!/usr/bin/python
# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: layer4_mirror_key
short_description: This host's key of the encrypted mirror
version_added: "1.0.0"
description:
  - Makes a private key of WireGuard in a file that only root reads, where there is none, and returns its public half.
  - The private key never leaves the host.
options:
  path:
    description: The file.
    type: path
    default: /etc/layer4/mirror.key
attributes:
  check_mode:
    description: Makes no key, and says whether it would.
    support: full
author:
  - The pacs.loadbalancer authors (@pacs-loadbalancer)
"""

EXAMPLES = r"""
- name: Make the key
  pacs.loadbalancer.layer4_mirror_key:
  register: key
"""

RETURN = r"""
public_key:
  description: The public half; empty in check mode where there is no key yet.
  type: str
  returned: success
  sample: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
peer_key:
  description: The other host's public key, as it was deployed on this host last; empty where it was not.
  type: str
  returned: success
  sample: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pacs.loadbalancer.plugins.module_utils import _mirror_key


def main() -> None:
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "default": "/etc/layer4/mirror.key", "no_log": False}},
        supports_check_mode=True,
    )
    path = module.params["path"]
    try:
        is_missing = not _mirror_key.read(path)
        if is_missing and not module.check_mode:
            _mirror_key.make(path)
        module.exit_json(changed=is_missing, public_key=_mirror_key.read(path), peer_key=_mirror_key.of_peer())
    except _mirror_key.Damaged as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The key of the mirror cannot be made: {error}.")


if __name__ == "__main__":
    main()
