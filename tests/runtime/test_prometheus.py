"""A real Prometheus watches running stages, and finds what the database holds."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from local.stack.part import ports
from runtime.connections import Addresses
from tests import logs
from tests.databases import fresh_database
from tests.fleet import Fleet, Stage, eventually
from tests.runtime import scrape

pytestmark = pytest.mark.integration

STAGES = ("consumer", "monitor", "producer")
HERE = "127.0.0.1"

Values = dict[tuple[str, ...], float]
"""By the values of the labels, which are in the order of their names."""

_ROWS = "SELECT topic, sum(rows) FROM pane GROUP BY 1"
_WINDOWS = """
    SELECT CASE size_s WHEN 3600 THEN '1h' WHEN 21600 THEN '6h' ELSE '1d' END, stream, count(latency_ms)
    FROM window_result GROUP BY 1, 2"""
SAME = {
    "sum by (topic) (driftline_rows_accepted_total)": _ROWS,
    "sum by (topic) (driftline_flush_rows_sum)": _ROWS,
    "sum by (topic, reason) (driftline_dead_letters_total)": (
        "SELECT reason, topic, count(*) FROM dead_letter GROUP BY 1, 2"
    ),
    "sum by (topic) (driftline_duplicates_total)": "SELECT topic, sum(duplicates) FROM run_progress GROUP BY 1",
    "sum by (topic) (driftline_records_missing_total)": "SELECT topic, sum(missing) FROM run_progress GROUP BY 1",
    "sum by (topic) (driftline_records_read_total)": (
        "SELECT topic, sum(next_offset) FROM partition_progress GROUP BY 1"
    ),
    "sum by (topic) (driftline_records_sent_total)": (
        "SELECT topic, sum(accepted) FROM run_progress WHERE run_id = 'slow' GROUP BY 1"
    ),
    "sum by (partition, topic) (driftline_lag_records)": (
        "SELECT partition, topic, log_end - next_offset FROM partition_progress"
    ),
    "sum by (size, stream) (driftline_window_close_latency_seconds_count)": _WINDOWS,
}
"""What Prometheus finds, and where the database has it."""


class Prometheus:
    """One that scrapes these addresses each second."""

    def __init__(self, port: int) -> None:
        self._url = f"http://{HERE}:{port}"

    def ask(self, query: str) -> Values:
        """Values by their labels, sorted by name; empty while it does not answer."""
        address = f"{self._url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with scrape.OPENER.open(address, timeout=60) as response:
                found = json.load(response)["data"]["result"]
        except urllib.error.HTTPError as error:  # it is starting
            error.close()
            return {}
        except (urllib.error.URLError, ConnectionError):
            return {}
        return {tuple(v for _, v in sorted(r["metric"].items())): float(r["value"][1]) for r in found}

    def agrees(self, query: str, expected: Callable[[], Values]) -> None:
        """Wait until it gives these values, which may move."""
        eventually(lambda: self.ask(query) == expected(), lambda: f"{query}: {self.ask(query)}, not {expected()}")


@contextmanager
def watching(targets: dict[str, str], folder: Path) -> Iterator[Prometheus]:
    """targets: host:port by stage."""
    (port,) = ports(folder, 1)  # none that the system gives to others meanwhile
    jobs = [{"job_name": stage, "static_configs": [{"targets": [at]}]} for stage, at in targets.items()]
    config = folder / "prometheus.yml"
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}))  # YAML too
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder}",
        f"--web.listen-address={HERE}:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield Prometheus(port)
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def written(stack: Addresses) -> Iterator[str]:
    """URL of the database that the stages write to, which every test here only asks."""
    with fresh_database(stack.database_url) as database:
        yield database


@pytest.fixture(scope="module")
def stages(
    kafka_config: dict[str, str], written: str, trained: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Stage]]:
    """At work on a stormy run that is over, and on a replay that takes its time."""
    prefix, writer = f"prometheus-{uuid4().hex[:8]}-", logs.Writer()
    logs.stormy(writer, logs.trips(1_000, 2.5))
    logs.write(kafka_config, prefix, writer.sent)
    with closing(Fleet(kafka_config, prefix, written, trained, tmp_path_factory.mktemp("logs"))) as fleet:
        alive = {"until_done": None, "metrics_port": 0}
        consumer, monitor = fleet.consumer(**alive), fleet.monitor(**alive)
        until(written, "SELECT finished_at FROM run")
        until(written, "SELECT 1 FROM window_result WHERE size_s = 86400 AND status = 'final'")
        producer = fleet.producer(run_id="slow", speed=60.0, metrics_port=0)
        producer.says("starting")
        yield {"consumer": consumer, "monitor": monitor, "producer": producer}
    logs.delete(kafka_config, prefix)


def until(database: str, query: str) -> None:
    eventually(lambda: any(row[0] for row in rows(database, query)), lambda: query)


def rows(database: str, query: str) -> list[Any]:
    with psycopg.connect(database, autocommit=True, options="-c search_path=driftline") as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload]


def counted(database: str, query: str) -> Values:
    """The last column by the others."""
    return {tuple(map(str, row[:-1])): float(row[-1]) for row in rows(database, query)}


@pytest.mark.skipif(not shutil.which("prometheus"), reason="there is no prometheus: apt-get install prometheus")
def test_prometheus_finds_all_stages_up_and_what_the_database_holds(
    stages: dict[str, Stage], written: str, tmp_path: Path
) -> None:
    with watching({name: scrape.address(stage) for name, stage in stages.items()}, tmp_path) as prometheus:
        for query in ("sum by (job) (up)", "sum by (job) (driftline_healthy)"):
            prometheus.agrees(query, lambda: dict.fromkeys(((name,) for name in STAGES), 1.0))
        for query, sql in SAME.items():
            assert counted(written, sql), sql
            prometheus.agrees(query, partial(counted, written, sql))


@pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool: apt-get install prometheus")
def test_promtool_has_nothing_to_say_of_the_names(stages: dict[str, Stage]) -> None:
    for stage in stages.values():
        with scrape.OPENER.open(f"http://{scrape.address(stage)}/metrics", timeout=60) as response:
            text = response.read()
        assert b"driftline_" in text
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b""), stage.name
