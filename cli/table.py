"""A table that fits its width: texts are broken, figures never are. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from rich.cells import cell_len, chop_cells, set_cell_size

GAP = 1
"""Characters between columns."""
PIECE = 24
"""What has no place to be broken at is broken if it is longer than this."""
LONG = 30
"""A text of this width may have lines of its own below its row."""
INDENT = 2


class Column(NamedTuple):
    """head: its name, words separated by spaces. cells: one for each row. whole: never broken. right: aligned so.

    moments: broken, between day and hour, only where nothing else helps.
    """

    head: str
    cells: Sequence[str]
    whole: bool = False
    right: bool = False
    moments: bool = False


class Layout(NamedTuple):
    """Lines of text; no head where rows are lists of their fields."""

    head: list[str]
    body: list[str]


def layout(columns: Sequence[Column], width: int | None) -> Layout:
    """Lay out a table.

    If it is too wide, texts are broken at spaces and after underscores. If that is not enough, the last long texts
    are put below their rows; then moments are broken, or put there, too; at last rows become lists of fields.

    Args:
        columns: As many cells in each.
        width: Of the terminal, characters; None: no limit.
    """
    beside, below = [c._replace(whole=c.whole or c.moments) for c in columns], list[Column]()
    while (widths := _widths(beside, width)) is None:
        long = [c for c in beside[1:] if not c.whole and _natural(c) > LONG]
        if not long and any(c.moments and c.whole for c in beside):
            beside = [c._replace(whole=c.whole and not c.moments) for c in beside]
        elif spare := long or [c for c in beside[1:] if c.moments]:
            beside.remove(spare[-1])
            below.insert(0, spare[-1])
        else:
            return Layout([], [*_lists(columns, width or 0)])
    heads = [_broken(column.head, size) for column, size in zip(beside, widths, strict=True)]
    deepest = max(map(len, heads))
    head = _row([[""] * (deepest - len(head)) + head for head in heads], beside, widths)
    return Layout([*head], [*_body(beside, widths, below, width or 0)])


def _body(beside: Sequence[Column], widths: Sequence[int], below: Sequence[Column], width: int) -> Iterator[str]:
    for i in range(len(beside[0].cells)):
        cells = [_broken(c.cells[i], size) for c, size in zip(beside, widths, strict=True)]
        yield from _row(cells, beside, widths)
        for column in below:
            if text := column.cells[i]:
                lines = _broken(f"{column.head}: {text}", max(width - INDENT, 1))
                yield from (" " * INDENT + line for line in lines)


def _widths(columns: Sequence[Column], width: int | None) -> list[int] | None:
    """The width of each column, or None if they do not fit: the widest text is made narrower first."""
    widths = [max(_natural(column), cell_len(column.head)) for column in columns]
    if width is None:
        return widths
    least = [min(_least(column), size) for column, size in zip(columns, widths, strict=True)]
    spare = width - GAP * (len(columns) - 1)
    while sum(widths) > spare:
        reducible = [i for i, size in enumerate(widths) if size > least[i]]
        if not reducible:
            return None
        widths[max(reducible, key=lambda i: widths[i])] -= 1
    return widths


def _natural(column: Column) -> int:
    return max(map(cell_len, column.cells), default=0)


def _least(column: Column) -> int:
    head = max(map(cell_len, column.head.split()), default=0)
    if column.whole:
        return max(head, _natural(column))
    pieces = (cell_len(piece.rstrip()) for cell in column.cells for piece in _pieces(cell))
    wanted = max(min(max(pieces, default=0), PIECE), min(_natural(column), PIECE) if _natural(column) > LONG else 0)
    return max(head, wanted)


def _pieces(text: str) -> list[str]:
    """What a text may be broken into: words with the space behind them, parts of words up to an underscore."""
    return re.findall(r"\d{4}-\d\d-\d\dT|[^ _]*(?:_+|\s+|$)", text)[:-1] or [text]


def _broken(text: str, width: int) -> list[str]:
    """Lines of a text, each at most so wide; a piece that is wider itself is broken anywhere."""
    found = [""]
    for piece in _pieces(text):
        if cell_len(found[-1]) + cell_len(piece.rstrip()) <= width:
            found[-1] += piece
        else:
            found += chop_cells(piece, max(width, 1))
    return [line.rstrip() for line in found if line.strip()] or [""]


def _row(cells: Sequence[Sequence[str]], columns: Sequence[Column], widths: Sequence[int]) -> Iterator[str]:
    for line in zip_longest(*cells, fillvalue=""):
        placed = (
            " " * (size - cell_len(text)) + text if column.right else set_cell_size(text, size)
            for text, column, size in zip(line, columns, widths, strict=True)
        )
        yield (" " * GAP).join(placed).rstrip()


def _lists(columns: Sequence[Column], width: int) -> Iterator[str]:
    longest = max(cell_len(column.head) for column in columns)
    room = max(width - longest - INDENT, PIECE // 2)
    for i in range(len(columns[0].cells)):
        yield from [""] if i else []
        for column in (column for column in columns if column.cells[i]):
            for n, text in enumerate(_broken(column.cells[i], room)):
                yield set_cell_size("" if n else column.head, longest + INDENT) + text
