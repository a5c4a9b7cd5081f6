"""What an alarm's columns held before and since: counted from summaries as a monitor stores them."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.types.json import Jsonb

from board.alarm_distributions import distributions
from monitor.verdict import summary
from monitor.verdict.calibration import calibrate
from monitor.verdict.season import WEEK, Season
from monitor.verdict.summary import Summary
from schemas.definition import EVENTS
from tests.board.conftest import Served
from tests.board.watched import Watched, hold
from tests.monitor.feed import DAY
from tests.monitor.verdict.streams import SMALL
from tests.monitor.verdict.weeks import LAYOUT, MONDAY, Floats, apart, hours

SEASON = Season(WEEK)
CALM = calibrate(LAYOUT, SEASON, apart(hours(4, seed=1)))
STORED = (LAYOUT.encode(), CALM.encode())
ONSET = MONDAY + WEEK


def larger(name: str, shares: Floats) -> Floats:
    """Amounts move to the upper half of the bins, words to the second, and every other code is missing."""
    if name == "amount":
        return shares * (np.arange(len(shares)) >= len(shares) // 2)
    if name == "word":
        return np.eye(len(shares))[1]
    if name == "code":
        return shares / shares[:-1].sum() * (np.arange(len(shares)) < len(shares) - 1) + np.eye(len(shares))[-1]
    return shares


def daily(part: Summary) -> list[tuple[int, bytes]]:
    starts = range(part.start, part.end, DAY)
    return [(start, summary.encode(part.between(start, start + DAY))) for start in starts]


def member(name: str, column: str | None = None, role: str = EVENTS) -> dict[str, Any]:
    return {"role": role, "name": name, "column": column}


def moved() -> list[tuple[int, bytes]]:
    """A calm week, and one with other values."""
    weeks = apart(hours(2, seed=2))[0].summaries[EVENTS], apart(hours(2, seed=3, bend=larger))[1].summaries[EVENTS]
    return [*daily(weeks[0]), *daily(weeks[1])]


def test_a_week_earlier_it_was_as_usual_and_since_it_is_not() -> None:
    members = [member("amount"), member("word"), member("code missing", "code"), member("volume"), member("amount")]
    amount, word, code = distributions(SMALL, members, STORED, {EVENTS: moved()}, ONSET)
    assert (amount["name"], amount["kind"], word["kind"], code["name"]) == ("amount", "number", "category", "code")
    for column in (amount, word, code):
        for side in ("reference", "before", "since"):
            assert sum(column[side]) == pytest.approx(1)
        assert column["before"] == pytest.approx(column["reference"], abs=0.03)
    assert len(amount["edges"]) == len(amount["since"]) + 1
    assert amount["median"]["before"] == pytest.approx(amount["median"]["reference"], rel=0.05)
    assert amount["median"]["since"] > 1.3 * amount["median"]["before"]
    assert word["since"][word["labels"].index(LAYOUT.columns(EVENTS)[1].values[1])] == 1
    assert code["missing"]["since"] == pytest.approx(0.5, abs=0.03)
    assert amount["rows"]["reference"] == pytest.approx(amount["rows"]["before"], rel=0.1)


def test_the_same_hours_are_compared() -> None:
    """Of an alarm of one night, the nights of other weeks."""
    night = [(start, payload) for start, payload in moved() if start < ONSET + DAY]
    (amount,) = distributions(SMALL, [member("amount")], STORED, {EVENTS: night}, ONSET)
    mondays = [week.summaries[EVENTS].rows[:24].sum() for week in apart(hours(4, seed=1))]
    assert amount["rows"]["reference"] == pytest.approx(np.mean(mondays), rel=0.1)
    assert amount["rows"]["before"] == pytest.approx(amount["rows"]["reference"], rel=0.1)


@pytest.mark.parametrize("broken", ["layout", "calibration", "summaries"])
def test_what_cannot_be_decoded_shows_nothing(broken: str) -> None:
    layout, calibration = STORED
    rows = moved()
    assert distributions(SMALL, [member("amount")], (layout, calibration), {EVENTS: rows}, ONSET)
    stored = b"{}" if broken == "layout" else layout, b"" if broken == "calibration" else calibration
    summaries = {EVENTS: [(ONSET, b"\x80")] if broken == "summaries" else rows}
    assert distributions(SMALL, [member("amount")], stored, summaries, ONSET) == []


@pytest.mark.integration
def test_the_page_of_an_alarm_has_what_its_columns_held(calm: tuple[Served, str]) -> None:
    served, database = calm
    (alarm,) = Watched(days=28, drifts=[(14, 18)]).put(database, "shown")
    where = {"run": "shown", "id": alarm.name("shown")}
    assert served.json("/api/alarm-distributions", **where) == {"run": "shown", "columns": []}
    with psycopg.connect(database, autocommit=True) as connection:
        hold(connection, "shown", 28, [(14, 18)], larger)
        members = [
            {"role": "events", "name": "amount", "kind": "column", "column": "amount", "value": 2.0, "since": 0,
             "consequence": False, "size_s": 3_600},
        ]  # fmt: skip
        connection.execute("UPDATE driftline.calibration SET payload = %s WHERE run_id = 'shown'", (STORED[1],))
        connection.execute("UPDATE driftline.alarm SET members = %s WHERE run_id = 'shown'", (Jsonb(members),))
        (column,) = served.json("/api/alarm-distributions", **where)["columns"]
        assert column["rows"]["before"] > 1_000
        assert column["median"]["since"] > 1.3 * column["median"]["before"]
        connection.execute("UPDATE driftline.alarm SET track = 'ageing' WHERE run_id = 'shown'")
        assert served.json("/api/alarm-distributions", **where)["columns"] == []
    assert served.get("/api/alarm-distributions", run="shown", id="change:no").status_code == 404
