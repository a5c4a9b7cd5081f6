from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console

from local.demo.snapshot import DemoSnapshot, DemoWindow
from local.demo.view import (
    Frame,
    _head,
    choose_columns,
    done,
    last_frame_end,
    line,
    pending,
    render,
    worst_of,
)
from schemas.streams.taxi import TRIPS

DAY = datetime(2022, 2, 14, tzinfo=UTC)
FRAME = Frame(
    run="r",
    source="synthetic",
    period=(datetime(2022, 2, 1, tzinfo=UTC), datetime(2022, 3, 1, tzinfo=UTC)),
    injected=((DAY, datetime(2022, 3, 1, tzinfo=UTC), "miles become kilometres"),),
    size_s=21_600,
    rows_per_s=41_234.5,
)
BLANK = DemoSnapshot(
    trips=0,
    outcomes=0,
    dead=0,
    duplicates=0,
    lag=0,
    finished=False,
    watched=True,
    event_time=None,
    watermark=None,
    windows=(),
    closed={},
    frontiers={},
)
WINDOW = DemoWindow(
    start=DAY,
    status="final",
    rows=812,
    share_drifted=0.2,
    dataset_drift=False,
    mae=6.54,
    reference_mae=3.27,
    severity={"trip_distance": 2.34, "fare_amount": 0.8, "VendorID": None},
)
FULL = replace(BLANK, trips=50_000, lag=12, event_time=DAY, windows=(WINDOW,), closed={21_600: 52, 3_600: 300})


def shown(snapshot: DemoSnapshot, width: int = 140) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(render(snapshot, FRAME))
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def test_before_the_first_window_the_view_says_what_it_waits_for() -> None:
    assert "waiting for the first window" in shown(BLANK)


def test_until_the_monitor_is_ready_the_view_says_that_it_is_being_started() -> None:
    console = Console(file=StringIO(), width=140, color_system=None)
    frame = replace(FRAME, waited_s=12.3)
    console.print(render(BLANK, frame))
    assert isinstance(console.file, StringIO)
    for text in (console.file.getvalue(), line(BLANK, frame)):
        assert "starting the monitor" in text
        assert "12 s" in text


def drifts(**severity: float) -> dict[str, float]:
    return severity


def test_columns_keep_their_places_from_frame_to_frame() -> None:
    narrow = 46 + 4 * 3
    first = choose_columns(drifts(a=0.9, b=0.5, c=0.7, d=0.1), (), narrow)
    assert first == ("a", "b", "c")
    assert choose_columns(drifts(a=0.1, b=0.2, c=0.3, d=0.9), first, narrow) == first
    assert choose_columns(drifts(a=0.9, b=0.2, c=0.3, d=1.5), first, narrow) == ("a", "d", "c")
    assert choose_columns(drifts(a=1.9, b=1.2, c=1.3, d=1.5), first, narrow) == first
    assert choose_columns(drifts(a=0.9, b=0.2, c=0.3, d=1.4), first, narrow) == first, "as every night"
    assert choose_columns(drifts(a=0.9, b=0.2, c=0.3, d=1.5), first, narrow, ["b"]) == ("a", "b", "d")
    assert choose_columns(drifts(a=0.9, b=0.5, c=0.7, d=0.1), (), narrow, ["d"]) == ("a", "c", "d")


def test_a_column_that_gave_its_place_to_one_that_drifts_does_not_come_back() -> None:
    """A drift scrolls out of sight: what drifted before counts, or columns would come and go all the time."""
    narrow, columns, worst = 46 + 4 * 3, tuple[str, ...](), dict[str, float]()
    places = []
    for night in range(6):
        severity = {"a": 0.2, "b": 0.3, "c": 0.1, "d": 1.6 * (night % 2), "e": 1.7 * (night % 2 == 0)}
        worst = worst_of([replace(WINDOW, severity=severity)], worst)
        columns = choose_columns(worst, columns, narrow)
        places.append(columns)
    assert places[0] == ("a", "b", "e")
    assert places[1:] == [("d", "b", "e")] * 5


def test_what_lags_behind_a_replay_that_has_ended_is_said() -> None:
    start, hour = round(FRAME.period[0].timestamp() * 1_000), 3_600_000
    behind = {3_600: start + (28 * 24 - 30) * hour, 21_600: None, 86_400: 1 << 62}
    ended = replace(FULL, finished=True, frontiers=behind)
    assert pending(ended, FRAME) == 30 + 28 * 4
    for text in (shown(ended), shown(ended, 80), line(ended, FRAME)):
        assert ", 142 windows to compute" in text
    assert max(map(len, shown(ended, 80).splitlines())) <= 80
    assert "to compute" not in shown(replace(ended, frontiers={3_600: 1 << 62}))
    replaying = replace(ended, finished=False, watermark=FRAME.period[0] + timedelta(hours=7))
    assert pending(replaying, FRAME) == 1
    assert "to compute" not in shown(replaying), "while records arrive, windows always follow"


def test_a_terminal_that_became_narrower_is_arranged_anew_and_a_wider_one_filled_up() -> None:
    severity = {"a": 0.9, "b": 0.5, "c": 0.7, "d": 2.0}
    assert choose_columns(drifts(**severity), ("a", "b", "c"), 46 + 4 * 2) == ("a", "d")
    assert choose_columns(drifts(**severity), ("a", "b", "c"), 46 + 4 * 4) == ("a", "b", "c", "d")


def test_the_last_frame_shows_calm_windows_and_then_the_injected_drift() -> None:
    before = last_frame_end(FRAME, 9)
    assert before == DAY + 6 * timedelta(seconds=FRAME.size_s)
    assert last_frame_end(replace(FRAME, injected=()), 9) is None
    short = replace(FRAME, injected=((DAY, DAY + timedelta(hours=6), "short"),))
    assert last_frame_end(short, 9) == DAY + timedelta(hours=6) + 3 * timedelta(seconds=FRAME.size_s)


def test_of_a_drift_that_recurs_the_view_lists_the_first_times() -> None:
    days = tuple((DAY + timedelta(days=n), DAY + timedelta(days=n, hours=4), f"night {n}") for n in range(14))
    console = Console(file=StringIO(), width=140, color_system=None)
    with console.capture() as shot:
        console.print(render(FULL, replace(FRAME, injected=days)))
    assert "night 2" in shot.get()
    assert "night 3" not in shot.get()
    assert "and 11 more times" in shot.get()


def test_a_window_that_closed_unwritten_is_not_laid_to_the_watermark() -> None:
    unwritten = replace(BLANK, event_time=DAY, watermark=DAY)
    assert "waiting for the monitor" in shown(unwritten)
    first = FRAME.period[0] + timedelta(hours=6)
    assert "waiting for the monitor" in shown(replace(unwritten, watermark=first))
    assert "for the first window to close" in shown(replace(unwritten, watermark=first - timedelta(seconds=1)))


@pytest.mark.parametrize("width", [80, 100, 120, 150])
def test_heads_and_figures_are_whole_and_who_drifted_most_is_there(width: int) -> None:
    names = sorted([*TRIPS.numbers, *TRIPS.categories, "prediction"])
    severity = {name: 0.01 * n for n, name in enumerate(names)} | {"trip_distance": 12.34, "VendorID": 1234.0}
    text = shown(replace(FULL, windows=(replace(WINDOW, rows=12_345, severity=severity),)), width)
    lines = text.splitlines()
    end = next(n for n, row in enumerate(lines) if "12,345" in row)
    heads = set(re.findall(r"[\w&]+", " ".join(lines[5:end])))
    known = {word for name in names for word in _head(name).split()}
    assert {"vend", "dist"} <= heads <= known | {"window", "rows", "MAE", "drift"}
    assert re.search(r"12,345 6.54 2.0× column [^│]*>99 [^│]* 12 ", " ".join(text.split()))
    assert "…" not in text
    assert ("calmer columns" in text) == (width < 120)


def test_the_view_shows_severity_per_column_error_and_verdict() -> None:
    text = shown(FULL)
    for part in (
        "812",
        "6.54 2.0×",
        "column",
        "2.3",
        ".80",
        "50,000",
        "41,23",
        "300 of 1h",
        "52 of 6h",
        "miles become",
    ):
        assert part in text


def test_a_column_below_its_threshold_never_reads_as_if_it_had_reached_it() -> None:
    text = shown(replace(FULL, windows=(replace(WINDOW, severity={"fare_amount": 0.99, "payment_type": 1.01}),)))
    assert re.search(r" \.99 +1\.0 ", text)


@pytest.mark.parametrize("status", ["open", "insufficient"])
def test_a_window_without_a_verdict_is_not_called_ok(status: str) -> None:
    text = shown(replace(FULL, windows=(replace(WINDOW, status=status, severity={}),)))
    assert status in text
    assert " ok " not in text


def test_the_view_says_where_the_board_is() -> None:
    frame = replace(FRAME, board="http://127.0.0.1:8000/")
    console = Console(file=StringIO(), width=140, force_terminal=True)
    console.print(render(BLANK, frame))
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "board" in text
    assert "]8;" in text  # a link for terminals that know them
    assert "http://127.0.0.1:8000/" in text
    assert "board" not in shown(BLANK)


def test_a_narrow_terminal_keeps_every_line_within_its_width() -> None:
    assert max(map(len, shown(FULL, width=80).splitlines())) <= 80


def test_run_and_source_are_whole_in_80_columns() -> None:
    source = "synthetic 2022-02-01 to 2022-03-01, seed 7, volume 1"
    console = Console(file=StringIO(), width=80, color_system=None)
    console.print(render(FULL, replace(FRAME, run="demo-20261129-083257", source=source)))
    assert isinstance(console.file, StringIO)
    first, *_, last = console.file.getvalue().splitlines()
    assert "run demo-20261129-083257  ·  6h windows" in first
    assert source in last


def test_no_figure_is_broken_or_moves_as_it_grows_in_80_columns() -> None:
    few, many = ({3_600: 3, 21_600: 1}, {3_600: 1_672, 21_600: 1_112, 86_400: 1_028})
    small = shown(replace(FULL, trips=12, lag=0, closed=few), width=80).splitlines()
    large = shown(replace(FULL, trips=164_885, lag=156_982, dead=12_295, closed=many), width=80).splitlines()
    assert len(small) == len(large)
    row = next(line for line in large if "trips" in line)
    before = next(line for line in small if "trips" in line)
    assert all(figure in row for figure in ("164,885 trips", "rows/s", "lag 156,982", "dead letters 12,295"))
    assert [row.index(word) for word in ("lag", "dead")] == [before.index(word) for word in ("lag", "dead")]
    assert any("closed    1,672 of 1h  1,112 of 6h  1,028 of 1d" in line for line in large)


def test_the_replayed_share_follows_event_time_and_ends_at_one() -> None:
    assert done(BLANK, FRAME) == 0.0
    assert done(FULL, FRAME) == pytest.approx(13 / 28)
    assert done(replace(FULL, finished=True), FRAME) == 1.0


def test_without_a_terminal_one_line_says_the_same() -> None:
    text = line(FULL, FRAME)
    assert "46%" in text
    assert text.endswith("worst trip_distance 2.3")
    assert "\n" not in text
