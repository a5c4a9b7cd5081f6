"""Databases and machines that are not set up as those of whoever wrote this."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.types.json import Jsonb

from runtime.connections import ROOT, Addresses
from storage.connect import connect
from storage.prepare import prepare
from tests import rows
from tests.databases import fresh_database
from tests.fleet import Fleet
from tests.proof import Proof
from tests.sources import files

TEXT = "Zürich 東京"
HELD = {"LATIN1": "Zürich ??", "SQL_ASCII": TEXT}
ONE_AFTER_THE_OTHER = """
import sys
import driftline
for command in sys.argv[1:]:
    sys.argv = ["driftline", *command.split()]
    try:
        code = driftline.main()
    except SystemExit as ended:
        code = ended.code
    print("\\nended", command, "with", code or 0, flush=True)
"""
"""Commands in one process: to start one takes longer than most of them."""

SETTINGS = {
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "default_transaction_isolation": "serializable",
}


def test_our_sql_is_ascii_which_every_database_can_read() -> None:
    queries = files(".sql")
    assert len(queries) > 10
    assert [path for path in queries if not path.read_text(encoding="utf-8").isascii()] == []


@pytest.fixture(params=[*HELD])
def encoding(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def foreign(stack: Addresses, encoding: str) -> Iterator[str]:
    """A database of another encoding, with other settings too."""
    options = f"TEMPLATE template0 ENCODING '{encoding}' LOCALE_PROVIDER libc LOCALE 'C'"
    with fresh_database(stack.database_url, options=options) as url:
        with psycopg.connect(stack.database_url, autocommit=True) as admin:
            for name, value in SETTINGS.items():
                admin.execute(f"ALTER DATABASE {urlsplit(url).path[1:]} SET {name} = '{value}'".encode())
        yield url


@pytest.mark.integration
def test_stages_leave_the_same_rows_in_a_database_of_another_encoding(
    fleet: Fleet, proof: Proof, foreign: str
) -> None:
    fleet.finish(*(fleet.consumer(database_url=foreign) for _ in range(2)), fleet.monitor(database_url=foreign))
    with connect(foreign) as connection:
        connection.execute("SET bytea_output = 'hex'")  # in which the rows are compared
        rows.assert_same(rows.final(connection), proof.final)


@pytest.mark.integration
def test_text_that_a_database_cannot_hold_loses_those_characters_and_nothing_else(
    foreign: str, encoding: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "SJIS")
    prepare(foreign)
    with connect(foreign) as connection:
        connection.execute(
            "INSERT INTO driftline.run"
            " (run_id, pane_ms, lateness_ms, outcome_lateness_ms, max_ahead_ms, source, manifest)"
            " VALUES ('r', 1, 1, 1, 1, %s, %s)",
            (TEXT, Jsonb({"scenario": TEXT})),
        )
        with connection.cursor().copy("COPY driftline.health (stage, instance, measures) FROM STDIN") as copy:
            copy.write_row((TEXT, "i", Jsonb({"reason": TEXT})))
        found = [
            *connection.execute("SELECT source, manifest ->> 'scenario' FROM driftline.run"),
            *connection.execute("SELECT stage, measures ->> 'reason' FROM driftline.health"),
        ]
        assert found == [(HELD[encoding],) * 2] * 2
    assert caplog.text == ""


@pytest.mark.integration
@pytest.mark.parametrize("locale", ["de_DE.ISO-8859-1", "ja_JP.EUC-JP"])
def test_commands_work_in_a_locale_that_is_not_utf_8(database: str, tmp_path: Path, locale: str) -> None:
    """One that reads any bytes as text, and one that refuses most of UTF-8."""
    language, _, charmap = locale.partition(".")
    if not shutil.which("localedef") or not Path("/usr/share/i18n/locales", language).exists():
        pytest.skip("no locales here (apt install locales)")
    subprocess.run(["localedef", "-i", language, "-f", charmap, str(tmp_path / locale)], check=True)
    environ = {**os.environ, "DATABASE_URL": f"{database}\n", "LOCPATH": str(tmp_path), "LC_ALL": locale}
    for name in ("PYTHONUTF8", "PYTHONIOENCODING"):
        environ.pop(name, None)
    commands = ["migrate", "dummy --run d --days 2 --sizes 1h", "runs", "windows --run d", "doctor"]
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER, *commands],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        check=False,
        timeout=120,
    )
    output = (done.stdout + done.stderr).decode("latin-1")
    assert "Traceback" not in output
    assert done.returncode == 0, output
    *ended, (_, doctor) = re.findall(r"^ended (.*) with (\d+)$", output, re.MULTILINE)
    assert ended == [(command, "0") for command in commands[:-1]], output
    assert doctor in ("0", "1"), output  # whatever it finds here
