"""Tables in a narrow terminal: no figure is lost or torn."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from cli.table import Column, layout

NAMES = Column("run", ["february", "a_run_with_a_long_name_of_many_parts"])
ROWS = Column("rows", ["1,234,567", "5"], whole=True, right=True)
REMARK = Column("remark", ["", "no monitor is running: `driftline monitor --model 0123456789ab` starts one"])


def test_a_table_with_room_has_one_line_for_each_row() -> None:
    head, body = layout([NAMES, ROWS, REMARK], 140)
    assert len(head) == 1
    assert [line.split()[:2] for line in body] == [["february", "1,234,567"], [NAMES.cells[1], "5"]]
    assert layout([NAMES, ROWS, REMARK], None).body == body


def test_texts_are_broken_between_their_parts_before_a_remark_moves_below_its_row() -> None:
    _, body = layout([NAMES, ROWS, REMARK], 70)
    assert max(map(cell_len, body)) <= 70
    assert "1,234,567" in body[0]
    assert body[1].startswith("a_run_with_a_long_name_"), "broken after an underscore"
    assert "".join(line[: line.index(" ")] for line in body[1:3] if line[0] != " ").startswith(NAMES.cells[1][:30])
    _, narrow = layout([NAMES, ROWS, REMARK], 40)
    assert [line for line in narrow if line.startswith("  remark: no monitor")]
    assert max(map(cell_len, narrow)) <= 40


@pytest.mark.parametrize("width", range(12, 100))
def test_no_figure_is_torn_or_lost_at_any_width(width: int) -> None:
    figures = [Column(f"figure {n}", [f"{n}{n}.{n}25", f"-{n},00{n}"], whole=True, right=True) for n in range(1, 6)]
    head, body = layout([NAMES, *figures, REMARK], width)
    words = " ".join([*head, *body]).split()
    for column in figures:
        assert {*column.cells} <= {*words}
    joined = re.sub(r"\s", "", "".join(body))
    for text in REMARK.cells[1].split():
        assert text in joined
    if width >= 30:
        assert max(map(cell_len, [*head, *body])) <= width


def test_figures_that_are_too_many_make_a_list_of_every_row() -> None:
    figures = [Column(f"figure {n}", ["1,234,567", "2"], whole=True, right=True) for n in range(6)]
    head, body = layout([NAMES, *figures], 40)
    assert head == []
    assert body[:2] == ["run       february", "figure 0  1,234,567"]
    assert "" in body, "between two rows"


def test_moments_are_broken_only_where_nothing_else_helps() -> None:
    at, name = Column("at", ["2022-02-14T06:00:00"], moments=True), Column("run", ["february"])
    figures = [ROWS._replace(cells=["1,234,567"])] * 2
    assert "2022-02-14T06:00:00" in layout([name, *figures, at], 48).body[0]
    assert [line.split()[-1] for line in layout([name, *figures, at], 40).body] == ["2022-02-14T", "06:00:00"]
    assert layout([name, *figures, at], 30).body[1] == "  at: 2022-02-14T06:00:00"


def test_wide_characters_count_twice() -> None:
    _, body = layout([Column("name", ["漢字漢字", "a"]), Column("rows", ["1", "2"], whole=True, right=True)], 30)
    assert len({cell_len(line) for line in body}) == 1
