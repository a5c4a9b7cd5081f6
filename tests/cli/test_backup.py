"""Backups: what was saved comes back as it was, or nothing changes."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from cli import backup as saving
from cli import restore as restoring
from cli.backup import backup
from cli.programs import programs
from cli.restore import restore
from consumer.ledger import Partition
from consumer.store import Store
from local.dummy.plan import DummyPlan
from local.dummy.store import replace
from schemas.errors import DatabaseUnreachable, RunConflict, StackBroken, UsageError
from storage import roles
from storage.address import redacted
from storage.migrations import migrations
from tests.databases import fresh_database
from tests.fleet import eventually

pytestmark = pytest.mark.integration

NOW = 1_789_000_000_000
TABLES = (
    """SELECT relname FROM pg_class WHERE relnamespace = 'driftline'::regnamespace AND relkind = 'r' ORDER BY 1"""
)
SHAPE = """
    SELECT c.relkind, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'driftline'::regnamespace
    UNION ALL SELECT 'f', p.proname, '', '', true FROM pg_proc p WHERE p.pronamespace = 'driftline'::regnamespace
    UNION ALL SELECT 't', t.tgname, '', '', true FROM pg_trigger t
              JOIN pg_class c ON c.oid = t.tgrelid
              WHERE c.relnamespace = 'driftline'::regnamespace AND NOT t.tgisinternal
    ORDER BY 1, 2, 3"""


def content(url: str) -> dict[str, Any]:
    """Every row of every table, and the tables themselves."""
    with psycopg.connect(url) as connection:
        names = [name for (name,) in connection.execute(TABLES)]
        found: dict[str, Any] = {
            name: sorted(
                json.dumps(row) for (row,) in connection.execute(f"SELECT to_jsonb(t) FROM driftline.{name} t")
            )
            for name in names
        }
        return found | {"": connection.execute(SHAPE).fetchall()}


@pytest.fixture
def filled(database: str) -> str:
    """A database with a run, records of a consumer's, and roles."""
    with psycopg.connect(database, autocommit=True) as connection:
        replace(connection, DummyPlan("dummy", NOW, days=1))
        roles.grant(connection)
        connection.execute("INSERT INTO driftline.chunk VALUES ('dummy', 'trips', 0, 0, 41, 42, '\\x00ff0a5c2e')")
        connection.execute(
            "INSERT INTO driftline.chunk VALUES ('dummy', 'trips', 1, 0, 41, 42, %s)",
            [Random(1).randbytes(1 << 18)],
        )
        connection.execute("INSERT INTO driftline.pane VALUES ('dummy', 'trips', '2026-09-01', 0, 0, 0, 42)")
        connection.execute(
            "INSERT INTO driftline.partition_progress (topic, partition, next_offset, epoch)"
            " VALUES ('trips', 0, 42, 3)"
        )
    return database


@pytest.fixture
def other(stack: Any) -> Iterator[str]:
    with fresh_database(stack.database_url) as url:
        yield url


def wreck(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM driftline.window_result")
        connection.execute("DROP VIEW driftline.window_overview")
        connection.execute("ALTER TABLE driftline.run ADD COLUMN junk int")
        connection.execute("CREATE TABLE driftline.junk (x int)")
        connection.execute("UPDATE driftline.partition_progress SET next_offset = 99, epoch = 7")


def test_after_a_round_trip_all_is_as_it_was(filled: str, tmp_path: Path) -> None:
    before = content(filled)
    file = backup(filled, tmp_path / "new" / "b.dump")
    wreck(filled)
    done = restore(filled, file, replace=True)
    assert content(filled) == before
    assert (done.runs, done.migrations) == (1, [])
    assert len(before["migration"]) == len(list(migrations()))
    assert len(before["column_metric"]) > 1_000


def test_an_empty_server_takes_a_backup_without_being_asked(filled: str, other: str, tmp_path: Path) -> None:
    file = backup(filled, tmp_path / "b.dump")
    with psycopg.connect(other) as connection:
        connection.execute("DROP SCHEMA driftline CASCADE")
    restore(other, file)
    assert content(other) == content(filled)


def test_readers_may_read_again_and_see_no_records(filled: str, tmp_path: Path) -> None:
    restore(filled, backup(filled, tmp_path / "b.dump"), replace=True)
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute(f"SET ROLE {roles.READER}")
        connection.execute("SELECT count(*) FROM driftline.window_overview")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT payload FROM driftline.chunk")
        connection.execute(f"SET ROLE {roles.BOARD}")
        connection.execute("SELECT payload FROM driftline.chunk")


def test_a_consumer_goes_on_from_the_position_that_was_saved(filled: str, tmp_path: Path) -> None:
    file = backup(filled, tmp_path / "b.dump")
    with psycopg.connect(filled) as connection:
        connection.execute("UPDATE driftline.partition_progress SET next_offset = 500, epoch = 9")
    restore(filled, file, replace=True)
    with psycopg.connect(filled, autocommit=True) as connection:
        claim = Store(connection, "me").claim(Partition("trips", 0))
    assert (claim.next_offset, claim.epoch) == (42, 4)
    assert claim.runs["dummy"].state.max_time == NOW


def test_what_another_has_not_committed_is_not_in_it(filled: str, tmp_path: Path) -> None:
    with psycopg.connect(filled) as writer:
        writer.execute("INSERT INTO driftline.event VALUES ('e', 'dummy', 'late', now(), NULL, 'open')")
        writer.execute("UPDATE driftline.partition_progress SET next_offset = 77")
        file = backup(filled, tmp_path / "b.dump")
        writer.commit()
    restore(filled, file, replace=True)
    found = content(filled)
    assert not any('"open"' in event for event in found["event"] if '"e"' in event)
    assert json.loads(found["partition_progress"][0])["next_offset"] == 42


def test_runs_are_not_replaced_unless_told_to(filled: str, tmp_path: Path) -> None:
    file = backup(filled, tmp_path / "b.dump")
    before = content(filled)
    with pytest.raises(RunConflict, match=r"holds 1 run: .*--yes"):
        restore(filled, file)
    assert content(filled) == before


@pytest.mark.parametrize(
    ("share", "error", "message"),
    [
        (0.1, UsageError, "was cut off or is damaged"),
        (0.8, DatabaseUnreachable, r"could not be restored .* as it was before"),
        (0.98, DatabaseUnreachable, r"could not be restored .* as it was before"),
    ],
    ids=["in its table of contents", "in its rows", "at its end"],
)
def test_a_file_that_was_cut_off_changes_nothing(
    filled: str, tmp_path: Path, share: float, error: type[Exception], message: str
) -> None:
    file = backup(filled, tmp_path / "b.dump")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    wreck(filled)
    before = content(filled)
    with pytest.raises(error, match=message):
        restore(filled, file, replace=True)
    assert content(filled) == before


def test_a_dump_that_stops_between_two_statements_changes_nothing(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = backup(filled, tmp_path / "b.dump")
    before, real = content(filled), subprocess.Popen

    def stops(argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        half = ["sh", "-c", "echo 'CREATE TABLE driftline.half (x int);'; exit 1"]
        return real(half if "--file=-" in argv else argv, **options)

    monkeypatch.setattr(subprocess, "Popen", stops)
    with pytest.raises(DatabaseUnreachable, match="could not be restored"):
        restore(filled, file, replace=True)
    assert content(filled) == before


def test_a_failure_at_the_very_end_changes_nothing(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = backup(filled, tmp_path / "b.dump")
    wreck(filled)
    before = content(filled)
    monkeypatch.setitem(restoring._SQL, "commit", "SELECT 1/0; COMMIT;")
    with pytest.raises(DatabaseUnreachable, match="division by zero"):
        restore(filled, file, replace=True)
    assert content(filled) == before


def test_a_table_in_use_is_said_and_left(filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = backup(filled, tmp_path / "b.dump")
    quick = restoring._SQL["begin"].replace("10s", "200ms")
    monkeypatch.setitem(restoring._SQL, "begin", quick)
    with psycopg.connect(filled) as busy:
        busy.execute("SET application_name = 'somebody'")
        busy.execute("SELECT FROM driftline.run")
        messages: list[str] = []
        with pytest.raises(DatabaseUnreachable, match=r"lock timeout.*: stop somebody \(pid (\d+)\)") as caught:
            restore(filled, file, replace=True, say=messages.append)
        assert messages == [f"restoring {file} into {redacted(filled)}"]
        assert f"pg_terminate_backend({busy.info.backend_pid})" in str(caught.value)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_whoever_locks_all_of_a_table_is_not_waited_for_for_ever(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    file = backup(filled, tmp_path / "b.dump")
    monkeypatch.setitem(restoring._SQL, "patience", "SET lock_timeout = '200ms'")
    with psycopg.connect(filled) as busy:

        def lock() -> None:
            busy.execute("LOCK driftline.run, driftline.migration")

        if moment == "before":
            lock()
        else:
            load = restoring._load
            monkeypatch.setattr(restoring, "_load", lambda *given: (load(*given), lock()))
        what = "everything was restored, but" if moment == "after" else "are locked"
        with pytest.raises(DatabaseUnreachable, match=rf"{what}.*stop .*pid {busy.info.backend_pid}"):
            restore(filled, file, replace=True)


def test_stages_that_were_not_stopped_are_named_before_it_begins(filled: str, tmp_path: Path) -> None:
    file, messages = backup(filled, tmp_path / "b.dump"), list[str]()
    with psycopg.connect(filled) as connection:
        connection.execute("DELETE FROM driftline.health")
        connection.execute(
            "INSERT INTO driftline.health (stage, instance, at, measures) VALUES ('monitor', 'm:1', now(), '{}')"
        )
    restore(filled, file, replace=True, say=messages.append)
    assert "still running: monitor m:1" in messages[-1]


@pytest.mark.parametrize("bytes_", [b"", b"hello", b"PGDMP\x01\x0f\x00 no more"], ids=["empty", "text", "header"])
def test_what_is_no_backup_is_refused(filled: str, tmp_path: Path, bytes_: bytes) -> None:
    file = tmp_path / "x"
    file.write_bytes(bytes_)
    for place in (file, tmp_path / "nowhere", tmp_path):
        with pytest.raises(UsageError, match="driftline backup"):
            restore(filled, place, replace=True)


def test_a_dump_of_something_else_is_refused(filled: str, tmp_path: Path) -> None:
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA other")
        connection.execute("CREATE TABLE other.t (x int)")
        tools = programs(filled, connection.info.server_version)
    file = tmp_path / "other.dump"
    argv = tools.argv("pg_dump", "--format=custom", "--schema=other", f"--file={file}", tools.address)
    subprocess.run(argv, env=dict(tools.environ), check=True)
    with pytest.raises(UsageError, match="not a backup of schema driftline"):
        restore(filled, file, replace=True)


def test_a_backup_of_a_newer_version_is_refused(filled: str, tmp_path: Path) -> None:
    with psycopg.connect(filled) as connection:
        connection.execute("INSERT INTO driftline.migration (number, name) VALUES (999, 'to come')")
    file = backup(filled, tmp_path / "b.dump")
    with pytest.raises(UsageError, match=r"newer version.*999"):
        restore(filled, file, replace=True)


def test_a_backup_is_for_its_owner_and_leaves_no_half_file(filled: str, tmp_path: Path) -> None:
    file = backup(filled, tmp_path / "b.dump")
    assert file.stat().st_mode & 0o777 == 0o600
    whole = file.read_bytes()
    with psycopg.connect(filled, autocommit=True) as admin:
        roles.grant(admin, {roles.READER: "reader0"})
    parts = urlsplit(filled)
    reader = parts._replace(netloc=f"{roles.READER}:reader0@{parts.hostname}:{parts.port}").geturl()
    with pytest.raises(DatabaseUnreachable, match=r"pg_dump could not read .*permission denied"):
        backup(reader, file)
    assert [*tmp_path.iterdir()] == [file]
    assert file.read_bytes() == whole


def test_the_default_place_is_of_its_own_each_time(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "BACKUPS", tmp_path / "backups")
    assert backup(filled) != backup(filled)
    assert len([*(tmp_path / "backups").iterdir()]) == 2


@pytest.mark.parametrize(
    ("place", "advice"),
    [("", "name a file"), ("file/b.dump", "choose another path")],
    ids=["folder", "below a file"],
)
def test_a_place_where_no_file_can_be_is_said(filled: str, tmp_path: Path, place: str, advice: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=advice):
        backup(filled, tmp_path / place)


def test_no_password_is_on_a_command_line(filled: str, tmp_path: Path) -> None:
    password = urlsplit(filled).password
    assert password
    seen: list[str] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue
                if "pg_dump" in line or "psql" in line:
                    seen.append(line)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        eventually(
            lambda: backup(filled, tmp_path / "b.dump") and any("dbname" in s for s in seen), lambda: "no dump"
        )
    finally:
        stop.set()
        watcher.join()
    assert not [line for line in seen if password in line]


def test_programs_that_are_too_old_are_not_taken(tmp_path: Path) -> None:
    for name in ("pg_dump", "pg_restore", "psql"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 99.1'\n")
        (tmp_path / name).chmod(0o755)
    url = "postgresql://u:secret@h/d"
    environ = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    found = programs(url, 990_000, environ)
    assert found.folder == tmp_path
    assert "secret" not in found.address
    assert found.environ["PGPASSWORD"] == "secret"
    assert programs(url, 180_000, environ).folder != tmp_path
    with pytest.raises(StackBroken, match="no pg_dump of version 100 or newer"):
        programs(url, 1_000_000, environ)


def test_an_older_server_is_not_told_what_it_does_not_know(tmp_path: Path) -> None:
    """Its own programs may be absent, and newer ones say this whatever the server is."""
    script = ["printf", "SET lock_timeout = 0;\\nSET transaction_timeout = 0;\\nSELECT 1;\\n"]
    with (tmp_path / "script").open("wb") as script_file, (tmp_path / "complaints").open("wb") as complaints:
        assert restoring._feed(script_file, script, complaints, last="")
    lines = (tmp_path / "script").read_text().splitlines()
    assert {"SET lock_timeout = 0;", "SELECT 1;", "COMMIT;"} <= set(lines)
    assert "SET transaction_timeout = 0;" not in lines
