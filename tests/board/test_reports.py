"""Reports on demand: made by a child, one at a time, kept, and never in the way."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks.board import YEAR, seed
from board.reports import KEPT
from models.artifact import Model
from models.taxi.train import train
from tests.board.conftest import Served
from tests.fleet import PATIENCE_S, eventually
from tests.models.conftest import made_up
from tests.monitor.feed import HOUR

pytestmark = pytest.mark.integration

CHILD = """
import pathlib, sys, time
options = dict(part.split("=", 1) for part in sys.argv[1:])
room = pathlib.Path(sys.argv[0]).parent
with open(room / "asked", "a") as asked:
    print(options["--window"], options["--back"], file=asked)
while (room / "hold").exists():
    time.sleep(0.01)
if (room / "fail").exists():
    print("Traceback: secret", file=sys.stderr)
    sys.exit((room / "fail").read_text())
pathlib.Path(options["--out"]).write_text("<h1>" + options["--run"] + options["--size"] + "</h1>")
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return train(made_up(2_000), kind="tutorial", out=tmp_path_factory.mktemp("models") / "model", source="made up")


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """Where the child keeps its marks."""
    (tmp_path / "child.py").write_text(CHILD)
    return tmp_path


@pytest.fixture
def board(prepared: str, serve: Callable[..., Served], model: Model, room: Path) -> Served:
    """A board whose reports are made by a small child; a run of 60 hours."""
    with psycopg.connect(prepared, autocommit=True) as connection:
        seed(connection, "r", windows=60, metrics=["drift"])
        connection.execute("UPDATE driftline.run SET model = %s", (model.hash,))
    command = (sys.executable, str(room / "child.py"))
    return serve(prepared, models=(model.path,), report_command=command, report_limit_s=PATIENCE_S)


def of(hour: int) -> dict[str, Any]:
    return {"run": "r", "size": "1h", "start": YEAR + hour * HOUR}


def until(board: Served, state: str, hour: int = 0, path: str = "/api/report") -> Any:
    def reached() -> Any:
        found = board.json(path, **of(hour))
        found = found.get("report", found)
        return found if found["state"] == state else None

    return eventually(reached, lambda: str(board.json("/api/report", **of(hour))))


def asked(room: Path) -> int:
    path = room / "asked"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_report_is_made_once_and_kept(board: Served, room: Path) -> None:
    assert board.json("/api/report", **of(0))["state"] in ("queued", "making")
    ready = until(board, "ready")
    page = board.get(ready["url"])
    assert (page.status_code, page.text) == (200, "<h1>r1h</h1>")
    assert page.headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in page.headers["content-security-policy"]
    assert until(board, "ready", path="/api/window") == ready
    assert asked(room) == 1
    assert f"/window?run=r&size=1h&start={YEAR}" in (room / "asked").read_text()
    assert [path.name for path in (room / "reports").iterdir()] == [ready["url"].rpartition("/")[2]]


def test_looking_at_a_window_makes_nothing(board: Served, room: Path) -> None:
    assert board.json("/api/window", **of(0))["report"]["state"] == "none"
    assert asked(room) == 0


def test_rows_that_joined_make_another_report(board: Served, room: Path, prepared: str) -> None:
    before = until(board, "ready")["url"]
    with psycopg.connect(prepared) as connection:
        connection.execute("UPDATE driftline.window_result SET rows = rows + 1, revision = 1")
    assert until(board, "ready")["url"] != before
    assert asked(room) == 2


def test_a_failure_is_told_in_the_words_of_the_command(board: Served, room: Path) -> None:
    (room / "fail").write_text("driftline: this window holds no trips: choose another")
    assert until(board, "failed")["reason"] == "this window holds no trips: choose another"
    assert not [*(room / "reports").iterdir()]


def test_a_failure_without_words_says_no_more(board: Served, room: Path) -> None:
    (room / "fail").write_text("other")
    reason = until(board, "failed")["reason"]
    assert "exit code 1" in reason
    assert "secret" not in reason


def test_one_is_made_at_a_time_and_only_so_many_wait(board: Served, room: Path) -> None:
    (room / "hold").touch()
    board.get("/api/report", **of(0))
    eventually(lambda: asked(room) == 1, lambda: "no child was started")
    answers = [board.get("/api/report", **of(hour)) for hour in range(1, 12)]
    assert [found.status_code for found in answers] == [200] * 8 + [503] * 3
    assert {found.json()["state"] for found in answers[:8]} == {"queued"}
    assert board.json("/api/runs")["runs"]
    assert asked(room) == 1
    (room / "hold").unlink()
    until(board, "ready", hour=8)
    assert asked(room) == 9


def test_a_child_that_takes_too_long_is_stopped(
    prepared: str, board: Served, serve: Callable[..., Served], model: Model, room: Path
) -> None:
    (room / "hold").touch()
    command = (sys.executable, str(room / "child.py"))
    hasty = serve(prepared, models=(model.path,), report_command=command, report_limit_s=0.5)
    assert "stopped" in until(hasty, "failed")["reason"]


def test_the_end_of_the_board_is_that_of_its_child(board: Served, room: Path) -> None:
    (room / "hold").touch()
    board.get("/api/report", **of(0))
    eventually(lambda: asked(room) == 1, lambda: "no child was started")
    board.stop()
    mark = str(room / "child.py").encode()
    alive = [path for path in Path("/proc").glob("[0-9]*/cmdline") if mark in _read(path)]
    assert not alive
    assert not [*(room / "reports").iterdir()]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_only_the_newest_are_kept(board: Served, room: Path) -> None:
    (room / "reports").mkdir()
    for number in range(KEPT + 5):
        (room / "reports" / f"{number:032x}.html").write_text("old")
    until(board, "ready")
    eventually(lambda: len([*(room / "reports").iterdir()]) == KEPT, lambda: "too many are kept")


def test_reports_go_on_though_their_folder_holds_what_cannot_be_looked_at(board: Served, room: Path) -> None:
    (room / "reports").mkdir(exist_ok=True)
    (room / "reports" / "gone.html").symlink_to(room / "nowhere")
    for hour in (0, 1):
        until(board, "ready", hour)
