"""What was stored before a manifest had bounds is brought within them."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.types.json import Jsonb

from storage.migrations import migrations

pytestmark = pytest.mark.integration


def test_stored_manifests_are_brought_within_the_bounds(database: str) -> None:
    good = {"source": "a", "period": [0, 1], "injected": [{"starts_at": 1, "ends_at": 2, "label": "km"}]}
    absurd = {
        "source": "b",
        "period": [0, 2**80],
        "injected": [{"starts_at": -(2**80), "ends_at": 2, "label": "x"}],
    }
    (newest,) = [text for number, _, text in migrations() if number == 4]
    bounds = newest.partition("-- Bounds on what a record may bring.")[2]
    with psycopg.connect(database) as connection:
        for name, source, manifest in (("good", "a", good), ("absurd", "x" * 900_000, absurd)):
            connection.execute(
                "INSERT INTO driftline.run (run_id, source, manifest, pane_ms, lateness_ms, outcome_lateness_ms,"
                " max_ahead_ms) VALUES (%s, %s, %s, 1000, 0, 0, 1)",
                (name, source, Jsonb(manifest)),
            )
        connection.execute(bounds)  # type: ignore[arg-type]
        found = connection.execute("SELECT length(source), manifest FROM driftline.run ORDER BY run_id").fetchall()
        assert found == [(500, {"source": "b"}), (1, good)]
        assert connection.execute("SELECT count(*) FROM driftline.injected").fetchone() == (0,)
