"""Addresses of targets, as they are given: `change,harm=mailto://user:$SMTP_PASSWORD@mail.example.org`. Pure.

What stands before `=` chooses alarms: `[STREAM:]TRACK,...`. A `$NAME` or `${NAME}` is the value of that environment
variable, so that no secret is in the list of processes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from schemas.errors import UsageError

TRACKS = ("change", "segments", "harm", "ageing")
ALL = "all"
"""In the place of tracks."""

HIDDEN = "…"
"""In the place of a secret."""

_PLACEHOLDER = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
_PARTS = re.compile(r"[/:@?&=#,]")


@dataclass(frozen=True)
class Selection:
    """Alarms that a target is told of.

    Attributes:
        stream: Name of their stream; None: of any.
        tracks: Theirs.
    """

    stream: str | None = None
    tracks: tuple[str, ...] = TRACKS

    def __str__(self) -> str:
        tracks = ALL if self.tracks == TRACKS else ",".join(self.tracks)
        return f"{self.stream}:{tracks}" if self.stream else tracks


@dataclass(frozen=True)
class Address:
    """Where messages go. Its `repr` shows nothing of the URL.

    Attributes:
        selection: Of which alarms.
        url: With all secrets.
        secrets: Values of the environment that are in it.
        literal: Its parts that are written out.
    """

    selection: Selection
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False, default=())
    literal: frozenset[str] = field(repr=False, default=frozenset())


def parse(text: str, environ: Mapping[str, str]) -> Address:
    """Read an address.

    Args:
        text: `[[STREAM:]TRACK,...=]URL`; the URL may be a single `$NAME`.
        environ: Holds what `$NAME` stands for.

    Raises:
        UsageError: It cannot be read, or a variable is not set. The message shows nothing of the URL.
    """
    head = text.partition("://")[0]
    chosen, equals, _ = head.rpartition("=")
    template = text[len(chosen) + 1 :] if equals else text
    selection = _selection(chosen.strip()) if equals else Selection()
    secrets: list[str] = []

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if not (found := environ.get(name, "").strip()):
            raise UsageError(
                f"an address refers to ${name}, which is not set", "set it; write %24 for a $ that is meant"
            )
        secrets.append(found)
        if match[0] == template:
            return found
        in_userinfo = "@" in template[match.end() :].partition("/")[0]
        return quote(found, safe="" if in_userinfo else "/")

    url = _PLACEHOLDER.sub(value, template)
    if not re.match(r"[a-z][a-z0-9+.-]*://.", url, re.IGNORECASE):
        raise UsageError(
            "an address is none",
            "write it as SCHEME://…, such as mailto://…, with tracks before it if any: change,harm=mailto://…",
        )
    literal = frozenset(parts(_PLACEHOLDER.sub("/", template)))
    return Address(selection=selection, url=url, secrets=tuple(secrets), literal=literal)


def _selection(text: str) -> Selection:
    stream, colon, tracks = text.rpartition(":")
    named = [name.strip() for name in tracks.split(",")]
    unknown = [name for name in named if name not in (*TRACKS, ALL)]
    if unknown or (colon and not stream):
        raise UsageError(
            f"{unknown[0] if unknown else text!r} is no track",
            f"write [STREAM:]TRACK,…=URL, with tracks {', '.join(TRACKS)} or {ALL}",
        )
    chosen = TRACKS if ALL in named else tuple(name for name in TRACKS if name in named)
    return Selection(stream or None, chosen)


def parts(url: str) -> set[str]:
    """Split a URL into what may each be a secret."""
    return {unquote(part) for text in (url, unquote(url)) for part in _PARTS.split(text) if part}


def refuse_literal(address: Address, private: Iterable[str]) -> None:
    """Refuse an address of the command line that has a secret written out.

    Args:
        address: The address.
        private: Parts of its URL that are secret.

    Raises:
        UsageError: It does.
    """
    if address.literal.intersection(private):
        raise UsageError(
            "an address on the command line holds a secret, and anybody may list processes",
            "put it into a variable and write '$NAME' in its place, in single quotes; "
            "or set DRIFTLINE_NOTIFY or DRIFTLINE_ALERTMANAGER instead of the option",
        )


class Redactor:
    """Takes secrets out of texts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """secrets: As they are, or as they stand in a URL."""
        forms = {
            form for secret in secrets for form in (secret, quote(secret, safe=""), quote(secret), unquote(secret))
        }
        known = sorted(filter(None, forms), key=len, reverse=True)
        # A short one would be found in any word.
        found = [re.escape(form) if len(form) > 3 else rf"(?<!\w){re.escape(form)}(?!\w)" for form in known]
        self._secret = re.compile("|".join(found)) if found else None

    def __call__(self, text: str) -> str:
        return self._secret.sub(HIDDEN, text) if self._secret else text


def host_of(url: str) -> str:
    """Return host and port of a URL, without login."""
    return urlsplit(url).netloc.rpartition("@")[2]
