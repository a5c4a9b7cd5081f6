"""`python -m schemas.json` writes the JSON Schemas anew, after a change of `schemas/records.py` or a definition."""

from __future__ import annotations

import json
from pathlib import Path

from schemas.records import json_schema
from schemas.streams.taxi import STREAMS

HERE = Path(__file__).parent


def schemas() -> dict[Path, str]:
    """Return the JSON Schema of each topic's records, by file."""
    return {HERE / f"{s.topic}.schema.json": json.dumps(json_schema(s), indent=2) + "\n" for s in STREAMS}


if __name__ == "__main__":
    for path, text in schemas().items():
        path.write_text(text, encoding="utf-8")
        print(path)
