"""Prometheus Alertmanager, by version 2 of its API."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any
from urllib.parse import unquote, urlsplit

from notifier.addresses import Address, Redactor, host_of, refuse_literal
from notifier.messages import Message, alert
from notifier.targets import Undelivered, name_of, shown
from schemas.errors import UsageError

ANSWER_S = 10.0
RESEND_S = 60.0
"""An Alertmanager keeps alerts in memory: they are sent again so often."""

HOLD = timedelta(minutes=15)
"""An alert that is not sent again for so long is resolved."""


class Alertmanager:
    """What fires is an alert there until it ends, is silenced or judged, or HOLD has passed since its run ended."""

    def __init__(
        self,
        address: Address,
        *,
        from_command_line: bool = False,
        clock: Callable[[], float] = time.time,
        resend_s: float = RESEND_S,
    ) -> None:
        """Read an address.

        Args:
            address: Its base URL.
            from_command_line: Refuse a password that is written out in it.
            clock: Seconds since the epoch.
            resend_s: After so many seconds alerts are sent again.

        Raises:
            UsageError: It is no URL, or there is a password in it.
        """
        self.selection = address.selection
        split = urlsplit(address.url)
        if split.scheme not in ("http", "https") or not split.hostname:
            raise UsageError("the address of an Alertmanager is none", "write it as http://HOST:9093")
        secrets = [] if split.password is None else [unquote(split.password)]
        if from_command_line:
            refuse_literal(address, secrets)
        self._redact = Redactor([*secrets, *address.secrets])
        place = self._redact(shown(split.scheme, host_of(address.url), split.path.rstrip("/")))
        self.name = name_of(place, self.selection, f"{host_of(address.url)}{split.path}")
        self._url = f"{split.scheme}://{host_of(address.url)}{split.path.rstrip('/')}/api/v2/alerts"
        self._headers = {"Content-Type": "application/json"} | _login(split)
        self._clock, self._resend_s = clock, resend_s
        self._alive: dict[str, Message] = {}
        self._kept = 0.0

    def send(self, message: Message) -> None:
        now = self._now()
        if message.reminder:
            return  # it reminds by itself, of what is kept alive
        self._post([alert(message, now + HOLD if message.fires else min(message.changed_at, now))])
        if message.fires:
            self._alive[message.alarm.alarm_id] = message
        else:
            self._alive.pop(message.alarm.alarm_id, None)

    def test(self) -> None:
        now = self._now()
        ends = (now + timedelta(minutes=1)).isoformat(timespec="milliseconds")
        told = {"summary": "[test] Driftline", "description": "This is a test. Changes of alarms will come here."}
        self._post([{"labels": {"alertname": "DriftlineTest"}, "annotations": told, "endsAt": ends}])

    def keep(self, live: Sequence[Message]) -> None:
        over = {message.alarm.alarm_id for message in live if message.over}  # and resolved when HOLD has passed
        wanted = {message.alarm.alarm_id: message for message in live if not message.over}
        gone = [message for name, message in self._alive.items() if name not in wanted and name not in over]
        due = wanted and self._clock() >= self._kept + self._resend_s
        if not (gone or due or wanted.keys() - self._alive.keys()):
            self._alive = wanted
            return
        now = self._now()
        self._post([*(alert(told, now + HOLD) for told in wanted.values()), *(alert(told, now) for told in gone)])
        self._alive, self._kept = wanted, self._clock()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _post(self, alerts: Sequence[Mapping[str, object]]) -> None:
        request = urllib.request.Request(self._url, json.dumps(alerts).encode(), self._headers)
        try:
            with _OPENER.open(request, timeout=ANSWER_S):
                return
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(300).decode(errors="replace")
            raise Undelivered(self._redact(" ".join(f"HTTP {error.code} {said}".split()))) from None
        except (OSError, HTTPException) as error:
            raise Undelivered(self._redact(str(getattr(error, "reason", error)) or type(error).__name__)) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET, and succeed."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _login(split: Any) -> dict[str, str]:
    if split.username is None:
        return {}
    login = f"{unquote(split.username)}:{unquote(split.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
