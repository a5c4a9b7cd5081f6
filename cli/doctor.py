"""`driftline doctor`: everything that a stage needs, looked at one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from local.stack.doctor import Check, checks
from models import artifact
from models.names import follow
from models.taxi import SCORERS
from producer import topics as rules
from runtime.connections import database_url, kafka_config
from schemas.durations import misread_unit, moment
from schemas.errors import DriftlineError, ModelUnusable, UsageError
from schemas.streams.taxi import STREAMS, TRIPS
from storage.connect import connect_now
from storage.errors import Error
from storage.queries import load_queries

_SQL = load_queries(Path(__file__).with_suffix(".sql"))

QUIET = {"log_level": "0"}
"""librdkafka otherwise prints each attempt to connect."""


def findings(environ: Mapping[str, str], model: Path, prefix: str = "") -> Iterator[Check]:
    """What the stack says of itself, then the model, the topics, and the runs with something wrong."""
    yield from checks(environ=environ)
    yield _model(model)
    yield from _topics(environ, prefix)
    yield from _runs(environ)


def _model(folder: Path) -> Check:
    if not follow(folder).exists():
        names = (path.parent.name for path in folder.parent.glob("*/card.json"))
        others = sorted(name[:12] if len(name) == 64 else name for name in names)
        beside = f"; beside it: {', '.join(others)}" if others else ""
        return Check("model", False, f"no {folder.name} model yet{beside}", "`driftline train` makes it")
    try:
        found = artifact.load(folder, TRIPS, SCORERS)
    except ModelUnusable as error:
        return Check("model", False, error.what, error.do)
    mae = "" if found.card.mae is None else f", MAE {found.card.mae:.2f} min"
    return Check("model", True, f"{found.card.kind}, of {found.card.source}{mae}")


def _topics(environ: Mapping[str, str], prefix: str) -> Iterator[Check]:
    try:
        admin = AdminClient(kafka_config(environ) | QUIET)
        topics = admin.list_topics(timeout=5).topics
    except UsageError:
        return
    except KafkaException as error:
        yield Check("topics", False, f"Kafka did not list them ({error.args[0].str()})", "see the line of kafka")
        return
    for stream in STREAMS:
        name = prefix + stream.topic
        if name in topics:
            yield _topic(admin, name, len(topics[name].partitions))
        else:
            yield Check(f"topic {name}", True, "not there yet", "`driftline produce` makes it", warning=True)


def _topic(admin: AdminClient, name: str, partitions: int) -> Check:
    """A warning where `driftline produce` would refuse it: somebody else's records may be fine there."""
    found = [*rules.findings(_settings(admin, name))]
    what = "; ".join([f"{partitions} partitions", *(finding.what for finding in found)])
    return Check(f"topic {name}", True, what, found[0].do if found else "", warning=bool(found))


def _settings(admin: AdminClient, name: str) -> dict[str, str | None]:
    """None where this user may not see them."""
    (asked,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name)], request_timeout=5).values()
    try:
        return {setting: entry.value for setting, entry in asked.result().items()}
    except KafkaException:
        return {}


def _runs(environ: Mapping[str, str]) -> Iterator[Check]:
    """Those that count event time in another unit. Their windows are right, and in January 1970."""
    try:
        with connect_now(database_url(environ)) as connection:
            found = connection.execute(_SQL["newest_times"]).fetchall()
    except (DriftlineError, Error):  # of the server another check speaks; the tables may not be there yet
        return
    for run_id, newest in found:
        if advice := misread_unit(newest):
            detail = f"its newest event time is {moment(newest):%Y-%m-%d %H:%M}: it {advice}"
            yield Check(f"run {run_id}", True, detail, "replay it under another --run", warning=True)
