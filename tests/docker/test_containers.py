"""The integration tests once more, on Kafka and Postgres from testcontainers instead of the embedded ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from runtime.connections import ROOT
from tests.composed import BASE, load
from tests.docker.project import stands_in

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine")]

TESTS = ("tests/integration", "tests/consumer/test_store.py", "tests/storage/test_results.py", "-m", "not real")
"""Whatever the servers decide: groups, offsets, transactions, locks, notifications, what is found again.

Not the real months: what is special about them, no server sees.
"""


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    """Variables that lead the tests to the containers."""
    image = load(BASE)["services"]["postgres"]["image"]
    with pytest.MonkeyPatch.context() as patch:
        if stands_in(image):  # no registry, so no image of testcontainers' cleaner either
            patch.setattr("testcontainers.core.config.testcontainers_config.ryuk_disabled", True)
        from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415

        from tests.docker.kafka_container import ApacheKafka  # noqa: PLC0415

        with ApacheKafka() as kafka, PostgresContainer(image, driver=None) as postgres:
            yield {
                "KAFKA_BOOTSTRAP_SERVERS": kafka.address,
                "DATABASE_URL": postgres.get_connection_url(),
            }


def test_integration_tests_pass_on_containers(
    servers: dict[str, str], record_property: Callable[[str, object], None]
) -> None:
    command = [sys.executable, "-m", "pytest", "-qx", "--tb=short", "-n", "2", "--dist", "loadfile", *TESTS]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **servers}, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-6_000:]
    summary = done.stdout.strip().splitlines()[-1]
    assert not re.search(r"skipped|failed|error", summary), done.stdout[-3_000:]
    record_property("on containers", summary)
