"""Apache Kafka, one node, broker and controller in one: from its published jars, on 127.0.0.1."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import shutil
import signal
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from local.stack import jars, java
from local.stack.part import Command, Say, chosen_ports, ports
from runtime.connections import kafka_config, make_folder, refused_setting
from runtime.programs import output_of
from schemas.errors import StackBroken, UsageError

_SILENT = logging.Logger("driftline.stack.probe", logging.CRITICAL + 1)
_IMPATIENT = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 100}
_AOT_SINCE = 25  # before: a class-data archive
_CACHES_KEPT = 3
_TRY_AGAIN = 24 * 3600.0
PROPERTIES, TEMPORARY = "server.properties", "tmp"
"""Relative to the working directory, as all paths for Java: a checkout's path may contain anything."""
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
# Below the working directory: a list with commas, in a file of Latin-1 where \\ escapes, cannot hold every path.
log.dirs=data
# A reader that comes before the writer must not create the topic, with the wrong number of partitions.
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A consumer that joins, or was killed, is noticed in seconds.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=3000
# After kill -9 the broker is back when its old session has expired: 2.7 s instead of 10.8.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
# No empty records for followers that are not there, twice a second: two fifths of what an idle broker does.
metadata.max.idle.interval.ms=0
"""


@dataclass(frozen=True)
class Kafka:
    """cache: start-up caches and results of checks of the jars, shared by all stacks of the checkout."""

    cache: Path
    name: str = "kafka"
    variable: str = "KAFKA_BOOTSTRAP_SERVERS"

    def prepare(self, home: Path, environ: Mapping[str, str], say: Say) -> Command:
        runtime = java.find(environ)
        paths = jars.install(jars.pinned(), jars.repository(environ), self.cache, say)
        broker, controller = ports(home, 2)
        properties = home / PROPERTIES
        properties.write_text(_PROPERTIES.format(broker=broker, controller=controller), encoding="utf-8")
        class_path = os.pathsep.join(map(str, paths))
        env = java.environment(environ)
        if not (home / "data" / "meta.properties").exists():
            _format(runtime, class_path, home, env)
        flags, produces = startup_cache(runtime, self.cache, home)
        temporary = home / TEMPORARY  # what a killed broker leaves there is gone with its next start
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        return Command(
            argv=[
                str(runtime.path),
                *_flags(),
                f"-Djava.io.tmpdir={TEMPORARY}",
                *flags,
                "-cp",
                class_path,
                "kafka.Kafka",
                PROPERTIES,
            ],
            env=env,
            cwd=str(home),
            log=str(home / "server.log"),
            stop=signal.SIGTERM,
            orphaned=signal.SIGKILL,
            produces=produces,
        )

    def address(self, home: Path) -> str:
        return f"127.0.0.1:{chosen_ports(home)[0]}"

    def trouble(self, address: str, environ: Mapping[str, str], timeout: float) -> str:
        """As every Part's. The KAFKA_* of `environ` are settings of the client.

        A broker that has not registered yet does answer, but nobody can use it.
        """
        errors: list[KafkaError] = []
        try:
            settings: dict[str, Any] = dict(kafka_config({**environ, "KAFKA_BOOTSTRAP_SERVERS": address}))
        except UsageError as error:
            return str(error)
        try:
            client = AdminClient({**settings, **_IMPATIENT, "error_cb": errors.append}, logger=_SILENT)
        except KafkaException as error:  # a setting that it does not know
            return str(refused_setting(error.args[0].str(), settings))
        try:
            return "" if client.list_topics(timeout=timeout).brokers else "no broker has registered yet"
        except KafkaException as error:
            client.poll(0)  # hands over what went wrong before
            return str((errors or error.args)[0].str())


def _flags() -> list[str]:
    return [
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
    ]


def startup_cache(runtime: java.Java, cache: Path, home: Path) -> tuple[list[str], tuple[str, str] | None]:
    """Return Java's flags to use the cache of classes, or to write it when it stops, with draft and final name.

    home: Java's working directory. The cache belongs to one runtime and one list of jars; Java refuses any other.
    """
    make_folder(cache)
    pinned = jars.LIST.read_text(encoding="utf-8")
    identity = f"{runtime.path} {runtime.version} {runtime.path.stat().st_mtime_ns} {_flags()} {pinned}"
    key = hashlib.sha256(identity.encode()).hexdigest()[:16]
    ahead = runtime.major >= _AOT_SINCE
    file = cache / f"kafka-{key}.{'aot' if ahead else 'jsa'}"
    if file.exists():
        return [f"-XX:{'AOTCache' if ahead else 'SharedArchiveFile'}={_relative(file, home)}"], None
    if _is_fresh(file.with_suffix(".failed")):
        return [], None
    for old in sorted(cache.glob("kafka-*"), key=lambda path: path.stat().st_mtime)[: -_CACHES_KEPT or None]:
        old.unlink(missing_ok=True)
    draft = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    flag = "AOTCacheOutput" if ahead else "ArchiveClassesAtExit"
    return [f"-XX:{flag}={_relative(draft, home)}"], (str(draft), str(file))


def _relative(path: Path, home: Path) -> str:
    return os.path.relpath(os.path.realpath(path), os.path.realpath(home))


def _is_fresh(failure: Path) -> bool:
    """Whether writing the cache took too long within the last day, and so probably would again."""
    try:
        return time.time() - failure.stat().st_mtime < _TRY_AGAIN
    except FileNotFoundError:
        return False


def _format(runtime: java.Java, class_path: str, home: Path, env: Mapping[str, str]) -> None:
    """Create the data folder. `meta.properties` is written last, so that an incomplete folder is created again."""
    shutil.rmtree(home / "data", ignore_errors=True)
    formatter = ["-XX:TieredStopAtLevel=1", "-cp", class_path, "kafka.tools.StorageTool", "format", "--standalone"]
    formatted = output_of([runtime.path, *formatter, "-t", cluster_id(), "-c", PROPERTIES], env=env, cwd=home)
    if formatted.returncode != 0:
        lines = (formatted.stderr + formatted.stdout).strip().splitlines() or [f"exit code {formatted.returncode}"]
        raise StackBroken(f"Kafka's data folder could not be created ({lines[-1]})", f"check the disk under {home}")


def cluster_id() -> str:
    """Draw a random id of 22 characters, without a leading `-`, which would look like an option."""
    while (drawn := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return drawn
