"""The report on alarms: its synthetic months are always the same, and it says what it could not measure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.verdicts import __main__ as program
from benchmarks.verdicts import months, sine, synthetic
from benchmarks.verdicts.peers import table
from benchmarks.verdicts.report import Part, write
from benchmarks.verdicts.watching import watch
from monitor.verdict.season import DAY, HOUR, WEEK, Season
from schemas.definition import EVENTS


def test_synthetic_weeks_follow_from_their_seed() -> None:
    one, other, third = (synthetic.made(2, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.weeks[1].summaries[EVENTS].counts, other.weeks[1].summaries[EVENTS].counts)
    assert not np.array_equal(one.weeks[1].summaries[EVENTS].counts, third.weeks[1].summaries[EVENTS].counts)


def test_weeks_are_watched_with_the_calm_weeks_before_them() -> None:
    stream = synthetic.made(5, 3).weeks
    holidays = {stream[3].start: "a holiday"}
    watched = watch(
        synthetic.layout(), Season(WEEK), stream[:2], stream[2:], holidays=holidays, seasons=3, promise=2.0
    )
    starts = [week.start for week in stream]
    assert [week.calibration.seasons for week in watched] == [
        tuple(starts[:2]),
        tuple(starts[:3]),
        tuple(starts[1:4]),
    ]
    assert [[*week.calibration.left_out] for week in watched] == [[], [starts[3]], [starts[3]]]
    assert [bool(week.holidays) for week in watched] == [False, True, False]


def test_a_report_is_written_for_programs_and_for_people(tmp_path: Path) -> None:
    part = Part("Is <it> so?", "yes", {"it is": True, "it is not": False}, [{"a": {"b": 1}, "c": None}], {"n": 1})
    write({"one": part}, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["one"]["met"] == {"it is": True, "it is not": False}
    page = (tmp_path / "report.html").read_text()
    assert "Is &lt;it&gt; so?" in page
    assert "✗ it is not" in page


def test_what_json_does_not_have_is_null_in_the_report(tmp_path: Path) -> None:
    write({"one": Part("Is it so?", "yes", {}, [{"hours": float("inf")}], {"share": float("nan")})}, tmp_path)
    text = (tmp_path / "report.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["one"]["rows"] == [{"hours": None}]


def test_the_published_stream_changes_every_5000_rows_and_is_always_the_same() -> None:
    values, known = sine.rows()
    assert (values.shape, known[0], known[-1], len(known)) == ((154_987, 4), 5_000, 145_000, 29)
    assert values[0] == pytest.approx(sine.rows()[0][0])
    assert np.abs(values[:5_000, 2:].reshape(10, 500, 2).mean(0)[125] - [1, 0]).max() < 0.3


def test_the_published_metric_is_time_between_false_alarms_over_time_to_detection() -> None:
    found = sine.measured([100, 200, 300], [50, 90, 110, 230, 240])
    assert found == {
        "MTR": round(95 / 20 * 2 / 3, 1),
        "rows between false alarms": 95,
        "rows to detection": 20.0,
        "missed": 0.333,
        "false alarms": 3,
    }


def test_days_with_an_alarm_become_weeks_missed_drift_and_delays() -> None:
    monday = 4 * DAY
    alarms = {"calm": [monday + DAY, monday + WEEK, monday + 9 * DAY], "bent": [monday + DAY, monday + 20 * DAY]}
    onsets = [monday + 4 * HOUR, monday + DAY, monday + 14 * DAY]
    row = table.row("peer", alarms, onsets, [monday, monday + WEEK, monday + 2 * WEEK])
    assert row == {
        "method": "peer",
        "calm weeks with an alarm": 2,
        "missed": 0.333,
        "bent": "33% missed, 144 h",
    }


def test_a_peer_without_its_environment_is_told_as_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "calm.npz").write_bytes(b"")
    monkeypatch.setattr(table, "PEERS", ("nannyml",))
    monkeypatch.setattr(table, "HERE", tmp_path)
    assert table.asked(tmp_path) == ({}, {"nannyml": "not measured: run make verdicts-setup"})


def test_without_real_trips_it_says_so_and_does_not_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(months, "DATA", tmp_path)
    monkeypatch.setattr("sys.argv", ["verdicts", "--parts", "covid", "--out", str(tmp_path)])
    assert program.main() == 1
    assert "no real trips" in capsys.readouterr().err
