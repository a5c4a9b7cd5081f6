"""Who runs what, with several workers: a module stays whole, and what takes long comes first.

So nobody is left alone with a minute of work at the end. And tests whose set-up is one for a folder share it.
"""

from __future__ import annotations

from typing import Any

import pytest

FIRST = ("browser", "faults", "integration")
"""Marks, the longest tests' first."""
TOGETHER = (
    ("tests/grafana/",),
    ("tests/models/",),
    ("tests/monitor/test_alarms.py", "tests/monitor/test_kill.py", "tests/monitor/test_publishing.py"),
    ("tests/faults/test_servers.py", "tests/faults/test_terminate.py", "tests/producer/test_broker_down.py"),
    (
        "tests/faults/",
        "tests/integration/test_producers.py",
        "tests/integration/test_same_rows.py",
        "tests/integration/test_idle.py",
        "tests/storage/test_pooler.py",
        "tests/storage/test_encodings.py",
    ),
)
"""Tests that share what takes seconds to make: a run, models, servers to kill, a log, processes to fork."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {item.path: len(FIRST) for item in items}
    for item in items:
        ranks[item.path] = min(ranks[item.path], rank(item))
    items.sort(key=lambda item: ranks[item.path])


def rank(item: pytest.Item) -> int:
    marks = {mark.name for mark in item.iter_markers()}
    return next((number for number, name in enumerate(FIRST) if name in marks), len(FIRST))


def share(nodeid: str) -> str:
    """Tests that have it in common are one worker's."""
    return next((group[0] for group in TOGETHER if nodeid.startswith(group)), nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only where it is used

    class Shares(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return share(nodeid)

    config.option.loadscopereorder = False  # which would put the many before the long
    return Shares(config, log)
