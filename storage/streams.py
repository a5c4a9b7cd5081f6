"""Definitions of streams, kept beside their runs: a run stays readable after its definition has changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog

from schemas.definition import Stream, decode, encode
from schemas.errors import DriftlineError, UsageError
from storage.connect import Connection
from storage.queries import load_queries

log = structlog.get_logger()

_SQL = load_queries(Path(__file__).with_suffix(".sql"))
_reported: set[str] = set()
"""Hashes of definitions that this process has complained of."""


class DefinitionUnreadable(DriftlineError):
    """A definition is stored which this version cannot read."""

    def __init__(self, run_id: str, why: object) -> None:
        super().__init__(
            f"the definition of the stream of run {run_id} cannot be read ({why})", "use the version that wrote it"
        )


def _decode(run_id: str, definition: Any) -> Stream:
    try:
        return decode(definition)
    except (msgspec.ValidationError, UsageError) as error:
        raise DefinitionUnreadable(run_id, error) from None


def remember(connection: Connection, stream: Stream) -> None:
    """Keep a definition, unless it is kept already.

    Args:
        connection: Whoever adds a run of the stream does both in one transaction.
        stream: The definition.
    """
    row = {"name": stream.name, "hash": stream.hash, "definition": encode(stream).decode()}
    connection.execute(_SQL["remember"], row)


def _report(hash: str, error: DefinitionUnreadable) -> None:
    """Log it once: monitors ask each second."""
    if hash not in _reported:
        _reported.add(hash)
        log.error("definition_unreadable", reason=error.what, do=error.do)


def newest(connection: Connection) -> list[tuple[Stream, int]]:
    """Read the newest definition of every stream, and the number of its runs, in the order of the names.

    Args:
        connection: A connection that may read.
    """
    found = []
    for definition, runs in connection.execute(_SQL["newest"]).fetchall():
        with suppress(DefinitionUnreadable):
            found.append((_decode("", definition), runs))
    return found


def definition_of(connection: Connection, run_id: str, fallback: Stream) -> Stream:
    """Read the definition that a run was begun with.

    Args:
        connection: A connection that may read.
        run_id: The run; it need not exist.
        fallback: Of runs of the version before, which kept no definition.

    Raises:
        DefinitionUnreadable: It is of another version.
    """
    row = connection.execute(_SQL["definition_of"], {"run_id": run_id}).fetchone()
    return fallback if row is None else _decode(run_id, row[0])


def definitions_of(connection: Connection, run_ids: Collection[str], fallback: Stream) -> Mapping[str, Stream]:
    """Read the definition of each of these runs; runs that share one share the value.

    Args:
        connection: A connection that may read.
        run_ids: The runs; they need not exist.
        fallback: Of runs of the version before, which kept no definition.

    Returns:
        By run, without those whose definition is of another version: they must not keep the others waiting.
    """
    streams: dict[str, Stream | None] = {}
    found: dict[str, Stream | None] = dict.fromkeys(run_ids, fallback)
    for run_id, hash, definition in connection.execute(_SQL["definitions_of"], {"run_ids": [*run_ids]}).fetchall():
        if hash not in streams:
            try:
                streams[hash] = _decode(run_id, definition)
            except DefinitionUnreadable as error:
                streams[hash] = None
                _report(hash, error)
        found[run_id] = streams[hash]
    return {run_id: stream for run_id, stream in found.items() if stream is not None}
