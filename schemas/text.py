"""Makes text from records safe for terminals, logs, tables and pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

LONGEST = 500
"""Characters of a text that somebody chose and that is shown as a whole: a run's source, a reason, a label."""

_LINES = "\n\t"


def printable(text: str, longest: int = LONGEST, keep: str = "") -> str:
    """Escape what `str.isprintable` rejects, and shorten the text.

    That is control characters (C0, C1, NUL), overrides of the writing direction, lone surrogates, invisible and
    private characters.

    Args:
        text: Any text.
        longest: Characters of the result.
        keep: Characters that are not escaped, such as line ends.
    """
    shown = text if text.isprintable() else "".join(_escaped(text[: longest + 1], keep))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def printable_json(text: str) -> str:
    """Escape the same characters in JSON as JSON does it, so that programs read the same value."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def folded(text: str, width: int) -> str:
    """Break lines that are too long where a space is, but no `command with spaces`, which is to be pasted.

    Args:
        text: Any text. Indented lines are commands, and stay as they are.
        width: Characters of a line; a longer word stands alone.
    """
    return "\n".join(line if line[:1].isspace() else _folded(line, width) for line in text.split("\n"))


def _folded(line: str, width: int) -> str:
    lines = [""]
    for word in re.findall(r"(?:`[^`]*`|\S)+", line):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return line if len(line) <= width else "\n".join(lines)


def printable_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write lists out and escape the fields of a log line, so that none forges a line; a structlog processor."""
    for name, value in event.items():
        text = _listed(value)
        if isinstance(text, str):
            event[name] = printable(text, 20_000, keep=_LINES if name == "exception" else "")
    return event


def _listed(value: Any) -> Any:
    """A list as people write it: `a, b`, or `a 1, b 2` for a dict; anything else as it is."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _escaped(text: str, keep: str) -> Iterator[str]:
    for char in text:
        yield char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
