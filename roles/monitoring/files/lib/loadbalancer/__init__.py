# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program ``loadbalancer``. Imports go downwards:

``command`` (what the user types) < ``check`` (what a modality is answered), ``notify`` (who is told, and when) <
``channels`` (how), ``events`` (what has happened); ``report`` (what is shown) < ``state`` (what is known, and kept) <
``here`` (this host), ``others`` (what the other load balancers say), ``checked`` (what a modality was answered last),
``files`` < the collection's own modules, which the playbooks run too.
"""
