# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What HAProxy's log-format cannot say of a session (docs/records.md). Its two letters: manual, 8.5, "Session state at disconnection".
# What begins otherwise is no record: a proxy that stops says so to its own log.
/^\{"time":/!d
# It has answered with an A-ASSOCIATE-RJ, however that client has ended.
/"node":"<lua\./s/"ended":".."/"ended":"refused"/
s/"node":"<[^"]*>"/"node":null/
s/"(calling|called)_ae":""/"\1_ae":null/g
s/"certificate":"-?"}$/"certificate":null}/
s/"seconds":0*([0-9]+)([0-9]{3}),/"seconds":\1.\2,/
# From here on the first that matches is the last (t: since the last t, something was replaced).
t ended
:ended
s/"ended":"--"/"ended":"closed"/;t
s/"ended":"C."/"ended":"client_reset"/;t
s/"ended":"c."/"ended":"client_timeout"/;t
s/"ended":"[sS][QC]"/"ended":"no_node"/;t
s/"ended":"S."/"ended":"node_reset"/;t
s/"ended":"s."/"ended":"node_timeout"/;t
s/"ended":"D."/"ended":"node_down"/;t
s/"ended":"K."/"ended":"cut"/;t
s/"ended":"P."/"ended":"refused"/;t
# HAProxy has answered by itself.
s/"ended":"L."/"ended":"redirected"/;t
s/"ended":".."/"ended":"load_balancer"/
