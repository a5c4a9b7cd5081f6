"""What the pages show of alarms: the headline, the evidence curve, the alarms of a run and one of them."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from benchmarks.board import YEAR, seed
from board.alarms import members, silence_of
from schemas.durations import moment
from storage.connect import connect
from tests.board.conftest import Served
from tests.board.watched import PRICE, PROMISE, Watched, judge
from tests.monitor.feed import DAY, HOUR

pytestmark = pytest.mark.integration

DRIFTED = "drifted"


@pytest.fixture(scope="module")
def board(calm: tuple[Served, str]) -> Served:
    """Runs that drifted, were calm, have no promise, and were not watched; and what was said of the first."""
    served, database = calm
    alarms = Watched(days=28, drifts=[(14, 18)]).put(database, DRIFTED)
    assert [alarm.state for alarm in alarms] == ["recovered"]
    Watched(days=16, drifts=[(14, 16)], done=False).put(database, "goes-on")
    Watched(days=9, refused=PRICE, done=False).put(database, "calm")
    with connect(database) as connection:
        connection.autocommit = True
        judge(connection, DRIFTED, alarms[0], "false")
        judge(connection, DRIFTED, alarms[0], "real", "miles became kilometres")
        seed(connection, "unwatched", windows=30, metrics=["drift"])
        connection.execute(
            "INSERT INTO driftline.silence (track, column_name, ends_at, author, reason)"
            " VALUES ('change', NULL, now() + interval '1 day', 'ana', 'known')"
        )
    return served


def watch(board: Served, run: str) -> Any:
    return board.json("/api/board", run=run, size="1h")["status"]["watch"]


def test_the_headline_knows_the_promise_and_how_it_was_kept(board: Served) -> None:
    found = watch(board, DRIFTED)
    assert (found["promise"], found["weeks"], found["refused"]) == (PROMISE, 4, None)
    assert found["sizes"] == ["1h", "6h", "1d"]
    assert found["set_by"]["size"] == "1d"
    assert found["record"] == {"alarms": 1, "false": 0, "known": 0, "real": 1}
    assert (found["from"], found["to"]) == (YEAR, YEAR + 28 * DAY)
    assert found["level"] < 0.5


def test_the_headline_tells_the_alarms_and_what_they_did_to_the_error(board: Served) -> None:
    found = watch(board, DRIFTED)
    (alarm,) = found["alarms"]
    assert (alarm["state"], alarm["harm"], alarm["columns"][0]) == ("recovered", "both", "trip_distance")
    assert YEAR + 14 * DAY <= alarm["first_evidence"] < alarm["fired_at"] < YEAR + 15 * DAY
    assert alarm["recovered_at"] > YEAR + 18 * DAY
    assert alarm["told"][0].startswith(alarm["what"])
    assert alarm["told"][-1].startswith("Evidence")
    assert found["silence"]["author"] == "ana"


def test_an_alarm_that_fires_has_no_end(board: Served) -> None:
    (alarm,) = watch(board, "goes-on")["alarms"]
    assert (alarm["state"], alarm["recovered_at"], alarm["ack"]) == ("firing", None, None)
    assert watch(board, "goes-on")["level"] > 1


def test_what_cannot_be_promised_says_why(board: Served) -> None:
    found = watch(board, "calm")
    assert (found["promise"], found["refused"], found["alarms"]) == (None, PRICE, [])


def test_a_run_that_nobody_watches_has_no_alarms(board: Served) -> None:
    assert watch(board, "unwatched") is None
    assert board.json("/api/alarms", run="unwatched")["watch"] is None
    assert board.json("/api/evidence", run="unwatched")["curves"] == []


def test_the_evidence_curve_has_every_window_of_each_size(board: Served) -> None:
    found = board.json("/api/evidence", run=DRIFTED)
    assert [(each["role"], each["size"], len(each["at"])) for each in found["curves"]] == [
        (role, size, 28 * count)
        for size, count in (("1h", 24), ("6h", 4), ("1d", 1))
        for role in ("events", "labels")
    ]
    hourly = found["curves"][0]
    assert (hourly["start"], hourly["at"][:3], hourly["wall"]) == (YEAR, [0, 1, 2], None)
    assert max(hourly["value"]) > 1
    worst = hourly["value"].index(max(hourly["value"]))
    assert hourly["signals"][hourly["signal"][worst]] == "trip_distance"
    assert len(found["seasons"]) == 5
    assert len(found["recovered"]) == 1


def test_on_the_wall_clock_evidence_is_where_windows_were_closed(board: Served) -> None:
    hourly, _, six, *_ = board.json("/api/evidence", run=DRIFTED, axis="wall")["curves"]
    windows = board.json("/api/board", run=DRIFTED, size="1h")["windows"]
    assert hourly["wall"] == windows["wall"]
    assert set(six["wall"]) == {None}  # no such window was written


def test_the_page_of_an_alarm_has_its_evidence_by_signal(board: Served) -> None:
    (listed,) = board.json("/api/alarms", run=DRIFTED)["alarms"]
    assert listed["ack"]["verdict"] == "real"
    found = board.json("/api/alarm", run=DRIFTED, id=listed["id"])
    assert found["alarm"] == listed
    assert found["calibration"]["promise"] == PROMISE
    names = [member["name"] for member in listed["members"]]
    assert names[0] == "trip_distance"
    assert {"prediction", "error"} <= set(names)
    assert [curve["name"] for curve in found["curves"]] == names[:8]
    assert found["next"][0]["command"].startswith(f"driftline report --run {DRIFTED} --size ")
    assert "driftline weeks exclude 2022-01-10" in found["next"][-1]["command"]
    assert found["windows"][0]["start"] >= listed["first_evidence"]
    assert all(window["rows"] == 100 for window in found["windows"])


def test_the_worst_signal_has_the_evidence_that_was_stored(board: Served) -> None:
    (listed,) = board.json("/api/alarms", run=DRIFTED)["alarms"]
    stored = {
        each["size"]: dict(zip(each["at"], zip(each["value"], each["signal"], strict=True), strict=True))
        | {"names": each["signals"]}
        for each in board.json("/api/evidence", run=DRIFTED)["curves"]
        if each["role"] == "events"
    }
    for curve in board.json("/api/alarm", run=DRIFTED, id=listed["id"])["curves"]:
        if curve["role"] != "events":
            continue
        known, size = stored[curve["size"]], {"1h": HOUR, "6h": 6 * HOUR, "1d": DAY}[curve["size"]]
        compared = 0
        for at, value in zip(curve["at"], curve["value"], strict=True):
            most, signal = known[(at - YEAR) // size - 1]
            assert value <= most + 0.001
            if signal >= 0 and known["names"][signal] == curve["name"]:
                assert value == pytest.approx(most, abs=0.0011)
                compared += 1
        assert compared > 5 or curve["name"] != "trip_distance"


def test_an_alarm_that_is_not_there_says_so(board: Served) -> None:
    assert board.get("/api/alarm", run=DRIFTED, id="change:no").status_code == 404
    for wrong in ("", "\n", "x" * 501):
        assert board.get("/api/alarm", run=DRIFTED, id=wrong).status_code == 400
    assert board.get("/api/evidence", run=DRIFTED, axis="moon").status_code == 400


def test_alarms_of_the_log_and_whatever_members_hold_are_listed(board: Served, calm: tuple[Served, str]) -> None:
    with psycopg.connect(calm[1], autocommit=True) as connection:
        connection.execute(
            "INSERT INTO driftline.alarm (alarm_id, run_id, kind, started_at, message, state, track, members)"
            " VALUES ('gap', 'unwatched', 'gap', %s, E'lost\\x1b[2J', NULL, NULL, '[]'),"
            " ('odd', 'unwatched', 'drift', %s, 'odd', 'withdrawn', 'change', %s)",
            (moment(YEAR), moment(YEAR - DAY), Jsonb([{"name": 1}, "x"])),
        )
        gap, odd = board.json("/api/alarms", run="unwatched")["alarms"]
        assert (gap["state"], gap["told"]) == (None, ["lost\\x1b[2J"])
        assert (odd["state"], odd["members"]) == ("withdrawn", [])
        assert board.json("/api/alarm", run="unwatched", id="gap")["alarm"] == gap
        assert board.json("/api/alarm", run="unwatched", id="odd")["curves"] == []
        connection.execute("DELETE FROM driftline.alarm WHERE run_id = 'unwatched'")


def member(name: str, *, consequence: bool = False) -> dict[str, Any]:
    return {"name": name, "column": name, "consequence": consequence}


def test_an_alarm_is_silenced_while_all_its_members_are_but_for_consequences() -> None:
    alarm = {
        "track": "change",
        "members": [member("miles"), member("fare"), member("prediction", consequence=True)],
    }

    def until(*silences: tuple[str | None, str | None, int]) -> Any:
        found = silence_of(alarm, [dict(zip(("track", "column", "until"), each, strict=True)) for each in silences])
        return None if found is None else found["until"]

    assert until() is None
    assert until((None, None, 5)) == 5
    assert until(("ageing", None, 5)) is None
    assert until(("change", "miles", 5)) is None
    assert until(("change", "miles", 5), (None, "fare", 3), (None, "fare", 4)) == 4


@pytest.mark.parametrize("stored", [None, 3, {"a": 1}, [{"role": "events"}], ["x"]])
def test_members_are_what_a_monitor_writes_or_nothing(stored: Any) -> None:
    assert members(stored) == []
