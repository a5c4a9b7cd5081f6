"""Chunks with the index of their panes, as a consumer writes them and a monitor rewrites them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from storage.chunk import EncodedChunk
from storage.connect import Connection
from storage.queries import load_queries

_SQL = load_queries(Path(__file__).with_suffix(".sql"))


def write_chunks(connection: Connection, topic: str, partition: int, chunks: Sequence[EncodedChunk]) -> None:
    """Write chunks of one partition, each with the index of its panes.

    Args:
        connection: In the transaction that also moves the position, or removes what these chunks replace.
        topic: Kafka's topic.
        partition: Its partition.
        chunks: There is nearly always one.
    """
    if not chunks:
        return
    place = {"topic": topic, "partition": partition}
    connection.execute(
        _SQL["write_chunks"],
        place
        | {
            "run_ids": [c.run_id for c in chunks],
            "first_offsets": [c.first_offset for c in chunks],
            "last_offsets": [c.last_offset for c in chunks],
            "rows": [c.rows for c in chunks],
            "payloads": [c.payload for c in chunks],
        },
    )
    connection.execute(
        _SQL["write_panes"],
        place
        | {
            "run_ids": [c.run_id for c in chunks for _ in c.pane_starts],
            "first_offsets": [c.first_offset for c in chunks for _ in c.pane_starts],
            "pane_starts": [start for c in chunks for start in c.pane_starts],
            "first_rows": [first for c in chunks for first in c.first_rows],
            "counts": [count for c in chunks for count in c.counts],
        },
    )
