# Copyright (c) 2026 The pacs.loadbalancer authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Those who are told: a webhook, a mailbox and the user's command. None of them is told where another one fails.

No message of an error has a setting in it: a URL and a header may be secrets.
"""

from __future__ import annotations

import email.message
import email.utils
import http.client
import json
import os
import smtplib
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from .events import Event

PATIENCE = 10.0  # seconds for each step of a conversation
COMMAND = 25.0  # seconds for the user's command

Settings = Mapping[str, Any]


class NotTold(Exception):
    """It was not taken; the message continues a sentence that begins with the channel."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the header to somebody else, and make a GET of the POST."""

    def redirect_request(self, *_request: Any) -> None:
        return None


def webhook(settings: Settings, events: Sequence[Event]) -> None:
    """Post one event as JSON. ``text`` is what chats show. Raises NotTold."""
    (event,) = events
    name, _colon, value = settings.get("header", "").partition(":")
    headers = {"Content-Type": "application/json", **({name: value.strip()} if name else {})}
    body = json.dumps({"text": event.text(), **event.as_dict()}).encode()
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=_trust(settings)), _NoRedirect)
    try:
        request = urllib.request.Request(settings["url"], body, headers)
        with opener.open(request, timeout=PATIENCE):
            pass
    except urllib.error.HTTPError as error:
        raise NotTold(f"answers HTTP {error.code}") from None
    except urllib.error.URLError as error:
        raise NotTold(_reason(error.reason)) from None
    except (OSError, http.client.HTTPException) as error:
        raise NotTold(_reason(error)) from None


def mail(settings: Settings, events: Sequence[Event]) -> None:
    """Send one mail with all events. Raises NotTold."""
    message = email.message.EmailMessage()
    more = f" (and {len(events) - 1} more)" if len(events) > 1 else ""
    message["Subject"] = events[0].text()[:180] + more
    message["From"], message["To"] = settings["from"], ", ".join(settings["to"])
    message["Date"], message["Message-ID"] = (
        email.utils.formatdate(),
        email.utils.make_msgid(domain=os.uname().nodename),
    )
    message["Auto-Submitted"] = "auto-generated"
    lines = [f"{its['at']} {event.text()} [{its['event']}]" for event in events for its in [event.as_dict()]]
    message.set_content("\n".join([*lines, "", "On the load balancer: loadbalancer status"]) + "\n")
    try:
        with smtplib.SMTP(settings["server"], settings["port"], os.uname().nodename, PATIENCE) as server:
            if settings["starttls"]:
                server.starttls(context=_trust(settings))
            if "user" in settings:
                server.login(settings["user"], settings["password"])
            server.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise NotTold(f"answers {error.smtp_code}") from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _text in error.recipients.values()})
        raise NotTold(f"refuses every recipient ({', '.join(map(str, codes))})") from None
    except (OSError, smtplib.SMTPException) as error:
        raise NotTold(_reason(error)) from None


def command(words: Sequence[str], events: Sequence[Event]) -> None:
    """Run the user's command for one event, as the guard does; it is not run again where it fails."""
    (event,) = events
    try:
        done = subprocess.run(
            [*words, event.event, event.host, event.former, event.new, event.why],
            stdin=subprocess.DEVNULL,
            timeout=COMMAND,
            check=False,
        )
        said = f"has failed with exit code {done.returncode}" if done.returncode else ""
    except subprocess.TimeoutExpired:
        said = f"has not ended within {COMMAND:g} s, and is killed"
    except OSError as error:
        said = f"cannot be started ({error.strerror})"
    if said:
        print(f"{words[0]} {said}.", flush=True)


def place(name: str, settings: Any) -> str:
    """Say whom a channel tells, without a secret."""
    if name == "webhook":
        return f"The webhook at {urllib.parse.urlsplit(settings['url']).hostname}"
    return f"The mail server {settings['server']}" if name == "mail" else settings[0]


def _trust(settings: Settings) -> ssl.SSLContext:
    """The system's CAs, unless the site has its own."""
    return ssl.create_default_context(cafile=settings.get("ca_file"), cadata=settings.get("ca"))


def _reason(error: Any) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"has a certificate that is not trusted ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be told ({error.strerror})"
    return f"cannot be told ({'timed out' if isinstance(error, TimeoutError) else type(error).__name__})"
