"""Topics: what holds for all of them."""

from __future__ import annotations

import re
from typing import Any

from schemas.errors import UsageError
from schemas.text import printable

_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}")

PARTITIONS = 4
"""Of a topic that we create, by default. A run keeps to the partitions that it was begun with."""

ALARMS = "alarms"
"""Topic of the changes of alarms, keyed by alarm. It is compacted, so that it always holds the newest of each."""


def check_topic(name: str, do: str) -> None:
    """Check that Kafka takes a name of a topic.

    Args:
        name: Of the topic, with prefix.
        do: What to do otherwise.

    Raises:
        UsageError: It does not.
    """
    if not _NAME.fullmatch(name):
        allowed = "1 to 249 letters of ASCII, digits and . _ -"
        raise UsageError(f"a topic cannot be called {printable(name, 60)!r}", f"{do}; a name has {allowed}")


def consumer_group(prefix: str, stream: str) -> str:
    """Name the consumer group of a stream. Its committed offsets are for lag tools: the position is in Postgres."""
    return f"{prefix}driftline-{stream}"


_NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""Of brokers before 2.8, and of some that only resemble Kafka: all zeros, in base64."""


def topic_id(description: Any) -> str | None:
    """Return the id of a topic (KIP-516), which differs after it was recreated; None if the broker has none.

    description: confluent_kafka's TopicDescription.
    """
    text = str(description.topic_id or _NO_ID)
    return None if text == _NO_ID else text
