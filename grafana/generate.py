"""Rewrite `dashboards/`: python -m grafana.generate

The JSON is committed, since Grafana reads files; a test generates it again and compares.
"""

from __future__ import annotations

import json
from pathlib import Path

from grafana.health import health
from grafana.live import live
from grafana.model import Dict
from grafana.tuning import tuning

HERE = Path(__file__).parent
DASHBOARDS = HERE / "dashboards"


def dashboards() -> dict[str, Dict]:
    """Make all dashboards, by file name."""
    return {f"{made['uid']}.json": made for made in (live(), tuning(), health())}


def text(made: Dict) -> str:
    """Return the content of a dashboard's file."""
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Rewrite the files."""
    for name, made in dashboards().items():
        (DASHBOARDS / name).write_text(text(made), encoding="utf-8")


if __name__ == "__main__":
    main()
