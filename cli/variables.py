"""The DRIFTLINE_… variables: their table, and a warning about those that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from runtime.connections import ROOT, is_platform_variable

PREFIX = "DRIFTLINE_"
DOCUMENT = ROOT / "docs" / "variables.md"

OTHERS = {
    "DRIFTLINE_WRITER_PASSWORD": "`migrate`: password of the role that consumers and monitors write with",
    "DRIFTLINE_READER_PASSWORD": "`migrate`, `grafana`: the same for the role that Grafana reads with",
    "DRIFTLINE_BOARD_PASSWORD": "`migrate`: the same for the role that the board reads with",
    "DRIFTLINE_ALERT_WEBHOOK": "Grafana: where alerts are sent",
    "DRIFTLINE_PG_ADDRESS": "Grafana's provisioning: host and port of Postgres",
    "DRIFTLINE_PG_DATABASE": "Grafana's provisioning: name of the database",
    "DRIFTLINE_PG_SSLMODE": "Grafana's provisioning: libpq's sslmode",
    "DRIFTLINE_PG_SSLROOTCERT": "Grafana's provisioning: file with the CA certificate",
    "DRIFTLINE_KAFKA_PASSWORD": "docker-compose.tls.yml: Kafka's password",
    "DRIFTLINE_TLC_ADDRESS": "address from which TLC's months are downloaded",
    "DRIFTLINE_DATA": "tests and benchmarks: folder of TLC files",
    "DRIFTLINE_FAILPOINT": "tests: where a stage kills itself",
    "DRIFTLINE_PICTURES": "tests: folder to write the pictures of the documents to",
    "DRIFTLINE_TEST_MODEL": "tests: the model that all of them share",
}
"""Variables without an option, and what they do."""

DROPPED = {
    "DRIFTLINE_OUT": "DRIFTLINE_TRAIN_OUT, DRIFTLINE_BACKUP_OUT and DRIFTLINE_REPORT_OUT took its place",
    "DRIFTLINE_YES": "write --yes each time",
    "DRIFTLINE_FORCE": "write --force each time",
    "DRIFTLINE_BACK": "",
    "DRIFTLINE_ATTENDED": "",
}
"""Variables that an earlier version read, and what to do instead."""


class Variable(NamedTuple):
    """name: of the variable. sets: the options that it sets, by command. default, meaning: of these options."""

    name: str
    sets: dict[str, list[str]]
    default: list[str]
    meaning: list[str]


def variables(command: Any) -> list[Variable]:
    """List every variable of a click command and of its subcommands, in alphabetical order."""
    found: dict[str, Variable] = {}
    for path, parameter in _options(command, ()):
        at = found.setdefault(parameter.envvar, Variable(parameter.envvar, {}, [], []))
        at.sets.setdefault(parameter.opts[0], []).append(" ".join(path))
        default = _default(parameter)
        at.default.extend([default] if default not in at.default else [])
        at.meaning.extend([parameter.help] if parameter.help not in at.meaning else [])
    return [found[name] for name in sorted(found)]


def _options(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield from ((path, parameter) for parameter in command.params if isinstance(parameter.envvar, str))
    for name, below in getattr(command, "commands", {}).items():
        yield from _options(below, (*path, name))


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    value = getattr(parameter.default, "value", parameter.default)
    return {None: "none", "": "none", False: "no"}.get(value, str(value))


def document(command: Any) -> str:
    """Return the table of all variables, in Markdown."""
    lines = [
        "# Variables",
        "",
        "An option on the command line takes precedence over its variable. `make docs` generates this table.",
        "",
        "| variable | option | of | default | |",
        "|---|---|---|---|---|",
    ]
    for known in variables(command):
        commands = ", ".join(f"`{name}`" for names in known.sets.values() for name in names)
        option, default = ", ".join(f"`{name}`" for name in known.sets), "; ".join(known.default)
        lines.append(f"| `{known.name}` | {option} | {commands} | {default} | {' '.join(known.meaning)} |")
    lines += ["", "Variables without an option:", "", "| variable | |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in OTHERS.items()]
    return "\n".join(lines) + "\n"


def unknown(environ: Mapping[str, str], command: Any) -> Iterator[str]:
    """Describe each variable that nothing reads, and name its replacement or the most similar one."""
    names = {n for n, value in environ.items() if n.startswith(PREFIX) and not is_platform_variable(n, value)}
    if not names:
        return
    known = {*OTHERS, *(found.name for found in variables(command))}
    for name in sorted(names - known):
        if name in DROPPED:
            yield ": ".join(filter(None, (f"{name} is no longer read", DROPPED[name])))
        else:
            # All share the prefix, which would make all similar.
            short = [other.removeprefix(PREFIX) for other in known]
            close = get_close_matches(name.removeprefix(PREFIX), short, 1, 0.75)
            yield f"{name} is ignored: nothing reads it" + (f"; did you mean {PREFIX}{close[0]}?" if close else "")


def write(path: Path = DOCUMENT) -> None:
    """Write the table."""
    from typer.main import get_command  # noqa: PLC0415 - every command has imported it already

    from cli.main import app  # noqa: PLC0415 - which needs this module

    path.write_text(document(get_command(app)), encoding="utf-8")


if __name__ == "__main__":
    write()
