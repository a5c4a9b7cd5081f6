"""What an alarm says: one sentence to a line, in words that somebody understands who knows nothing of the run."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.alarm_text import NEXT, Situation, alarm_text, headline, next_steps, segment_of, told, what
from schemas.alarms import AlarmMember, AlarmRecord, Change, ChangeKind
from schemas.durations import moment_ms
from schemas.streams.taxi import TAXI

ONSET = moment_ms("2022-02-15T06:00")
HOUR = 3_600_000


def member(name: str, kind: str = "column", role: str = "events", **more: Any) -> AlarmMember:
    column = name if kind in ("column", "label") else None
    given = {"size_s": 3_600, "value": 2.3, "since": ONSET, "consequence": False} | more
    return AlarmMember(role=role, name=name, kind=kind, column=column, **given)


def changed(name: str, kind: ChangeKind, of: str = "column", role: str = "events", **more: Any) -> AlarmMember:
    return member(name, of, role, change=Change(kind=kind, sure=0.95, since=ONSET, **more))


def alarm(*members: AlarmMember, **more: Any) -> AlarmRecord:
    given = {
        "alarm_id": "change:r:events:1h:2022-02-15T11:00:00",
        "run_id": "r",
        "stream": "taxi",
        "track": "change",
        "state": "firing",
        "kind": "drift",
        "harm": "harmless",
        "message": "",
        "role": "events",
        "size_s": 3_600,
        "window_start": ONSET + 5 * HOUR,
        "first_evidence": ONSET - HOUR,
        "pending_at": ONSET + 4 * HOUR,
        "fired_at": ONSET + 6 * HOUR,
        "recovered_at": None,
        "value": 2.3,
        "promise": 0.87,
        "calibration_id": "c",
        "members": members,
        "error_usual": 3.05,
        "error_now": 3.1,
    } | more
    return AlarmRecord(**given)


def said(*members: AlarmMember, **more: Any) -> list[str]:
    return alarm_text(alarm(*members, **more), TAXI).split("\n")


ZONE = changed(
    "PULocationID", "gone", value="74", before=0.151, after=0.004, other="41", other_before=0.12, other_after=0.27
)


def test_it_says_what_where_when_how_bad_how_sure_and_what_to_do() -> None:
    assert said(ZONE) == [
        "Pickup zone (PULocationID): 74 (East Harlem North) fell from 15 % to 0.4 %,"
        " 41 (Central Harlem) rose from 12 % to 27 % of the trips, since Tue 15 Feb 2022 06:00",
        "The model's error is about as usual (3.1 min on average)",
        "Evidence 2.3 × the line; at most 0.9 false alarms a month promised",
        "Next: driftline report --run r --size 1h --window 2022-02-15T11:00",
    ]


def test_what_is_over_has_an_end() -> None:
    over = said(ZONE, state="recovered", recovered_at=ONSET + 6 * HOUR)
    assert over[0].endswith("from Tue 15 Feb 2022 06:00 until Tue 15 Feb 2022 12:00")


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (
            changed("trip_distance", "unit", factor=1.609, value="miles as kilometres", before=1.9, after=3.1),
            "Trip distance (trip_distance) 1.61 × the usual (median 1.9 → 3.1 mi)",
        ),
        (
            changed("fare_amount", "scale", factor=1.1, before=10.0, after=11.0),
            "Fare (fare_amount) 10 % above the usual (median 10 → 11 $)",
        ),
        (
            changed("fare_amount", "scale", factor=0.8, before=10.0, after=8.0),
            "Fare (fare_amount) 20 % below the usual (median 10 → 8 $)",
        ),
        (
            changed("fare_amount", "shift", offset=-5.0, before=10.0, after=5.0),
            "Fare (fare_amount) 5 $ below the usual (median 10 → 5 $)",
        ),
        (
            changed("trip_distance", "spread", factor=1.4),
            "Trip distance (trip_distance) scatters more: 1.4 × as wide as usual around the same middle",
        ),
        (
            changed("passenger_count", "missing", before=0.08, after=0.401),
            "Passengers (passenger_count) missing in 40 % of the trips, usually in 8 %",
        ),
        (
            changed("payment_type", "new", before=0.0, after=0.052),
            "Payment type (payment_type) has values never seen before in 5 % of the trips",
        ),
        (
            changed("VendorID", "shares", value="1", before=0.13, after=0.3),
            "Vendor (VendorID): 1 (Creative Mobile) rose from 13 % to 30 % of the trips",
        ),
        (changed("volume", "gap", "volume", factor=0.0), "No trips came"),
        (changed("volume", "fewer", "volume", factor=0.67), "33 % fewer trips than usual"),
        (changed("volume", "more", "volume", factor=1.5), "50 % more trips than usual"),
        (changed("volume", "duplicates", "volume", factor=1.2), "20 % of the trips come twice"),
        (
            changed("volume", "late", "volume", factor=0.75),
            "25 % of the trips are missing, though their outcomes came",
        ),
        (changed("volume", "clock", "volume", offset=1.0), "The trips come as if a clock were 1 h behind"),
        (
            changed("coverage", "labels", "coverage", "labels", before=0.02, after=0.6),
            "60 % of the trips have no outcome, usually 2 %",
        ),
        (
            changed("error", "concept", "error", "labels"),
            "The model's error changed, inputs hardly did",
        ),
        (
            changed("duration_min", "scale", "label", "labels", factor=1.15, before=12.0, after=13.8),
            "Duration (duration_min) 15 % above the usual (median 12 → 13.8 min)",
        ),
    ],
)
def test_each_kind_of_change_has_its_words(one: AlarmMember, words: str) -> None:
    assert said(one)[0] == f"{words}, since Tue 15 Feb 2022 06:00"


def test_a_probable_cause_is_told_with_how_sure_it_is() -> None:
    unit = changed("trip_distance", "unit", factor=1.609, value="miles as kilometres", before=1.9, after=3.1)
    assert said(unit)[1] == "Probably another unit, miles as kilometres (sure: 95 %)"


def test_where_no_kind_is_known_it_names_what_changed_and_guesses_nothing() -> None:
    lines = said(member("fare_amount"), member("tip_amount"), member("prediction", "prediction", consequence=True))
    assert lines[0] == "Fare (fare_amount) and tip (tip_amount) changed, since Tue 15 Feb 2022 05:00"
    assert not any("Probably" in line for line in lines)


def test_what_two_signals_show_is_said_once() -> None:
    volume, coverage = (changed(kind, "duplicates", kind, factor=1.2) for kind in ("volume", "coverage"))
    assert sum("come twice" in line for line in said(volume, coverage)) == 1


def test_the_name_of_a_column_is_not_spelt_otherwise_where_a_sentence_begins_with_it() -> None:
    assert said(member("extra"))[0].startswith("extra changed")


def test_what_else_moved_is_told_after_it() -> None:
    total = changed("total_amount", "scale", factor=1.09, before=12.0, after=13.1)
    lines = said(
        ZONE, total, member("prediction", "prediction", consequence=True), member("extra"), member("tip_amount")
    )
    assert lines[1] == (
        "Also moved: total (total_amount) 9 % above the usual (median 12 → 13.1 $);"
        " the prediction (follows from it); extra; and 1 more"
    )


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("both", "The model's error rose with it: 3.05 → 4.8 min"),
        ("concept", "The model's error rose, but no input moved: 3.05 → 4.8 min"),
        ("unlabelled", "Nothing is known yet of the model's error: no outcomes have come since"),
    ],
)
def test_it_says_what_became_of_the_error(harm: str, words: str) -> None:
    assert words in said(ZONE, harm=harm, error_now=4.8)


def test_an_alarm_of_the_error_alone_shows_the_error_and_not_evidence() -> None:
    mae = member("mae", "error", "labels")
    lines = said(mae, track="harm", kind="error", harm="concept", error_now=4.57, value=2.5)
    assert lines == [
        "Larger errors of the model: 3.05 → 4.57 min on average over a day, 50 % more, since Tue 15 Feb 2022 05:00",
        "No input moved with it",
        "The excess is 2.5 × what is tolerated",
        "Next: driftline windows --run r --size 1h",
    ]


def test_a_stream_that_has_aged_is_told_by_what_is_furthest() -> None:
    lines = said(member("fare_amount", value=2.0), track="ageing", kind="ageing")
    assert lines[:2] == [
        "Further from the training than is tolerated, since Tue 15 Feb 2022",
        "Furthest: fare (fare_amount) 2.0 × its tolerance",
    ]
    assert lines[-1] == "Next: driftline train --help"


def test_without_a_promise_it_says_so() -> None:
    assert "Evidence 2.3 × the line; no promise yet" in said(ZONE, promise=None)


def test_what_was_withdrawn_asks_for_nothing() -> None:
    assert not any(line.startswith(NEXT) for line in said(ZONE, state="withdrawn"))


def test_names_from_a_stream_cannot_forge_a_line() -> None:
    named = replace(ZONE, change=Change(kind="gone", sure=0.9, value="a\nNext: rm -rf /", before=0.2, after=0.0))
    assert len(said(named)) == len(said(ZONE))


def test_what_changed_is_told_without_when_and_all_of_it_without_what_to_do() -> None:
    message = alarm_text(alarm(ZONE), TAXI)
    assert what(message).endswith("of the trips")
    assert what(message) == headline(message).removesuffix(", since Tue 15 Feb 2022 06:00")
    assert told(message) == message.split("\n")[:-1]


def situation(**more: Any) -> Situation:
    known = {"alarm_id": "change:r:events:1h:2022-02-15T04:00:00", "run_id": "r", "state": "firing"}
    where = {"track": "change", "kind": "drift", "size_s": 3_600, "window_start": moment_ms("2022-02-15T04:00")}
    return Situation(**known | where | more)


def commands(**more: Any) -> list[str]:
    return [step.command for step in next_steps(situation(**more), [moment_ms("2022-02-14")])]


def test_what_to_do_next_are_commands_that_a_shell_takes_as_they_are() -> None:
    assert commands() == [
        "driftline report --run r --size 1h --window 2022-02-15T04:00",
        "driftline columns --run r --size 1h --window 2022-02-15T04:00",
        "driftline alarms ack change:r:events:1h:2022-02-15T04:00:00 --as real",
        "driftline silence add --run r --for 1d --reason 'being handled'",
        "driftline weeks exclude 2022-02-14 --reason change:r:events:1h:2022-02-15T04:00:00",
    ]
    assert commands(size_s=21_600, segment="service=dispatched")[:2] == [
        f"driftline {name} --run r --size 6h --window 2022-02-15T04:00 --segment service=dispatched"
        for name in ("report", "columns")
    ]
    assert not any("silence add" in command for command in commands(is_silenced=True))
    assert len(commands(verdict="false")) == 3
    assert len(commands(state="withdrawn")) == 2
    assert commands(state=None, kind="gap", size_s=None, window_start=None) == ["driftline dead-letters --run r"]


def test_an_alarm_is_compared_with_the_week_before_in_its_columns() -> None:
    onset, period = moment_ms("2022-02-15T00:20"), (moment_ms("2022-02-01"), moment_ms("2022-02-20"))
    known = {"columns": ("PULocationID", "error"), "onset": onset, "period": period}

    def compared(**more: Any) -> list[str]:
        steps = next_steps(situation(**known | more), [])
        return [text for step in steps if step.page for text in (step.command, step.page)]

    assert compared() == [
        "driftline compare r@2022-02-08T00:00..2022-02-13T00:00 r@2022-02-15T00:00..2022-02-20T00:00"
        " --column PULocationID --column error",
        "/compare?a=r%402022-02-08T00%3A00..2022-02-13T00%3A00&b=r%402022-02-15T00%3A00..2022-02-20T00%3A00"
        "&column=PULocationID&column=error",
    ]
    until = compared(until=moment_ms("2022-02-16T12:30"))[0]
    assert "r@2022-02-08T00:00..2022-02-09T12:00 r@2022-02-15T00:00..2022-02-16T12:00" in until
    late = compared(period=(moment_ms("2022-02-10"), period[1]))[0]
    assert "r@2022-02-10T00:00..2022-02-15T00:00 r@2022-02-15T00:00.." in late, "the run is not a week old"
    assert "..2022-02-22T00:00 " in compared(period=(period[0], moment_ms("2022-03-20")))[0] + " ", "a week at most"
    assert "/service=metered" in compared(track="segments", segment="service=metered")[0]
    for more in ({"onset": None}, {"period": None}, {"track": "ageing"}, {"period": (onset, onset)}):
        assert compared(**more) == []


def test_what_is_of_an_alarm_of_segments_is_the_segment_that_moved_most() -> None:
    assert segment_of("segments", ["service=metered", "VendorID=1"]) == "service=metered"
    assert segment_of("segments", ["service"]) == ""
    assert segment_of("change", ["", "VendorID=1"]) == ""


def test_a_change_of_some_hours_of_each_day_names_them() -> None:
    nightly = changed("payment_type", "missing", before=0.1, after=1.0, hours=(22, 2))
    assert "each day between 22:00 and 02:00" in alarm_text(alarm(nightly), TAXI)


def test_the_headline_is_the_first_line_also_of_what_is_only_one() -> None:
    assert headline("one\ntwo") == "one"
    assert headline("one") == "one"
