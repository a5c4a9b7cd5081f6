"""Sides of a comparison: what people write is read, and written back the same."""

from __future__ import annotations

import pytest

from schemas.durations import moment_ms
from schemas.errors import UsageError
from schemas.sides import Side, side_of

START, END = moment_ms("2022-02-08"), moment_ms("2022-02-15")


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("demo", Side("demo")),
        ("demo@2022-02-08..2022-02-15", Side("demo", START, END)),
        ("@2022-02-08..2022-02-15", Side(None, START, END)),
        ("2022-02-08..2022-02-15", Side(None, START, END)),
        ("2022-02-08+7d", Side(None, START, END)),
        ("2022-02-08T06:00+6h", Side(None, START + 6 * 3_600_000, START + 12 * 3_600_000)),
        ("2022-02-08T00:00+01:00..2022-02-15", Side(None, START - 3_600_000, END)),
        ("a..b", Side("a..b")),
        ("demo@", Side("demo")),
        ("demo/a=b", Side("demo", segment="a=b")),
        ("/a=b/c@d..e", Side(segment="a=b/c@d..e")),
        ("demo@2022-02-08..2022-02-15/a=b c", Side("demo", START, END, "a=b c")),
        ("2022-02-08..2022-02-15@", Side("2022-02-08..2022-02-15")),
    ],
)
def test_a_side_is_a_run_a_period_or_both(text: str, side: Side) -> None:
    assert side_of(text) == side
    assert side_of(side.text) == side or side.start is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "a b",
        "demo@soon",
        "demo@2022-02-08",
        "2022-02-15..2022-02-08",
        "2022-02-08+",
        "../x",
        "a/b",
    ],
)
def test_what_is_no_side_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError) as error:
        side_of(text)
    assert error.value.do
