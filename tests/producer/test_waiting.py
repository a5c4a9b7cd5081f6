"""What the producer says while it waits for Kafka. No broker is needed."""

from __future__ import annotations

import threading

import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from producer.log import Log
from schemas.errors import BrokerUnreachable

NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}


def said(code: int) -> str:
    """The advice of the log after one error with this code."""
    errors = [KafkaException(KafkaError(code))]

    def request() -> None:
        if errors:
            raise errors.pop()

    with Log(NOWHERE, threading.Event()) as kafka, capture_logs() as logs:
        kafka.retry(request, 60)
    (do,) = [entry["do"] for entry in logs if entry["event"] == "waiting_for_kafka"]
    return str(do)


@pytest.mark.parametrize(
    "code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError._UNKNOWN_PARTITION]
)
def test_a_broker_that_answers_need_not_be_started(code: int) -> None:
    assert said(code).startswith("nothing: Kafka answers")


@pytest.mark.parametrize("code", [KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE])
def test_a_broker_that_does_not_answer_is_to_be_started(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    assert said(code).startswith("run `driftline stack up`")


def test_a_broker_that_is_never_ready_is_not_said_not_to_answer() -> None:
    def request() -> None:
        raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))

    with (
        Log(NOWHERE, threading.Event()) as kafka,
        pytest.raises(BrokerUnreachable, match=r"is not ready after 0 s .*see the brokers' logs"),
    ):
        kafka.retry(request, 0)
