"""Evidently's HTML with a heading, and with a policy that allows only Evidently's own scripts.

Evidently writes the values of records into a script as they are, where `<!--` or `</script>` ends it. Here they are
escaped, and a content security policy names every script by its hash: nothing else in the page runs, wherever it is
opened.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape

import msgspec

from schemas.errors import UsageError

_DATA = re.compile(r"^( *var (?:additional_graphs_)?metric_[0-9a-f]+ = )(.*;)$", re.MULTILINE)
"""Both lines that hold values: JSON, which has no line breaks of its own."""
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_UNSAFE = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
_CHARSET, _BODY = '<meta charset="UTF-8">', "<body>"
_LINK = re.compile(r"(?:/(?!/)|https?://)[!-~]*")

STYLE = """
.driftline { font: 15px/1.5 system-ui, sans-serif; color: #1b2733; }
.driftline { max-width: 1100px; margin: 0 auto; padding: 20px 24px 4px; }
.driftline h1 { font-size: 24px; line-height: 1.3; margin: 6px 0; }
.driftline p { margin: 4px 0; overflow-wrap: anywhere; }
.driftline .verdict { font-size: 17px; font-weight: 600; }
.driftline .drift { color: #a32316; }
"""


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """The heading of a report, as plain text. back: address of the window's page, if there is one.

    Raises UsageError if `back` is not the address of a page.
    """

    title: str
    verdict: str
    drift: bool
    notes: tuple[str, ...] = ()
    back: str | None = None

    def __post_init__(self) -> None:
        if self.back is not None and not _LINK.fullmatch(self.back):
            raise UsageError("this is not the address of a page", "begin it with https://, http:// or /")


def page(report: str, heading: Heading) -> str:
    """Turn Evidently's HTML into a page with a heading, escaped values and a content security policy.

    Args:
        report: One file, as the pinned Evidently writes it.
        heading: Shown above the report.

    Raises:
        UsageError: Another version of Evidently has written the report.
    """
    report, lines = _DATA.subn(lambda line: line[1] + line[2].translate(_UNSAFE), report, count=2)
    if lines != 2 or _CHARSET not in report or _BODY not in report:
        raise UsageError("another version of Evidently wrote the report", "`make setup` installs the pinned one")
    head = (
        f'{_CHARSET}<meta http-equiv="Content-Security-Policy" content="{policy(_SCRIPT.findall(report))}">'
        f"<title>{escape(heading.title)} · Driftline</title><style>{STYLE}</style>"
    )
    return report.replace(_CHARSET, head, 1).replace(_BODY, _BODY + _header(heading), 1).lstrip()


def policy(scripts: Iterable[str]) -> str:
    """Write a content security policy under which these scripts run, and no others."""
    hashes = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def _header(heading: Heading) -> str:
    back = f'<p><a href="{escape(heading.back)}">← back to the window</a></p>' if heading.back else ""
    verdict = f'<p class="verdict{" drift" if heading.drift else ""}">{escape(heading.verdict)}</p>'
    notes = "".join(f"<p>{escape(note)}</p>" for note in heading.notes)
    return f'<header class="driftline">{back}<h1>{escape(heading.title)}</h1>{verdict}{notes}</header>'
