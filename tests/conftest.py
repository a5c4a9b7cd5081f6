"""Services for the tests: a stack that all tests (and all xdist workers) share, and one that a test may break.

Nothing starts before a test asks for it. With KAFKA_BOOTSTRAP_SERVERS or DATABASE_URL set, the tests run on those.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest
from confluent_kafka.admin import AdminClient

from local import stack as stacks
from runtime.connections import STATE, Addresses
from runtime.connections import kafka_config as kafka_settings
from tests import embedded
from tests.databases import fresh_database, no_fsync

pytest_plugins = ("tests.proof", "tests.shares")

# The same examples each time, and no time limit to any: what a change broke must be told from a busy machine.
hypothesis.settings.register_profile(
    "driftline", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("driftline")

# Who starts the tests in the background has Ctrl-C ignored, and so would all processes that they interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def stack() -> Iterator[Addresses]:
    """Kafka and Postgres, beside a stack of the user's; ends with the last of the workers."""
    with stacks.running(STATE / "tests") as addresses:
        if "DATABASE_URL" not in os.environ:
            no_fsync(addresses.database_url)
        yield addresses


@pytest.fixture(scope="session")
def kafka_config(stack: Addresses) -> dict[str, str]:
    """librdkafka settings for every client of a test."""
    return kafka_settings({**os.environ, "KAFKA_BOOTSTRAP_SERVERS": stack.bootstrap_servers})


@pytest.fixture(scope="session")
def template(stack: Addresses) -> Iterator[str]:
    """URL of a database that nobody writes to, nor connects to while it is copied."""
    with fresh_database(stack.database_url) as url:
        yield url


@pytest.fixture
def database(stack: Addresses, template: str) -> Iterator[str]:
    """URL of a fresh database with all tables; dropped afterwards, whoever is still connected."""
    with fresh_database(stack.database_url, template) as url:
        yield url


@pytest.fixture
def prefix(kafka_config: dict[str, str]) -> Iterator[str]:
    """Topic prefix of this test alone; its topics are deleted afterwards."""
    chosen = f"test-{uuid.uuid4().hex[:10]}-"
    yield chosen
    admin = AdminClient(kafka_config)
    topics = [name for name in admin.list_topics(timeout=60).topics if name.startswith(chosen)]
    for deleted in admin.delete_topics(topics).values() if topics else ():
        deleted.result(timeout=60)


@dataclass(frozen=True)
class FaultStack:
    """A stack whose servers a test may kill: they come back with the same ports and data."""

    state: Path
    addresses: Addresses

    def kill(self, name: str) -> None:
        """SIGKILL to `kafka` or `postgres`."""
        embedded.kill(name, self.state)

    def pid(self, name: str) -> int:
        """For SIGSTOP and the like."""
        return embedded.pids(self.state)[name]

    def wait(self) -> None:
        """Until both answer again."""
        embedded.wait(self.state)


@pytest.fixture(scope="session")
def fault_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    """A stack of this worker alone; always embedded, since nobody else's server may be killed."""
    state = tmp_path_factory.mktemp("stack")
    environ = {k: v for k, v in os.environ.items() if k != "DATABASE_URL" and not k.startswith("KAFKA_")}
    with stacks.running(state, environ) as addresses:
        yield FaultStack(state, addresses)


@pytest.fixture
def fault_stack(fault_servers: FaultStack) -> Iterator[FaultStack]:
    """The same for one test, whose successor finds the servers back."""
    yield fault_servers
    fault_servers.wait()


@pytest.fixture
def fault_database(fault_stack: FaultStack) -> Iterator[str]:
    """As `database`, on `fault_stack`."""
    with fresh_database(fault_stack.addresses.database_url) as url:
        yield url
        fault_stack.wait()
