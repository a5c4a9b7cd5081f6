"""Definitions of streams, kept beside their runs: a run stays readable after its definition has changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from schemas.definition import Stream, decode, encode
from storage.connect import Connection
from storage.queries import load_queries

_SQL = load_queries(Path(__file__).with_suffix(".sql"))


def remember(connection: Connection, stream: Stream) -> None:
    """Keep a definition, unless it is kept already.

    Args:
        connection: Whoever adds a run of the stream does both in one transaction.
        stream: The definition.
    """
    row = {"name": stream.name, "hash": stream.hash, "definition": encode(stream).decode()}
    connection.execute(_SQL["remember"], row)


def newest(connection: Connection) -> list[tuple[Stream, int]]:
    """Read the newest definition of every stream, and the number of its runs, in the order of the names.

    Args:
        connection: A connection that may read.
    """
    return [(decode(definition), runs) for definition, runs in connection.execute(_SQL["newest"]).fetchall()]


def definition_of(connection: Connection, run_id: str, fallback: Stream) -> Stream:
    """Read the definition that a run was begun with.

    Args:
        connection: A connection that may read.
        run_id: The run; it need not exist.
        fallback: Of runs of the version before, which kept no definition.
    """
    row = connection.execute(_SQL["definition_of"], {"run_id": run_id}).fetchone()
    return fallback if row is None else decode(row[0])


def definitions_of(connection: Connection, run_ids: Collection[str], fallback: Stream) -> Mapping[str, Stream]:
    """Read the definition of each of these runs; runs that share one share the value.

    Args:
        connection: A connection that may read.
        run_ids: The runs; they need not exist.
        fallback: Of runs of the version before, which kept no definition.
    """
    streams: dict[str, Stream] = {}
    found = dict.fromkeys(run_ids, fallback)
    for run_id, hash, definition in connection.execute(_SQL["definitions_of"], {"run_ids": [*run_ids]}).fetchall():
        if hash not in streams:
            streams[hash] = decode(definition)
        found[run_id] = streams[hash]
    return found
