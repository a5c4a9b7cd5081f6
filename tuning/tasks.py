"""The parts that tuning consists of, each of which can be done, and kept, for itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from monitor.verdict.layout import CategoryLayout, SummaryLayout
from monitor.verdict.season import HOUR
from producer.drift import Drift, Moment
from producer.drift_kinds import Missing, NewCategory, Scale
from producer.scenario import Scenario
from schemas.definition import EVENTS, LABELS, Field, Stream
from schemas.durations import duration_text
from tuning.advice import HORIZONS, Power
from tuning.plan import Plan
from tuning.trials import CalmWeek, Detection, Trials

FACTORS = (1.02, 1.05, 1.1, 1.2, 1.5, 2.0)
SHARES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Changes that the power table tries."""

POWER_ONSETS = 12

_AT: Mapping[str, Any] = {"starts_at": Moment(0), "ends_at": Moment(1)}


class CalmTask(msgspec.Struct, frozen=True):
    """Watch one week without a drift. number: of the week after the training."""

    number: int

    @property
    def name(self) -> str:
        """Unique among tasks of a plan."""
        return f"calm-{self.number}"

    def run(self, trials: Trials) -> bytes:
        """Do it, and return what to keep."""
        return msgspec.json.encode(trials.calm(self.number))


class DriftTask(msgspec.Struct, frozen=True):
    """Inject a drift at random moments.

    Attributes:
        scenario: The drift, as strong as it is to be.
        strength: How many times as strong that is as it comes.
    """

    scenario: Scenario
    strength: float

    @property
    def name(self) -> str:
        """Unique among tasks of a plan; another drift of the same name has another."""
        made_of = repr((self.scenario.seed, self.scenario.drifts))
        return f"drift-{self.scenario.name}-{self.strength:g}-{sha256(made_of.encode()).hexdigest()[:12]}"

    def run(self, trials: Trials) -> bytes:
        """Do it, and return what to keep."""
        return msgspec.json.encode(trials.injected(self.scenario))


class PowerTask(msgspec.Struct, frozen=True):
    """Find the smallest change of a column that each size sees, against the training.

    Attributes:
        column: Of the stream.
        change: In words.
        levels: What is tried, in words, and the drift; ascending.
    """

    column: str
    change: str
    levels: tuple[tuple[str, Scenario], ...]

    @property
    def name(self) -> str:
        """Unique among tasks of a plan."""
        return f"power-{self.column}"

    def run(self, trials: Trials) -> bytes:
        """Do it, and return what to keep. The strongest is tried last, unless all have seen enough before."""
        plan = msgspec.structs.replace(trials.plan, onsets=POWER_ONSETS, references=("training",))
        few = Trials(trials.history, plan)
        least: list[dict[str, str | None]] = [{duration_text(h): None for h in HORIZONS} for _ in plan.sets]
        for text, scenario in self.levels:
            for found, known in zip(few.injected(scenario)["training"], least, strict=True):
                for horizon in HORIZONS:
                    key = duration_text(horizon)
                    if known[key] is None and _most_within(found, horizon):
                        known[key] = text
            if all(value is not None for known in least for value in known.values()):
                break
        return msgspec.json.encode(
            [
                Power(candidate=candidate, column=self.column, change=self.change, least=known)
                for candidate, known in zip(plan.candidates, least, strict=True)
            ]
        )


Task = CalmTask | DriftTask | PowerTask


def _most_within(found: Sequence[Detection], horizon: int) -> bool:
    counted = [one for one in found if one.counts]
    hits = sum(one.hours is not None and one.hours * HOUR <= horizon for one in counted)
    return bool(counted) and 2 * hits >= len(counted)


def calm_tasks(weeks: int) -> list[CalmTask]:
    """One for each week."""
    return [CalmTask(number) for number in range(weeks)]


def drift_tasks(scenarios: Sequence[Scenario], strengths: Sequence[float]) -> list[DriftTask]:
    """Each drift at each strength, but those that a strength does not change."""
    found = []
    for scenario in scenarios:
        known: list[Scenario] = []
        for strength in sorted(strengths, key=lambda one: abs(one - 1)):
            scaled = scenario.scaled(strength)
            if scaled not in known:
                known.append(scaled)
                found.append(DriftTask(scaled, strength))
    return found


def power_tasks(stream: Stream, layout: SummaryLayout) -> list[PowerTask]:
    """One for each monitored column of events, and the label."""
    found = []
    columns = {column.name: column for column in layout.columns(EVENTS)}
    for field in stream.events.kept:
        if field.role == "carried" or field.name not in columns:
            continue
        column = columns[field.name]
        top = column.values[0] if isinstance(column, CategoryLayout) and column.values else None
        levels = tuple((text, _scenario(stream, drift)) for text, drift in _levels(field, top))
        if levels:
            found.append(PowerTask(field.name, levels[0][0].partition(" ")[2] or "×", levels))
    if stream.label is not None:
        known_at = stream.records(LABELS).known_at
        together = (stream.label,) if known_at is None else (stream.label, known_at)
        found.append(
            PowerTask(
                stream.label,
                "×",
                tuple((f"× {f:g}", _scenario(stream, Scale(column=together, factor=f, **_AT))) for f in FACTORS),
            )
        )
    return found


def _levels(field: Field, top: str | None) -> Iterator[tuple[str, Drift]]:
    if field.role == "number" and field.type == "float":
        for factor in FACTORS:
            yield f"× {factor:g}", Scale(column=field.name, factor=factor, **_AT)
    elif field.role == "category" and top is not None:
        value: int | float | str = top if field.type == "str" else float(top)
        value = int(value) if field.type == "int" else value
        for share in SHARES:
            yield f"{share:.0%} become {top}", NewCategory(column=field.name, becomes=value, share=share, **_AT)
    elif not field.required:
        for share in SHARES:
            yield f"{share:.0%} missing", Missing(column=field.name, share=share, **_AT)


def _scenario(stream: Stream, drift: Drift) -> Scenario:
    return Scenario(name="power", stream=stream, drifts=(drift,))


def read_calm(kept: bytes) -> Mapping[str, list[CalmWeek]]:
    """By reference, what each set saw of a week."""
    return msgspec.json.decode(kept, type=dict[str, list[CalmWeek]])


def read_drift(kept: bytes) -> Mapping[str, list[list[Detection]]]:
    """By reference and set, what was found of a drift."""
    return msgspec.json.decode(kept, type=dict[str, list[list[Detection]]])


def read_power(kept: bytes) -> list[Power]:
    """Of one column, by set."""
    return msgspec.json.decode(kept, type=list[Power])


def key_of(history: str, plan: Plan) -> str:
    """Name the folder of a plan for a history, whose results may be kept together."""
    return f"{history}-{sha256(msgspec.json.encode([plan, _VERSION])).hexdigest()[:12]}"


_VERSION = 1
"""Raised whenever the same trials give another result."""
