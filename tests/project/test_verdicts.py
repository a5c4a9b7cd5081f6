"""The report on alarms: its synthetic months are always the same, and it says what it could not measure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.verdicts import __main__ as program
from benchmarks.verdicts import months, synthetic
from benchmarks.verdicts.report import Part, write
from benchmarks.verdicts.watching import watch
from monitor.verdict.season import WEEK, Season
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
        tuple(starts[:3]),
    ]
    assert [bool(week.holidays) for week in watched] == [False, True, False]


def test_a_report_is_written_for_programs_and_for_people(tmp_path: Path) -> None:
    part = Part("Is <it> so?", "yes", {"it is": True, "it is not": False}, [{"a": {"b": 1}, "c": None}], {"n": 1})
    write({"one": part}, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["one"]["met"] == {"it is": True, "it is not": False}
    page = (tmp_path / "report.html").read_text()
    assert "Is &lt;it&gt; so?" in page
    assert "✗ it is not" in page


def test_without_real_trips_it_says_so_and_does_not_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(months, "DATA", tmp_path)
    monkeypatch.setattr("sys.argv", ["verdicts", "--parts", "covid", "--out", str(tmp_path)])
    assert program.main() == 1
    assert "no real trips" in capsys.readouterr().err
