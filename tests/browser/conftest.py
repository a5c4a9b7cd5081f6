"""One replay that all tests here look at, while it runs and afterwards; boards; pages that note complaints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli.database import prepare
from schemas.connections import ROOT, Addresses
from tests import logs
from tests.browser import chrome
from tests.databases import fresh_database
from tests.fleet import Fleet, Stage
from tests.logs import DAY, RUN, START

DAYS = 8
DRIFTED = "trip_distance"
SCENARIO = """
[[drift]]
kind = "unit_change"
column = "trip_distance"
factor = 3.0
starts_at = "40%"
ends_at = "80%"
label = "three times <b>as</b> far"
"""
MARKUP = "<img src=x onerror=\"document.title='broken in'\"><script>document.title='broken in'</script>"
"""Would change the title of a page that took it for markup."""

VIOLATIONS = """document.addEventListener('securitypolicyviolation',
    (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))"""


@dataclass
class Board:
    """`driftline board` as a process of its own. url: without a slash at its end."""

    database: str
    models: Path
    url: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self, port: int = 0) -> None:
        command = [sys.executable, str(ROOT / "driftline.py"), "board", "--port", str(port)]
        environ = os.environ | {"DATABASE_URL": self.database, "DRIFTLINE_MODEL": str(self.models)}
        self.process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout
        for said in self.process.stdout:
            if address := re.search(r"http://[^/\s]+", said):
                self.url = address[0]
                return
        raise AssertionError("the board ended without saying where it is")

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.communicate(timeout=30)
            self.process = None

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@dataclass
class Replay:
    """A replay with drift in the middle of it, whose stages wait for a producer. board: shows it."""

    fleet: Fleet
    board: Board
    stages: list[Stage]
    speed: float
    scenario: Path
    started: bool = field(default=False, init=False)

    def start(self) -> None:
        """Some 2,000 trips a day; in a quarter of a minute."""
        self.started = True
        self.stages.append(
            self.fleet.producer(days=DAYS, volume=1.0, speed=self.speed, scenario=str(self.scenario))
        )

    def finished(self) -> Replay:
        if not self.started:
            self.start()
        self.fleet.finish(*self.stages)
        return self

    def execute(self, query: str, **values: Any) -> Any:
        with psycopg.connect(self.board.database, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else None


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with chrome.launched() as launched:
        yield launched


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small model, trained on synthetic trips of the weeks before the replay's."""
    import pyarrow as pa  # noqa: PLC0415 - only for those who need it

    from models.train import train  # noqa: PLC0415
    from producer.source import from_generator  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("models") / "small"
    period = (START - 14 * DAY, START)
    trips = pa.concat_tables(from_generator(*period, seed=3).tables())
    train(trips, kind="tutorial", out=folder, source="synthetic", period=period)
    return folder


@pytest.fixture(scope="session")
def boards(model: Path) -> Iterator[Callable[[str], Board]]:
    """Starts boards on databases, and ends them with the session."""
    with ExitStack() as stack:

        def start(database: str) -> Board:
            board = Board(database, model.parent)
            board.start()
            stack.callback(board.stop)
            return board

        yield start


@pytest.fixture(scope="session")
def replay(  # noqa: PLR0917
    browser: Any,
    stack: Addresses,
    kafka_config: dict[str, str],
    model: Path,
    boards: Callable[[str], Board],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Replay]:
    """Ready to start. It asks for the browser first, so that nothing is started where there is none."""
    prefix, folder = f"board-{uuid.uuid4().hex[:8]}-", tmp_path_factory.mktemp("replay")
    (folder / "further.toml").write_text(SCENARIO)
    logs.create(kafka_config, prefix)
    with fresh_database(stack.database_url) as database:
        prepare(database)
        with closing(Fleet(kafka_config, prefix, database, model, folder)) as fleet:
            board = boards(database)
            stages = [fleet.consumer(), fleet.monitor()]
            yield Replay(fleet, board, stages, DAYS * DAY / 1000 / 15, folder / "further.toml")
            board.stop()
    logs.delete(kafka_config, prefix)


@pytest.fixture(scope="session")
def done(replay: Replay) -> Replay:
    """The same, when it has ended; with a record that tries to become part of a page, and a source that does."""
    replay.finished()
    replay.execute("UPDATE driftline.run SET source = source || %(markup)s", markup=MARKUP)
    replay.execute(
        "INSERT INTO driftline.dead_letter (topic, partition, kafka_offset, run_id, reason, detail, event_time,"
        " key, raw)"
        " VALUES ('trips', 0, 999999, %(run)s, 'invalid', %(markup)s, to_timestamp(%(at)s), %(bytes)s, %(bytes)s)",
        run=RUN, markup=MARKUP, at=(START + DAY) / 1000, bytes=MARKUP.encode(),
    )  # fmt: skip
    return replay


Visit = Callable[..., Any]


@pytest.fixture
def complaints() -> list[str]:
    """What the consoles of the test's pages say; a test that provokes some takes them out."""
    return []


@pytest.fixture
def visit(browser: Any, complaints: list[str]) -> Iterator[Visit]:
    """Opens an address in a browser of its own; fails the test if a page complains, of its policy or else."""
    with ExitStack() as stack:

        def opened(url: str, *, width: int = 1280, height: int = 900, theme: str = "light") -> Any:
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=theme, timezone_id="America/New_York"
            )
            stack.callback(context.close)
            context.add_init_script(VIOLATIONS)
            page = context.new_page()
            page.set_default_timeout(60_000)
            page.on("console", lambda said: said.type in ("error", "warning") and complaints.append(said.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(url)
            return page

        yield opened
    assert complaints == []


@pytest.fixture
def dummy(stack: Addresses) -> Iterator[str]:
    """URL of a database without a stream, for figures that are made up."""
    with fresh_database(stack.database_url) as database:
        prepare(database)
        yield database
