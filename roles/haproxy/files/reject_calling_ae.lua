-- Copyright (c) 2026 The pacs.loadbalancer authors
-- GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Answer an A-ASSOCIATE-RQ with an A-ASSOCIATE-RJ (PS3.8, 9.3.4): permanent, service user, calling AE title not recognized.
core.register_service("reject_calling_ae", "tcp", function(applet)
  -- It is read to its end first, up to 1 MiB: closed with something unread, the connection would be reset, and the answer lost.
  local header = applet:receive(6)
  local left = #header == 6 and math.min(string.unpack(">I4", header, 3), 0x100000) or 0
  while left > 0 do
    local part = applet:receive(math.min(left, 8192))
    left = #part > 0 and left - #part or 0
  end
  applet:send("\x03\x00\x00\x00\x00\x04\x00\x01\x01\x03")
end)
