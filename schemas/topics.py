"""Topics and how a record finds its partition."""

from __future__ import annotations

from zlib import crc32

PARTITIONS = 4
"""Of a topic that we create, unless told otherwise. Adding some later changes routing: make it a new run."""

GROUP = "driftline"
"""The consumer group. Its committed offsets are for lag tools only: the position is in Postgres."""


def partition_of(key: bytes, partitions: int) -> int:
    """CRC-32 of the key modulo the number of partitions, in [0, partitions): librdkafka's `consistent`."""
    return crc32(key) % partitions
