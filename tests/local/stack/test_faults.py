"""The stack against kill -9: of its user, its keeper and its servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from local import stack
from local.stack.part import read_keeper_report
from tests import embedded

pytestmark = [pytest.mark.integration, pytest.mark.faults]

EMBEDDED = {k: v for k, v in os.environ.items() if k != "DATABASE_URL" and not k.startswith("KAFKA_")}
USER = """
import sys, time
from pathlib import Path
from local import stack
with stack.running(Path(sys.argv[1])):
    print("running", flush=True)
    time.sleep(600)
"""


def eventually(holds: Callable[[], bool], seconds: float = 120.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def processes_of(state: Path) -> list[str]:
    """Command lines, of this whole machine, that name the state folder or run inside it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if str(state) in command or Path(os.readlink(entry / "cwd")).is_relative_to(state):
                found.append(f"{entry.name} {command[:200]}")
        except OSError:
            continue
    return found


class User:
    """Another process that uses the stack."""

    def __init__(self, state: Path) -> None:
        command = [sys.executable, "-c", USER, str(state)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=EMBEDDED)

    def wait_until_it_runs(self) -> User:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "running\n"
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    stack.down(tmp_path / "state")


@pytest.fixture
def new_user(state: Path) -> Iterator[Callable[[], User]]:
    users: list[User] = []

    def _new_user() -> User:
        users.append(User(state))
        return users[-1]

    yield _new_user
    for user in users:
        user.kill()


def test_nothing_is_left_when_its_only_user_was_killed(state, new_user):
    user = new_user().wait_until_it_runs()
    assert len(processes_of(state)) > 4  # our user, two keepers, Java, Postgres and its children
    user.kill()
    assert eventually(lambda: not processes_of(state)), processes_of(state)


def test_nothing_is_left_of_a_server_whose_keeper_was_killed(state, new_user):
    user = new_user().wait_until_it_runs()
    for name in ("kafka", "postgres"):
        report = read_keeper_report(state / name)
        assert report
        os.kill(report.keeper, signal.SIGKILL)
    itself = str(user.process.pid)
    assert eventually(lambda: all(line.startswith(itself) for line in processes_of(state))), processes_of(state)


def test_a_stack_that_another_command_joined_outlives_the_one_that_started_it(state, new_user):
    first = new_user().wait_until_it_runs()
    with stack.running(state, EMBEDDED) as addresses:
        before = embedded.pids(state)
        first.kill()
        assert not eventually(lambda: embedded.pids(state) != before, seconds=0.5)  # five looks of the keepers
        with psycopg.connect(addresses.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not processes_of(state)


def test_a_kept_stack_stays_without_users_until_it_is_taken_down(state):
    addresses = stack.up(state, EMBEDDED)
    assert not eventually(lambda: len(embedded.pids(state)) < 2, seconds=0.5)
    with stack.running(state, EMBEDDED) as joined:
        assert joined == addresses
    assert all(server.kept and not server.trouble for server in stack.status(state, {}))
    assert stack.down(state) == ["postgres", "kafka"]
    assert not processes_of(state)
    assert not (state / "stack.json").exists()


def test_a_killed_postgres_comes_back_with_its_data(fault_stack):
    url = fault_stack.addresses.database_url
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE seen (n int)")
        connection.execute("INSERT INTO seen VALUES (7)")
    before = fault_stack.pid("postgres")
    fault_stack.kill("postgres")
    assert eventually(lambda: fault_stack.pid("postgres") != before)
    fault_stack.wait()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT n FROM seen").fetchall() == [(7,)]


def test_a_killed_broker_comes_back_with_its_data(fault_stack):
    settings = {"bootstrap.servers": fault_stack.addresses.bootstrap_servers}
    admin = AdminClient(settings)
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(timeout=60)
    producer = Producer(settings | {"acks": "all"})
    producer.produce("kept", b"seven")
    assert producer.flush(60) == 0
    before = fault_stack.pid("kafka")
    fault_stack.kill("kafka")
    assert eventually(lambda: fault_stack.pid("kafka") != before)
    fault_stack.wait()
    consumer = Consumer(settings | {"group.id": "test", "auto.offset.reset": "error"})
    consumer.assign([TopicPartition("kept", 0, 0)])
    message = consumer.poll(60)
    consumer.close()
    assert message is not None
    assert message.value() == b"seven"


def test_two_that_start_at_once_get_one_stack(state, new_user):
    for user in [new_user(), new_user()]:
        user.wait_until_it_runs()
    assert sum("keeper.py" in line for line in processes_of(state)) == 2
