"""The house knows no guest: what taxi's columns and topics are called stands in its own rooms alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.connections import ROOT
from schemas.streams.taxi import STREAMS
from tests.streams import flights, payments

ROOMS = ("consumer", "monitor", "notifier", "board", "grafana", "schemas/tables")
OLD = {f"000{number}" for number in range(1, 5)}
"""Migrations that were made when there was but one stream."""
MIGRATED = re.compile(r"'(?:trips|outcomes)' (?:THEN|ELSE)|THEN '(?:trips|outcomes)'")
"""In the one that gave the rows their roles: the topics of runs that have no definition."""
TAXI = re.compile(r"\b(taxi|trips?)\b", re.IGNORECASE)
TOPICS = re.compile(r"""["'`](trips|outcomes)["'`]""")


def lines(*rooms: str) -> Iterator[tuple[str, str]]:
    """(place, line) of everything that is written there."""
    for path in (path for room in rooms for path in sorted((ROOT / room).rglob("*")) if path.is_file()):
        if path.suffix == ".pyc" or path.name[:4] in OLD:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            yield f"{path.relative_to(ROOT)}:{number}", line


@pytest.mark.parametrize("words", [TAXI, TOPICS], ids=["words", "topics"])
def test_no_room_speaks_of_taxi(words: re.Pattern[str]) -> None:
    found = [
        f"{place}: {line.strip()[:100]}"
        for place, line in lines(*ROOMS)
        if words.search(line) and not ("tables/0005" in place and MIGRATED.search(line))
    ]
    assert not found, "\n".join(found[:20])


def test_the_producer_names_no_column_of_taxi_outside_of_its_sources() -> None:
    """What the shipped scenarios bend stands in their TOML files."""
    fields = {field.name for records in STREAMS for field in records.fields}
    names = [name for name in fields if "_" in name or name != name.lower()]
    word = re.compile(rf"\b({'|'.join(sorted(names))})\b")
    found = [f"{place}: {line.strip()[:100]}" for place, line in lines("producer") if word.search(line)]
    assert [each for each in found if not re.match(r"producer/(sources/|scenarios/[a-z-]+\.toml)", each)] == []


@pytest.mark.parametrize("guest", [flights, payments])
def test_nothing_but_its_definition_names_another_streams_topics(guest: object) -> None:
    """They go through the whole pipeline in `tests/integration/test_streams.py`: a stream is one file."""
    stream = guest.STREAM  # type: ignore[attr-defined]
    names = {records.topic for records in stream.topics}
    word = re.compile(rf"\b({'|'.join(sorted(names))})\b")
    rooms = (
        "schemas",
        "storage",
        "runtime",
        "models",
        "producer",
        "consumer",
        "monitor",
        "grafana",
        "local",
        "cli",
    )
    assert [place for place, line in lines(*rooms) if word.search(line)] == []
    assert Path(str(guest.__file__)).parent == ROOT / "tests" / "streams"
