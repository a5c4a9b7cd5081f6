"""Pages, scripts and styles, from the folders beside this file; plotly.js from its own package."""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from board.http_errors import NotFound

HERE = Path(__file__).parent
PAGES, STATIC = HERE / "pages", HERE / "static"
PLOTLY = "plotly.min.js"

TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_PART = re.compile(r"^<!-- (\w+) -->\n", re.MULTILINE)
_NAME = re.compile(r"(?:[A-Za-z0-9_-]+/){0,3}[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


def page(name: str) -> bytes:
    """Return a page: its own parts, in the frame that all pages share.

    A page's file begins with what belongs in the head. The comments `bar`, `main` and `foot` begin the other parts;
    the same comments mark their places in the frame.

    Raises:
        NotFound: there is no such page.
    """
    frame, own = (_below(PAGES, f"{each}.html").read_text(encoding="utf-8") for each in ("frame", name))
    head, *others = _PART.split(own)
    parts = {"head": head, **dict(zip(others[::2], others[1::2], strict=True))}
    return _PART.sub(lambda place: parts.get(place[1], ""), frame).encode()


def static(name: str) -> Path:
    """Return a file by its path below `static`. Raises NotFound for what is not there, or not below."""
    return plotly() if name == PLOTLY else _below(STATIC, name)


def plotly() -> Path:
    """Return plotly.js as the plotly package ships it. Found without being imported, which takes half a second."""
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        raise NotFound("the plotly package is missing", "run `make setup`")
    return Path(spec.origin).parent / "package_data" / PLOTLY


def tag(path: Path) -> str:
    """Return an ETag: another for every version of a file."""
    known = path.stat()
    return f'"{known.st_mtime_ns:x}-{known.st_size:x}"'


@lru_cache(maxsize=8)
def packed(path: Path, version: str) -> bytes:
    """Return a file as gzip. version: as `tag`. Few are kept: reports are large, and many."""
    return gzip.compress(path.read_bytes(), 6)


def _below(folder: Path, name: str) -> Path:
    path = folder / name
    if not _NAME.fullmatch(name) or path.suffix not in TYPES or not path.resolve().is_relative_to(folder.resolve()):
        raise NotFound("there is no such file", "see the board at /")
    if not path.is_file():
        raise NotFound("there is no such file", "see the board at /")
    return path
