"""`driftline tune`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import checks, chosen, listing, options, output
from cli.output import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuning.pool import Store
    from tuning.tasks import Task


def tune(
    file: list[Path] | None = options.FILES,
    month: list[str] | None = options.TUNE_MONTHS,
    synthetic: bool = options.SYNTHETIC,
    kind: options.TaxiKind = options.KIND,
    volume: float = options.VOLUME,
    sizes: str = options.TUNE_SIZES,
    joint: str = options.JOINT,
    reference: str = options.REFERENCES,
    scenario: list[str] | None = options.TUNE_SCENARIOS,
    strength: str = options.STRENGTHS,
    onsets: int = options.ONSETS,
    promise: str = options.TUNE_PROMISE,
    holidays: str | None = options.TUNE_HOLIDAYS,
    worst_delay: str = options.WORST_DELAY,
    no_power: bool = options.NO_POWER,
    jobs: int = options.JOBS,
    seed: int = options.TUNE_SEED,
    out: Path | None = options.TUNE_OUT,
    as_json: bool = options.JSON,
) -> None:
    """Try window sizes on a stream, with drifts injected at random moments; recommend some.

    A model is trained on the first weeks; the others are watched, with the monitor's own code. Nothing else has to
    run. What was done is kept in .driftline/tuning: interrupted, it goes on from there.
    """
    from msgspec.structs import replace

    from cli.tuning import measure, prepared, read, reported
    from monitor.verdict.promise import parse_rate
    from producer import scenarios
    from producer.sources.selection import choose_months
    from runtime.connections import STATE, make_folder
    from schemas.durations import duration_ms, sizes_ms
    from tuning import plan as plans
    from tuning import pool, report, tasks

    began = time.monotonic()
    alone = sizes_ms(sizes, 1_000)
    plan = plans.Plan(
        sets=plans.sets_of(alone, joint),
        references=plans.references_of(reference),
        promise=parse_rate(promise),
        holidays=holidays or "",
        onsets=onsets,
        seed=seed,
    )
    source = choose_months(
        files=tuple(file or ()),
        months=tuple(month or ()),
        synthetic=synthetic,
        kind=kind.value,
        seed=seed,
        volume=volume,
        progress=listing.download_bar(output.err),
        say=say,
    )
    if source.note:
        output.warn(source.note)
    folder = make_folder(STATE / "tuning")
    say(f"reading {source.name}")
    history, training = prepared(source, chosen.stream(), chosen.scorers(), plan, folder)
    names = scenarios.shipped() if not scenario or checks.ALL in scenario else scenario
    loaded = [scenarios.load(name, history.stream, history.period) for name in dict.fromkeys(names)]
    store = pool.Store(folder, history, plan)
    calm = tasks.calm_tasks(len(history.weeks))
    drifts = tasks.drift_tasks(loaded, plans.strengths_of(strength))
    powers = [] if no_power else tasks.power_tasks(history.stream, history.layout)
    _run(store, [*calm, *drifts, *powers], jobs)
    measured = f"Measured in {time.monotonic() - began:.0f} s by {jobs} {'process' if jobs == 1 else 'processes'}."
    results = read(store, plan, calm, drifts, powers)
    trained = measure(store, history, plan, training)
    found = reported(results, history, plan, trained, worst_delay=duration_ms(worst_delay))
    found = replace(found, source=source.name, measured=measured)
    place = make_folder(out or folder)
    for name, content in (
        ("tuning.html", report.as_html(found).encode()),
        ("tuning.csv", report.as_csv(found).encode()),
        ("tuning.json", report.as_json(found)),
    ):
        pool.write(place / name, content)
    listing.show(output.console, report.lines(found), as_json=as_json)
    for text in (*found.advice, *report.unwatched(found)):
        say(text)
    say(f"plots, scores and power table: {place / 'tuning.html'}")


def _run(store: Store, every: Sequence[Task], jobs: int) -> None:
    """Do what is missing, with a bar."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from tuning import pool

    missing = store.missing(every)
    if len(missing) < len(every):
        say(f"{len(every) - len(missing)} of {len(every)} parts were done before")
    bar: Any = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        console=output.err,
        disable=not output.err.is_terminal,
        transient=True,
    )
    with bar:
        shown = bar.add_task("tuning", total=len(every), completed=len(every) - len(missing))
        pool.run(store, missing, jobs, lambda task: bar.update(shown, advance=1, description=task.name[:40]))
