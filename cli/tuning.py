"""What `driftline tune` does around the trials: trains the model, and puts the report together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from models import artifact
from models import reference as references
from models.artifact import Model, Scorers
from monitor.verdict.season import Season
from producer.source import Source
from runtime.connections import make_folder
from schemas.definition import Stream
from schemas.errors import ModelUnusable
from tuning import advice, scores, tasks
from tuning.advice import Power
from tuning.cost import cpu_of_day
from tuning.history import History, training_end
from tuning.plan import Plan, calm_weeks
from tuning.pool import Store, write
from tuning.report import Report
from tuning.trials import CalmWeek, Detection, Trials

_COST = "cpu.json"


def prepared(
    source: Source, stream: Stream, scorers: Scorers, plan: Plan, folder: Path
) -> tuple[History, pa.Table]:
    """Read the source, train on its first weeks, unless that was done before, and summarise the others.

    Args:
        source: Of the events.
        stream: Its definition.
        scorers: Loaders of models, by kind.
        plan: What is to be tried.
        folder: Where the model is kept.

    Returns:
        The stream, and the reference of the model.

    Raises:
        SourceUnusable, UsageError: There are too few events, or weeks.
    """
    first, last = source.period
    rows = references.valid(pa.concat_tables(source.tables()), stream.events)
    time = rows[stream.events.time]
    rows = rows.filter(pc.and_(pc.greater_equal(time, first), pc.less(time, last)))
    until = training_end(Season.from_stream(stream), first, calm_weeks(plan.promise))
    model = _model(rows.filter(pc.less(rows[stream.events.time], until)), source, (first, until), scorers, folder)
    history = History.from_rows(
        stream, model, source.labelled(rows), period=source.period, until=until, step=plan.step
    )
    return history, model.reference()


def _model(rows: pa.Table, source: Source, period: tuple[int, int], scorers: Scorers, folder: Path) -> Model:
    from models.taxi.train import train  # noqa: PLC0415 - scikit-learn, which a second run does without

    place = folder / "models" / _digest(rows)
    try:
        return artifact.load(place, scorers=scorers)
    except ModelUnusable:
        make_folder(place.parent)
        return train(rows, out=place, source=source.name, period=period)


def _digest(rows: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    return sha256(sink.getvalue()).hexdigest()[:16]


class Results(msgspec.Struct, frozen=True):
    """What the tasks of a plan gave.

    Attributes:
        weeks: By reference and number of the set, what it saw of each week without a drift.
        drifts: Name and strength of each drift, and by reference and set, what was found of it.
        power: Of all columns and sizes.
    """

    weeks: dict[tuple[str, int], list[CalmWeek]]
    drifts: list[tuple[str, float, Mapping[str, list[list[Detection]]]]]
    power: list[Power]


def read(
    store: Store,
    plan: Plan,
    calm: Sequence[tasks.CalmTask],
    drifts: Sequence[tasks.DriftTask],
    powers: Sequence[tasks.PowerTask],
) -> Results:
    """Read the results of tasks that are done."""
    each = [tasks.read_calm(store.read(one)) for one in calm]
    return Results(
        {(c, at): [week[c][at] for week in each] for c in plan.references for at in range(len(plan.sets))},
        [(one.scenario.name, one.strength, tasks.read_drift(store.read(one))) for one in drifts],
        [row for one in powers for row in tasks.read_power(store.read(one))],
    )


def measure(store: Store, history: History, plan: Plan, training: pa.Table) -> dict[int, float]:
    """Seconds of CPU for a day of the stream, by size; measured once, so that the same table comes again."""
    place = store.folder / _COST
    if not place.exists():
        write(place, msgspec.json.encode(cpu_of_day(history, plan, training)))
    return msgspec.json.decode(place.read_bytes(), type=dict[int, float])


def reported(
    results: Results, history: History, plan: Plan, cpu: Mapping[int, float], *, worst_delay: int
) -> Report:
    """Score, compare, and say what to choose.

    Args:
        results: Of the tasks.
        history: The stream.
        plan: What was tried.
        cpu: Seconds for a day of the stream, by size.
        worst_delay: That is tolerated, ms.
    """
    trials = Trials(history, plan)
    rows = {size: trials.rows(size) for size in plan.sizes}
    places = {c: (c.reference, plan.sets.index(c.sizes)) for c in plan.candidates}
    calm = [scores.calm_score(c, results.weeks[place], rows, cpu) for c, place in places.items()]
    drifts = [
        scores.drift_score(c, name, strength, found[reference][at], plan.seed)
        for name, strength, found in results.drifts
        for c, (reference, at) in places.items()
    ]
    standings = advice.standings(calm, drifts, worst_delay)
    return Report(
        source="",
        rows=history.rows.num_rows,
        plan=plan,
        worst_delay=worst_delay,
        advice=advice.sentences(standings, drifts, worst_delay, plan.promise),
        standings=standings,
        calm=calm,
        drifts=drifts,
        power=results.power,
    )
