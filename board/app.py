"""The routes: each reads what is asked, asks the database, and answers JSON, a page or a file."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import structlog
from litestar import Litestar, MediaType, Request, Response, asgi, get
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_404_NOT_FOUND

from board import files, reports
from board import query_params as asking
from board.database import Database
from board.dead_letters import letters
from board.distributions import Distributions
from board.events import tell
from board.http_errors import Away, Busy, Problem, Unknown
from board.live import Hub
from board.metrics import Metrics
from board.middleware import Guard, refuse
from board.models import monitor_command
from board.overview import Picture, chosen_size, known_run
from board.reports import Reports
from board.settings import Settings
from board.window import at as window_at
from board.window import window
from schemas.durations import duration_text

log = structlog.get_logger()

Asked = Request[Any, Any, Any]
Answer = Response[bytes]

PACK_FROM = 100_000
"""Bytes from which an answer is worth packing, for a browser on another machine."""
LISTED = 200
"""Runs in one answer."""
MACHINES = ("/api/", "/healthz", "/metrics")
HEALTH_S = 1.0
"""For a connection to Postgres: whoever asks for health does not wait long."""
LOCAL = ("127.0.0.1", "::1", None)


class Board:
    """What the routes share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.database = Database(settings.database_url, settings.stream)
        self.picture = Picture()
        self.hub = Hub(self.database, self.picture, self.metrics, settings.clients)
        self.distributions = Distributions(self.database, settings.models)
        self.reports = Reports(settings, self.metrics)

    @asynccontextmanager
    async def running(self, _: Any) -> AsyncIterator[None]:
        await self.database.open()
        tasks = [asyncio.create_task(each) for each in (self.hub.listen(), self.reports.work())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.hub.close()
            await self.database.close()

    def file(self, request: Asked, path: Path, cache: str = "no-cache") -> Answer:
        """A file, or 304 where the browser has it already."""
        etag = files.tag(path)
        headers = {"etag": etag, "cache-control": cache, "vary": "accept-encoding"}
        kind = files.TYPES[path.suffix]
        if etag in request.headers.get("if-none-match", ""):
            return Response(b"", status_code=304, headers=headers, media_type=kind)
        content = path.read_bytes()
        if len(content) > PACK_FROM and packs(request):
            headers["content-encoding"] = "gzip"
            content = files.packed(path, etag)
        return Response(content, headers=headers, media_type=kind)


def packs(request: Asked) -> bool:
    """Whether to compress: over the loopback it takes longer than it saves."""
    local = request.client is None or request.client.host in LOCAL
    return not local and "gzip" in request.headers.get("accept-encoding", "")


def answer(request: Asked, found: Any) -> Answer:
    """JSON."""
    content, headers = orjson.dumps(found), {}
    if len(content) > PACK_FROM and packs(request):
        content, headers = gzip.compress(content, 1), {"content-encoding": "gzip", "vary": "accept-encoding"}
    return Response(content, headers=headers, media_type=MediaType.JSON)


def board_of(request: Asked) -> Board:
    board: Board = request.app.state.board
    return board


# -- pages and files ----------------------------------------------------------------------------------------------


@get("/", sync_to_thread=True)
def index(request: Asked) -> Answer:
    return board_of(request).file(request, files.page("index"))


@get("/window", sync_to_thread=True)
def window_page(request: Asked) -> Answer:
    return board_of(request).file(request, files.page("window"))


@get("/report", sync_to_thread=True)
def report_page(request: Asked) -> Answer:
    return board_of(request).file(request, files.page("report"))


@get("/dead-letters", sync_to_thread=True)
def letters_page(request: Asked) -> Answer:
    return board_of(request).file(request, files.page("dead-letters"))


@get("/static/{name:path}", sync_to_thread=True)
def static_file(request: Asked) -> Answer:
    return board_of(request).file(request, files.static(str(request.path_params["name"]).lstrip("/")))


# -- what the pages ask -------------------------------------------------------------------------------------------


@get("/api/runs")
async def runs(request: Asked) -> Answer:
    """Those of use first. total: of all whose name holds `find`, of which only so many are listed.

    stream: the name of the run's stream.
    """
    find = asking.find_of(request.query_params)
    async with board_of(request).database.snapshot() as reader:
        found = await reader.rows("runs", find=find, limit=LISTED)
    names = ("run", "source", "started_at", "finished_at", "scenario", "stream", "sizes", "windows")
    listed = [dict(zip(names, row[:-1], strict=True)) for row in found]
    for run in listed:
        run["stream"] = run["stream"] or board_of(request).settings.stream.name
        run["sizes"] = [duration_text(1_000 * size) for size in run["sizes"]]
    return answer(request, {"runs": listed, "total": found[0][-1] if found else 0})


@get("/api/board")
async def whole(request: Asked) -> Answer:
    board, query = board_of(request), request.query_params
    run, size_s = asking.run_of(query), asking.size_of(query)
    async with board.database.snapshot() as reader:
        found = await board.picture.board(reader, run, size_s)
    command = await asyncio.to_thread(monitor_command, found.pop("model"), board.settings.models)
    return answer(request, found | {"monitor": command, "attended": board.settings.attended})


@get("/api/window")
async def one_window(request: Asked) -> Answer:
    board, (run, size_s), start = board_of(request), asking.named(request.query_params), start_of(request)
    async with board.database.snapshot() as reader:
        found = await window(reader, run, size_s, start)
        wanted = await board.reports.wanted(reader, run, size_s, start)
    return answer(request, found | {"report": board.reports.state(wanted)})


@get("/api/distributions")
async def compared(request: Asked) -> Answer:
    board, (run, size_s), start = board_of(request), asking.named(request.query_params), start_of(request)
    found = await board.distributions.of(run, size_s, start)
    shown = {"run": run, "size": duration_text(1_000 * size_s), "start": start}
    return answer(request, shown | found)


@get("/api/dead-letters")
async def dead_letters(request: Asked) -> Answer:
    run = asking.run_of(request.query_params)
    async with board_of(request).database.snapshot() as reader:
        return answer(request, await letters(reader, run))


@get("/api/report")
async def report(request: Asked) -> Answer:
    """Asked for, it is made."""
    board, (run, size_s), start = board_of(request), asking.named(request.query_params), start_of(request)
    async with board.database.snapshot() as reader:
        wanted = await board.reports.wanted(reader, run, size_s, start)
    return answer(request, board.reports.ask(wanted))


@get("/reports/{name:str}", sync_to_thread=True)
def report_file(request: Asked) -> Answer:
    board = board_of(request)
    made = board.file(request, board.reports.file(str(request.path_params["name"])), "private, max-age=3600")
    made.headers["content-security-policy"] = reports.CSP
    return made


@get("/at")
async def at_moment(request: Asked) -> Answer:
    """To the page of the window that covers a moment: for links that know a time only."""
    query = request.query_params
    run, size_s, axis, at_ms = (
        asking.run_of(query), asking.size_of(query), asking.axis_of(query), asking.moment_of(query, "t"),
    )  # fmt: skip
    async with board_of(request).database.snapshot() as reader:
        run, size_s, start = await window_at(reader, run, size_s, at_ms, axis)
    place = urlencode({"run": run, "size": duration_text(1_000 * size_s), "start": start})
    return Response(b"", status_code=302, headers={"location": f"/window?{place}"}, media_type=MediaType.TEXT)


def start_of(request: Asked) -> int:
    return asking.moment_of(request.query_params, "start")


@asgi("/api/events", copy_scope=True)
async def events(scope: Any, receive: Any, send: Any) -> None:
    request: Asked = Request(scope)
    board, query = board_of(request), request.query_params
    try:
        run, size_s = asking.run_of(query), asking.size_of(query)
        with board.hub.room():
            run, size_s = await followed(board, run, size_s)
            with board.hub.follow(run, size_s) as feed:
                await tell(board.hub, feed, board.metrics, receive, send)
    except Problem as problem:
        await refuse(send, problem.status, problem.what, problem.do)


async def followed(board: Board, run: str | None, size_s: int | None) -> tuple[str, int]:
    """Run and size; ("", 0) where there is no run yet and none was named. Raises Unknown, Away."""
    async with board.database.snapshot() as reader:
        if run is None and await reader.row("newest_run") is None:
            return "", 0
        known = await known_run(reader, run)
        return known.run_id, (await chosen_size(reader, known, size_s))[0]


# -- for machines -------------------------------------------------------------------------------------------------


@get("/healthz")
async def healthz(request: Asked) -> Answer:
    board = board_of(request)
    try:
        async with board.database.snapshot(HEALTH_S) as reader:
            await reader.row("alive")
    except Busy:  # Postgres answers others, and the listener notices when it does not
        if not board.hub.heard_of_late:
            raise
    if not board.hub.listening:
        raise Away("Postgres answers, but does not tell of news yet", "wait: the board tries again")
    return answer(request, {"ok": True})


@get("/metrics")
async def metrics(request: Asked) -> Answer:
    return Response(board_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


HANDLERS: list[Any] = [
    index, window_page, report_page, letters_page, static_file, report_file, at_moment,
    runs, whole, one_window, compared, dead_letters, report, events, healthz, metrics,
]  # fmt: skip


def told(request: Asked, problem: Problem) -> Answer:
    """JSON for programs, text for people."""
    if request.url.path.startswith(MACHINES):
        content, kind = orjson.dumps({"error": problem.what, "do": problem.do}), MediaType.JSON
    else:
        content, kind = f"{problem.what}: {problem.do}\n".encode(), MediaType.TEXT
    return Response(content, status_code=problem.status, media_type=kind)


def refused(request: Asked, error: HTTPException) -> Answer:
    if error.status_code == HTTP_404_NOT_FOUND:
        return told(request, Unknown("there is no such page", "see the board at /"))
    problem = Problem("that request makes no sense", "see the board at /")
    problem.status = error.status_code
    return told(request, problem)


def broken(request: Asked, error: Exception) -> Answer:
    """A mistake in the program: its traceback is for the log alone."""
    log.error("request_failed", path=request.url.path, exc_info=error)
    return told(request, Problem("the board failed to answer", "see its log"))


def application(board: Board) -> Guard:
    """As ASGI servers take it."""
    app = Litestar(
        HANDLERS,
        lifespan=[board.running],
        openapi_config=None,
        logging_config=None,
        exception_handlers={Problem: told, HTTPException: refused, Exception: broken},
    )
    app.state.board = board
    routes = frozenset(path for handler in HANDLERS for path in handler.paths if "{" not in path)
    return Guard(app, board.settings.names, routes, board.metrics)
