"""`driftline demo`: stack, model, replay with an injected drift, live view, summary; about two minutes.

The stages run as child processes, as they would anywhere else; the view only reads what they commit.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

import structlog
from rich.console import Console
from rich.live import Live
from rich.text import Text

from local import stack
from local.demo import summary
from local.demo.page import Page, page
from local.demo.plan import DemoPlan, plan
from local.demo.snapshot import DemoSnapshot, read
from local.demo.view import Frame, choose_columns, last_frame_end, line, render, worst_of
from local.settings import DemoSettings
from local.terminal import tell
from models import artifact
from runtime.children import Children
from runtime.connections import STATE, Addresses
from schemas.durations import moment
from storage.connect import Connection, connect_now
from storage.prepare import prepare_as_allowed

log = structlog.get_logger()

SIZES = "1h,6h,1d"
SHOWN_S = 21_600
"""Window size of the live view, seconds."""
POLL_S = 0.25
"""Seconds between two queries."""
BOARD_S = 5.0
"""Seconds to wait for the board: the stages take as long to start."""
_OTHER_LINES = 15
"""Most lines of a frame that are not windows."""
LINE_S = 5.0
"""Seconds between two lines where there is no terminal."""


def run(settings: DemoSettings, out: Console) -> None:
    """Run the demo up to its summary. Raises DriftlineError if a stage fails."""

    def say(text: str) -> None:
        tell(out, f"· {text}", "dim")

    def warn(text: str) -> None:
        tell(out, f"! {text}", "bold yellow")

    began = time.monotonic()
    name = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with stack.running(say=say) as addresses:
        with _connected(addresses) as connection, page(STATE / "logs" / name, _environ(addresses)) as board:
            with _acknowledge_interrupt(out):
                chosen = plan(settings, say, warn)
            with _stages(chosen, addresses, name) as children, _acknowledge_interrupt(out):
                say(f"replaying {chosen.source.name} as run {name}; logs in {children.logs}")
                shown = _show_board(board, out)
                _watch(connection, children, _first_frame(chosen, name), board, out, shown=shown)
                summary.show(
                    connection,
                    name,
                    out,
                    seconds=time.monotonic() - began,
                    held_out=artifact.load(chosen.model).card.mae,
                )
                if chosen.caution:
                    warn(chosen.caution)
                worth = summary.commands(connection, name)
            waits = board.address is not None and attended(out)
            stays = settings.keep or not servers_end(os.environ)
            ended = () if waits else (*(() if stays else ("stack up",)), "board &")
            summary.show_next_commands(out, (*ended, *worth))
            if waits:
                _wait_for_enter(board, out)
        if settings.keep:
            stack.up()
            tell(out, "The stack stays up: `driftline board` shows it, `driftline stack down` stops it.")
        elif waits and not stays:
            tell(out, "All of it again: `driftline stack up`, then `driftline board`.")


def servers_end(environ: Mapping[str, str]) -> bool:
    """Whether a server of the demo ends with it: an embedded one that is not kept running."""
    return any(not server.yours and not server.kept for server in stack.status(environ=environ))


def attended(out: Console) -> bool:
    """Whether somebody can press Enter: this runs in the foreground of a terminal."""
    try:
        return out.is_terminal and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False


def _wait_for_enter(board: Page, out: Console) -> None:
    """Keep the board up until Enter, Ctrl-C or the end of the input."""
    out.print(f"The board stays at {board.address} until you press Enter.", soft_wrap=True, highlight=False)
    with suppress(KeyboardInterrupt, EOFError):
        input()


@contextmanager
def _acknowledge_interrupt(out: Console) -> Iterator[None]:
    """Answer Ctrl-C at once, since cleaning up takes seconds."""
    try:
        yield
    except KeyboardInterrupt:
        out.print("stopping …", style="dim")
        raise


@contextmanager
def _connected(addresses: Addresses) -> Iterator[Connection]:
    with connect_now(addresses.database_url) as connection:
        prepare_as_allowed(connection)
        yield connection


@contextmanager
def _stages(chosen: DemoPlan, addresses: Addresses, name: str) -> Iterator[Children]:
    """Run monitor and consumer, and later the producer, until they are done with the run; stop them otherwise."""
    environ = _environ(addresses) | {"DRIFTLINE_MODEL": str(chosen.model)}
    children = Children(logs=STATE / "logs" / name, environ=environ)
    try:
        children.start("monitor", "--until-done", name, "--sizes", SIZES)
        children.start("consume", "--until-done", name)
        children.later("produce", "--run", name, *chosen.produce)
        yield children
    finally:
        children.stop()


def _environ(addresses: Addresses) -> dict[str, str]:
    return os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": addresses.bootstrap_servers,
        "DATABASE_URL": addresses.database_url,
    }


def _show_board(board: Page, out: Console) -> bool:
    """Show the board's address, or that there is none; return whether it was shown."""
    if address := board.wait(BOARD_S):
        return _show(address, out)
    if board.ended:
        tell(out, f"· no board; its log says why: {board.log}", "dim")
    return False


def _show(address: str, out: Console) -> bool:
    link = Text(address, style=f"bold link {address}")
    out.print(Text("Board  ").append_text(link).append("  live, in your browser"), soft_wrap=True)
    return True


def _first_frame(chosen: DemoPlan, name: str) -> Frame:
    start, end = chosen.source.period
    injected = tuple((moment(i.starts_at), moment(i.ends_at), i.label) for i in chosen.injected)
    return Frame(
        run=name,
        source=chosen.source.name,
        period=(moment(start), moment(end)),
        injected=injected,
        affected=tuple(column for i in chosen.injected for column in i.columns),
        size_s=SHOWN_S,
        rows_per_s=0.0,
    )


def _watch(
    connection: Connection, children: Children, frame: Frame, board: Page, out: Console, *, shown: bool
) -> None:
    """Show the run until its stages have ended."""
    if out.is_terminal:
        with Live(console=out, auto_refresh=False, transient=False) as live:
            limit = max(4, out.height - _OTHER_LINES)
            for snapshot, now in _snapshots(connection, children, frame, board, limit=limit):
                worst = worst_of(snapshot.windows, frame.worst)
                columns = choose_columns(worst, frame.columns, out.width, frame.affected)
                frame = replace(now, worst=worst, columns=columns)
                live.update(render(snapshot, frame), refresh=True)
            final = read(
                connection, frame.run, size_s=frame.size_s, limit=limit, before=last_frame_end(frame, limit)
            )
            live.update(render(final, frame), refresh=True)
    else:
        printed_at, last = -LINE_S, ""
        for snapshot, now in _snapshots(connection, children, frame, board, limit=1):
            if now.board and not shown:
                shown = _show(now.board, out)
            last = line(snapshot, now)
            if (at := time.monotonic()) - printed_at >= LINE_S:
                printed_at = at
                out.print(last, markup=False, highlight=False, soft_wrap=True)
        out.print(last, markup=False, highlight=False, soft_wrap=True)


def _snapshots(
    connection: Connection, children: Children, frame: Frame, board: Page, limit: int
) -> Iterator[tuple[DemoSnapshot, Frame]]:
    """The run every POLL_S seconds, the last time after all stages have ended. Raises as `Children.check`."""
    rows, at, rate, ended = 0, time.monotonic(), 0.0, False
    began = at
    while not ended:
        ended = children.done(["produce", "consume", "monitor"])
        snapshot = read(connection, frame.run, size_s=frame.size_s, limit=limit)
        now = time.monotonic()
        if snapshot.watched:
            children.start_waiting()
        total = snapshot.trips + snapshot.outcomes
        rate = 0.7 * rate + 0.3 * (total - rows) / max(now - at, 1e-3)
        rows, at = total, now
        waited_s = now - began if children.waiting else None
        yield snapshot, replace(frame, rows_per_s=rate, board=board.address, waited_s=waited_s)
        if not ended:
            time.sleep(POLL_S)
