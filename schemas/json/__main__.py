"""`python -m schemas.json` writes the JSON Schemas anew, after a change of a record or a definition."""

from __future__ import annotations

import json
from pathlib import Path

from schemas import alarms
from schemas.records import json_schema
from schemas.streams.taxi import STREAMS
from schemas.topics import ALARMS

HERE = Path(__file__).parent


def schemas() -> dict[Path, str]:
    """Return the JSON Schema of each topic's records, by file."""
    found = {s.topic: json_schema(s) for s in STREAMS} | {ALARMS: alarms.json_schema()}
    return {HERE / f"{topic}.schema.json": json.dumps(schema, indent=2) + "\n" for topic, schema in found.items()}


if __name__ == "__main__":
    for path, text in schemas().items():
        path.write_text(text, encoding="utf-8")
        print(path)
