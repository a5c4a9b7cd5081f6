"""Pages, scripts and styles, from the folders beside this file; plotly.js from its own package."""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from board.http_errors import Unknown

HERE = Path(__file__).parent
PAGES, STATIC = HERE / "pages", HERE / "static"
PLOTLY = "plotly.min.js"

TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_NAME = re.compile(r"(?:[A-Za-z0-9_-]+/){0,3}[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


def page(name: str) -> Path:
    """A page's file. Raises Unknown."""
    return _below(PAGES, f"{name}.html")


def static(name: str) -> Path:
    """A file of the page, by its path below `static`. Raises Unknown for what is not there, or not below."""
    return plotly() if name == PLOTLY else _below(STATIC, name)


def plotly() -> Path:
    """plotly.js as the plotly package ships it. Found without being imported, which takes half a second."""
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        raise Unknown("the plotly package is missing", "run `make setup`")
    return Path(spec.origin).parent / "package_data" / PLOTLY


def tag(path: Path) -> str:
    """Another for every version of a file."""
    known = path.stat()
    return f'"{known.st_mtime_ns:x}-{known.st_size:x}"'


@lru_cache(maxsize=8)
def packed(path: Path, version: str) -> bytes:
    """A file as gzip. version: as `tag`. Few are kept: reports are large, and there are ever more of them."""
    return gzip.compress(path.read_bytes(), 6)


def _below(folder: Path, name: str) -> Path:
    path = folder / name
    if not _NAME.fullmatch(name) or path.suffix not in TYPES or not path.resolve().is_relative_to(folder.resolve()):
        raise Unknown("there is no such file", "see the board at /")
    if not path.is_file():
        raise Unknown("there is no such file", "see the board at /")
    return path
