from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from producer import scenario, scenarios
from schemas.durations import moment_ms
from schemas.errors import SourceUnusable
from schemas.records import Injected
from schemas.streams.taxi import TRIPS
from tests.producer.trips import DAY, START, table

PERIOD = (START, START + 28 * DAY)
GOOD = """
[[drift]]
kind = "unit_change"
column = "trip_distance"
factor = 2.0
starts_at = "50%"
ends_at = 2022-02-20T06:00:00
"""


def test_moments_are_resolved_in_the_period() -> None:
    (drift,) = scenario.parse("x", GOOD, PERIOD, TRIPS).drifts
    assert (drift.starts_at, drift.ends_at) == (START + 14 * DAY, moment_ms("2022-02-20T06:00"))


def test_rows_are_bent_from_the_start_to_before_the_end_and_no_others() -> None:
    bent = scenario.parse("x", GOOD, PERIOD, TRIPS)
    edges = [
        START + 14 * DAY - 1,
        START + 14 * DAY,
        moment_ms("2022-02-20T06:00") - 1,
        moment_ms("2022-02-20T06:00"),
    ]
    before = table([(at, at) for at in edges], trip_distance=1.5)
    after = scenario.apply(before, bent, TRIPS.time)
    assert after["trip_distance"].to_pylist() == [1.5, 3.0, 3.0, 1.5]
    assert after.drop_columns("trip_distance") == before.drop_columns("trip_distance")


def test_a_missing_value_stays_missing() -> None:
    before = table([(START + 15 * DAY, None)] * 2, trip_distance=None)
    assert (
        scenario.apply(before, scenario.parse("x", GOOD, PERIOD, TRIPS), TRIPS.time)["trip_distance"].null_count
        == 2
    )


def test_bending_does_not_depend_on_how_the_trips_are_cut() -> None:
    bent = scenario.parse("x", GOOD, PERIOD, TRIPS)
    whole = table([(START + hour * 3_600_000, None) for hour in range(28 * 24)])
    pieces = [
        scenario.apply(whole.slice(at, 50), bent, TRIPS.time)["trip_distance"].to_numpy()
        for at in range(0, len(whole), 50)
    ]
    assert np.array_equal(
        np.concatenate(pieces), scenario.apply(whole, bent, TRIPS.time)["trip_distance"].to_numpy()
    )


def test_the_manifest_says_what_is_injected() -> None:
    (injected,) = scenario.injected(scenario.parse("x", GOOD, PERIOD, TRIPS))
    assert injected == Injected(
        starts_at=START + 14 * DAY,
        ends_at=moment_ms("2022-02-20T06:00"),
        label="trip_distance × 2",
        columns=("trip_distance",),
    )


@pytest.mark.parametrize("name", scenarios.shipped())
def test_every_shipped_scenario_is_understood(name: str) -> None:
    found = scenario.parse(*scenarios.read(name), PERIOD, TRIPS)
    assert found.name == name
    assert found.description
    assert all(drift.label for drift in found.drifts)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("unit_change", "unit_chnage"), "unknown kind 'unit_chnage'"),
        (("trip_distance", "trip_distanec"), "no column of decimals"),
        (("trip_distance", "payment_type"), "no column of decimals"),
        (("factor", "faktor"), "faktor"),
        (("2.0", '"two"'), "factor"),
        (("2.0", "1.0"), "changes nothing"),
        (("2.0", "nan"), "changes nothing"),
        (("50%", "noon"), "'noon' is not a moment"),
        (("50%", "90%"), "ends before it starts"),
        (("2022-02-20T06:00:00", "true"), "ends_at"),
        (("starts_at", "start_at"), "start_at"),
        (("[[drift]]", "[drift]"), "no \\[\\[drift\\]\\]"),
        (("[[drift]]", "speed = 3\n[[drift]]"), "unknown key 'speed'"),
        (('"50%"', "50%"), "Invalid|invalid|Expected"),
    ],
)
def test_what_is_not_understood_is_refused(change: tuple[str, str], complaint: str) -> None:
    with pytest.raises(SourceUnusable, match=complaint):
        scenario.parse("x", GOOD.replace(*change), PERIOD, TRIPS)


def test_a_drift_outside_the_period_is_refused() -> None:
    with pytest.raises(SourceUnusable, match="outside"):
        scenario.parse("x", GOOD.replace("50%", "2022-01-01"), (START + 20 * DAY, START + 28 * DAY), TRIPS)


def test_a_scenario_is_found_by_path_too(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD)
    assert scenarios.read(str(tmp_path / "mine.toml")) == ("mine", GOOD)


def test_a_scenario_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(SourceUnusable, match="miles-to-km"):
        scenarios.read("no-such-scenario")
