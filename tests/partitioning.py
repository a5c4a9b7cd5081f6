"""How a record finds its partition, said once more."""

from __future__ import annotations

from zlib import crc32


def partition_of(key: bytes, partitions: int) -> int:
    """CRC-32 of the key modulo the number of partitions, in [0, partitions): librdkafka's `consistent`."""
    return crc32(key) % partitions
