from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO

import msgspec
import pytest
from rich.console import Console

from cli.listing import cell, show


class Row(msgspec.Struct, frozen=True):
    name: str
    rows: int
    at: datetime
    mae: float | None = None


ROWS = [Row("a", 1234, datetime(2022, 2, 1, tzinfo=UTC)), Row("b", 5, datetime(2022, 2, 2, tzinfo=UTC))]


def shown(rows: list[Row], **more: object) -> str:
    file = StringIO()
    show(Console(file=file, width=100), rows, as_json=False, **more)  # type: ignore[arg-type]
    return file.getvalue()


def test_a_table_leaves_out_what_is_empty_throughout() -> None:
    assert shown(ROWS).splitlines()[0].split() == ["name", "rows", "at"]


def test_no_value_moves_the_cursor_or_is_taken_for_markup() -> None:
    hostile = Row("\x1b[31mred\x9b\u202e [bold]x[/nothing]", 1, ROWS[0].at)
    text = shown([hostile])
    assert text.replace("\n", "").isprintable()
    assert "[bold]x[/nothing]" in text


def test_json_of_a_hostile_value_is_the_value_and_prints_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b[31mred\x9b\u202e\x00"
    show(Console(), [Row(name, 1, ROWS[0].at)], as_json=True)
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert json.loads(out)[0]["name"] == name


def test_json_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    show(Console(), ROWS, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed[0] == {"name": "a", "rows": 1234, "at": "2022-02-01T00:00:00Z", "mae": None}


def test_nothing_is_said_in_words_to_people_and_as_an_empty_list_to_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown([], empty="no runs yet") == "no runs yet\n"
    show(Console(), [], as_json=True)
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (1234567, "1,234,567"),
        (0.123456789, "0.123457"),
        (datetime(2022, 2, 1, 6, tzinfo=UTC), "2022-02-01T06:00"),
        (datetime(2022, 2, 1, 6, 0, 7, tzinfo=UTC), "2022-02-01T06:00:07"),
        ((1, 2), "[1,2]"),
    ],
)
def test_a_cell_is_as_a_person_reads_it(value: object, text: str) -> None:
    assert cell(value) == text


def test_a_line_that_nobody_sees_in_a_terminal_is_not_broken() -> None:
    lines = shown([Row("x" * 400, 1, ROWS[0].at)]).splitlines()
    assert [line.split()[0] for line in lines] == ["name", "x" * 400]
    file = StringIO()
    show(Console(file=file, width=50, force_terminal=True), [Row("x" * 400, 1, ROWS[0].at)], as_json=False)
    assert len(file.getvalue().splitlines()) > 8


def test_moments_of_the_wall_clock_have_seconds_even_at_a_whole_minute() -> None:
    class Started(msgspec.Struct, frozen=True):
        started_at: datetime
        window_start: datetime

    moments = Started(datetime(2022, 2, 1, 6, tzinfo=UTC), datetime(2022, 2, 1, 6, tzinfo=UTC))
    assert shown([moments]).split()[-2:] == ["2022-02-01T06:00:00", "2022-02-01T06:00"]  # type: ignore[list-item]


def test_a_process_id_can_be_pasted() -> None:
    class Server(msgspec.Struct, frozen=True):
        pid: int | None
        restarts: int

    out = StringIO()
    show(Console(file=out, width=80), [Server(12_705, 1_234), Server(None, 0)], as_json=False)
    assert "12705" in out.getvalue()
    assert "1,234" in out.getvalue()
