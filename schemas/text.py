"""Makes text from records safe for terminals, logs, tables and pages."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from typing import Any

LONGEST = 500
"""Characters of a text that somebody chose and that is shown as a whole: a run's source, a reason, a label."""

_LINES = "\n\t"


def printable(text: str, longest: int = LONGEST, keep: str = "") -> str:
    """Escape invisible and control characters, and shorten the text.

    Controls (C0, C1, NUL), overrides of the writing direction, lone surrogates, invisible and private characters,
    as `str.isprintable` knows them. keep: characters that stay, such as the ends of lines.
    """
    shown = text if text.isprintable() else "".join(_escaped(text[: longest + 1], keep))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def printable_json(text: str) -> str:
    """JSON with the same characters escaped as JSON does it: the same value to a program."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def printable_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog's: no field of a log line can move the cursor, or forge another line."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value, 20_000, keep=_LINES if name == "exception" else "")
    return event


def _escaped(text: str, keep: str) -> Iterator[str]:
    for char in text:
        yield char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
