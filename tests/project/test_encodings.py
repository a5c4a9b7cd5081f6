"""Text is UTF-8, whatever the locale of whoever runs this."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from runtime.connections import ROOT
from tests.sources import files

PRODUCT = [path for path in files(".py") if path.relative_to(ROOT).parts[0] != "tests"]


def names_no_encoding(path: Path) -> Iterator[str]:
    """Calls that use the encoding of the locale. ruff's PLW1514 misses those on a parameter."""
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(call, ast.Call) or {"encoding", None} & {word.arg for word in call.keywords}:
            continue
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name in ("read_text", "write_text") or "text" in {word.arg for word in call.keywords}:
            yield f"{path.relative_to(ROOT)}:{call.lineno} {name}"


def test_no_text_is_read_or_written_in_the_encoding_of_the_locale() -> None:
    assert len(PRODUCT) > 150
    assert [found for path in PRODUCT for found in names_no_encoding(path)] == []
