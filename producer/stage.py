"""The producer: replays events and labels at a chosen speed. What it sends does not depend on speed or crashes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa
import structlog

from producer import resume, scenarios
from producer.bend import bend
from producer.gauges import Gauges
from producer.log import Log, Stopped
from producer.pace import Pace
from producer.plan import Lane, Position, ReplayPlan
from producer.replay import replay
from producer.scenario import Scenario, injected
from producer.settings import Settings
from producer.source import Source
from producer.transmit import Progress, Transmission
from runtime.invocation import exit_with_command
from runtime.metrics_server import serving
from schemas.records import Manifest
from schemas.text import printable

log = structlog.get_logger()


@dataclass(frozen=True)
class Summary:
    """The result of a replay.

    Attributes:
        records: Records of the run in the log.
        already_there: How many of them were there before.
        finished: Whether the run is complete; else it was stopped, and goes on when it is started again.
        seconds: How long it took.
    """

    records: int = 0
    already_there: int = 0
    finished: bool = False
    seconds: float = 0.0


def run(settings: Settings, stop: threading.Event, report: Callable[[Progress], None] | None = None) -> Summary:
    """Replay the source from the run's position in the log, to its end or until `stop` is set.

    1. Create the topics if they are missing. 2. Find how far the run has come, and check that it is the same run.
    3. Send its first record, and wait until it has arrived: by this record a resumed run is recognised.
    4. Send the rest, each record when it is due. 5. Wait until all have arrived.

    The first events are read before anything else, since an unusable source must not begin a run.

    Args:
        settings: What to replay, and where to.
        stop: Ends the replay when it is set.
        report: Called with the Progress a few times per second; None to log it.

    Raises:
        DriftlineError: For what the operator can fix: Kafka, the source, the scenario, another run of that name.
    """
    gauges = Gauges()
    with serving(gauges.instruments, settings.metrics_host, settings.metrics_port):
        return _run(settings, stop, report, gauges)


def _run(
    settings: Settings, stop: threading.Event, report: Callable[[Progress], None] | None, gauges: Gauges
) -> Summary:
    began, transmission, before = time.monotonic(), None, 0
    drift = _scenario(settings)
    tables = _open(_tables(settings, drift))
    try:
        with Log(settings.kafka, stop, gauges) as kafka:
            plan, sent = _resume(settings, _plan(settings, drift, kafka), kafka)
            pace = Pace(
                settings.speed, min((p.heartbeat_at for p in sent.values()), default=plan.start), time.monotonic()
            )
            transmission = Transmission(
                kafka,
                plan,
                settings.topic_prefix,
                pace,
                stop,
                positions=sent,
                beat_s=settings.beat_s,
                report=report,
                gauges=gauges,
            )
            before = transmission.progress.records
            if len(sent) == len(plan.lanes) and all(position.finished for position in sent.values()):
                do = "nothing was sent: choose another --run to replay it once more"
                log.info("already_finished", run=plan.run_id, **transmission.progress.counts, do=do)
                return Summary(before, before, True, time.monotonic() - began)
            lists = replay(plan, tables, sent)
            transmission.send(next(lists))
            transmission.wait_for_delivery()
            for batches in lists:
                transmission.send(batches)
            transmission.wait_for_delivery()
        return _summary(transmission, before, began, finished=True)
    except Stopped:
        log.info("stopped", run=settings.run_id, goes_on="when it is started again")
        return _summary(transmission, before, began, finished=False)


def _scenario(settings: Settings) -> Scenario | None:
    if settings.scenario is None:
        return None
    return scenarios.load(settings.scenario, settings.stream, settings.source.period)


def _plan(settings: Settings, drift: Scenario | None, kafka: Log) -> ReplayPlan:
    names = [settings.topic_prefix + records.topic for records in settings.stream.topics]
    partitions = kafka.ensure_topics(names, settings.partitions, settings.patience_s)
    manifest = Manifest(
        source=printable(settings.source.name),
        period=settings.source.period,
        speed=settings.speed,
        events=None if drift and drift.resizes else settings.source.events,
        partitions=partitions,
        scenario=printable(drift.name, 200) if drift else None,
        injected=injected(drift) if drift else (),
    )
    return ReplayPlan(settings.stream, settings.run_id, manifest, partitions)


def _resume(settings: Settings, plan: ReplayPlan, kafka: Log) -> tuple[ReplayPlan, Mapping[Lane, Position]]:
    """Return the plan, in the partitions that the run was begun with (topics may have more), and positions."""
    found = resume.find(kafka, settings.kafka, plan, settings.topic_prefix, settings.patience_s)
    if settings.partitions is None and found.manifest is not None:
        plan = plan.within(found.manifest.partitions or plan.partitions)
    if found.positions:
        resume.check_manifest(found.manifest, plan.manifest)
    known = {settings.stream.events.topic: plan.manifest.events, "scenario": plan.manifest.scenario}
    log.info(
        "resuming" if found.positions else "starting",
        run=plan.run_id,
        source=plan.manifest.source,
        speed=f"{settings.speed:g}x" if settings.speed else "max",
        partitions=plan.partitions,
        **{name: value for name, value in known.items() if value is not None},
    )
    return plan, {lane: found.positions[lane] for lane in plan.lanes if lane in found.positions}


def _tables(settings: Settings, drift: Scenario | None) -> Iterator[pa.Table]:
    source: Source = settings.source
    for table in source.tables():
        labelled = source.labelled(table)
        yield bend(labelled, drift) if drift else labelled


def _open(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    first = next(tables, None)
    return tables if first is None else chain([first], tables)


def _summary(transmission: Transmission | None, before: int, began: float, *, finished: bool) -> Summary:
    if transmission is None:
        return Summary()
    progress, seconds = transmission.progress, time.monotonic() - began
    if finished:
        log.info("finished", **progress.counts, seconds=round(seconds, 1))
    return Summary(progress.records, before, finished, seconds)


if __name__ == "__main__":
    exit_with_command("produce")
