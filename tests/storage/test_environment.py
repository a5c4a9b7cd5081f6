"""libpq's own variables: meant for a server of the user's, and not for the embedded one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.connections import ROOT, database_url, drop_libpq_variables

HOSTILE = {
    "PGSSLMODE": "verify-full",
    "PGSERVICE": "nowhere",
    "PGTARGETSESSIONATTRS": "standby",
    "PGOPTIONS": "-c nonsense=1",
    "PGHOSTADDR": "192.0.2.1",
    "PGREQUIREAUTH": "none",
    "PGCHANNELBINDING": "require",
    "PGDATESTYLE": "rubbish",
    "PGTZ": "Nowhere/Nowhere",
    "PGCLIENTENCODING": "SJIS",
    "PGSSLMINPROTOCOLVERSION": "rubbish",
}


def test_they_are_forgotten_where_no_database_is_named_and_kept_where_one_is() -> None:
    environ = HOSTILE | {"HOME": "/root"}
    drop_libpq_variables(environ)
    assert environ == {"HOME": "/root"}
    yours = HOSTILE | {"DATABASE_URL": "postgresql://h/d\n"}
    drop_libpq_variables(yours)
    assert yours.keys() > HOSTILE.keys()
    assert database_url(yours) == "postgresql://h/d"


@pytest.mark.integration
def test_commands_find_the_embedded_server_whatever_they_say(database: str, tmp_path: Path) -> None:
    program = (
        "import sys; from runtime import connections; url = sys.argv.pop(1);"
        "connections.embedded = lambda *_: connections.Addresses('', url);"
        "import driftline; driftline.main()"
    )
    environ = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | HOSTILE
    for command in ("migrate", "runs --json", f"backup --out {tmp_path / 'x.dump'}"):
        done = subprocess.run(
            [sys.executable, "-c", program, database, *command.split()],
            env=environ,
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
