"""Checks of a topic's settings before a run is sent to it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

TopicSettings = Mapping[str, str | None]
"""Settings of one topic by Kafka's names; those that may not be read are missing."""

SHORT_MS = 3_600_000
"""Retention below this may take records before a consumer that was away has read them."""

LONGEST = 1_048_588
"""Kafka's own default of `max.message.bytes`."""

SMALLEST = 2_000
"""Our longest records, manifests of long scenarios aside, and what Kafka adds to them."""


class SettingProblem(NamedTuple):
    """A setting that harms a run. serious: no run can be written to such a topic. do: how to fix it."""

    serious: bool
    what: str
    do: str


def longest(settings: TopicSettings) -> int:
    """Return the largest size of a batch of records, bytes."""
    return int(settings.get("max.message.bytes") or LONGEST)


def setting_problems(settings: TopicSettings) -> Iterator[SettingProblem]:
    """Find settings that would keep records from being written or read."""
    if "compact" in (settings.get("cleanup.policy") or ""):
        yield SettingProblem(
            True,
            f"cleanup.policy is {settings['cleanup.policy']}: Kafka refuses heartbeats there, which have no key",
            _set("cleanup.policy=delete"),
        )
    if longest(settings) < SMALLEST:
        yield SettingProblem(
            True, f"max.message.bytes is {longest(settings)}: no record fits", _set(f"max.message.bytes={LONGEST}")
        )
    kept = int(settings.get("retention.ms") or -1)
    if 0 <= kept < SHORT_MS:
        yield SettingProblem(
            False,
            f"retention.ms is {kept}: records may be gone before a consumer has read them",
            _set("retention.ms=604800000"),
        )


def _set(setting: str) -> str:
    return (
        f"set {setting} on it (`kafka-configs.sh --alter --topic … --add-config …`), or use another --topic-prefix"
    )
