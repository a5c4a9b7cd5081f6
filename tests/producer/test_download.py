from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from producer.sources.download import fetch
from schemas.errors import SourceUnusable

GOOD = b"PAR1" + bytes(600_000) + b"PAR1"


class Answers(BaseHTTPRequestHandler):
    """2022-02 is there, 2022-03 breaks off, 2022-04 is a login page, all else is forbidden, as with TLC."""

    def do_GET(self) -> None:
        month = self.path.removesuffix(".parquet")[-7:]
        body = {"2022-02": GOOD, "2022-03": GOOD[:1_000], "2022-04": b"<html>please log in</html>"}.get(month)
        self.send_response(200 if body else 403)
        self.send_header("Content-Length", str(len(GOOD) if month == "2022-03" else len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_month_is_fetched_once_with_progress(tmp_path: Path, address: str) -> None:
    seen: list[tuple[int, int | None]] = []
    messages: list[str] = []
    more = {"progress": lambda *at: seen.append(at), "say": messages.append}
    with capture_logs() as logs:
        path = fetch("2022-02", cache=tmp_path / "new", address=address, **more)  # type: ignore[arg-type]
    assert (messages, logs) == ([f"downloading {address}/green_tripdata_2022-02.parquet"], []), (
        "not as a line of the log"
    )
    assert path.name == "green_tripdata_2022-02.parquet"
    assert path.read_bytes() == GOOD
    assert len(seen) > 1
    assert seen[-1] == (len(GOOD), len(GOOD))
    assert fetch("2022-02", cache=tmp_path / "new", address="http://127.0.0.1:1") == path


@pytest.mark.parametrize(
    ("month", "complaint"),
    [("2022-03", "1000 of 600008 bytes received|IncompleteRead"), ("2022-04", "not a parquet"), ("2031-01", "403")],
)
def test_what_is_not_the_whole_file_leaves_nothing_behind(
    tmp_path: Path, address: str, month: str, complaint: str
) -> None:
    with pytest.raises(SourceUnusable, match=complaint):
        fetch(month, cache=tmp_path, address=address)
    assert list(tmp_path.iterdir()) == []


def test_without_network_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceUnusable, match=r"could not be fetched .* give --file, or --synthetic"):
        fetch("2022-02", cache=tmp_path, address="http://127.0.0.1:1")


def test_yellow_trips_are_a_file_of_their_own(tmp_path: Path, address: str) -> None:
    assert (
        fetch("2022-02", kind="yellow", cache=tmp_path, address=address).name == "yellow_tripdata_2022-02.parquet"
    )
