"""What the demo replays, and which model watches it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from models import artifact
from producer import scenario, scenarios
from producer.source import MONTH, Source, choose, sample
from schemas.connections import ROOT
from schemas.durations import moment
from schemas.errors import ModelUnusable
from schemas.records import Injected

REPLAY_S = 80
"""Wall seconds that a replay takes at speed `auto`."""
SCENARIO = "miles-to-km"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wish:
    """The options of the command."""

    keep: bool = False
    files: tuple[Path, ...] = ()
    month: str | None = None
    synthetic: bool = False
    speed: str = "auto"
    scenario: str | None = None


@dataclass(frozen=True)
class Plan:
    """source: what is replayed. model: folder of its artifact. produce: options of `driftline produce`."""

    source: Source
    model: Path
    injected: tuple[Injected, ...]
    produce: tuple[str, ...]


def plan(wish: Wish, say: Say) -> Plan:
    """Decide on a source, see to it that its model is there, and resolve the scenario. Says what it decides."""
    source = choose(files=wish.files, month=wish.month, synthetic=wish.synthetic)
    if source.note:
        say(source.note)
    real = source.name.startswith("TLC")
    learnt = _earlier(source, real=real)
    name, text = scenarios.read(wish.scenario or SCENARIO)
    bent = scenario.parse(name, text, source.period)
    return Plan(
        source=source,
        model=_model(learnt, say),
        injected=scenario.injected(bent),
        produce=(
            *_same(wish, real=real),
            "--speed",
            _speed(wish.speed, source),
            "--scenario",
            wish.scenario or SCENARIO,
        ),
    )


def _earlier(source: Source, *, real: bool) -> Source:
    """The month before the replay, from the same kind of source; where it cannot be had, the replay itself."""
    month = f"{moment(source.period[0]) - timedelta(days=1):%Y-%m}"
    if not real:
        return choose(synthetic=True, month=month)
    before = choose(default_month=month)
    return before if before.name.startswith("TLC") else source


def _model(source: Source, say: Say) -> Path:
    folder = ROOT / "models" / "artifacts" / ("demo-" + re.sub(r"[^A-Za-z0-9]+", "-", source.name).strip("-"))
    try:
        artifact.load(folder)
    except ModelUnusable:
        from models.train import train  # noqa: PLC0415 - scikit-learn takes seconds to import

        say(f"training on {source.name}")
        train(sample(source), out=folder, source=source.name, period=source.period)
    else:
        say(f"model trained on {source.name} is here")
    return folder


def _same(wish: Wish, *, real: bool) -> tuple[str, ...]:
    """The options that lead `produce` to the same source, without trying the network again."""
    if wish.files:
        return tuple(part for file in wish.files for part in ("--file", str(file)))
    month = wish.month or MONTH
    return ("--month", month) if real else ("--synthetic", "--month", month)


def _speed(wished: str, source: Source) -> str:
    if wished != "auto":
        return wished
    start, end = source.period
    return f"{max(1, round((end - start) / 1000 / REPLAY_S))}x"
