"""The generator: the same for ever, in order, true to the facts it was made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import synthetic_quality as quality
from producer.sources.canonical import SCHEMA
from producer.sources.synthetic import city, generate
from producer.sources.synthetic.days import PART, trip_ids
from producer.sources.synthetic.demand import DAY, HOUR, KINDS, weekday_of
from producer.sources.synthetic.places import rake
from producer.sources.synthetic.tables import Choice, Quantiles
from schemas.durations import moment, moment_ms
from schemas.errors import SourceUnusable, UsageError
from schemas.records import decoder, encode
from schemas.streams.taxi import TRIPS

MONDAY = moment_ms("2022-02-14")
NULL_TOGETHER = (
    "store_and_fwd_flag",
    "RatecodeID",
    "passenger_count",
    "payment_type",
    "trip_type",
    "congestion_surcharge",
)
PARTS = (
    "fare_amount",
    "extra",
    "mta_tax",
    "tip_amount",
    "tolls_amount",
    "improvement_surcharge",
    "congestion_surcharge",
)


def trips(start: int, end: int, *, seed: int = 1, volume: float = 1.0) -> pa.Table:
    return pa.concat_tables(generate(start, end, seed=seed, volume=volume)).combine_chunks()


@pytest.fixture(scope="module")
def week() -> pa.Table:
    """Seven days at ten times the volume: 165,000 trips, so that rates can be told from chance."""
    return trips(MONDAY, MONDAY + 7 * DAY, volume=10)


def array(table: pa.Table, name: str) -> np.ndarray:
    """A column with NaN for null."""
    return table[name].cast(pa.float64()).to_numpy()


def minutes(table: pa.Table) -> np.ndarray:
    return (array(table, "dropoff_at") - array(table, "pickup_at")) / 60_000


def test_the_same_seed_gives_the_same_trips_and_another_does_not() -> None:
    first, again, other = (trips(MONDAY, MONDAY + DAY, seed=seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first["pickup_at"].equals(other["pickup_at"])


def test_no_two_days_are_alike() -> None:
    days = [array(table, "pickup_at") % DAY for table in generate(MONDAY, MONDAY + 15 * DAY, seed=1)]
    assert len({day[:50].tobytes() for day in days}) == 15


@pytest.mark.parametrize("volume", [0.5, 3.0, 30.0])
def test_a_day_does_not_depend_on_where_the_period_begins(volume: float) -> None:
    whole = trips(MONDAY, MONDAY + 3 * DAY, volume=volume)
    alone = trips(MONDAY + DAY, MONDAY + 2 * DAY, volume=volume)
    pickup = array(whole, "pickup_at")
    assert whole.filter((pickup >= MONDAY + DAY) & (pickup < MONDAY + 2 * DAY)).equals(alone)


def test_a_period_cuts_days_without_changing_their_trips_or_ids() -> None:
    whole = trips(MONDAY, MONDAY + DAY)
    cut = whole["pickup_at"][1_000].as_py()
    halves = [trips(MONDAY, cut), trips(cut, MONDAY + DAY)]
    assert pa.concat_tables(halves).combine_chunks().equals(whole)


def test_a_busy_day_is_drawn_some_hours_at_a_time() -> None:
    tables = list(generate(MONDAY, MONDAY + DAY, seed=1, volume=40))
    whole = pa.concat_tables(tables)
    assert np.all(np.diff(array(whole, "pickup_at")) >= 0)
    assert whole["trip_id"].to_pylist() == [f"syn1-2022-02-14-{n:06d}" for n in range(len(whole))]
    assert max(map(len, tables)) < PART + len(whole) / 10 < len(whole) / 3, "an hour more at most"
    assert len(whole) == pytest.approx(40 * len(trips(MONDAY, MONDAY + DAY)), rel=0.2)


def test_tables_are_canonical_and_come_a_day_at_a_time() -> None:
    tables = list(generate(MONDAY, MONDAY + 3 * DAY, seed=1))
    assert [table.schema for table in tables] == [SCHEMA] * 3
    assert [array(table, "pickup_at")[0] // DAY - MONDAY // DAY for table in tables] == [0, 1, 2]


def test_trips_are_sorted_and_named_once(week: pa.Table) -> None:
    assert np.all(np.diff(array(week, "pickup_at")) >= 0)
    assert len(week["trip_id"].unique()) == week.num_rows
    assert week["trip_id"][0].as_py() == "syn1-2022-02-14-000000"
    assert np.all(minutes(week) >= 0)


def test_trip_ids_grow_past_six_digits() -> None:
    assert trip_ids("a-", range(3), 3).to_pylist() == ["a-000000", "a-000001", "a-000002"]
    assert trip_ids("a-", range(2, 4), 1_000_001).to_pylist() == ["a-0000002", "a-0000003"]
    assert trip_ids("a-", range(1_000_000, 1_000_001), 1_000_001).to_pylist() == ["a-1000000"]
    assert trip_ids("a-", range(0), 0).to_pylist() == []


def test_every_trip_passes_the_consumers_validation() -> None:
    rows = trips(MONDAY, MONDAY + DAY).select([TRIPS.id, TRIPS.time, *(f.name for f in TRIPS.fields)]).to_pylist()
    for row in rows:
        decoder(TRIPS).decode(encode({"kind": "trip", "run_id": "r", "seq": 0, **row}))


def test_dispatched_trips_lack_six_columns_together_and_their_clocks_show_minutes(week: pa.Table) -> None:
    nulls = np.array([np.asarray(week[name].is_null()) for name in NULL_TOGETHER])
    assert np.all(nulls == nulls[0])
    assert nulls[0].mean() == pytest.approx(0.10353, rel=0.1)
    assert np.all(array(week, "pickup_at")[nulls[0]] % 60_000 == 0)
    assert np.all(array(week, "dropoff_at")[nulls[0]] % 60_000 == 0)
    assert not any(week[name].null_count for name in SCHEMA.names if name not in NULL_TOGETHER)


def test_totals_add_up_but_for_the_vendors_known_quirks(week: pa.Table) -> None:
    off = np.round(array(week, "total_amount") - sum(np.nan_to_num(array(week, part)) for part in PARTS), 2)
    dispatched = np.isnan(array(week, "payment_type"))
    repeats = (array(week, "VendorID") == 1) & (array(week, "congestion_surcharge") == 2.75)
    repeats &= array(week, "RatecodeID") != 5
    assert set(off[dispatched]) == {0.0, 2.75}, "the surcharge is in the total alone"
    assert set(off[repeats]) == {-2.75}, "vendor 1 shows the surcharge twice and charges it once"
    assert set(off[~dispatched & ~repeats]) == {0.0}


def test_metered_fares_stand_on_the_meters_grid(week: pa.Table) -> None:
    street = (array(week, "RatecodeID") == 1) & (array(week, "trip_distance") > 0)
    on_grid = (array(week, "fare_amount")[street] * 2) % 1 == 0
    assert on_grid.mean() > 0.99


def test_a_refund_is_the_negative_twin_of_a_ride(week: pa.Table) -> None:
    key = ["pickup_at", "dropoff_at", "PULocationID", "DOLocationID", "VendorID", "trip_distance"]
    table = week.append_column("size", pa.array(np.abs(array(week, "total_amount"))))
    negative = np.asarray(array(week, "total_amount") < 0)
    refunds, rides = table.filter(negative), table.filter(~negative)
    assert refunds.num_rows > 300
    assert rides.join(refunds, [*key, "size"], join_type="right semi").num_rows == refunds.num_rows
    assert set(refunds["payment_type"].to_pylist()) == {3, 4}


RATES = {
    "no distance": (0.0558, 0.1, lambda t: array(t, "trip_distance") == 0),
    "a distance that only a lost satellite gives": (0.00099, 0.3, lambda t: array(t, "trip_distance") > 1_000),
    "refunded": (0.00291, 0.2, lambda t: array(t, "fare_amount") < 0),
    "over within the minute": (0.0326, 0.15, lambda t: minutes(t) < 1),
    "over at once": (0.00155, 0.3, lambda t: minutes(t) == 0),
    "a meter left running for a day": (0.00242, 0.2, lambda t: minutes(t) >= 1_380),
    "for nothing": (0.0020, 0.4, lambda t: array(t, "fare_amount") == 0),
    "rate code 5": (0.0423, 0.1, lambda t: array(t, "RatecodeID") == 5),
    "to where it began": (0.1237, 0.1, lambda t: array(t, "PULocationID") == array(t, "DOLocationID")),
}


@pytest.mark.parametrize("what", RATES)
def test_oddities_come_at_the_rates_of_the_real_trips(week: pa.Table, what: str) -> None:
    rate, within, odd = RATES[what]
    assert odd(week).mean() == pytest.approx(rate, rel=within)


def test_lost_satellites_are_the_dispatchers_alone(week: pa.Table) -> None:
    far = array(week, "trip_distance") > 1_000
    assert np.all(np.isnan(array(week, "payment_type")[far]))
    assert 1e5 < array(week, "trip_distance").max() < 2.7e5


def test_the_volume_scales_the_number_of_trips(week: pa.Table) -> None:
    assert week.num_rows == pytest.approx(7 * 10 * 2_337, rel=0.15)
    assert trips(MONDAY, MONDAY + 7 * DAY, volume=2).num_rows == pytest.approx(week.num_rows / 5, rel=0.15)


def test_hours_without_a_trip_and_days_without_one_are_no_trouble() -> None:
    few = list(generate(MONDAY, MONDAY + 30 * DAY, seed=1, volume=0.001))
    assert 20 < sum(table.num_rows for table in few) < 140
    assert all(table.num_rows for table in few)


def test_counts_scatter_more_than_chance_alone_and_less_than_chaos() -> None:
    rng = np.random.default_rng(0)
    counts = np.array([city().demand.counts(rng, 2, 1.0).sum(axis=0) for _ in range(2_000)])
    ratio = counts.var(axis=0) / counts.mean(axis=0)
    assert np.all(ratio > 1.0)
    assert 1.6 < ratio[[8, 12, 17]].mean() < 4.5


def test_the_hours_of_the_week_have_their_demand() -> None:
    rng = np.random.default_rng(0)
    sunday = np.mean([city().demand.counts(rng, 6, 1.0).sum(axis=0) for _ in range(500)], axis=0)
    wednesday = np.mean([city().demand.counts(rng, 2, 1.0).sum(axis=0) for _ in range(500)], axis=0)
    assert wednesday[17] == pytest.approx(194.92, rel=0.05)
    assert sunday[3] == pytest.approx(24.77, rel=0.05)


def test_weekdays_are_those_of_the_calendar() -> None:
    for day in (0, 1, 19_037, 19_052, 47_000):
        assert weekday_of(day) == moment(day * DAY).weekday()


def test_the_rush_hour_costs_a_dollar_more_on_weekdays_alone(week: pa.Table) -> None:
    pickup, extra = array(week, "pickup_at"), array(week, "extra")
    hour, weekday = pickup // HOUR % 24, (pickup // DAY + 3) % 7
    street = (array(week, "RatecodeID") == 1) & (array(week, "VendorID") == 2) & (extra >= 0)
    assert np.mean(extra[street & (hour == 17) & (weekday < 5)] == 1.0) > 0.99
    assert np.mean(extra[street & (hour == 17) & (weekday >= 5)] == 0.0) > 0.99
    assert np.mean(extra[street & (hour == 2)] == 0.5) > 0.99


def test_places_change_with_the_part_of_the_week(week: pa.Table) -> None:
    hour, start = array(week, "pickup_at") // HOUR % 24, array(week, "PULocationID")
    morning, night = (np.isin(hour, hours) for hours in ([8, 9], [1, 2]))
    assert np.mean(start[morning] == 74) > 3 * np.mean(start[night] == 74), "East Harlem rides to work"


@pytest.mark.parametrize(
    ("start", "end", "seed", "volume"),
    [(5, 5, 1, 1.0), (6, 5, 1, 1.0), (-1, 5, 1, 1.0), (0, 5, -1, 1.0), (0, 5, 1, 0.0), (0, 5, 1, float("nan"))],
)
def test_nonsense_is_refused_with_a_word_of_advice(start: int, end: int, seed: int, volume: float) -> None:
    with pytest.raises(UsageError):
        next(generate(start, end, seed=seed, volume=volume))


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=9), st.integers(0, 99))
def test_quantiles_are_drawn_between_the_first_and_the_last(values: list[float], seed: int) -> None:
    table = sorted(values)
    drawn = Quantiles.from_tables(np.linspace(0, 1, len(table)), [table]).draw(np.random.default_rng(seed), 0, 500)
    assert drawn.min() >= table[0] - 1e-9
    assert drawn.max() <= table[-1] + 1e-9


def test_quantiles_of_an_even_table_are_even() -> None:
    drawn = Quantiles.from_tables([0, 1], [[0.0, 1.0], [10.0, 20.0]]).draw(
        np.random.default_rng(0), np.repeat([0, 1], 50_000), 100_000
    )
    assert np.quantile(drawn[:50_000], [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.02)
    assert np.quantile(drawn[50_000:], [0.1, 0.5, 0.9]) == pytest.approx([11, 15, 19], abs=0.2)


def test_choices_have_their_weights() -> None:
    drawn = Choice.from_weights({"1": 3.0, "2.5": 1.0, "7": 0.0}).draw(np.random.default_rng(0), 40_000)
    assert np.mean(drawn == 1) == pytest.approx(0.75, abs=0.01)
    assert set(drawn) == {1.0, 2.5}


def test_tables_that_descend_and_choices_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="descend"):
        Quantiles.from_tables([0, 1], [[1.0, 0.0]])
    with pytest.raises(ValueError, match="weight"):
        Choice.from_weights({"1": 0.0})


def test_raking_gives_the_shares_asked_for() -> None:
    rng = np.random.default_rng(0)
    base, starts, ends = rng.random((5, 5)) + 0.1, np.array([1.0, 0, 2, 3, 4]), rng.random(5)
    raked = rake(base, starts, ends)
    assert raked.sum(axis=0) == pytest.approx(ends / ends.sum())
    assert raked.sum(axis=1) == pytest.approx(starts / 10, abs=1e-6)


def test_the_parameters_are_small_and_of_all_kinds() -> None:
    from producer.sources import synthetic  # noqa: PLC0415

    path = Path(synthetic.__file__).parent / "params.json"
    assert path.stat().st_size < 200_000
    assert len(city().kinds) == len(KINDS)


@pytest.fixture(scope="module")
def months() -> tuple[pa.Table, pa.Table]:
    try:
        return quality.real("2022-01"), quality.real("2022-02")
    except SourceUnusable as error:
        pytest.skip(f"wants the real trips: {error}")


@pytest.mark.real
def test_no_column_is_far_from_the_real_month(months: tuple[pa.Table, pa.Table]) -> None:
    psi = dict(quality.marginals(months[0], quality.synthetic("2022-01")))
    assert len(psi) == len(TRIPS.fields) + len(quality.ZONES) + 3
    assert max(psi.values()) < 0.05, psi


@pytest.mark.real
def test_the_real_trips_model_is_as_good_on_synthetic_ones(months: tuple[pa.Table, pa.Table]) -> None:
    model = quality.DurationModel.from_trips(months[0])
    assert model.mae(quality.synthetic("2022-02")) == pytest.approx(model.mae(months[1]), rel=quality.MOST_MAE)


def test_a_column_that_moved_is_seen_by_the_measure() -> None:
    calm = np.random.default_rng(0).normal(size=5_000)
    assert quality.by_deciles(calm, calm) == 0
    assert quality.by_deciles(calm, calm + 1) > 0.5
    assert quality.by_value(np.array([1.0, 1, 2, np.nan]), np.array([2.0, 2, 2, 1])) > 0.5
    assert quality.by_value(np.array([1.0, np.nan]), np.array([np.nan, 1.0])) == 0
