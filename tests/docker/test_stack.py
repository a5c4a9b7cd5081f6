"""`docker compose up`, really: a replay that is scaled, stopped and started in its middle leaves the right rows."""

from __future__ import annotations

import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from runtime.connections import ROOT
from tests import logs, oracle, rows
from tests.composed import BASE
from tests.databases import fresh_database
from tests.docker.project import Project, docker, eventually, running
from tests.logs import DAY, HOUR
from tests.proof import RULES

pytestmark = pytest.mark.docker

RUN = "proof"
FINAL = {"final", "insufficient"}
STAGES = ("producer", "consumer", "monitor", "board")
SIZES = {"6h": 6 * HOUR, "1d": DAY}
SLOW = {
    "DRIFTLINE_RUN": RUN,
    "DRIFTLINE_VOLUME": "0.1",
    "DRIFTLINE_SPEED": "3600x",
    "DRIFTLINE_SIZES": ",".join(SIZES),
}
"""Eleven minutes: whatever happens meanwhile happens in its middle. Then the producer is told to hurry."""


@pytest.fixture(scope="module")
def project(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with running("driftline-test", [BASE], tmp_path_factory.mktemp("compose"), **SLOW) as project:
        yield project


@pytest.fixture
def connection(project: Project) -> Iterator[rows.Connection]:
    """As the writer, through the published port."""
    with psycopg.connect(project.database(), autocommit=True) as connection:
        yield connection


def get(project: Project, port: str, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{project.variables[port]}{path}", timeout=10) as response:
        return response.status, response.read().decode()


def one(connection: rows.Connection, query: str) -> Any:
    (value,) = connection.execute(query).fetchone() or (None,)
    return value


def passed(project: Project) -> int:
    """Records that the consumers have behind them."""
    with psycopg.connect(project.database()) as connection:
        return int(one(connection, "SELECT coalesce(sum(next_offset), 0) FROM driftline.partition_progress"))


def goes_on(project: Project) -> None:
    """Wait until consumers have more behind them than now."""
    before = passed(project)
    eventually(lambda: passed(project) > before, project.logs)


def test_all_that_stays_is_healthy_and_all_that_ends_has_ended_well(project: Project) -> None:
    states = {state["Service"]: (state["State"], state["Health"], state["ExitCode"]) for state in project.states()}
    once = {"migrate", "train"}
    assert states == {
        name: ("exited", "", 0) if name in once else ("running", "healthy", 0) for name in project.services
    }


def test_a_stage_is_nobody_and_can_write_nowhere_but_where_it_must(project: Project) -> None:
    def output_of(script: str) -> str:
        return project.compose("exec", "-T", "consumer", "sh", "-c", script, check=False)

    assert output_of("id -u") == "10001"
    assert output_of("grep CapEff /proc/1/status").split()[-1] == "0" * 16
    assert output_of("touch /app/x /app/models/artifacts/x /etc/x 2>&1 | grep -c 'Read-only file system'") == "3"
    assert output_of("ls -a /app | grep -E '^(tests|.git|benchmarks|.env)$'") == ""
    assert output_of("find /app /opt/venv -name '*.py' -path '*consumer*' | wc -l") != "0"
    assert output_of("command -v pip gcc cc make") == ""


def test_every_role_comes_through_the_published_port_with_its_rights_alone(project: Project) -> None:
    writer = project.database()
    readers = [
        project.database("driftline_reader", "DRIFTLINE_READER_PASSWORD"),
        project.database("driftline_board", "DRIFTLINE_BOARD_PASSWORD"),
    ]
    for url in (writer, *readers):
        with psycopg.connect(url) as connection:
            assert one(connection, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
            assert one(connection, "SELECT count(*) FROM driftline.window_result") >= 0
    for url in readers:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DELETE FROM driftline.run")


def test_the_board_answers_at_its_published_port(project: Project) -> None:
    assert get(project, "BOARD_PORT", "/healthz")[0] == 200
    assert "<html" in get(project, "BOARD_PORT", "/")[1]
    eventually(lambda: RUN in get(project, "BOARD_PORT", "/api/runs")[1], project.logs)


def test_adminer_comes_when_it_is_asked_for(project: Project) -> None:
    if any(image.startswith("adminer:") for image in project.missing):
        pytest.skip("the image adminer cannot be had")
    project.compose("--profile", "tools", "up", "--detach", "--wait", "--pull", "never", "--no-deps", "adminer")
    assert "Adminer" in get(project, "ADMINER_PORT", "/")[1]
    project.compose("--profile", "tools", "rm", "--stop", "--force", "adminer")


def test_without_passwords_it_says_what_to_do(project: Project) -> None:
    done = subprocess.run(
        ["docker", "compose", "--env-file", "/dev/null", "-f", str(ROOT / BASE), "config", "--quiet"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode
    assert "run make env" in done.stderr


def test_scaled_and_restarted_in_mid_run_it_leaves_what_an_undisturbed_run_leaves(
    project: Project, connection: rows.Connection
) -> None:
    goes_on(project)
    project.up("--no-recreate", "--scale", "consumer=3")
    owners = "SELECT count(DISTINCT owner) FROM driftline.partition_progress"
    eventually(lambda: one(connection, owners) == 3, project.logs)
    for service in STAGES:
        project.compose("stop", service)
        assert project.ended(service)  # on SIGTERM, and with exit code 0
        project.compose("start", service)
    project.compose("restart", "kafka")
    project.healthy("kafka")
    goes_on(project)
    connection.close()
    project.compose("restart", "postgres")
    project.healthy("postgres", *STAGES)
    goes_on(project)
    assert not project.ended("producer")

    project.variables["DRIFTLINE_SPEED"] = "max"
    # Without --wait, which complains of who ends well before it was seen healthy.
    project.compose("up", "--detach", "--no-deps", "--pull", "never", "producer")
    eventually(lambda: project.ended("producer"), project.logs)
    log = logs.read_back(project.kafka(), "")
    reading = oracle.read(log, rows.BY_TOPIC, RULES)
    with psycopg.connect(project.database(), autocommit=True) as writer:
        eventually(lambda: passed(project) == len(log), project.logs)
        rows.agree(writer, reading)
        assert accounted(writer) == len(log)
        counts = expected(reading)
        eventually(lambda: windows(writer) == counts, project.logs)
        disturbed = rows.final(writer)
    rows.assert_same(calm(project), disturbed)


def accounted(connection: rows.Connection) -> int:
    """Records that were accepted, or left out for a reason that was counted."""
    tallies = " + ".join(f"sum({name})" for name in rows.TALLIES if name != "missing")
    return int(one(connection, f"SELECT {tallies} FROM driftline.run_progress"))


def windows(connection: rows.Connection) -> dict[tuple[str, int, int], int]:
    """Rows of each window; none as long as one is not final."""
    found = rows.results(connection, RUN, ("status", "rows"))
    done = all(status in FINAL for *_, status, _ in found)
    return {(stream, size, start): count for stream, size, start, _, count in found if count} if done else {}


def expected(reading: oracle.Reading) -> dict[tuple[str, int, int], int]:
    counts: Counter[tuple[str, int, int]] = Counter()
    for (_, topic, pane), found in reading.rows.items():
        for size in SIZES.values():
            counts[topic, size, pane - pane % size] += len(found)
    return dict(counts)


def calm(project: Project) -> rows.Final:
    """The same log, read once more into another database by one consumer and one monitor that nobody disturbs."""
    project.compose("stop", "consumer", "monitor")
    with fresh_database(project.database("postgres", "POSTGRES_PASSWORD")) as outside:
        name, password = outside.rpartition("/")[2], project.variables["POSTGRES_PASSWORD"]
        inside = f"DATABASE_URL=postgresql://postgres:{password}@postgres:5432/{name}"
        once = ("run", "--rm", "--no-deps", "-T", "--env", inside)
        stages = [
            subprocess.Popen(
                project.command(*once, stage, verb, "--until-done", RUN),
                cwd=ROOT,
                stderr=subprocess.PIPE,
                text=True,
            )
            for stage, verb in (("consumer", "consume"), ("monitor", "monitor"))
        ]
        for stage in stages:
            _, output_of = stage.communicate(timeout=180)
            assert stage.returncode == 0, output_of[-3_000:]
        with psycopg.connect(outside, autocommit=True) as connection:
            return rows.final(connection)


def test_who_is_told_to_stop_while_it_starts_ends_in_time(project: Project) -> None:
    """143: by SIGTERM itself, before there was anything to end well. 137: killed, after fifteen seconds."""
    project.compose("restart", *STAGES)
    project.compose("stop", "--timeout", "15", *STAGES)
    codes = {state["Service"]: state["ExitCode"] for state in project.states(*STAGES)}
    assert set(codes.values()) <= {0, 143}, f"{codes}\n{project.logs(*STAGES)}"


def test_our_image_is_small_enough_to_name_what_it_is_for(project: Project) -> None:
    labels = docker("image", "inspect", "--format", "{{.Config.User}} {{.Size}}", "driftline:0.1.0")
    user, size = labels.split()
    assert user == "10001:10001"
    assert int(size) < 1_200_000_000
