from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from runtime.connections import ROOT
from schemas import notices
from schemas.notices import MAX_SIZE_S, WindowNotice, decode, encode
from schemas.records import MAX_TIME

NOTICE = WindowNotice("r", "labels", 3_600, 1_646_000_000_000, "final")


def test_a_notice_is_read_as_it_was_written() -> None:
    assert decode(encode(NOTICE)) == NOTICE


@pytest.mark.parametrize(
    "change",
    [{"size_s": 0}, {"size_s": MAX_SIZE_S + 1}, {"start": -1}, {"start": MAX_TIME + 1}, {"run": 7}, {"status": 1}],
)
def test_what_no_window_can_be_is_refused(change: dict[str, object]) -> None:
    payload = msgspec.json.encode(msgspec.to_builtins(NOTICE) | change).decode()
    with pytest.raises(msgspec.DecodeError):
        decode(payload)


def test_the_channels_are_named_in_one_module() -> None:
    names = re.compile(f"['\"]({notices.PROGRESS}|{notices.WINDOW})['\"]|(LISTEN|NOTIFY) driftline")
    folders = ("consumer", "monitor", "notifier", "board", "storage", "local", "cli", "grafana")
    files = [path for folder in folders for path in Path(ROOT, folder).rglob("*") if path.suffix in (".py", ".sql")]
    assert [path for path in files if names.search(path.read_text(encoding="utf-8"))] == []
