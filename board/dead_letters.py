"""Dead letters: how many over time, for which reason, and the newest as they came."""

from __future__ import annotations

from typing import Any

from board.database import Reader
from board.runs import find_run

SHOWN = 2_000
"""Characters of a record; the rest is in the table."""
FIELDS = ("topic", "partition", "offset", "reason", "detail", "event_time", "written_at")


async def read_dead_letters(reader: Reader, run_id: str | None) -> dict[str, Any]:
    """Read how many dead letters a run has, over time and by reason, and the newest of them, as JSON takes it.

    Args:
        reader: A snapshot of the database.
        run_id: As for `find_run`.

    Returns:
        Among others, for each topic and reason: `t`, wall clock in ms; `no_run`, whether no run could be read.

    Raises:
        NotFound: There is no such run.
    """
    run = await find_run(reader, run_id)
    reasons: dict[tuple[str, str, bool], dict[str, Any]] = {}
    bucket = 1_000
    for topic, reason, no_run, bucket, at, count in await reader.rows("dead_letter_counts", run=run.run_id):  # noqa: B007
        kind = {"topic": topic, "reason": reason, "no_run": no_run}
        known = reasons.setdefault((topic, reason, no_run), kind | {"total": 0, "t": [], "n": []})
        known["total"] += count
        known["t"].append(at)
        known["n"].append(count)
    newest = [_dead_letter(*row) for row in await reader.rows("dead_letters", run=run.run_id)]
    return {"run": run.run_id, "reasons": [*reasons.values()], "bucket_ms": bucket, "newest": newest}


def _dead_letter(*row: Any) -> dict[str, Any]:
    *fields, key, raw, length = row
    text = readable(raw)
    return dict(zip(FIELDS, fields, strict=True)) | {
        "key": readable(key)[:200],
        "raw": text[:SHOWN],
        "truncated": len(text) > SHOWN or length > len(raw or b""),
    }


def readable(raw: bytes | None) -> str:
    """Return bytes as text, whatever they are. Pure."""
    return (raw or b"").decode("utf-8", "replace").replace("\x00", "\N{SYMBOL FOR NULL}")
