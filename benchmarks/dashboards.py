"""How long Grafana waits for each query, as the reader, on 100,000 windows of 20 columns: 2 million column rows.

    python -m benchmarks.dashboards           median of 5, ms; exit code 1 where one takes 250 ms or more

Live: the last 15 minutes of the wall clock, in which the newest run closed all its 10,000 windows. Past: its whole
year of event time. Uses the running stack, or that of DATABASE_URL, whose login must be a superuser.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import psycopg
import yaml

from benchmarks.consumer_steps import fresh_database
from grafana.generate import HERE, dashboards
from local import stack
from storage import roles
from storage.migrations import migrate
from storage.queries import load_queries
from tests.grafana.asked import ask, choices
from tests.grafana.asked import queries as asked_by
from tests.grafana.expand import Range, in_browser, on_server, seconds

SQL = load_queries(Path(__file__).with_suffix(".sql"))
SIZE = {"runs": 10, "days": 345, "columns": 20}
PASSWORD = "bench0"
BOUND_MS = 250.0
REPEAT = 5
WIDTH = 1_000
"""Points of a panel as wide as a screen, where it does not say otherwise."""
_INTERVALS = (
    *("1s", "2s", "5s", "10s", "15s", "20s", "30s", "1m", "2m", "5m", "10m", "15m", "20m", "30m"),
    *("1h", "2h", "3h", "6h", "12h", "1d", "1w"),
)
"""Those that Grafana rounds to."""


def fill(database: str) -> None:
    """Without checking foreign keys, which takes longer than all the rest."""
    with psycopg.connect(database, autocommit=True) as connection:
        migrate(connection)
        roles.grant(connection, {roles.READER: PASSWORD})
        connection.execute("SET session_replication_role = replica")
        connection.execute("SELECT setseed(0.5)")
        for name, sql in SQL.items():
            connection.execute(sql, SIZE if "%(" in sql else None)
            print(f"{name} …", file=sys.stderr, flush=True)
        connection.execute("VACUUM ANALYZE")


def interval(shown: Range, points: int) -> str:
    """As Grafana chooses it: the range over the points, rounded."""
    step = (shown[1] - shown[0]).total_seconds() / points
    return min(_INTERVALS, key=lambda name: abs(seconds(name) - step))


def measured(reader: psycopg.Connection[Any]) -> Iterator[tuple[str, str, str, float, int]]:
    """(dashboard, query, range, median ms, rows) of everything that Grafana asks."""
    now, first = datetime.now(UTC), datetime(2022, 1, 1, tzinfo=UTC)
    ranges = {
        "live": ((now - timedelta(minutes=15), now), "wall"),
        "past": ((first, first + timedelta(days=SIZE["days"])), "event"),
    }
    for made in dashboards().values():
        variables = made["templating"]["list"]
        for name, (shown, axis) in ranges.items():
            values = {**choices(reader, variables, shown), "axis": axis}
            for variable in (v for v in variables if v["type"] == "query"):
                yield (
                    made["title"],
                    f"variable {variable['name']}",
                    name,
                    *timed(reader, variable["query"], values, shown, "1s"),
                )
            for query in asked_by(made):
                step = interval(shown, query.panel.get("maxDataPoints", WIDTH))
                yield made["title"], query.where, name, *timed(reader, query.target["rawSql"], values, shown, step)
    for title, sql, back in rules():
        yield "Alerts", title, "live", *timed(reader, sql, {}, (now - timedelta(seconds=back), now), "1s")


def rules() -> Iterator[tuple[str, str, int]]:
    """(title, SQL, seconds that it looks back) of each alert rule."""
    loaded = yaml.safe_load((HERE / "provisioning" / "alerting" / "driftline.yaml").read_text(encoding="utf-8"))
    for rule in loaded["groups"][0]["rules"]:
        first = rule["data"][0]
        yield rule["title"], first["model"]["rawSql"], first["relativeTimeRange"]["from"]


def timed(
    reader: psycopg.Connection[Any], sql: str, values: Mapping[str, Any], shown: Range, step: str
) -> tuple[float, int]:
    """(median ms with the rows read, rows)."""
    asked, times = on_server(in_browser(sql, values, step), shown), []
    for _ in range(REPEAT):
        began = time.perf_counter()
        answer = ask(reader, asked)
        times.append(time.perf_counter() - began)
    return median(times) * 1_000, len(answer.rows)


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with stack.running() as addresses, fresh_database(addresses.database_url) as database:
        fill(database)
        url = urlsplit(database)
        login = url._replace(netloc=f"{roles.READER}:{PASSWORD}@{url.hostname}:{url.port}").geturl()
        with psycopg.connect(login, autocommit=True) as reader:
            found = list(measured(reader))
    print("| dashboard | query | range | median ms | rows |\n|---|---|---|---:|---:|")
    for made, query, name, ms, rows in found:
        print(f"| {made} | {query} | {name} | {ms:.1f} | {rows:,} |")
    slowest = max(found, key=lambda each: each[3])
    print(f"\n{len(found)} queries, slowest {slowest[3]:.0f} ms: {slowest[1]} ({slowest[2]})")
    return slowest[3] >= BOUND_MS


if __name__ == "__main__":
    sys.exit(main())
