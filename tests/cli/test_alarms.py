"""`alarms`, `silence`, `weeks` and `calibrate`: what they show and keep, and by which exit code a script learns."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import structlog
from rich.console import Console

from cli import main as command_line
from cli.alarms import Details, ListedAlarm, describe_record, facts, fired, next_steps, short_names
from schemas.durations import moment
from storage.alarm_listings import AlarmRow, CalibrationRow, Member, SetBy, WatchRecord, alarm_named
from storage.connect import connect
from storage.decisions import SilenceRow, silenced_until
from tests.cli.watched import HOUR, MONDAY, ONSET, WEEK, alarm, begin, write

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRING = alarm()
SUSPECTED = alarm(ONSET + 40 * HOUR, state="pending", pending_at=ONSET + 41 * HOUR, fired_at=None, value=0.6)
RECOVERED = alarm(ONSET - 100 * HOUR, state="recovered", recovered_at=ONSET - 50 * HOUR)


def alarm_row(*members: tuple[str, bool], run: str = "r", track: str | None = "change") -> AlarmRow:
    named = [
        Member(
            role="events",
            name=name,
            kind="column",
            column=name,
            size_s=3600,
            value=2.0,
            since=NOW,
            consequence=consequence,
        )
        for name, consequence in members
    ]
    fields = dict.fromkeys(AlarmRow.__struct_fields__) | {"run_id": run, "track": track, "members": named}
    return AlarmRow(**fields)


def silence(hours: int, **more: Any) -> SilenceRow:
    known = {"silence_id": 1, "state": "active", "run_id": None, "track": None, "column_name": None}
    times = {"starts_at": NOW, "ends_at": NOW + timedelta(hours=hours), "author": "ann", "reason": "moving"}
    return SilenceRow(**known | times | more)


@pytest.mark.parametrize(
    ("silences", "hours"),
    [
        ([], None),
        ([silence(1)], 1),
        ([silence(1), silence(3)], 3),
        ([silence(1, run_id="r", track="change")], 1),
        ([silence(1, run_id="another")], None),
        ([silence(1, track="ageing")], None),
        ([silence(1, state="ended")], None),
        ([silence(1, column_name="a")], None),
        ([silence(1, column_name="a"), silence(2, column_name="b")], 1),
        ([silence(1, column_name="a"), silence(2)], 2),
    ],
)
def test_an_alarm_is_silenced_while_all_is_that_it_names(silences: list[SilenceRow], hours: int | None) -> None:
    found = silenced_until(alarm_row(("a", False), ("b", False), ("explained", True)), silences)
    assert found == (None if hours is None else NOW + timedelta(hours=hours))


def test_an_incident_of_the_log_names_no_column_and_is_silenced_by_its_run() -> None:
    incident = alarm_row(track=None)
    assert silenced_until(incident, [silence(1, column_name="a")]) is None
    assert silenced_until(incident, [silence(1, run_id="r")]) == NOW + timedelta(hours=1)


def test_a_model_that_has_aged_is_to_be_trained_again_and_fails_no_script() -> None:
    row = msgspec.structs.replace(
        alarm_row(("fare", False), track="ageing"), alarm_id="x", state="firing", kind="ageing", columns=["fare"]
    )
    alarm = ListedAlarm(**msgspec.structs.asdict(row), silenced_until=None)
    assert fired([alarm]) == ([], [])
    assert [step.command for step in next_steps(alarm, [NOW])] == [
        *("driftline train --help", "driftline windows --run r")
    ]
    measured = CalibrationRow(
        season_start=NOW, calibration_id="c", weeks=[NOW], promise=1.0, refused=None, about="", signals={},
        lines={}, unwatched={}, created_at=NOW,
        set_by=SetBy(season=NOW, role="events", size_s=3_600, signal="fare"),
    )  # fmt: skip
    change = msgspec.structs.replace(alarm, track="change", kind="drift")
    assert fired([change]) == ([change], [])
    told = [
        {
            name
            for name, _ in facts(
                Details(alarm=one, calibration=measured, changes=[], evidence=[], told=[], next=[])
            )
        }
        for one in (alarm, change)
    ]
    assert told[1] - told[0] == {"promise", "line set by"}


def test_an_id_is_shortened_only_where_no_other_run_has_such_an_alarm() -> None:
    ids = ["change:r:events:1h:2022-02-15T11:00:00", "change:r:events:1h:2022-02-16T11:00:30"]
    rows = [msgspec.structs.replace(alarm_row(), alarm_id=name) for name in ids]
    assert list(short_names(rows).values()) == ["events:1h:2022-02-15T11:00", "events:1h:2022-02-16T11:00:30"]
    again = msgspec.structs.replace(alarm_row(run="s"), alarm_id="change:s:events:1h:2022-02-15T11:00:00")
    assert short_names([*rows, again])[ids[0]] == ids[0]


def test_the_record_counts_in_words() -> None:
    record = WatchRecord(run_id="r", about=None, days=56.2, alarms=1, judged_false=0, judged_known=0, judged_real=1)
    assert describe_record(record) == "So far: 8 weeks, 1 alarm, 1 judged real."
    calm = WatchRecord(run_id="r", about=None, days=0.4, alarms=0, judged_false=0, judged_known=0, judged_real=0)
    assert describe_record(calm) == "So far: less than a day, 0 alarms."
    assert "So far: 4 weeks" in describe_record(msgspec.structs.replace(calm, days=27.9)), "as the board says it"


Call = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def call(database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Exit code, stdout and stderr of a call."""
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setattr(command_line, "ENVIRONMENT", {})
    monkeypatch.setattr("cli.output.console", Console(width=160))
    monkeypatch.setattr("runtime.invocation.OURS", Path("/nowhere/driftline"))

    def run(words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["driftline", *shlex.split(words)])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    yield run
    structlog.reset_defaults()


def asked(database: str) -> list[str]:
    """Runs that the monitor is asked to fold again."""
    with psycopg.connect(database) as connection:
        query = "SELECT run_id, stream, size_s, window_start FROM driftline.unfolded ORDER BY id"
        rows = connection.execute(query).fetchall()
    assert all(row[1:] == (None, None, None) for row in rows), "of no window"
    return [row[0] for row in rows]


@pytest.mark.integration
def test_alarms_are_listed_newest_first_with_evidence_and_record(call: Call, database: str) -> None:
    write(database, RECOVERED, FIRING, SUSPECTED)
    code, text, said = call("alarms --run february")
    lines = text.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines[1:]] == ["pending", "firing", "recovered"]
    assert "Trip distance (trip_distance) and the model's error changed" in lines[2]
    assert lines[2].split()[-1] == "events:1h:2022-02-15T11:00"
    assert "3.14" in lines[2]
    assert "at most 0.9 false alarms a month" in said
    assert "So far: 2 days, 2 alarms." in said
    rows = json.loads(call("alarms --state firing --json")[1])
    assert [(row["alarm_id"], row["size_s"], row["silenced_until"]) for row in rows] == [
        (FIRING.alarm_id, 3600, None)
    ]
    assert rows[0]["members"][0]["since"] == "2022-02-15T00:00:00Z"


@pytest.mark.integration
def test_a_script_learns_of_firing_alarms_by_exit_code_3_and_does_not_take_silence_of_a_monitor_for_calm(
    call: Call, database: str
) -> None:
    assert call("alarms --fail-on firing")[0] == 1
    write(database, RECOVERED, SUSPECTED)
    assert call("alarms")[0] == call("alarms --fail-on firing")[0] == 0
    write(database, run="unwatched", evidence=False)
    code, _, said = call("alarms --run unwatched --fail-on firing")
    assert code == 1
    assert "nothing can be said of alarms: no evidence of run unwatched is known" in said
    write(database, alarm(run_id="march"), run="march")
    assert call("alarms --run february --fail-on firing")[0] == 0
    assert call("alarms --fail-on firing --state recovered")[0] == 3, "listed or not"
    call("silence add --run march --for 1h --reason moving")
    code, text, said = call("alarms --fail-on firing")
    assert code == 0
    assert "firing, silenced" in text
    assert "is silenced and fails nothing until" in said


@pytest.mark.integration
def test_an_alarm_is_shown_with_its_members_windows_and_what_to_do(call: Call, database: str) -> None:
    write(database, RECOVERED, FIRING)
    code, text, _ = call(f"alarms show {FIRING.alarm_id}")
    assert code == 0
    for known in (
        "Trip distance (trip_distance) and the model's error changed, since Tue 15 Feb 2022 00:00",
        "The model's error rose with it",
        "at most 0.9 false alarms a month",
        "line set by  volume at 6h, 2022-02-07",
        "driftline columns --run february --size 1h --window 2022-02-15T11:00",
        f"driftline alarms ack {FIRING.alarm_id} --as real",
        f"driftline weeks exclude 2022-02-14 --reason {FIRING.alarm_id}",
    ):
        assert known in text
    signals = text[text.index("Signals") :].splitlines()[2:5]
    assert [line.split()[0] for line in signals] == ["trip_distance", "error", "prediction"]
    assert "a consequence" in signals[2]
    found = json.loads(call("alarms show events:1h:2022-02-15T11 --json")[1])
    assert found["alarm"]["alarm_id"] == FIRING.alarm_id, "a part that no other id has is enough"
    assert [change["state"] for change in found["changes"]] == ["firing"]
    assert found["evidence"][-1]["z"] == {"trip_distance": 8.75, "prediction": 0.5, "volume": -0.25}
    assert found["calibration"]["set_by"]["signal"] == "volume"
    assert found["next"][0]["command"].startswith("driftline report --run february")


@pytest.mark.integration
def test_an_alarm_says_who_was_told_of_it_and_for_whom_it_waits(call: Call, database: str) -> None:
    write(database, FIRING)
    with connect(database) as connection:
        connection.execute(
            "INSERT INTO driftline.notification_target (target, stream, tracks, served_at, error) VALUES"
            " ('mail', NULL, '{change}', now(), NULL), ('down', 'taxi', '{change}', now(), 'refused'),"
            " ('gone', NULL, '{change}', now() - interval '8 days', 'x'), ('harm', NULL, '{harm}', now(), NULL)"
        )
        connection.execute(
            "INSERT INTO driftline.notification (target, change_id, outcome, sent_at)"
            " SELECT 'mail', change_id, 'sent', '2022-03-01T08:00Z' FROM driftline.alarm_change"
        )
    code, text, _ = call(f"alarms show {FIRING.alarm_id}")
    assert code == 0
    lines = text[text.index("Who was told") :].splitlines()[2:4]
    assert [line.split() for line in lines] == [
        ["down", "firing", "waits:", "refused"],
        ["mail", "firing", "2022-03-01", "08:00:00", "UTC"],
    ]
    found = json.loads(call(f"alarms show {FIRING.alarm_id} --json")[1])["told"]
    assert [(row["target"], row["outcome"]) for row in found] == [("down", None), ("mail", "sent")]


@pytest.mark.integration
def test_an_incident_about_which_there_is_nothing_to_do_is_shown_without_that_heading(
    call: Call, database: str
) -> None:
    with connect(database) as connection:
        begin(connection)
        connection.execute(
            "INSERT INTO driftline.alarm (alarm_id, run_id, kind, started_at, message, columns)"
            " VALUES ('old', 'february', 'drift', now(), 'column drift', '{}')"
        )
    code, text, _ = call("alarms show old")
    assert (code, "column drift" in text, "What to do next" in text) == (0, True, False)


@pytest.mark.integration
def test_an_unknown_alarm_run_or_silence_is_wrong_usage_that_names_those_which_are_there(
    call: Call, database: str
) -> None:
    write(database, RECOVERED, FIRING)
    for words, message in (
        ("alarms show march", FIRING.alarm_id),
        ("alarms show february", "2 alarms are called february"),
        ("alarms ack march --as false", FIRING.alarm_id),
        ("alarms --run march", "the newest: february"),
        ("calibrate --run march", "the newest: february"),
        ("silence add --run march --for 1h --reason x", "the newest: february"),
        ("silence end 7", "active: none"),
        ("weeks include 2022-02-15", "the week of 2022-02-14 is not excluded: excluded: none"),
    ):
        code, _, said = call(words)
        assert (code, message in said) == (2, True), said
    assert asked(database) == []


@pytest.mark.integration
def test_the_newest_judgement_counts_and_the_run_is_folded_again(call: Call, database: str) -> None:
    write(database, FIRING)
    assert call(f"alarms ack {FIRING.alarm_id} --as false --author bob")[0] == 0
    assert call("alarms ack february --as known --note 'a strike'")[0] == 0
    (row,) = json.loads(call("alarms --json")[1])
    assert (row["verdict"], row["note"], row["judged_by"]) == ("known", "a strike", "ann")
    assert asked(database) == ["february", "february"]
    assert "1 alarm, 1 judged known" in call("alarms")[2]
    assert "alarms ack" not in call("alarms show february")[1], "it was judged"


@pytest.mark.integration
def test_a_silence_has_an_end_an_author_and_a_reason_until_it_is_ended(call: Call, database: str) -> None:
    write(database, FIRING)
    code, first, _ = call("silence add --for 2h --column trip_distance --reason 'new \x1b[31mmeter'")
    assert code == 0
    assert call("silence add --until 2000-01-01 --reason x")[0] == 2
    second = call("silence add --until 2100-01-01 --track change --author bob --reason x")[1].strip()
    rows = json.loads(call("silence list --json")[1])
    assert [(r["author"], r["column_name"], r["track"], r["ends_at"][:4]) for r in rows] == [
        ("bob", None, "change", "2100"),
        ("ann", "trip_distance", None, rows[1]["ends_at"][:4]),
    ]
    assert call("silence list")[1].replace("\n", "").isprintable()
    assert call(f"silence end {second}")[0] == 0
    assert call(f"silence end {second}")[0] == 2
    assert [r["silence_id"] for r in json.loads(call("silence list --json")[1])] == [int(first)]
    assert len(json.loads(call("silence list --all --json")[1])) == 2


@pytest.mark.integration
def test_a_week_is_named_by_any_day_of_it_and_all_runs_of_its_stream_are_folded_again(
    call: Call, database: str
) -> None:
    write(database)
    write(database, run="march")
    with connect(database) as connection:
        begin(connection, "not-watched")
    code, text, said = call("weeks exclude 2022-02-20T23:59 2022-02-14 2022-02-21 --reason snow")
    assert (code, text.split()) == (0, ["2022-02-14", "2022-02-21"])
    assert "february, march" in said
    assert asked(database) == ["february", "march"]
    with psycopg.connect(database) as connection_:
        found = connection_.execute(
            "SELECT stream, season_start FROM driftline.excluded_week ORDER BY 2"
        ).fetchall()
    assert found == [("taxi", moment(MONDAY)), ("taxi", moment(MONDAY + WEEK))]
    assert call("weeks include 2022-02-22 2022-03-01")[0] == 2
    assert len(json.loads(call("weeks list --json")[1])) == 2, "all or none"
    assert call("weeks include 2022-02-22")[1].split() == ["2022-02-21"]
    (row,) = json.loads(call("weeks list --json")[1])
    assert (row["season_start"][:10], row["reason"], row["author"]) == ("2022-02-14", "snow", "ann")
    code, _, said = call("weeks exclude 2022-02-16 --reason 'a strike'")
    assert (code, "2022-02-14 was excluded already, by ann: snow; this takes the place of it" in said) == (0, True)
    assert json.loads(call("weeks list --json")[1])[0]["reason"] == "a strike"


@pytest.mark.integration
def test_a_calibration_shows_weeks_line_promise_and_what_is_refused(
    call: Call, database: str, tmp_path: Path
) -> None:
    write(database, FIRING)
    code, text, _ = call("calibrate")
    assert code == 0
    assert "4: 22-01-17, 22-01-24, 22-01-31, 22-02-07" in text
    assert "volume at 6h, 2022-02-07" in text
    assert "1.6 with 90 % confidence." in text
    assert "labels at 1h are not watched: half of its windows have fewer than 20 rows" in text
    newest, _ = json.loads(call("calibrate --json")[1])
    assert (newest["season_start"][:10], newest["promise"], len(newest["weeks"])) == ("2022-02-14", 0.87, 4)
    plot = tmp_path / "evidence.html"
    assert call(f"calibrate --plot {plot}")[0] == 0
    assert "events 1h" in plot.read_text(encoding="utf-8")
    write(database, run="short", refused="1 calm week")
    text = call("calibrate --run short")[1]
    assert "none" in text
    assert "3 more calm weeks for one a month" in text


@pytest.mark.integration
def test_an_alarm_can_be_named_exactly_where_another_contains_its_id(database: str) -> None:
    write(database, FIRING)
    with connect(database) as connection:
        connection.execute(
            "INSERT INTO driftline.alarm (alarm_id, run_id, started_at, kind, message)"
            " VALUES ('x' || %s, 'february', now(), 'gap', 'lost')",
            (FIRING.alarm_id,),
        )
        assert alarm_named(connection, FIRING.alarm_id).kind == "drift"
