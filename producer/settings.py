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
    """stream: whose records are sent.

    run_id: the run's name, new or to be resumed. source: of taxi trips `producer.sources.selection` makes one.

    kafka: librdkafka settings, `bootstrap.servers` among them.
    speed: event seconds per wall second; None is as fast as it goes.
    scenario: the name of a shipped scenario, or the path of a TOML file.
    partitions: of each topic; None takes them as they are, or makes `schemas.topics.PARTITIONS`.
    beat_s: wall seconds between two signs of life. patience_s: how long to wait for Kafka at the start.
    metrics_port, metrics_host: where to serve /metrics and /healthz; port 0: any free one, None: nowhere.
    Raises UsageError for a name that no run may have.
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
