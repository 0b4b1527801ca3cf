# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for all unit tests."""

from hypothesis import settings

# Other tests keep the machine busy: how long an example took says nothing of the code.
settings.register_profile("beside others", deadline=None)
settings.load_profile("beside others")
