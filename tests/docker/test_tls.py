"""With docker-compose.tls.yml nobody gets in without TLS and a password, and rows arrive all the same."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.composed import FILES
from tests.docker.project import Project, eventually, running

pytestmark = pytest.mark.docker

_SILENT = logging.getLogger("refused")
_SILENT.setLevel(logging.CRITICAL)

QUICK = {"DRIFTLINE_VOLUME": "0.1", "DRIFTLINE_SPEED": "36000x"}


@pytest.fixture(scope="module")
def project(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with running("driftline-tls", FILES, tmp_path_factory.mktemp("tls"), **QUICK) as project:
        yield project


@pytest.fixture(scope="module")
def authority(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate that the servers' are signed by, as an operator takes it out."""
    folder = tmp_path_factory.mktemp("authority")
    project.compose("cp", "certs:/certs/ca/ca.crt", str(folder))
    return folder / "ca.crt"


def test_windows_are_written_through_tls(project: Project, authority: Path) -> None:
    url = f"{project.database()}?sslmode=verify-full&sslrootcert={authority}"
    with psycopg.connect(url, autocommit=True) as connection:
        query = "SELECT count(*) FROM driftline.window_result WHERE status = 'final'"
        eventually(lambda: (connection.execute(query).fetchone() or (0,))[0] > 0, project.logs)
        clear = (
            "SELECT FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename LIKE 'driftline%' AND NOT ssl"
        )
        assert connection.execute(clear).fetchall() == []


def test_postgres_takes_nobody_in_the_clear(project: Project) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg.connect(f"{project.database()}?sslmode=disable")


def test_clients_do_not_take_a_server_that_another_authority_signed(project: Project) -> None:
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(f"{project.database()}?sslmode=verify-full&sslrootcert=system")


@pytest.mark.parametrize("password", ["right", "wrong", None])
def test_kafka_takes_who_knows_the_password(project: Project, authority: Path, password: str | None) -> None:
    config = project.kafka()
    if password:
        known = project.variables["DRIFTLINE_KAFKA_PASSWORD"]
        config |= {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(authority),
            "sasl.mechanism": "PLAIN",
            "sasl.username": "driftline",
            "sasl.password": known if password == "right" else password,
        }
    admin = AdminClient(config, logger=_SILENT)
    if password == "right":
        assert "trips" in admin.list_topics(timeout=10).topics
    else:
        with pytest.raises(KafkaException):
            admin.list_topics(timeout=3)


def test_certificates_are_kept_while_they_are_good(project: Project) -> None:
    project.compose("restart", "certs")
    eventually(lambda: "certificates are there" in project.logs("certs"), lambda: project.logs("certs"))
