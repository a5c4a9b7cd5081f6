"""Settings of the monitor, read once, at the edge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from models.names import DEFAULT
from monitor.drift.figures import Config
from schemas.definition import Stream

if TYPE_CHECKING:
    from models.artifact import Scorers  # takes long, and `--help` shows these defaults


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of `driftline monitor`, `report` and `recompute`.

    stream: of runs whose definition is not stored, since a version before met them first.
    kafka: librdkafka settings: where changes of alarms are published, if anywhere, and `recompute` reads the log.
    scorers: the kinds of models that `recompute` can score with; None: only the reference is wanted.
    sizes: of windows, in ms; each a multiple of the run's pane.
    until_done: return once all windows of this run are final; None: watch all runs until stopped.
    poll_s: seconds between two polls, where no notification comes.
    alive_s: a consumer whose last beat is older counts as dead.
    idle_timeout_s: a partition that is read to its end for so long no longer holds the watermark back.
    open_every_s: a window that is still filling is published at most so often.
    attempts: after so many failures a window is written with its columns `failed`.
    cache_mb: decoded chunks kept, in MB.
    promise: false alarms a month that are asked for, at most; None: no evidence is kept, and nothing alarms.
    holidays: calendar of public holidays, such as US-NY; they add no evidence, and are not calm. '': none.
    segments: whether the segments of the stream are counted, and watched in runs that are not watched yet.
    metrics_port, metrics_host: where to serve /metrics and /healthz; port 0: any free one, None: nowhere.
    """

    stream: Stream
    database_url: str
    kafka: Mapping[str, str] = {}
    topic_prefix: str = ""
    sizes: tuple[int, ...] = (3_600_000, 21_600_000, 86_400_000)
    until_done: str | None = None
    model: Path = DEFAULT
    scorers: Scorers | None = None
    poll_s: float = 1.0
    alive_s: float = 10.0
    idle_timeout_s: float = 30.0
    open_every_s: float = 1.0
    attempts: int = 5
    cache_mb: int = 256
    promise: float | None = 1.0
    holidays: str = ""
    segments: bool = False
    metrics: Config = Config()
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
