"""What the demo replays, and which model watches it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from local.settings import DemoSettings
from models import artifact
from models.names import ARTIFACTS, OF_DEMO
from models.taxi import SCORERS
from producer import scenarios
from producer.scenario import injected
from producer.source import Source
from producer.sources.defaults import MONTH
from producer.sources.selection import choose, from_files, sample
from schemas.durations import moment
from schemas.errors import ModelUnusable, SourceUnusable
from schemas.records import Injected
from schemas.streams.taxi import TAXI, TRIPS

REPLAY_S = 80
"""Wall seconds that a replay takes at speed `auto`."""

_SAME = (
    "the month before cannot be had, so the model learns from the very month that it scores: errors and drift will"
    " look better than they are. Put the file of the month before beside this one, or use --synthetic"
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class DemoPlan:
    """What a demo does. source: what is replayed. model: folder of the artifact. produce: options of that command.

    caution: what makes the figures look better than they are, '' if nothing.
    """

    source: Source
    model: Path
    injected: tuple[Injected, ...]
    produce: tuple[str, ...]
    caution: str = ""


def plan(settings: DemoSettings, say: Say, warn: Say) -> DemoPlan:
    """Choose a source, make sure that its model exists, and resolve the scenario.

    Args:
        settings: Of the command.
        say: Called with each decision.
        warn: Called with decisions that one would not expect.
    """
    source = choose(files=settings.files, month=settings.month, synthetic=settings.synthetic, say=say)
    if source.note:
        warn(source.note)
    real = source.name.startswith("TLC")
    learnt = _earlier(source, settings.files, say, real=real)
    caution = _SAME if learnt is source else ""
    if caution:
        warn(caution)
    drift = scenarios.load(settings.scenario, TAXI, source.period)
    return DemoPlan(
        source=source,
        model=_model(learnt, say),
        injected=injected(drift),
        produce=(
            *_same(settings, real=real),
            "--speed",
            _speed(settings.speed, source),
            "--scenario",
            settings.scenario,
        ),
        caution=caution,
    )


def _earlier(source: Source, files: Sequence[Path], say: Say, *, real: bool) -> Source:
    """Find the month before, of the same kind: beside the files, cached or downloaded; else return the source."""
    month = f"{moment(source.period[0]) - timedelta(days=1):%Y-%m}"
    if not real:
        return choose(synthetic=True, month=month)
    kind = "yellow" if "yellow-" in source.name and "green-" not in source.name else "green"
    beside = (file.with_name(f"{kind}_tripdata_{month}.parquet") for file in files)
    try:
        if found := next(filter(Path.is_file, beside), None):
            return from_files([found])
        return choose(default_month=month, kind=kind, or_synthetic=False, say=say)
    except SourceUnusable:
        return source


def _model(source: Source, say: Say) -> Path:
    name = ARTIFACTS / (OF_DEMO + re.sub(r"[^A-Za-z0-9]+", "-", source.name).strip("-"))
    try:
        found = artifact.load(name, TRIPS, SCORERS)
    except ModelUnusable:
        from models.taxi.train import train  # noqa: PLC0415 - scikit-learn takes seconds to import
        from monitor import estimating  # noqa: PLC0415

        say(f"training on {source.name}")
        made = train(
            sample(source),
            out=name,
            source=source.name,
            period=source.period,
            by_hash=True,
            beside=estimating.files,
        )
        return made.path
    say(f"model trained on {source.name} is here")
    return found.path


def _same(settings: DemoSettings, *, real: bool) -> tuple[str, ...]:
    """Return the options with which `produce` replays the same source, without another download."""
    if settings.files:
        return tuple(part for file in settings.files for part in ("--file", str(file)))
    month = settings.month or MONTH
    return ("--month", month) if real else ("--synthetic", "--month", month)


def _speed(wished: str, source: Source) -> str:
    if wished != "auto":
        return wished
    start, end = source.period
    return f"{max(1, round((end - start) / 1000 / REPLAY_S))}x"
