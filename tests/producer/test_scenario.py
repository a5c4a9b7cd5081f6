from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from producer import scenario, scenarios
from producer.bend import HAPPENED, SENT, bend
from producer.drift_kinds import KINDS
from producer.scenario import Scenario
from runtime.connections import ROOT
from schemas.definition import Stream
from schemas.durations import moment_ms
from schemas.errors import UsageError
from schemas.records import Injected
from schemas.streams.taxi import TAXI
from tests.producer.trips import DAY, HOUR, START, table
from tests.streams import flights, made_up, payments

PERIOD = (START, START + 28 * DAY)
GOOD = """
[[drift]]
kind = "unit_change"
column = "trip_distance"
factor = 2.0
starts_at = "50%"
ends_at = 2022-02-20T06:00:00
"""
SHORT = 'starts_at = "0%"\nends_at = "100%"\n'


def parsed(text: str, stream: Stream = TAXI, period: tuple[int, int] = PERIOD) -> Scenario:
    return scenario.parse("x", text, stream, period)


def drift(kind: str, text: str, stream: Stream = TAXI) -> Scenario:
    """A scenario of one drift that is there all the time."""
    return parsed(f'[[drift]]\nkind = "{kind}"\n{SHORT}{text}', stream)


def test_moments_are_resolved_in_the_period() -> None:
    (found,) = parsed(GOOD).drifts
    assert (found.starts_at, found.ends_at) == (START + 14 * DAY, moment_ms("2022-02-20T06:00"))


def test_rows_are_bent_from_the_start_to_before_the_end_and_no_others() -> None:
    edges = [
        START + 14 * DAY - 1,
        START + 14 * DAY,
        moment_ms("2022-02-20T06:00") - 1,
        moment_ms("2022-02-20T06:00"),
    ]
    before = table([(at, at) for at in edges], trip_distance=1.5)
    after = bend(before, parsed(GOOD))
    assert after["trip_distance"].to_pylist() == [1.5, 3.0, 3.0, 1.5]
    assert after.drop_columns("trip_distance") == before.drop_columns("trip_distance")


def test_a_scenario_moves_to_another_onset_and_length() -> None:
    hours = [(START + hour * HOUR, None) for hour in range(10)]
    after = bend(table(hours, trip_distance=1.0), parsed(GOOD), onset=START + 3 * HOUR, lasts=2 * HOUR)
    assert after["trip_distance"].to_pylist() == [1, 1, 1, 2, 2, 1, 1, 1, 1, 1]
    assert parsed(GOOD).moved(START).drifts[0].ends_at == START + moment_ms("1970-01-06T06:00")


def test_a_missing_value_stays_missing() -> None:
    before = table([(START + 15 * DAY, None)] * 2, trip_distance=None)
    assert bend(before, parsed(GOOD))["trip_distance"].null_count == 2


def test_the_manifest_says_what_is_injected() -> None:
    (injected,) = scenario.injected(parsed(GOOD + "where = { VendorID = 2, payment_type = { missing = true } }"))
    assert injected == Injected(
        starts_at=START + 14 * DAY,
        ends_at=moment_ms("2022-02-20T06:00"),
        label="trip_distance × 2 where VendorID 2, payment_type missing",
        columns=("trip_distance",),
        kind="unit_change",
        segment="VendorID 2, payment_type missing",
        change="× 2",
    )


def test_what_recurs_is_there_at_the_same_time_of_each_day() -> None:
    text = GOOD.replace("50%", "2022-02-18T12:00") + 'every = "1d"\nat = "10h"\nlasts = "4h"'
    found = [(i.starts_at - START, i.ends_at - START) for i in scenario.injected(parsed(text))]
    assert found == [(17 * DAY + 12 * HOUR, 17 * DAY + 14 * HOUR), (18 * DAY + 10 * HOUR, 18 * DAY + 14 * HOUR)]
    hours = [START + hour * HOUR for hour in range(28 * 24)]
    after = bend(table([(at, None) for at in hours], trip_distance=1.0), parsed(text))["trip_distance"].to_pylist()
    assert [at for at, miles in zip(hours, after, strict=True) if miles == 2] == [
        at for at in hours if any(start <= at - START < end for start, end in found)
    ]


def test_a_gradual_drift_grows_to_its_share() -> None:
    before = table([(START + minute * 60_000, None) for minute in range(8 * 24 * 60)], trip_distance=1.0)
    after = bend(before, drift("scale", 'column = "trip_distance"\nfactor = 2.0\nshare = 0.5\nramp = "4d"'))
    bent = after["trip_distance"].to_numpy().reshape(8, -1).mean(axis=1) - 1
    assert [round(float(share), 1) for share in bent] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5]


def test_the_seed_chooses_other_records_and_each_drift_its_own() -> None:
    before = table([(START + n, None) for n in range(2_000)], trip_distance=1.0, fare_amount=1.0)
    half = '[[drift]]\nkind = "scale"\nfactor = 2.0\nshare = 0.5\n' + SHORT
    both = bend(before, parsed(half + 'column = "trip_distance"\n' + half + 'column = "fare_amount"'))
    miles, fares = both["trip_distance"].to_numpy() == 2, both["fare_amount"].to_numpy() == 2
    other = bend(before, parsed("seed = 1\n" + half + 'column = "trip_distance"'))["trip_distance"].to_numpy() == 2
    for one, two in ((miles, fares), (miles, other)):
        assert abs((one & two).mean() - 0.25) < 0.04


def test_a_column_of_which_another_is_a_part_grows_by_the_same_amount() -> None:
    before = table([(START, None)] * 3, fare_amount=10.0, total_amount=12.5)
    rise = 'column = "fare_amount"\npart_of = ["total_amount"]\n'
    assert bend(before, drift("scale", rise + "factor = 1.1"))["total_amount"].to_pylist() == [13.5] * 3
    assert bend(before, drift("shift", rise + "amount = -2"))["total_amount"].to_pylist() == [10.5] * 3


def test_a_label_takes_longer_and_becomes_known_later() -> None:
    before = table([(START, START + 10 * 60_000), (START, None)])
    after = bend(before, drift("scale", 'column = ["duration_min", "dropoff_at"]\nfactor = 1.5'))
    assert after["duration_min"].to_pylist() == [15.0, None]
    assert after["dropoff_at"].to_pylist() == [START + 15 * 60_000, None]


def test_a_category_goes_and_others_take_its_place() -> None:
    before = table([(START, None)] * 500, PULocationID=74)
    after = bend(before, drift("category_gone", 'column = "PULocationID"\nvalue = 74\nbecomes = [41, 42]'))
    assert set(after["PULocationID"].to_pylist()) == {41, 42}
    same = bend(before, drift("category_gone", 'column = "PULocationID"\nvalue = [75, 76]\nbecomes = 41'))
    assert same["PULocationID"].to_pylist() == [74] * 500


def test_a_wrong_clock_moves_every_time_of_a_record_but_not_when_it_is_sent() -> None:
    before = table([(START + HOUR, START + 2 * HOUR)])
    after = bend(before, drift("clock", 'offset = "-30m"'))
    assert after["pickup_at"].to_pylist() == [START + HOUR // 2]
    assert after["dropoff_at"].to_pylist() == [START + 3 * HOUR // 2]
    assert after["duration_min"].to_pylist() == [60.0]
    assert after[HAPPENED].to_pylist() == after[SENT].to_pylist() == [START + HOUR]


def test_a_delayed_record_keeps_its_time() -> None:
    before = table([(START, None)])
    after = bend(before, drift("delayed", 'by = "2h"'))
    assert after.select(before.column_names) == before
    assert (after[HAPPENED].to_pylist(), after[SENT].to_pylist()) == ([START], [START + 2 * HOUR])


def test_what_is_lost_is_not_sent_twice_either() -> None:
    before = table([(START + n, None) for n in range(100)])
    lost = f'[[drift]]\nkind = "lost"\nshare = 0.5\n{SHORT}'
    twice = f'[[drift]]\nkind = "duplicated"\n{SHORT}'
    once = bend(before, parsed(lost))["trip_id"].to_pylist()
    assert 30 < len(once) < 70
    assert bend(before, parsed(twice + lost.replace("[[drift]]", "[[drift]]", 1)))["trip_id"].to_pylist() != once
    assert bend(before, parsed(lost + twice))["trip_id"].to_pylist() == [i for i in once for _ in range(2)]


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
        (("[[drift]]", "seed = -1\n[[drift]]"), "the seed -1"),
        (('"50%"', "50%"), "Invalid|invalid|Expected"),
        (("2.0", "2.0\nshare = 0"), "a share of 0"),
        (("2.0", "2.0\nshare = 2"), "a share of 2"),
        (("2.0", '2.0\nramp = "soon"'), "'soon' is not a duration"),
        (("2.0", "2.0\nramp = 3"), "Expected a duration"),
        (("2.0", '2.0\nramp = "-1d"'), "the ramp is negative"),
        (("2.0", '2.0\nevery = "1d"'), "needs `every` and a `lasts`"),
        (("2.0", '2.0\nevery = "1d"\nlasts = "2d"'), "no longer than it"),
        (("2.0", '2.0\nevery = "1d"\nlasts = "1h"\nat = "2d"'), "`at` is no time within"),
        (("2.0", '2.0\nevery = "1m"\nlasts = "1s"'), "recur more than 1,000 times"),
        (("2.0", '2.0\nevery = "1w"\nlasts = "1h"\nat = "4d"'), "never recurs before it ends"),
        (("2.0", "2.0\nwhere = { vendor = 1 }"), "no column 'vendor'; these are: .*VendorID"),
        (("2.0", '2.0\nwhere = { VendorID = "1" }'), "'1' is no value of 'VendorID', which is of type int"),
        (("2.0", "2.0\nwhere = { VendorID = [1, 999] }"), "999 is no possible value of 'VendorID'"),
        (("2.0", "2.0\nwhere = { VendorID = { missing = false } }"), "missing"),
        (("2.0", '2.0\npart_of = ["total"]'), "'total' is no column of decimals"),
        (("2.0", '2.0\npart_of = ["dropoff_at"]'), "'dropoff_at' is no column of decimals"),
    ],
)
def test_what_is_not_understood_is_refused(change: tuple[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parsed(GOOD.replace(*change))


@pytest.mark.parametrize(
    ("kind", "text", "complaint"),
    [
        ("shift", 'column = "fare_amount"\namount = 0.0', "changes nothing"),
        ("noise", 'column = "fare_amount"\nspread = 9.0', "not in"),
        ("missing", 'column = "trip_distance"', "no column that may be missing; these are: .*passenger_count"),
        ("new_category", 'column = "trip_distance"\nbecomes = 1', "no column of categories; these are: .*VendorID"),
        ("new_category", 'column = "VendorID"\nbecomes = []', "names no value"),
        ("new_category", 'column = "VendorID"\nbecomes = 256', "no possible value"),
        ("category_gone", 'column = "VendorID"\nvalue = "2"\nbecomes = 1', "'2' is no value"),
        ("category_gone", 'column = "VendorID"\nvalue = 2\nbecomes = 1\nwhere = { VendorID = 2 }', "`where` names"),
        ("clock", 'offset = "0h"', "not a duration"),
        ("clock", "", "offset"),
        ("delayed", 'by = "-1h"', "not above 0"),
        ("lost", 'column = "VendorID"', "column"),
    ],
)
def test_a_kind_refuses_what_it_cannot_do(kind: str, text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        drift(kind, text)


def test_a_drift_outside_the_period_is_refused_once_the_period_is_known() -> None:
    early = GOOD.replace("50%", "2022-01-01")
    with pytest.raises(UsageError, match="outside"):
        parsed(early, period=(START + 20 * DAY, START + 28 * DAY))
    assert scenario.parse("x", early, TAXI).drifts
    assert scenario.parse("x", GOOD, TAXI).drifts
    with pytest.raises(UsageError, match="no column of decimals"):
        scenario.parse("x", early.replace("trip_distance", "miles"), TAXI)


def test_a_scenario_is_found_by_path_too(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(GOOD)
    assert scenarios.read(str(tmp_path / "mine.toml")) == ("mine", GOOD)
    assert scenarios.load(str(tmp_path / "mine.toml"), TAXI, PERIOD).name == "mine"


def test_a_scenario_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(UsageError, match="miles-to-km"):
        scenarios.read("no-such-scenario")


def test_a_table_without_a_named_column_or_without_times_is_refused() -> None:
    whole = table([(START + 15 * DAY, None)])
    with pytest.raises(UsageError, match="no column 'trip_distance'"):
        bend(whole.drop_columns("trip_distance"), parsed(GOOD))
    stamps = whole["pickup_at"].cast("timestamp[ms]")
    with pytest.raises(UsageError, match="'pickup_at' holds no event times"):
        bend(whole.set_column(1, "pickup_at", stamps), parsed(GOOD))
    assert bend(whole.select(["pickup_at", "trip_distance"]), parsed(GOOD))["trip_distance"].to_pylist() == [2.32]


def test_the_documented_example_is_a_scenario_and_every_kind_is_documented() -> None:
    text = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S)
    (found,) = scenario.injected(parsed(example))
    assert (found.kind, found.segment, found.change) == ("scale", "VendorID 2", "× 1.1 growing over 3d")
    rows = re.findall(r"^\| (`[^|]*) \|([^|]*)\|", text, re.M)
    assert {kind for kinds, _ in rows for kind in re.findall(r"`(\w+)`", kinds)} == set(KINDS)
    for kinds, needs in rows:
        for kind in re.findall(r"`(\w+)`", kinds):
            fields = {field.name for field in msgspec.structs.fields(KINDS[kind]) if field.required}
            assert set(re.findall(r"`(\w+)`", needs)) == fields - {"starts_at", "ends_at"}, kind


def test_scenarios_are_for_any_stream() -> None:
    hours = (made_up.START, made_up.START + 24 * made_up.HOUR)
    departures = made_up.events(flights.STREAM, 500, 24, 1)
    late = (
        'kind = "scale"\ncolumn = ["delay", "landed_ms"]\nfactor = 1.5\nwhere = { carrier = "AA", stand = [1, 2] }'
    )
    moved = bend(departures, parsed(f"[[drift]]\n{SHORT}{late}", flights.STREAM, hours))
    for was, now in zip(departures.to_pylist(), moved.to_pylist(), strict=True):
        chosen = was["carrier"] == "AA" and was["stand"] in (1, 2) and was["delay"] is not None
        assert now["delay"] == (1.5 * was["delay"] if chosen else was["delay"])
        took = was["landed_ms"] and was["landed_ms"] - was["scheduled_ms"]
        wanted = was["scheduled_ms"] + 1.5 * took if chosen else was["landed_ms"]
        assert now["landed_ms"] == wanted or abs(now["landed_ms"] - wanted) == 0.5
    payment = made_up.events(payments.STREAM, 500, 24, 1)
    shifted = bend(payment, parsed(f'[[drift]]\n{SHORT}kind = "clock"\noffset = "1h"', payments.STREAM, hours))
    assert (shifted["paid_at"].to_numpy() - payment["paid_at"].to_numpy() == made_up.HOUR).all()
