"""The demo's board, in a child process; the demo continues without it."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from runtime.children import Children

PORT = 8000
"""The usual port; any free one if it is taken."""

_ADDRESS = re.compile(rb"^(http://\S+)\s", re.MULTILINE)


class Page:
    """The board as a child process."""

    def __init__(self, children: Children) -> None:
        self._children = children

    @property
    def log(self) -> Path:
        return self._children.logs / "board.log"

    @property
    def address(self) -> str | None:
        """The address at which it answers; None before it does, and after it has ended."""
        found = _ADDRESS.search(self.log.read_bytes())
        return found[1].decode() if found and not self.ended else None

    @property
    def ended(self) -> bool:
        return self._children.running["board"].exit_code is not None

    def wait(self, patience_s: float) -> str | None:
        """Wait for its address; None if it ends instead, or takes longer."""
        end = time.monotonic() + patience_s
        while (found := self.address) is None and not self.ended and time.monotonic() < end:
            time.sleep(0.05)
        return found


@contextmanager
def page(logs: Path, environ: Mapping[str, str]) -> Iterator[Page]:
    """Start it; it ends with this block, and with this process however that ends."""
    children = Children(logs=logs, environ=environ)
    try:
        children.start("board", "--attended", *(() if "DRIFTLINE_PORT" in os.environ else ("--port", str(_port()))))
        yield Page(children)
    finally:
        children.stop()


def _port() -> int:
    try:
        socket.create_server(("127.0.0.1", PORT)).close()
    except OSError:
        return 0
    return PORT
