from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from runtime import health_check as check
from runtime import metrics_server as server
from runtime.health import Health
from runtime.metrics import Instruments
from runtime.metrics_server import serving
from schemas.errors import PortUnusable
from tests.fleet import PATIENCE_S, eventually
from tests.runtime.clock import Clock


@pytest.fixture
def instruments(clock: Clock) -> Instruments:
    return Instruments(Health("consumer", 15.0, clock))


@pytest.fixture
def port(instruments: Instruments) -> Iterator[int]:
    with serving(instruments, "127.0.0.1", 0) as url:
        yield urlsplit(url or "").port or 0


def ask(port: int, path: str, method: str = "GET") -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path)
    response = connection.getresponse()
    answer = response.status, response.headers, response.read().decode()
    connection.close()
    return answer


def test_metrics_are_given_in_the_format_that_prometheus_reads(instruments: Instruments, port: int) -> None:
    instruments.counter("rows_accepted", "Rows.", "topic").labels("trips").inc(3)
    status, headers, text = ask(port, "/metrics?x=1")
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    found = {s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples}
    assert found["driftline_rows_accepted_total"] == 3
    assert found["driftline_healthy"] == 0
    assert not [name for name in found if name.endswith("_created")]


def test_health_is_503_with_the_reason_until_a_round_is_done_and_after_too_long(
    instruments: Instruments, port: int, clock: Clock
) -> None:
    expected = {"stage": "consumer", "well": False, "reason": "it is starting", "seconds": 0.0}
    status, headers, text = ask(port, "/healthz")
    assert (status, headers["Content-Type"], json.loads(text)) == (503, "application/json", expected)
    instruments.health.well()
    clock.now = 14.0
    assert ask(port, "/healthz")[0] == 200
    clock.now = 15.0
    status, _, text = ask(port, "/healthz")
    assert (status, json.loads(text)["reason"]) == (503, "no round is done within 15 s")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/healthz/../etc/passwd", "/x//metrics"])
def test_there_is_nothing_else(port: int, path: str) -> None:
    assert ask(port, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"])
def test_it_can_only_be_read(port: int, method: str) -> None:
    status, headers, _ = ask(port, "/metrics", method)
    assert (status, headers["Allow"]) == (405, "GET")


def test_who_says_nothing_keeps_nobody_waiting(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)):
        assert ask(port, "/metrics")[0] == 200


def test_two_stages_in_one_process_have_each_their_own(instruments: Instruments, port: int) -> None:
    instruments.counter("rows_accepted", "Rows.").inc()
    other = Instruments(Health("monitor", 1.0))
    other.counter("rows_accepted", "Rows.").inc(5)
    with serving(other, "127.0.0.1", 0) as url:
        assert "driftline_rows_accepted_total 5.0" in ask(urlsplit(url or "").port or 0, "/metrics")[2]
    assert "driftline_rows_accepted_total 1.0" in ask(port, "/metrics")[2]


def test_a_port_that_is_taken_says_what_to_do(instruments: Instruments, port: int) -> None:
    with pytest.raises(PortUnusable, match=f"127.0.0.1:{port} already: choose another --metrics-port"):
        serving(instruments, "127.0.0.1", port).__enter__()


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_of_somebody_else_says_what_to_do(instruments: Instruments, host: str) -> None:
    with pytest.raises(PortUnusable, match="choose another --metrics-host"):
        serving(instruments, host, 0).__enter__()


def test_without_a_port_nothing_is_served(instruments: Instruments) -> None:
    with serving(instruments, "no.such.host.invalid", None) as url:
        assert url is None


def test_the_port_is_free_again_afterwards(instruments: Instruments) -> None:
    with serving(instruments, "127.0.0.1", 0) as url:
        port = urlsplit(url or "").port or 0
        ask(port, "/healthz")
    with serving(instruments, "127.0.0.1", port) as again:
        assert again == url


def test_the_check_of_a_container_passes_or_says_why(
    instruments: Instruments, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    instruments.health.trouble("database_down: refused")
    assert check.main([], {"DRIFTLINE_METRICS_PORT": str(port), "DRIFTLINE_METRICS_HOST": "0.0.0.0"}) == 1
    assert capsys.readouterr().out == "consumer: database_down: refused (0.0 s)\n"
    instruments.health.well()
    assert check.main([str(port)], {"http_proxy": "http://127.0.0.1:1"}) == 0


def test_the_check_of_a_stage_that_is_not_there_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert check.main([str(port)], {}) == 1
    assert f"nobody answers at 127.0.0.1:{port}" in capsys.readouterr().out


def test_a_check_without_a_port_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([], {}) == 2
    assert "DRIFTLINE_METRICS_PORT" in capsys.readouterr().out


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTT"], ids=["silent", "half a line"])
def test_many_who_say_nothing_keep_nobody_out_and_no_threads(port: int, sent: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(3 * server.MOST):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
            client.sendall(sent)
            assert ask(port, "/healthz")[0] == 503
        threads = [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]
        assert len(threads) <= 2 * server.MOST


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nx: "], ids=["a line", "a head"])
def test_who_says_it_byte_by_byte_is_let_go(port: int, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(server, "ANSWERED_S", 0.3)
    with socket.create_connection(("127.0.0.1", port), timeout=0.05) as client:
        client.sendall(sent)

        def ended() -> bool:
            try:
                client.sendall(b"x")
                return client.recv(10_000) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        eventually(ended, lambda: "the connection stays open")
