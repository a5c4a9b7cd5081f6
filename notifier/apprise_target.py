"""Mail, chat and whatever else package apprise sends to. Imported by the notifier alone: it takes a second."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from notifier.addresses import Address, Redactor, host_of, parts, refuse_literal
from notifier.messages import Message
from notifier.targets import Undelivered, name_of, shown
from schemas.errors import UsageError

with warnings.catch_warnings():  # of modules of the standard library that its plugins import
    warnings.simplefilter("ignore")
    import apprise

_LOG = logging.getLogger("apprise")  # what it has to say comes with each result
_LOG.propagate = False
_LOG.addHandler(logging.NullHandler())
_LOG.setLevel(logging.DEBUG)

SEND_S = 30.0
"""For one message, to all of its recipients."""

_TYPES = {"recovered": apprise.NotifyType.SUCCESS, "withdrawn": apprise.NotifyType.INFO}


class AppriseTarget:
    """One address that apprise understands."""

    def __init__(self, address: Address, *, from_command_line: bool = False) -> None:
        """Find the plugin of an address.

        Args:
            address: The address.
            from_command_line: Refuse secrets that are written out in it.

        Raises:
            UsageError: There is no such plugin, it does not understand the rest, or there is a secret in it.
        """
        self.selection = address.selection
        self._plugin = _plugin(address)
        public, whole = (self._plugin.url(privacy=privacy) for privacy in (True, False))
        private = parts(whole) - parts(public)
        if from_command_line:
            refuse_literal(address, private)
        split, given = urlsplit(public), urlsplit(address.url)
        is_mail = split.scheme.startswith("mailto")
        # The path of a webhook may be as good as a password, although apprise does not know that.
        paths = set() if is_mail else parts(f"{given.path}/{given.query}")
        self._redact = Redactor([*private, *paths, *address.secrets])
        recipients = unquote(split.path).rstrip("/") if is_mail else ""
        place = self._redact(shown(split.scheme, host_of(public), recipients))
        self.name = name_of(place, self.selection, f"{split.netloc}{split.path}")
        self._services = apprise.Apprise(asset=_asset())
        self._services.add(self._plugin)
        self._own = {name: dict(getattr(self._plugin, name, None) or {}) for name in ("headers", "payload_extras")}

    def send(self, message: Message) -> None:
        alarm = message.alarm
        told = {"id": message.id, "alarm": alarm.alarm_id, "run": alarm.run_id, "stream": alarm.stream}
        told |= {"track": alarm.track, "state": alarm.state, "link": message.link}
        kind = _TYPES.get(alarm.state)
        firing = apprise.NotifyType.FAILURE if alarm.track == "harm" else apprise.NotifyType.WARNING
        self._mark("headers", {"X-Driftline-Id": message.id})
        self._mark("payload_extras", told)
        self._notify(message.title, message.body, kind or firing)

    def test(self) -> None:
        self._mark("headers", {})
        self._mark("payload_extras", {})
        self._notify(
            "[test] Driftline", "This is a test. Changes of alarms will come here.", apprise.NotifyType.INFO
        )

    def keep(self, live: Sequence[Message]) -> None:
        """Nothing is to be kept: a message stays where it is."""

    def _mark(self, name: str, values: dict[str, str]) -> None:
        """Add to the headers, or the fields, of plugins that have any."""
        if hasattr(self._plugin, name):
            setattr(self._plugin, name, self._own[name] | values)

    def _notify(self, title: str, body: str, kind: Any) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = self._services.notify(
                    title=title,
                    body=body,
                    notify_type=kind,
                    body_format=apprise.NotifyFormat.TEXT,
                    log_level=logging.DEBUG,
                )
        except Exception as error:
            raise Undelivered(self._redact(f"{type(error).__name__}: {error}")) from None
        if not result:
            raise Undelivered(self._redact(_reason(result)) or "it was not taken")


def _reason(result: Any) -> str:
    """What was said of a failure. Of the details, which hold addresses and messages, only the cause."""
    entries = [*result.logs()]
    said = [entry.message for entry in entries if logging.getLevelName(entry.level) >= logging.WARNING]
    causes = [entry.message for entry in entries if entry.message.startswith("Socket Exception: ")]
    return " ".join("; ".join(dict.fromkeys([*said, *causes])).split())[:500]


def _plugin(address: Address) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = apprise.Apprise.instantiate(address.url, asset=_asset())
    if found is None:
        raise UsageError(
            f"apprise cannot use an address {urlsplit(address.url).scheme}://…",
            "https://github.com/caronc/apprise lists the services, and how each is written",
        )
    return found


def _asset() -> Any:
    return apprise.AppriseAsset(
        app_id="Driftline",
        app_desc="Driftline",
        secure_logging=True,
        allow_templates=False,
        service_timeout=SEND_S,
        body_format=apprise.NotifyFormat.TEXT,
        http_redirects=False,  # which would make a GET of a POST, and succeed
        image_url_mask="",  # apprise's icons, from its repository
        image_url_logo="",
    )
