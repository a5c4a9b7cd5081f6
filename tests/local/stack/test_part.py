from __future__ import annotations

import socket

import msgspec
import pytest

from local.stack import part
from local.stack.kafka import cluster_id
from local.stack.postgres import _forget_the_dead


def test_ports_are_those_of_last_time(tmp_path):
    first = part.ports(tmp_path, 2)
    assert len(set(first)) == 2
    assert part.ports(tmp_path, 2) == first == part.chosen_ports(tmp_path)


def test_a_port_that_somebody_took_is_replaced(tmp_path):
    first = part.ports(tmp_path, 2)
    with socket.socket() as other:
        other.bind(("127.0.0.1", first[1]))
        other.listen()
        second = part.ports(tmp_path, 2)
    assert first[1] not in second


@pytest.mark.parametrize("content", [b"", b"[1", b'{"a":1}', b"[21000]"])
def test_a_damaged_list_of_ports_is_made_anew(tmp_path, content):
    (tmp_path / "ports.json").write_bytes(content)
    chosen = part.ports(tmp_path, 2)
    assert chosen == msgspec.json.decode((tmp_path / "ports.json").read_bytes())


def test_a_lock_that_is_held_cannot_be_had(tmp_path):
    held = part.try_lock(tmp_path / "lock")
    assert held is not None
    with part.closing(held):
        assert part.try_lock(tmp_path / "lock") is None
    again = part.try_lock(tmp_path / "lock")
    assert again is not None
    with part.closing(again):
        pass


def test_pids_that_a_crash_left_behind_are_not_taken_for_a_running_server(tmp_path):
    (tmp_path / "keeper.lock").touch()
    (tmp_path / "keeper.json").write_bytes(msgspec.json.encode(part.KeeperReport(1, 1, 0)))
    assert not part.has_keeper(tmp_path)
    part.end(tmp_path)  # signals nobody: pid 1 is not ours


def test_the_last_error_in_the_log_is_what_is_said(tmp_path):
    (tmp_path / "server.log").write_text("starting\nFATAL: port 5 is taken\nstopped\n")
    assert "FATAL: port 5 is taken" in str(part.broken("postgres did not start", tmp_path))


def test_a_full_disk_is_called_by_its_name(tmp_path):
    (tmp_path / "server.log").write_text("ERROR could not write: No space left on device\n")
    assert str(part.broken("kafka did not start", tmp_path)).startswith(
        "kafka did not start, the disk is full: free some"
    )


def test_a_port_that_was_taken_is_no_riddle(tmp_path):
    (tmp_path / "server.log").write_text(
        "LOG: could not bind IPv4 address: Address already in use\nFATAL: could not create sockets\n"
    )
    assert "another program has taken its port" in str(part.broken("postgres did not start", tmp_path))


def test_a_server_that_said_nothing_still_gives_an_error(tmp_path):
    assert "its log is empty" in str(part.broken("kafka did not start", tmp_path))


def test_a_postmaster_pid_that_now_is_another_program_is_forgotten(tmp_path):
    (tmp_path / "postmaster.pid").write_text("1\n/elsewhere\n")
    _forget_the_dead(tmp_path)
    assert not (tmp_path / "postmaster.pid").exists()


def test_a_cluster_id_never_looks_like_an_option():
    drawn = [cluster_id() for _ in range(500)]
    assert not any(one.startswith("-") for one in drawn)
    assert {len(one) for one in drawn} == {22}


def test_where_the_server_was_never_started_its_keepers_error_is_said(tmp_path):
    (tmp_path / "keeper.log").write_text("Traceback …\nFileNotFoundError: no such program: java\n")
    assert "FileNotFoundError" in str(part.broken("kafka did not start", tmp_path))
