"""The report is one file, and says what the figures say."""

from __future__ import annotations

import csv
import re

import msgspec

from monitor.verdict.season import DAY, HOUR
from tests.tuning.made import plan
from tests.tuning.test_advice import FOUND, QUICK, SLOW, drift
from tuning.advice import Power, standings
from tuning.plan import Candidate
from tuning.report import CSV_HEAD, Report, as_csv, as_html, as_json, lines, power_rows, unwatched

LATE = drift(SLOW, [None, None, 5.0], name="<b>zones</b>")
UNWATCHED = msgspec.structs.replace(SLOW, candidate=Candidate((HOUR // 4,), "rolling"), unwatched=(HOUR // 4,))
POWER = [
    Power(candidate=one.candidate, column="fare", change="×", least={"1d": "× 1.5", "3d": "× 1.1", "7d": None})
    for one in (QUICK, SLOW)
]


def report() -> Report:
    drifts = [*FOUND[:2], LATE, drift(UNWATCHED, [None])]
    calm = [QUICK, SLOW, UNWATCHED]
    return Report(
        source="made up",
        rows=1_234,
        plan=plan((HOUR,), (DAY,)),
        worst_delay=DAY,
        advice=["1h & more"],
        standings=standings(calm, drifts, DAY),
        calm=calm,
        drifts=drifts,
        power=POWER,
    )


def test_the_page_needs_no_other_file_and_shows_texts_as_they_are() -> None:
    page = as_html(report())
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", page)
    assert "1h &amp; more" in page
    assert "<td>&lt;b&gt;zones&lt;/b&gt;</td>" in page
    assert "× 1.5 / × 1.1 / -" in page
    assert "15m, rolling reference is not watched" in page


def test_csv_has_a_line_for_each_score_and_json_has_everything() -> None:
    head, *rows = csv.reader(as_csv(report()).splitlines())
    assert tuple(head) == CSV_HEAD
    assert [row[:3] for row in rows][:3] == [
        ["rolling", "1h", "fares"],
        ["rolling", "1d", "fares"],
        ["rolling", "1d", "<b>zones</b>"],
    ]
    assert dict(zip(head, rows[2], strict=True))["delay_p50_h"] == ""
    assert msgspec.json.decode(as_json(report()), type=Report) == report()


def test_the_table_lists_who_can_be_watched_the_quickest_first() -> None:
    assert [(one.sizes, one.best) for one in lines(report())] == [("1h", "recommended"), ("1d", "front")]
    (said,) = unwatched(report())
    assert said.startswith("15m, rolling reference is not watched: half of its windows have too few rows")
    assert power_rows(POWER) == [{"column": "fare", "1h": "× 1.5 / × 1.1 / -", "1d": "× 1.5 / × 1.1 / -"}]
