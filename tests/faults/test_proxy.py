"""What is done to a wire happens to both of its ends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from tests.faults.proxy import Wire


@pytest.fixture
def wire() -> Iterator[Wire]:
    """To a server that repeats what it is told."""
    listener = socket.create_server(("127.0.0.1", 0))

    def repeat(client: socket.socket) -> None:
        with client, suppress(OSError):
            while data := client.recv(1_000):
                client.sendall(data)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=repeat, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with closing(Wire(listener.getsockname()[:2])) as wire:
        yield wire
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def dial(wire: Wire) -> socket.socket:
    return socket.create_connection(("127.0.0.1", wire.port), timeout=10)


def hears(client: socket.socket) -> bytes:
    """Nothing: the connection has ended."""
    try:
        client.sendall(b"hello")
        return client.recv(1_000)
    except ConnectionError:
        return b""


def test_a_reset_ends_what_is_open_and_serves_what_comes(wire: Wire) -> None:
    with dial(wire) as before:
        assert hears(before) == b"hello"
        wire.reset()
        assert hears(before) == b""
    with dial(wire) as after:
        assert hears(after) == b"hello"


def test_a_refusal_ends_what_comes_until_it_is_mended(wire: Wire) -> None:
    wire.refuse()
    with dial(wire) as client:
        assert hears(client) == b""
    wire.mend()
    with dial(wire) as client:
        assert hears(client) == b"hello"


def test_silence_ends_nothing_and_what_was_held_back_flows_once_it_is_mended(wire: Wire) -> None:
    with dial(wire) as client:
        assert hears(client) == b"hello"
        wire.silence()
        client.sendall(b"again")
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1_000)
        client.settimeout(10)
        wire.mend()
        assert client.recv(1_000) == b"again"
