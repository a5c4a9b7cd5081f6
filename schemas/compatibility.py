"""Whether rows of two definitions of a stream can stand side by side: the one rule of consumer and monitor.

Rows are appended to the chunks of a run, and windows of them are compared with a reference, if topics, columns and
what the figures are computed by are the same. Everything else may change while a run is going on: the bounds of
fields, units, descriptions, names of values, fields that are merely carried, segments, and the terms of new runs.
"""

from __future__ import annotations

from typing import Any

from schemas.definition import Records, Stream

_OF_RECORDS = ("topic", "kind", "id", "time", "label", "label_range", "prediction")


def incompatibility(run_id: str, begun: Stream, here: Stream) -> str | None:
    """Describe what keeps a run's rows apart from those of a definition.

    Args:
        run_id: The run.
        begun: The definition that it was begun with.
        here: The other definition: that by which records come, or of which the reference is.

    Returns:
        None where nothing does.
    """
    if begun.name != here.name:
        return other_stream(run_id, begun.name, here.name)
    changed = _changes(begun, here)
    return f"run {run_id} was begun when stream {here.name} had another {', '.join(changed)}" if changed else None


def other_stream(run_id: str, theirs: str, ours: str) -> str:
    """Say that a run is of another stream. theirs, ours: names of streams."""
    return f"run {run_id} is of stream {theirs}, not of {ours} as here"


def same_bounds(one: Records, other: Records) -> bool:
    """Return whether the same records are valid by both definitions, whose columns are the same."""
    return all((a.low, a.high) == (b.low, b.high) for a, b in zip(one.kept, other.kept, strict=True))


def _changes(begun: Stream, here: Stream) -> list[str]:
    """Name what differs: columns, or properties of a topic."""
    one, other = ({records.role: records for records in stream.topics} for stream in (begun, here))
    if one.keys() != other.keys():
        return ["set of topics"]
    return [change for role in one for change in _changes_of(one[role], other[role])]


def _changes_of(one: Records, other: Records) -> list[str]:
    found = [f"{name} of {one.role}" for name in _OF_RECORDS if getattr(one, name) != getattr(other, name)]
    columns, others = _columns(one), _columns(other)
    if columns != others:
        names = sorted({str(name) for name, *_ in {*columns} ^ {*others}})
        found.append(f"column {' and '.join(names)}" if names else f"order of the columns of {one.role}")
    return found


def _columns(records: Records) -> list[tuple[Any, ...]]:
    """What chunks and figures depend on of each column, in the order of a chunk."""
    return [(field.name, field.type, field.role, field.required) for field in records.kept]
