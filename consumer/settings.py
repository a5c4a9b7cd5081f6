"""Settings of the consumer: read once, at the edge."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from models.names import DEFAULT
from schemas.definition import RunConfig, Stream
from schemas.errors import UsageError

if TYPE_CHECKING:
    from models.artifact import Scorers  # takes long, and `--help` shows these defaults


def _instance() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of `driftline consume`.

    stream: what is consumed.
    kafka: librdkafka settings.
    until_done: return once this run is finished in every partition; None: consume until stopped.
    model: folder of the artifact that makes the predictions; not read where the records bring them.
    scorers: the kinds of models that it may be of.
    run_config: of runs that nobody has met before; None: the stream's own terms.
    flush_ms, flush_rows, flush_bytes: a partition is written after so long (wall time), so many records, or so many
        bytes of what is kept of them, whatever comes first. They change nothing in the results.
    beat_ms, report_ms: how often to write signs of life and health; how often to log.
    read_rows: how many records to take from the client at once.
    instance: names this consumer in `progress` and `health`.
    metrics_port, metrics_host: where to serve /metrics and /healthz; port 0: any free one, None: nowhere.
    """

    stream: Stream
    database_url: str
    kafka: Mapping[str, str]
    topic_prefix: str = ""
    until_done: str | None = None
    model: Path = DEFAULT
    scorers: Scorers = {}
    run_config: RunConfig | None = None
    flush_ms: int = 1_000
    flush_rows: int = 20_000
    flush_bytes: int = 16_000_000
    beat_ms: int = 1_000
    report_ms: int = 5_000
    read_rows: int = 2_000
    instance: str = msgspec.field(default_factory=_instance)
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        """Raises UsageError for what cannot be meant."""
        self.terms.check()
        for name in ("flush_ms", "flush_rows", "flush_bytes", "beat_ms", "read_rows"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}", "give 1 or more")

    @property
    def terms(self) -> RunConfig:
        """What a new run begins with."""
        return self.run_config or self.stream.terms
