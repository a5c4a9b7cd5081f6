"""Downloads of TLC's trip records, one month each, into a cache."""

from __future__ import annotations

import http.client
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from runtime.connections import STATE, make_folder
from schemas.errors import SourceMissing, SourceUnusable

ADDRESS = os.environ.get("DRIFTLINE_TLC_ADDRESS", "https://d37ci6vzurychx.cloudfront.net/trip-data")
"""Where TLC's own page links to. A mirror can be named by DRIFTLINE_TLC_ADDRESS."""

CACHE = STATE / "cache"

Progress = Callable[[int, int | None], None]
"""Called with bytes so far and bytes in all (None where the server does not say)."""

_PIECE = 1 << 18
_DO = "give --file, or --synthetic"


def fetch(
    month: str,
    *,
    kind: str = "green",
    cache: Path = CACHE,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda _: None,
    address: str = ADDRESS,
    timeout_s: float = 10.0,
) -> Path:
    """Return the file of a month (`2022-02`), from the cache or downloaded. It is renamed when complete.

    Raises:
        SourceMissing: TLC has no such month.
        SourceUnusable: TLC cannot be reached, or sends something else.
    """
    name = f"{kind}_tripdata_{month}.parquet"
    path = cache / name
    if path.exists():
        return path
    url = f"{address}/{name}"
    say(f"downloading {url}")
    try:
        with urlopen(Request(url, headers={"User-Agent": "driftline"}), timeout=timeout_s) as answer:
            make_folder(cache)
            return _save(answer, path, progress)
    except HTTPError as error:
        error.close()
        if error.code in (403, 404):
            raise SourceMissing(f"TLC has no {kind} trips of {month} ({url}: {error.code})", _DO) from error
        raise SourceUnusable(f"{url} could not be fetched ({error.code} {error.reason})", _DO) from error
    except (URLError, OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise SourceUnusable(f"{url} could not be fetched ({reason})", _DO) from error


def _save(answer: http.client.HTTPResponse, path: Path, progress: Progress | None) -> Path:
    expected = answer.length
    part, name = tempfile.mkstemp(prefix=path.name, suffix=".part", dir=path.parent)
    try:
        with os.fdopen(part, "wb") as out:
            done = _copy(answer, out, expected, progress)
        if expected is not None and done != expected:
            raise OSError(f"{done} of {expected} bytes received")
        if not _is_parquet(Path(name)):
            raise OSError("the response is not a parquet file")
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return path


def _copy(answer: IO[bytes], out: IO[bytes], expected: int | None, progress: Progress | None) -> int:
    done = 0
    while piece := answer.read(_PIECE):
        out.write(piece)
        done += len(piece)
        if progress:
            progress(done, expected)
    return done


def _is_parquet(path: Path) -> bool:
    """Whether the file has parquet's first and last bytes; the login page of a captive portal does not."""
    content = path.read_bytes()
    return content[:4] == content[-4:] == b"PAR1"
