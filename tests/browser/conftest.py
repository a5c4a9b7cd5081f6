"""A browser for all tests; pages that note complaints; databases and boards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from runtime.connections import Addresses
from storage.prepare import prepare
from tests.browser import chrome
from tests.browser.replays import DRIFTED, LABEL, SCENARIO, Board, Replay, replayed
from tests.databases import fresh_database
from tests.logs import DAY, RUN, START

DAYS = 8
MARKUP = "<img src=x onerror=\"document.title='broken in'\"><script>document.title='broken in'</script>"
"""Would change the title of a page that took it for markup."""

VIOLATIONS = """document.addEventListener('securitypolicyviolation',
    (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Of one module, since playwright keeps an event loop running in this thread, and other tests run their own."""
    with chrome.launched() as launched:
        yield launched


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small model, trained on synthetic trips of the weeks before the replay's."""
    chrome.found()  # or nothing is made
    import pyarrow as pa  # noqa: PLC0415 - only for those who need it

    from models.taxi.train import train  # noqa: PLC0415
    from producer.sources.selection import from_generator  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("models") / "small"
    period = (START - 14 * DAY, START)
    trips = pa.concat_tables(from_generator(*period, seed=3).tables())
    train(trips, kind="tutorial", out=folder, source="synthetic", period=period)
    return folder


@pytest.fixture(scope="session")
def replay(
    model: Path, stack: Addresses, kafka_config: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replay]:
    """Ready to start: one for all tests, while it runs and afterwards."""
    drift = SCENARIO.format(kind="unit_change", column=DRIFTED, factor=3.0, label=LABEL)
    with replayed(stack, kafka_config, model, tmp_path_factory.mktemp("replay"), days=DAYS, drift=drift) as found:
        yield found


@pytest.fixture(scope="session")
def done(replay: Replay) -> Replay:
    """The same, when it has ended; with a record that tries to become part of a page, and a source that does."""
    replay.finish()
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


CHANGED = "ERR_NETWORK_CHANGED"
"""A network of the machine's came or went, as they do with containers: Chromium then gives up what it fetches."""


def _is_complaint(console_message: Any) -> bool:
    """Not a changed network; nor that a busy machine took seconds to come to what was preloaded."""
    innocent = (CHANGED, "was preloaded using link preload")
    return console_message.type in ("error", "warning") and not any(
        text in console_message.text for text in innocent
    )


def _arrive(page: Any, url: str) -> None:
    """Once more where the network changed on the way: a page whose scripts were given up stays as it is."""
    from playwright.sync_api import Error  # noqa: PLC0415 - where there is one

    given_up: list[str] = []
    page.on("requestfailed", lambda request: CHANGED in (request.failure or "") and given_up.append(request.url))
    for _ in range(10):
        given_up.clear()
        try:
            page.goto(url)
        except Error as error:
            if CHANGED not in error.message:
                raise
        else:
            if not given_up:
                return
    raise AssertionError(f"the network does not come to rest: {given_up}")


@pytest.fixture
def visit(browser: Any, complaints: list[str]) -> Iterator[Visit]:
    """Opens an address in a browser of its own; fails the test if a page complains, of its policy or else."""
    with ExitStack() as stack:

        def opened(url: str, *, width: int = 1280, height: int = 900, theme: str = "light", ready: str = "") -> Any:
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=theme, timezone_id="America/New_York"
            )
            stack.callback(context.close)
            context.add_init_script(VIOLATIONS)
            page = context.new_page()
            page.set_default_timeout(90_000)
            page.on(
                "console",
                lambda console_message: _is_complaint(console_message) and complaints.append(console_message.text),
            )
            page.on("pageerror", lambda error: complaints.append(str(error)))
            _arrive(page, url)
            if ready:
                page.wait_for_selector(ready, state="attached")
            return page

        yield opened
    assert complaints == []


@pytest.fixture
def dummy(stack: Addresses) -> Iterator[str]:
    """URL of a database without a stream, for figures that are made up."""
    with fresh_database(stack.database_url) as database:
        prepare(database)
        yield database


@pytest.fixture
def boards(tmp_path: Path) -> Iterator[Callable[[str], Board]]:
    """Starts boards on databases, and ends them with the test."""
    with ExitStack() as stack:

        def start(database: str) -> Board:
            board = Board(database, tmp_path)
            stack.callback(board.stop)
            board.start()
            return board

        yield start
