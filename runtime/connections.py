"""Where Kafka and Postgres are: the environment, else the embedded stack of this checkout.

`KAFKA_BOOTSTRAP_SERVERS` and `DATABASE_URL` each stand on their own. Any other `KAFKA_*` variable is a
librdkafka setting: `KAFKA_SASL_MECHANISM` is `sasl.mechanism`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path

import msgspec

from schemas.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".driftline"
"""Data, logs and addresses of the embedded stack."""

_NO_SETTINGS = re.compile(r"KAFKA_(HOME|OPTS|.*_OPTS|JMX_PORT|DEBUG|CLUSTER_ID|PORT)")
"""Variables of Kafka's own scripts, and of docker-compose.yml."""

_SERVICE = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_ENDPOINT = re.compile(r"(tcp|udp|sctp)://")
_PROPERTY = re.compile(r'property:? "([\w.]+)"')
_FOREIGN_SCHEME = re.compile(
    r"(?:^|,)\s*(?!(?:plaintext|ssl|sasl_plaintext|sasl_ssl)://)(\w[\w+.-]*)://", re.IGNORECASE
)
"""librdkafka takes the names of Kafka's protocols before an address, and skips an address with any other."""


_OF_ANSWERS = (-188, -190, -180)
"""KafkaError._UNKNOWN_TOPIC, _UNKNOWN_PARTITION, _WAIT_COORD: what librdkafka makes of brokers' answers."""

_REFUSALS = (29, 30, 31, 58, -169)
"""KafkaError.TOPIC_, GROUP_ and CLUSTER_AUTHORIZATION_FAILED, SASL_AUTHENTICATION_FAILED, _AUTHENTICATION."""


def make_folder(folder: Path, state: Path | None = None) -> Path:
    """Make a folder, and those above it.

    What is below STATE is for its owner alone, since it holds passwords, records and backups.

    Args:
        folder: The folder.
        state: Another folder in the place of STATE.

    Returns:
        The same folder.

    Raises:
        OSError: It cannot be made.
    """
    state = state or STATE
    if folder.is_relative_to(state):
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = state.stat()
        if found.st_mode & 0o077 and found.st_uid == os.geteuid():
            state.chmod(0o700)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Addresses(msgspec.Struct, frozen=True):
    """Addresses of a running embedded stack, which writes them to `STATE/stack.json` when it is up.

    Empty where that server is not embedded: the environment named another when the stack was started.
    """

    bootstrap_servers: str
    database_url: str


def embedded(state: Path = STATE) -> Addresses | None:
    """Read the addresses of the embedded stack; None where none was started. It may have died since."""
    try:
        return msgspec.json.decode((state / "stack.json").read_bytes(), type=Addresses)
    except (OSError, msgspec.DecodeError):
        return None


def is_platform_variable(name: str, value: str) -> bool:
    """Say whether Kubernetes, or a link of Docker's, set a variable. They do so for each service by its name.

    A service `driftline` gives DRIFTLINE_PORT=tcp://10.0.0.1:8000, a service `kafka` KAFKA_SERVICE_HOST and more.
    """
    return bool(_SERVICE.fullmatch(name) or (name.endswith("_PORT") and _ENDPOINT.match(value)))


def drop_platform_variables(environ: MutableMapping[str, str]) -> None:
    """Drop the DRIFTLINE_* variables of the platform: a service called `driftline` would set `--port`."""
    for name in [
        n for n, value in environ.items() if n.startswith("DRIFTLINE_") and is_platform_variable(n, value)
    ]:
        del environ[name]


def kafka_advice(environ: Mapping[str, str] = os.environ, *, code: int | None = None) -> str:
    """Advise on a Kafka that does not answer: check the one that was named, else start the embedded one.

    Args:
        environ: The environment.
        code: Of the KafkaError, if there was one. Where a broker answered, it is only not ready.
    """
    if code in _REFUSALS:
        return "correct KAFKA_… (user, password, rights)"
    if code is not None and is_answer(code):
        return "nothing: Kafka answers, and gets ready; if that takes minutes, see the brokers' logs"
    if environ.get("KAFKA_BOOTSTRAP_SERVERS", "").strip():
        return "see that Kafka runs there, or correct KAFKA_BOOTSTRAP_SERVERS"
    return "run `driftline stack up`, or set KAFKA_BOOTSTRAP_SERVERS"


def is_answer(code: int) -> bool:
    """Whether an error with this code means that a broker answered. librdkafka's own errors are negative."""
    return code > 0 or code in _OF_ANSWERS


def is_embedded(url: str, state: Path = STATE) -> bool:
    """Whether this is the URL of the embedded Postgres, as `database_url` gives it."""
    stack = embedded(state)
    return stack is not None and url == stack.database_url != ""


def login_advice(url: str, state: Path = STATE) -> str:
    """Advise on a Postgres that refuses the login: correct what was given, or restart the embedded one.

    Args:
        url: That was connected to.
        state: Where an embedded stack keeps its addresses.
    """
    if is_embedded(url, state):
        return "restart the embedded Postgres with `driftline stack down` and `driftline stack up`"
    return "correct DATABASE_URL, or the password that Postgres has for its role"


def database_advice(url: str, state: Path = STATE) -> str:
    """Advise likewise on a Postgres that does not answer. url: '' where none is known."""
    if not url or is_embedded(url, state):
        return "run `driftline stack up`, or set DATABASE_URL"
    return "see that Postgres runs there, or correct DATABASE_URL"


def names_kafka(environ: Mapping[str, str], state: Path = STATE) -> bool:
    """Whether `kafka_config` finds a Kafka: the environment names one, or one is embedded."""
    stack = embedded(state)
    return bool(environ.get("KAFKA_BOOTSTRAP_SERVERS") or (stack is not None and stack.bootstrap_servers))


def kafka_config(environ: Mapping[str, str], state: Path = STATE) -> dict[str, str]:
    """Collect the librdkafka settings that every client gets.

    Args:
        environ: The environment.
        state: Where an embedded stack keeps its addresses.

    Returns:
        Name → value; `bootstrap.servers` is among them.

    Raises:
        UsageError: No Kafka is named and none is embedded, or an address is none of Kafka's.
    """
    config = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in environ.items()
        if name.startswith("KAFKA_")
        and value
        and not (_NO_SETTINGS.fullmatch(name) or is_platform_variable(name, value))
    }
    if "bootstrap.servers" not in config:
        stack = embedded(state)
        if stack is None or not stack.bootstrap_servers:
            raise UsageError("no Kafka", kafka_advice(environ))
        config["bootstrap.servers"] = stack.bootstrap_servers
    if found := _FOREIGN_SCHEME.search(config["bootstrap.servers"]):
        raise UsageError(
            f"KAFKA_BOOTSTRAP_SERVERS begins an address with {found[1]}://",
            "write HOST:PORT, or HOST:PORT,HOST:PORT",
        )
    return config


def refused_setting(reason: str, config: Mapping[str, str]) -> UsageError:
    """Make the error for a setting that librdkafka refuses, with the variable that it comes from.

    Args:
        reason: Its words. They name the property, or a synonym of it: then it may be any of `config`.
        config: The settings that it was given.
    """
    named = _PROPERTY.search(reason)
    suspects = [named[1]] if named and named[1] in config else sorted(config.keys() - {"bootstrap.servers"})
    variables = " or ".join("KAFKA_" + name.upper().replace(".", "_") for name in suspects)
    return UsageError(f"librdkafka refuses a setting ({reason})", f"correct or unset {variables}")


def drop_libpq_variables(environ: MutableMapping[str, str]) -> None:
    """Drop PGSSLMODE, PGSERVICE and the like unless DATABASE_URL is set: they are meant for another server."""
    if not environ.get("DATABASE_URL", "").strip():
        for name in [name for name in environ if name.startswith("PG")]:
            del environ[name]


def database_url(environ: Mapping[str, str], state: Path = STATE) -> str:
    """Give the libpq URL of the database that the environment names, else of the embedded one.

    Args:
        environ: The environment.
        state: Where an embedded stack keeps its addresses.

    Raises:
        UsageError: No database is named and none is embedded.
    """
    if url := environ.get("DATABASE_URL", "").strip():  # a file that it was read from ends with a newline
        return url
    stack = embedded(state)
    if stack is None or not stack.database_url:
        raise UsageError("no database", database_advice(""))
    return stack.database_url
