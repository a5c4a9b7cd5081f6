from __future__ import annotations

from pathlib import Path

import pytest

from storage.queries import load_queries


def test_each_query_of_a_file_has_its_name(tmp_path: Path) -> None:
    file = tmp_path / "queries.sql"
    file.write_text("-- header\n\n-- name: one\n-- Why.\nSELECT 1;\n\n-- name: two\nSELECT 2;\n")
    assert load_queries(file) == {"one": "-- Why.\nSELECT 1;", "two": "SELECT 2;"}


@pytest.mark.parametrize("text", ["SELECT 1;", "-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;"])
def test_a_file_without_names_or_with_one_twice_is_a_mistake(tmp_path: Path, text: str) -> None:
    file = tmp_path / "queries.sql"
    file.write_text(text)
    with pytest.raises(ValueError, match="name"):
        load_queries(file)
