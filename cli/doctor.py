"""`driftline doctor`: everything that a stage needs, looked at one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from models import artifact
from schemas.connections import kafka_config
from schemas.errors import ModelUnusable, UsageError
from schemas.taxi import STREAMS
from stack.doctor import Check, checks


def findings(environ: Mapping[str, str], model: Path) -> Iterator[Check]:
    """What the stack says of itself, then the model, then the topics."""
    yield from checks(environ=environ)
    yield _model(model)
    yield from _topics(environ)


def _model(folder: Path) -> Check:
    if not folder.exists():
        others = sorted(path.parent.name for path in folder.parent.glob("*/card.json"))
        beside = f"; beside it: {', '.join(others)}" if others else ""
        return Check("model", False, f"no {folder.name} model yet{beside}", "`driftline train` makes it")
    try:
        found = artifact.load(folder)
    except ModelUnusable as error:
        return Check("model", False, error.what, error.do)
    return Check("model", True, f"{found.card.kind}, of {found.card.source}, MAE {found.card.errors.mae:.2f} min")


def _topics(environ: Mapping[str, str]) -> Iterator[Check]:
    try:
        topics = AdminClient(kafka_config(environ)).list_topics(timeout=5).topics
    except UsageError:
        return
    except KafkaException as error:
        yield Check(
            "topics", False, f"Kafka did not list them ({error.args[0].str()})", "see `driftline stack status`"
        )
        return
    prefix = environ.get("DRIFTLINE_TOPIC_PREFIX", "")
    for stream in STREAMS:
        name = prefix + stream.topic
        if name in topics:
            yield Check(f"topic {name}", True, f"{len(topics[name].partitions)} partitions")
        else:
            yield Check(f"topic {name}", True, "not there yet", "`driftline produce` makes it", warning=True)
