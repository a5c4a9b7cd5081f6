"""`driftline doctor`: everything that a stage needs, looked at one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from cli.remarks import unattended
from cli.removal import default_runs
from local.stack.doctor import Check, checks
from models import artifact
from models.artifact import Scorers
from models.names import resolve_name
from producer import topics as rules
from runtime.connections import database_url, kafka_config, refused_setting
from schemas.advice import SHARED_PREFIX, begin_anew
from schemas.definition import Stream
from schemas.durations import misread_unit, moment
from schemas.errors import DriftlineError, ModelUnusable, UsageError
from storage import listings, notifications
from storage.connect import connect_now
from storage.errors import Error
from storage.queries import load_queries
from storage.streams import newest

_SQL = load_queries(Path(__file__).with_suffix(".sql"))

QUIET = {"log_level": "0"}
"""librdkafka otherwise prints each attempt to connect."""


def run_checks(
    environ: Mapping[str, str], given: Stream, scorers: Scorers, model: Path, prefix: str = ""
) -> Iterator[Check]:
    """Check everything that a stage needs, then the streams of the database, their topics and runs.

    Args:
        environ: Names the servers.
        given: The stream that a stage which is started now is about.
        scorers: What reads its models.
        model: Folder of the artifact that would score it.
        prefix: Before the name of every topic.
    """
    yield from checks(environ=environ)
    if given.needs_model:
        yield _model(model, given, scorers)
    stored = _stored(environ)
    yield from (_stream(stream, runs) for stream, runs in stored)
    streams = {given.name: given} | {stream.name: stream for stream, _ in stored}
    yield from _topics(environ, streams.values(), prefix)
    yield from _runs(environ)
    yield from _unattended(environ)
    yield from _notifications(environ)


def _model(folder: Path, stream: Stream, scorers: Scorers) -> Check:
    if not resolve_name(folder).exists():
        names = (path.parent.name for path in folder.parent.glob("*/card.json"))
        others = sorted(name[:12] if len(name) == 64 else name for name in names)
        beside = f"; beside it: {', '.join(others)}" if others else ""
        return Check("model", False, f"no {folder.name} model yet{beside}", "`driftline train` makes it")
    try:
        found = artifact.load(folder, stream.events, scorers)
    except ModelUnusable as error:
        return Check("model", False, error.what, error.do)
    unit = f" {stream.unit}" if stream.unit else ""
    mae = "" if found.card.mae is None else f", MAE {found.card.mae:.2f}{unit}"
    return Check("model", True, f"{found.card.kind}, of {found.card.source}{mae}")


def _stored(environ: Mapping[str, str]) -> list[tuple[Stream, int]]:
    """The streams of the database; none where another check says why it does not answer."""
    try:
        with connect_now(database_url(environ)) as connection:
            return newest(connection)
    except (DriftlineError, Error):
        return []


def _stream(stream: Stream, runs: int) -> Check:
    topics = ", ".join(f"{records.role} in {records.topic}" for records in stream.topics)
    return Check(f"stream {stream.name}", True, f"{topics}; {runs:,} run{'s' * (runs != 1)}")


def _topics(environ: Mapping[str, str], streams: Iterable[Stream], prefix: str) -> Iterator[Check]:
    try:
        admin = AdminClient(kafka_config(environ) | QUIET)
        topics = admin.list_topics(timeout=5).topics
    except UsageError:
        return
    except KafkaException as error:
        reason = error.args[0].str()
        if "configuration property" in reason:
            refused = refused_setting(reason, kafka_config(environ))
            yield Check("topics", False, refused.what, refused.do)
        else:
            yield Check("topics", False, f"Kafka did not list them ({reason})", "see the line of kafka")
        return
    for topic in dict.fromkeys(records.topic for stream in streams for records in stream.topics):
        if (name := prefix + topic) in topics:
            yield _topic(admin, name, len(topics[name].partitions))
        else:
            yield _missing_topic(name, sorted(other for other in topics if other.endswith(topic)))


def _missing_topic(name: str, others: Sequence[str]) -> Check:
    """others: topics of the same name with another prefix."""
    do = "`driftline produce` makes it"
    if not others:
        return Check(f"topic {name}", True, "not there yet", do, warning=True)
    return Check(
        f"topic {name}", True, f"not there yet, but {', '.join(others[:3])}", f"{do}; {SHARED_PREFIX}", warning=True
    )


def _topic(admin: AdminClient, name: str, partitions: int) -> Check:
    """A warning where `driftline produce` would refuse it: somebody else's records may be fine there."""
    found = [*rules.setting_problems(_settings(admin, name))]
    what = "; ".join([f"{partitions} partitions", *(problem.what for problem in found)])
    return Check(f"topic {name}", True, what, found[0].do if found else "", warning=bool(found))


def _settings(admin: AdminClient, name: str) -> dict[str, str | None]:
    """None where this user may not see them."""
    (described,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name)], request_timeout=5).values()
    try:
        return {setting: entry.value for setting, entry in described.result().items()}
    except KafkaException:
        return {}


def _runs(environ: Mapping[str, str]) -> Iterator[Check]:
    """Those that count event time in another unit. Their windows are right, and in January 1970."""
    try:
        with connect_now(database_url(environ)) as connection:
            found = connection.execute(_SQL["newest_times"]).fetchall()
            defaults = default_runs(connection, [run_id for run_id, _ in found])
    except (DriftlineError, Error):  # of the server another check speaks; the tables may not be there yet
        return
    for run_id, time in found:
        if advice := misread_unit(time):
            detail = f"its newest event time is {moment(time):%Y-%m-%d %H:%M}: it {advice}"
            yield Check(f"run {run_id}", True, detail, begin_anew(run_id, defaults[run_id]), warning=True)


def _unattended(environ: Mapping[str, str]) -> Iterator[Check]:
    """Runs that have rows, of which no window was computed and none will be."""
    try:
        with connect_now(database_url(environ)) as connection:
            runs, monitors = listings.runs(connection), listings.monitors(connection)
    except (DriftlineError, Error):
        return
    waiting = [run for run in runs if run.rows and not run.windows]
    found = [(run.run_id, why) for run in waiting if (why := unattended(run, monitors))]
    if found:
        run_id, why = found[0]
        others = f" (and {len(found) - 1:,} more runs)" if len(found) > 1 else ""
        detail = f"run {run_id}{others} has rows, and none of its windows was computed: {why}"
        yield Check("windows", True, detail, "`driftline runs` lists them", warning=True)


SILENT_S = 60.0
"""A notifier looks after its targets each second."""


def _notifications(environ: Mapping[str, str]) -> Iterator[Check]:
    """Those whom notifiers tell of alarms."""
    try:
        with connect_now(database_url(environ)) as connection:
            found = notifications.targets(connection)
    except (DriftlineError, Error):
        return
    yield from map(_notified, found)


def _notified(row: notifications.TargetRow) -> Check:
    name, count = f"notify {row.target}", row.waiting
    waiting = f"{count:,} message{'s' * (count != 1)} wait{'s' * (count == 1)}" if count else "all is sent"
    if row.silent_s > SILENT_S:
        do = "start `driftline notify` with its address; a target that was given up is forgotten after a week"
        return Check(name, True, f"{waiting}; no notifier looks after it", do, warning=True)
    if row.error is None or row.failing_since is None:
        return Check(name, True, waiting)
    do = "`driftline notify --test` tries it; what waits is sent when it takes it"
    detail = f"{waiting}; it fails since {row.failing_since:%Y-%m-%d %H:%M}: {row.error}"
    return Check(name, True, detail, do, warning=True)
