"""Nothing that somebody sent moves a cursor, forges a line, or turns the text around it."""

from __future__ import annotations

import json

import pytest

from schemas.text import LONGEST, folded, printable, printable_event, printable_json

HOSTILE = {
    "escape sequence": "\x1b[31mred\x1b]0;title\x07",
    "C1 control": "\x9b31m",
    "NUL": "a\x00b",
    "another line": "a\r\nlevel=error",
    "line separator": "a\u2028b",
    "right to left": "\u202egnp.exe",
    "isolate": "a\u2066b\u2069",
    "lone surrogate": "\ud800",
    "invisible": "a\u200bb\ufeff\U000e0001",
}
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


@hostile
def test_what_is_not_to_be_seen_is_escaped(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown.encode().decode("unicode_escape") == text


@pytest.mark.parametrize("text", ["TLC green-2022-02", "Müller × 1.6 €", "東京 🚕", r"C:\x1b"])
def test_what_people_write_stays(text: str) -> None:
    assert printable(text) == text


def test_a_long_text_is_cut_and_says_so() -> None:
    shown = printable("x" * 900_000)
    assert len(shown) == LONGEST
    assert shown.endswith("…")
    assert len(printable("\x1b" * 900_000)) == LONGEST


@hostile
def test_json_keeps_its_value_and_its_lines(text: str) -> None:
    document = json.dumps({"source": text, "rows": 1}, ensure_ascii=False, indent=2)
    shown = printable_json(document)
    assert shown.replace("\n", "").isprintable()
    assert json.loads(shown) == json.loads(document)
    assert shown.count("\n") == document.count("\n")


@hostile
def test_a_line_of_the_log_stays_one_line(text: str) -> None:
    event = printable_event(None, "", {"event": "x", "run": text, "rows": 3, "exception": f"Traceback\n  {text}"})
    assert event["run"].isprintable()
    assert event["rows"] == 3
    assert event["exception"].startswith("Traceback\n  ")
    assert "\x1b" not in event["exception"]


def test_a_list_in_the_log_is_written_as_people_write_it() -> None:
    event = printable_event(
        None, "", {"partitions": ["a/0", "b/1"], "reasons": {"late": 3, "future": 1}, "rows": 3}
    )
    assert event == {"partitions": "a/0, b/1", "reasons": "late 3, future 1", "rows": 3}


def test_a_text_is_folded_between_words_and_no_command_in_it_is_broken() -> None:
    text = "no model yet: run `driftline train --month 2022-01` first, or give --model\n  driftline a b c d e f g h"
    assert folded(text, 30).split("\n") == [
        "no model yet: run",
        "`driftline train --month 2022-01`",
        "first, or give --model",
        "  driftline a b c d e f g h",
    ]
    assert folded(text, 200) == text
    assert folded("two  spaces, and a ` alone", 80) == "two  spaces, and a ` alone"
