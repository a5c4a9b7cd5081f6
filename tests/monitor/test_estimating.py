"""Errors that are estimated before labels come: what is learnt, how it adds up, and when nothing is claimed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from models import reference as references
from models.taxi.train import durations, train
from monitor import estimating
from monitor.estimating import ESTIMATOR
from monitor.verdict.estimate import Agreement, ComparedDay, Estimation, Estimator, Expected, kept_days, off_by
from monitor.verdict.harm import Errors
from monitor.verdict.layout import SummaryLayout
from monitor.verdict.season import DAY, HOUR
from monitor.verdict.signals import Reference, SlotSums
from monitor.verdict.summary import Summary, merge, summarize_events
from schemas.definition import EVENTS
from schemas.streams.taxi import TAXI, TRIPS
from tests.models.conftest import MONTH_MS, START, made_up

INPUTS = ("trip_distance", "PULocationID", "VendorID")
FIRST, DAYS = START // DAY * DAY, MONTH_MS // DAY


def scored(trips: pa.Table) -> pa.Table:
    """A reference: its model knows the distance alone, so that long trips have larger errors than short ones."""
    rows = references.valid(trips, TRIPS)
    miles = rows["trip_distance"].to_numpy()
    return references.reference(rows, TAXI, np.clip(2 + 4 * miles, 1, 60), durations(rows))


TABLE = scored(made_up(20_000))
LAYOUT = SummaryLayout.from_reference(TABLE, TAXI)
FITTED = estimating.fit(TAXI, TABLE, INPUTS)
assert FITTED is not None
ESTIMATION = Estimation(FITTED, LAYOUT)


def summary(table: pa.Table, start: int = FIRST, size: int = MONTH_MS) -> Summary:
    times = table["pickup_at"]
    inside = table.filter(pc.and_(pc.greater_equal(times, start), pc.less(times, start + size)))
    return summarize_events(inside, LAYOUT, TAXI, start=start, size=size)


def mean_error(table: pa.Table) -> float:
    label = table["duration_min"].to_numpy()
    inside = (label >= 1) & (label <= 60)
    return float(np.abs(table["prediction"].to_numpy() - label)[inside].mean())


def test_trips_that_the_model_errs_more_on_have_a_larger_estimate() -> None:
    others = scored(made_up(20_000, seed=2))
    miles = others["trip_distance"]
    for part in (
        others,
        others.filter(pc.less(miles, 2.0)),
        others.filter(pc.and_(pc.greater(miles, 3), pc.less(miles, 8))),
    ):
        assert ESTIMATION.mean(summary(part)) == pytest.approx(mean_error(part), rel=0.1)


def test_the_same_inputs_with_other_labels_have_the_same_estimate() -> None:
    slower = TABLE.set_column(
        TABLE.num_columns - 1, "duration_min", pc.multiply(TABLE["duration_min"], pa.scalar(1.3))
    )
    assert mean_error(slower) > 1.3 * mean_error(TABLE)
    assert ESTIMATION.mean(summary(slower)) == ESTIMATION.mean(summary(TABLE))


def test_estimates_of_parts_add_up_to_that_of_the_whole_to_the_last_bit() -> None:
    days = [summary(TABLE, FIRST + day * DAY, DAY) for day in range(DAYS)]
    assert ESTIMATION.mean(merge(days)) == ESTIMATION.mean(summary(TABLE))
    reference = Reference(FITTED.season, *2 * (SlotSums.from_summary(summary(TABLE), FITTED.season),))
    parts, whole = (
        [ESTIMATION.expected(reference, day) for day in days],
        ESTIMATION.expected(reference, merge(days)),
    )
    assert sum(part.found for part in parts) == whole.found
    assert sum(part.strange for part in parts) == whole.strange
    assert whole.excess == pytest.approx(0, abs=0.01)  # it is compared with itself


def test_a_window_without_rows_has_no_estimate() -> None:
    assert ESTIMATION.mean(summary(TABLE.slice(0, 0), FIRST, HOUR)) is None


def test_labels_outside_their_range_are_not_learnt_from() -> None:
    label = TABLE["duration_min"].to_numpy()
    wild = np.where((label >= 1) & (label <= 60), label, 1e5)
    table = TABLE.set_column(TABLE.num_columns - 1, "duration_min", pa.array(wild))
    assert estimating.fit(TAXI, table, INPUTS) == FITTED


def test_columns_that_the_model_does_not_read_add_nothing() -> None:
    assert {terms.column for terms in FITTED.columns} == {*INPUTS, "prediction"}
    every = estimating.fit(TAXI, TABLE)
    assert every is not None
    assert len(every.columns) == len(LAYOUT.events)


def test_too_few_labels_make_no_estimator() -> None:
    few = TABLE.slice(0, 500)
    assert estimating.files(TAXI, few, INPUTS) == {}
    assert estimating.files(TAXI, TABLE.drop_columns("duration_min"), INPUTS) == {}


def test_what_is_stored_is_read_again() -> None:
    stored = estimating.files(TAXI, TABLE, INPUTS)[ESTIMATOR]
    assert estimating.decode(stored) == FITTED
    assert estimating.files(TAXI, TABLE, INPUTS)[ESTIMATOR] == stored  # and is the same again


def test_values_unlike_the_training_are_not_estimated() -> None:
    assert ESTIMATION.remark(summary(TABLE)) is None
    far = TABLE.set_column(
        TABLE.schema.get_field_index("trip_distance"),
        "trip_distance",
        pc.if_else(pc.equal(TABLE["VendorID"], 1), 500.0, TABLE["trip_distance"]),
    )
    assert ESTIMATION.remark(summary(far)) == "20% more values than usual are unlike the training"
    new = TABLE.set_column(
        TABLE.schema.get_field_index("PULocationID"), "PULocationID", pa.array([264] * len(TABLE))
    )
    assert "unlike the training" in (ESTIMATION.remark(summary(new)) or "")


def test_estimates_that_were_far_off_in_the_training_are_not_used() -> None:
    assert FITTED.refused is None
    day = FITTED.agreement[-1]
    assert (day.size, day.stretches) == (DAY, DAYS)
    assert day.off < 0.15
    poor = msgspec.structs.replace(FITTED, agreement=(msgspec.structs.replace(day, off=0.3),))
    assert poor.refused == "estimates of the error were 30% off where they were tried in the training"
    remark = Estimation(poor, LAYOUT).remark(summary(TABLE))
    assert remark == poor.refused
    untried = msgspec.structs.replace(FITTED, agreement=())
    assert "too short" in (untried.refused or "")


def test_what_chance_explains_is_not_held_against_estimates() -> None:
    found = Agreement(size=DAY, stretches=10, correlation=None, off=0.5, chance=0.4)
    assert found.beyond_chance == pytest.approx(0.3)
    assert Agreement(size=DAY, stretches=10, correlation=None, off=0.3, chance=0.4).beyond_chance == 0


def test_a_model_is_stored_with_its_estimator_and_one_without_gives_none(tmp_path: Path) -> None:
    made = train(made_up(4_000), kind="tutorial", out=tmp_path / "m", source="made up", beside=estimating.files)
    layout = SummaryLayout.from_reference(made.reference(), TAXI)
    found = estimating.load(made, layout)
    assert found is not None
    assert {terms.column for terms in found.estimator.columns} <= {*made.inputs, "prediction"}
    assert estimating.load(made, LAYOUT) is None  # other bins
    bare = train(made_up(4_000), kind="tutorial", out=tmp_path / "n", source="made up")
    assert estimating.load(bare, layout) is None
    assert bare.hash != made.hash


def compared(*times: float, labels: int = 1_000) -> list[ComparedDay]:
    """Days whose error was so many times what was estimated."""
    days: list[ComparedDay] = []
    for number, factor in enumerate(times):
        start = number * DAY
        days = kept_days(days, Expected(start, start + DAY, 1_000, 0, 3_000.0, 3_000.0))
        days = kept_days(days, Errors(start, start + DAY, labels, 3_000.0 * factor, 3_000.0))
    return days


def test_days_whose_labels_have_come_say_how_far_estimates_are_off() -> None:
    assert off_by(compared(1.0, 1.0, 1.0), 3 * DAY) == 0
    assert off_by(compared(1.5, 1.5, 1.5), 3 * DAY) == pytest.approx(np.log(1.5), rel=0.01)
    assert off_by(compared(1.5, 1.5, 1.5, labels=300), 3 * DAY) < np.log(1.5) - 0.003  # chance


def test_the_last_days_alone_say_that_estimates_are_no_longer_right() -> None:
    calm = [1.0] * 6
    for days in (compared(*calm, 1.5), compared(*calm, 1.5, 1.0)):
        assert off_by(days, 6 * DAY) == pytest.approx(np.log(1.5) - 2 / np.sqrt(1_000))
    assert off_by(compared(*calm, 1.05), 6 * DAY) == 0  # by chance


def test_days_of_few_labels_say_nothing() -> None:
    assert off_by(compared(1.5, 1.5, 1.5, labels=100), 3 * DAY) is None


def test_only_the_newest_days_are_kept() -> None:
    assert off_by(compared(*[9.0] * 30, *[1.0] * 8), 38 * DAY) == 0
    assert len(compared(*[1.0] * 30)) == 8


@pytest.mark.parametrize("damaged", [b"{}", b"nothing"])
def test_something_else_is_no_estimator(damaged: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        estimating.decode(damaged)


def test_an_estimator_is_encoded_and_decoded() -> None:
    assert isinstance(FITTED, Estimator)
    assert estimating.decode(FITTED.encode()) == FITTED
    assert SummaryLayout.from_reference(TABLE, TAXI).bins(EVENTS) == len(FITTED.weights(LAYOUT)[0])
