"""Settings of the producer: read once, at the edge."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas.definition import Stream
from schemas.errors import UsageError
from schemas.records import LIVE

if TYPE_CHECKING:
    from producer.source import Source  # takes long, and `--help` shows these defaults

_RUN_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True)
class Settings:
    """Settings of a replay.

    Attributes:
        stream: The stream whose records are sent.
        run_id: Name of the run, new or to be resumed.
        source: What is replayed; for taxi trips `producer.sources.selection` makes one.
        kafka: librdkafka settings, `bootstrap.servers` among them.
        speed: Event seconds per wall second; None for as fast as possible.
        scenario: Name of a shipped scenario, or path of a TOML file.
        partitions: Of each topic; None for as many as exist, or `schemas.topics.PARTITIONS` in new topics.
        topic_prefix: Before the name of every topic.
        beat_s: Wall seconds between two heartbeats that show that the producer is alive.
        patience_s: How long to wait for Kafka at the start, seconds.
        metrics_port: Where to serve /metrics and /healthz; 0 for any free port, None for not at all.
        metrics_host: The address to serve them at.

    Raises:
        UsageError: No run may have this name, or there are no partitions.
    """

    stream: Stream
    run_id: str
    source: Source
    kafka: Mapping[str, str] = field(repr=False)
    speed: float | None = 600.0
    scenario: str | None = None
    partitions: int | None = None
    topic_prefix: str = ""
    beat_s: float = 1.0
    patience_s: float = 120.0
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        if not _RUN_ID.fullmatch(self.run_id) or self.run_id == LIVE:
            raise UsageError(
                f"{self.run_id!r} cannot name a run", "use letters, digits, dots, colons, - and _, not `live`"
            )
        if self.partitions is not None and self.partitions < 1:
            raise UsageError(f"{self.partitions} partitions", "give 1 or more")
