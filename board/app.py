"""The routes: each checks its parameters, reads the database, and answers JSON, a page or a file."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
import orjson
import structlog
from litestar import Litestar, MediaType, Request, Response, asgi, get
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_404_NOT_FOUND

from board import files, query_params, reports
from board.alarm_distributions import read_distributions
from board.alarms import read_alarm, read_alarms, read_evidence
from board.artifacts import monitor_command
from board.board_data import BoardReader
from board.comparisons import read_comparison
from board.database import Database
from board.dead_letters import read_dead_letters
from board.distributions import Distributions
from board.event_stream import serve_events
from board.feeds import Hub
from board.http_errors import Busy, NotFound, Problem, Unavailable
from board.metrics import Metrics
from board.middleware import RequestGuard, refuse
from board.reports import Reports
from board.runs import choose_size, find_run
from board.settings import Settings
from board.window_details import find_window, read_window
from schemas.durations import duration_text

if TYPE_CHECKING:
    from monitor.comparing import Compared

log = structlog.get_logger()

HttpRequest = Request[Any, Any, Any]
HttpResponse = Response[bytes]

COMPRESS_FROM = 100_000
"""Bytes from which an answer is worth compressing, for a browser on another machine."""
LISTED = 200
"""Runs in one answer."""
MACHINES = ("/api/", "/healthz", "/metrics")
HEALTH_S = 1.0
"""For a connection to Postgres: health checks do not wait long."""
LOCAL = ("127.0.0.1", "::1", None)


class Board:
    """What the routes share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.database = Database(settings.database_url, settings.stream)
        self.board_reader = BoardReader()
        self.hub = Hub(self.database, self.board_reader, self.metrics, settings.clients)
        self.distributions = Distributions(self.database, settings.models)
        self.reports = Reports(settings, self.metrics)

    @asynccontextmanager
    async def running(self, _: Any) -> AsyncIterator[None]:
        await self.database.open()
        tasks = [asyncio.create_task(each) for each in (self.hub.listen(), self.reports.make_queued())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.hub.close()
            await self.database.close()

    def page(self, request: HttpRequest, name: str) -> HttpResponse:
        """Answer a page, or 304 where the browser has it already."""
        content = files.page(name)
        etag = f'"{sha256(content).hexdigest()[:32]}"'
        known = etag in request.headers.get("if-none-match", "")
        return Response(
            b"" if known else content, status_code=304 if known else 200, media_type="text/html",
            headers={"etag": etag, "cache-control": "no-cache"},
        )  # fmt: skip

    def file(self, request: HttpRequest, path: Path, cache: str = "no-cache") -> HttpResponse:
        """Answer a file, or 304 where the browser has it already."""
        etag = files.tag(path)
        headers = {"etag": etag, "cache-control": cache, "vary": "accept-encoding"}
        kind = files.TYPES[path.suffix]
        if etag in request.headers.get("if-none-match", ""):
            return Response(b"", status_code=304, headers=headers, media_type=kind)
        content = path.read_bytes()
        if len(content) > COMPRESS_FROM and should_compress(request):
            headers["content-encoding"] = "gzip"
            content = files.packed(path, etag)
        return Response(content, headers=headers, media_type=kind)


def should_compress(request: HttpRequest) -> bool:
    """Return whether to compress: over the loopback it takes longer than it saves."""
    local = request.client is None or request.client.host in LOCAL
    return not local and "gzip" in request.headers.get("accept-encoding", "")


def json_response(request: HttpRequest, found: Any) -> HttpResponse:
    """Encode an answer as JSON, compressed where that pays."""
    content, headers = orjson.dumps(found), {}
    if len(content) > COMPRESS_FROM and should_compress(request):
        content, headers = gzip.compress(content, 1), {"content-encoding": "gzip", "vary": "accept-encoding"}
    return Response(content, headers=headers, media_type=MediaType.JSON)


def board_of(request: HttpRequest) -> Board:
    board: Board = request.app.state.board
    return board


# -- pages and files ----------------------------------------------------------------------------------------------


@get("/", sync_to_thread=True)
def index(request: HttpRequest) -> HttpResponse:
    return board_of(request).page(request, "index")


@get("/window", sync_to_thread=True)
def window_page(request: HttpRequest) -> HttpResponse:
    return board_of(request).page(request, "window")


@get("/report", sync_to_thread=True)
def report_page(request: HttpRequest) -> HttpResponse:
    return board_of(request).page(request, "report")


@get("/dead-letters", sync_to_thread=True)
def dead_letters_page(request: HttpRequest) -> HttpResponse:
    return board_of(request).page(request, "dead-letters")


@get("/alarms", sync_to_thread=True)
def alarms_page(request: HttpRequest) -> HttpResponse:
    return board_of(request).page(request, "alarms")


@get("/alarm", sync_to_thread=True)
def alarm_page(request: HttpRequest) -> HttpResponse:
    return board_of(request).page(request, "alarm")


@get("/compare", sync_to_thread=True)
def compare_page(request: HttpRequest) -> HttpResponse:
    return board_of(request).page(request, "compare")


@get("/static/{name:path}", sync_to_thread=True)
def static_file(request: HttpRequest) -> HttpResponse:
    return board_of(request).file(request, files.static(str(request.path_params["name"]).lstrip("/")))


# -- data of the pages -------------------------------------------------------------------------------------------


@get("/api/runs")
async def runs(request: HttpRequest) -> HttpResponse:
    """List the runs whose name holds `find`, at most LISTED of them; total: how many there are."""
    find = query_params.find_param(request.query_params)
    async with board_of(request).database.snapshot() as reader:
        found = await reader.rows("runs", find=find, limit=LISTED)
    names = ("run", "source", "started_at", "finished_at", "scenario", "stream", "sizes", "windows")
    listed = [dict(zip(names, row[:-1], strict=True)) for row in found]
    for run in listed:
        run["stream"] = run["stream"] or board_of(request).settings.stream.name
        run["sizes"] = [duration_text(1_000 * size) for size in run["sizes"]]
    return json_response(request, {"runs": listed, "total": found[0][-1] if found else 0})


@get("/api/board")
async def board_data(request: HttpRequest) -> HttpResponse:
    board, query = board_of(request), request.query_params
    run, size_s = query_params.run_param(query), query_params.size_param(query)
    segment = query_params.segment_param(query)
    async with board.database.snapshot() as reader:
        found = await board.board_reader.board(reader, run, size_s, segment)
    command = await asyncio.to_thread(monitor_command, found.pop("reference"), board.settings.models)
    return json_response(request, found | {"monitor": command, "attended": board.settings.attended})


@get("/api/evidence")
async def evidence(request: HttpRequest) -> HttpResponse:
    run, axis = query_params.run_param(request.query_params), query_params.axis_param(request.query_params)
    async with board_of(request).database.snapshot() as reader:
        return json_response(request, await read_evidence(reader, await find_run(reader, run), axis))


@get("/api/alarms")
async def alarms(request: HttpRequest) -> HttpResponse:
    run = query_params.run_param(request.query_params)
    async with board_of(request).database.snapshot() as reader:
        return json_response(request, await read_alarms(reader, await find_run(reader, run)))


@get("/api/alarm")
async def alarm(request: HttpRequest) -> HttpResponse:
    run, name = query_params.run_param(request.query_params), query_params.alarm_param(request.query_params)
    async with board_of(request).database.snapshot() as reader:
        return json_response(request, await read_alarm(reader, await find_run(reader, run), name))


@get("/api/alarm-distributions")
async def alarm_distributions(request: HttpRequest) -> HttpResponse:
    run, name = query_params.run_param(request.query_params), query_params.alarm_param(request.query_params)
    async with board_of(request).database.snapshot() as reader:
        return json_response(request, await read_distributions(reader, await find_run(reader, run), name))


@get("/api/window")
async def window_details(request: HttpRequest) -> HttpResponse:
    board, (run, size_s), start = (
        board_of(request),
        query_params.run_and_size(request.query_params),
        start_of(request),
    )
    async with board.database.snapshot() as reader:
        found = await read_window(reader, run, size_s, start)
        wanted = await board.reports.request_for(reader, run, size_s, start)
    return json_response(request, found | {"report": board.reports.state(wanted)})


@get("/api/distributions")
async def distributions(request: HttpRequest) -> HttpResponse:
    board, (run, size_s), start = (
        board_of(request),
        query_params.run_and_size(request.query_params),
        start_of(request),
    )
    found = await board.distributions.compare(run, size_s, start)
    shown = {"run": run, "size": duration_text(1_000 * size_s), "start": start}
    return json_response(request, shown | found)


async def compared(request: HttpRequest) -> Compared:
    board, query = board_of(request), request.query_params
    sides = query_params.side_param(query, "a"), query_params.side_param(query, "b")
    run = query_params.run_param(query)
    return await asyncio.to_thread(read_comparison, board.database, *sides, run, board.settings.stream)


@get("/api/compare")
async def compare(request: HttpRequest) -> HttpResponse:
    return json_response(request, msgspec.to_builtins(await compared(request)))


@get("/compare.csv")
async def compare_csv(request: HttpRequest) -> HttpResponse:
    found = await compared(request)
    headers = {"content-disposition": 'attachment; filename="driftline-compare.csv"'}
    return Response(found.csv().encode(), headers=headers, media_type="text/csv")


@get("/api/dead-letters")
async def dead_letters(request: HttpRequest) -> HttpResponse:
    run = query_params.run_param(request.query_params)
    async with board_of(request).database.snapshot() as reader:
        return json_response(request, await read_dead_letters(reader, run))


@get("/api/report")
async def report(request: HttpRequest) -> HttpResponse:
    """Answer the state of a report; the first request has it made."""
    board, (run, size_s), start = (
        board_of(request),
        query_params.run_and_size(request.query_params),
        start_of(request),
    )
    async with board.database.snapshot() as reader:
        wanted = await board.reports.request_for(reader, run, size_s, start)
    return json_response(request, board.reports.request(wanted))


@get("/reports/{name:str}", sync_to_thread=True)
def report_file(request: HttpRequest) -> HttpResponse:
    board = board_of(request)
    made = board.file(request, board.reports.file(str(request.path_params["name"])), "private, max-age=3600")
    made.headers["content-security-policy"] = reports.CSP
    return made


@get("/at")
async def at_moment(request: HttpRequest) -> HttpResponse:
    """Redirect to the page of the window that covers a moment: for links that know a time only."""
    query = request.query_params
    run, size_s = query_params.run_param(query), query_params.size_param(query)
    axis, at_ms = query_params.axis_param(query), query_params.moment_param(query, "t")
    async with board_of(request).database.snapshot() as reader:
        run, size_s, start = await find_window(reader, run, size_s, at_ms, axis)
    place = urlencode({"run": run, "size": duration_text(1_000 * size_s), "start": start})
    return Response(b"", status_code=302, headers={"location": f"/window?{place}"}, media_type=MediaType.TEXT)


def start_of(request: HttpRequest) -> int:
    return query_params.moment_param(request.query_params, "start")


@asgi("/api/events", copy_scope=True)
async def events(scope: Any, receive: Any, send: Any) -> None:
    request: HttpRequest = Request(scope)
    board, query = board_of(request), request.query_params
    try:
        run, size_s = query_params.run_param(query), query_params.size_param(query)
        with board.hub.reserve():
            run, size_s = await followed_run(board, run, size_s)
            with board.hub.subscribe(run, size_s) as feed:
                await serve_events(board.hub, feed, board.metrics, receive, send)
    except Problem as problem:
        await refuse(send, problem.status, problem.what, problem.do)


async def followed_run(board: Board, run: str | None, size_s: int | None) -> tuple[str, int]:
    """Return run and size to follow; ("", 0) where there is no run yet and none was named.

    Raises:
        NotFound: There is no such run or size.
        Unavailable: The database does not answer.
    """
    async with board.database.snapshot() as reader:
        if run is None and await reader.row("newest_run") is None:
            return "", 0
        known = await find_run(reader, run)
        return known.run_id, (await choose_size(reader, known, size_s))[0]


# -- for machines -------------------------------------------------------------------------------------------------


@get("/healthz")
async def healthz(request: HttpRequest) -> HttpResponse:
    board = board_of(request)
    try:
        async with board.database.snapshot(HEALTH_S) as reader:
            await reader.row("alive")
    except Busy:  # Postgres answers others, and the listener notices when it does not
        if not board.hub.confirmed_recently:
            raise
    if not board.hub.listening:
        raise Unavailable("Postgres answers, but does not send notifications yet", "wait: the board tries again")
    return json_response(request, {"ok": True})


@get("/metrics")
async def metrics(request: HttpRequest) -> HttpResponse:
    return Response(board_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


HANDLERS: list[Any] = [
    index, window_page, report_page, dead_letters_page, alarms_page, alarm_page, compare_page,
    static_file, report_file, at_moment,
    runs, board_data, evidence, alarms, alarm, alarm_distributions, window_details, distributions,
    compare, compare_csv, dead_letters, report, events,
    healthz, metrics,
]  # fmt: skip


def problem_response(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Answer a problem as JSON to programs, as text to people."""
    if request.url.path.startswith(MACHINES):
        content, kind = orjson.dumps({"error": problem.what, "do": problem.do}), MediaType.JSON
    else:
        content, kind = f"{problem.what}: {problem.do}\n".encode(), MediaType.TEXT
    return Response(content, status_code=problem.status, media_type=kind)


def http_error_response(request: HttpRequest, error: HTTPException) -> HttpResponse:
    if error.status_code == HTTP_404_NOT_FOUND:
        return problem_response(request, NotFound("there is no such page", "see the board at /"))
    problem = Problem("that is no valid request", "see the board at /")
    problem.status = error.status_code
    return problem_response(request, problem)


def program_error_response(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer a mistake in the program, whose traceback is for the log alone."""
    log.error("request_failed", path=request.url.path, exc_info=error)
    return problem_response(request, Problem("the board failed to answer", "see its log"))


def application(board: Board) -> RequestGuard:
    """Return the board as an ASGI application."""
    app = Litestar(
        HANDLERS,
        lifespan=[board.running],
        openapi_config=None,
        logging_config=None,
        exception_handlers={
            Problem: problem_response,
            HTTPException: http_error_response,
            Exception: program_error_response,
        },
    )
    app.state.board = board
    routes = frozenset(path for handler in HANDLERS for path in handler.paths if "{" not in path)
    return RequestGuard(app, board.settings.names, routes, board.metrics)
