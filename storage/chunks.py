"""Chunks with the index of their panes, as a consumer writes them and a monitor rewrites them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from storage.chunk import EncodedChunk
from storage.connect import Connection, execute_each
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
    rows = [{"topic": topic, "partition": partition, **vars(chunk)} for chunk in chunks]
    for statement in ("write_chunk", "write_panes"):
        execute_each(connection, _SQL[statement], rows)
