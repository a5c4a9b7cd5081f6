"""`driftline models`, `models rm` and `runs rm`: list models, and remove models and runs with care."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from cli.streams import DEFAULT_STREAM
from models import names
from models.names import DEFAULT, OF_DEMO, Artifact
from schemas.advice import begin_anew
from schemas.durations import moment
from schemas.errors import DatabaseUnreachable, ModelUnusable, RunConflict, UsageError
from storage.connect import Connection
from storage.errors import MISSING_TABLES, NOT_ALLOWED
from storage.queries import load_queries
from storage.streams import definitions_of

SQL = load_queries(Path(__file__).with_suffix(".sql"))

QUIET_S = 60
"""A run is not removed within this many seconds of its last write."""

_DELETES = (
    *("delete_progress", "delete_chunks", "delete_panes", "delete_dead_letters", "delete_events"),
    *("delete_watch", "delete_evidence", "delete_calibrations", "delete_alarms", "delete_alarm_changes"),
    *("delete_alarm_acks", "delete_unfolded", "delete_frontier", "delete_windows", "delete_run"),
)
"""In the order in which the stages lock these tables."""


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """A model. runs: those that it scored or that are compared with its reference, newest first; None if unknown.

    path: None where runs remember a model that is not here. mae: minutes, on trips that it did not learn from.
    """

    hash: str
    names: tuple[str, ...] = ()
    kind: str | None = None
    source: str | None = None
    period: tuple[str, str] | None = None
    rows: int | None = None
    mae: float | None = None
    runs: tuple[str, ...] | None = None
    path: str | None = None

    @property
    def model(self) -> str:
        return self.hash[:12]

    @property
    def name(self) -> str:
        return ", ".join(self.names)

    @property
    def used_by(self) -> str:
        return "not known" if self.runs is None else _shortened(self.runs)


class Removed(msgspec.Struct, frozen=True):
    """What a run held in the tables when it was removed."""

    run_id: str
    rows: int
    windows: int
    dead_letters: int


def models(folder: Path, used: Mapping[str, Sequence[str]] | None) -> list[ModelRow]:
    """List the models below a folder, and those that only runs refer to. used: hash → runs; None if unknown."""
    here = names.list_artifacts(folder)
    gone = (used or {}).keys() - {artifact.hash for artifact in here}
    return [
        *(row(artifact, used) for artifact in here),
        *(ModelRow(hash=hash, source="not here", runs=tuple((used or {})[hash])) for hash in sorted(gone)),
    ]


def row(artifact: Artifact, used: Mapping[str, Sequence[str]] | None) -> ModelRow:
    card = artifact.card
    start, end = (f"{moment(at):%Y-%m-%d}" for at in card.period)
    return ModelRow(
        hash=artifact.hash,
        names=artifact.names,
        kind=card.kind,
        source=card.source,
        period=(start, end),
        rows=card.rows,
        mae=card.mae,
        runs=None if used is None else tuple(used.get(artifact.hash, ())),
        path=str(artifact.path),
    )


def runs_of_models(connection: Connection) -> dict[str, list[str]]:
    """Map hashes of models to the runs that use them, newest first; empty if there are no tables yet."""
    try:
        return dict(connection.execute(SQL["runs_of_models"]).fetchall())
    except MISSING_TABLES:
        return {}


def removable(
    wanted: Sequence[str], folder: Path, used: Mapping[str, Sequence[str]] | None, *, force: bool
) -> list[Artifact]:
    """Find the models that are meant, by name or by the beginning of the hash.

    Args:
        wanted: What the operator wrote.
        folder: Where models lie.
        used: Hash → runs that are still there; None where that is not known.
        force: Also the default, and what runs use.

    Raises:
        ModelUnusable: There is no such model, or it is needed.
        UsageError: Several begin so.
    """
    return list(
        {artifact.path: artifact for name in wanted for artifact in [_one(name, folder, used, force)]}.values()
    )


def _one(name: str, folder: Path, used: Mapping[str, Sequence[str]] | None, force: bool) -> Artifact:
    found = [a for a in names.list_artifacts(folder) if name in a.names] or list(names.find_by_prefix(name, folder))
    if not found:
        raise ModelUnusable(f"there is no model {name} in {folder}", "`driftline models` lists them")
    if len({artifact.hash for artifact in found}) > 1:
        raise UsageError(f"{len(found)} models begin with {name}", "give more characters of the hash")
    artifact = found[0]
    if not force:
        _refuse_needed(artifact, used)
    return artifact


def _refuse_needed(artifact: Artifact, used: Mapping[str, Sequence[str]] | None) -> None:
    """Raises ModelUnusable with all that the model is needed for."""
    needs: list[tuple[str, str]] = []
    if artifact.names:
        needs.append((f"is {', '.join(artifact.names)}", _instead(artifact.names)))
    if used is None:
        needs.append(("may be used by runs, which no database says", "start the database"))
    elif runs := used.get(artifact.hash):
        needs.append(
            (
                f"is used by {_shortened(runs)}, whose reports and `recompute` need it",
                "remove those runs first with `driftline runs rm`",
            )
        )
    if needs:
        what, do = zip(*needs, strict=True)
        raise ModelUnusable(f"model {artifact.hash[:12]} {' and '.join(what)}", "; ".join((*do, "or add --force")))


def _instead(names: Sequence[str]) -> str:
    """What to do before a model with these names is removed."""
    if DEFAULT.name in names:
        return "make another the default first with `driftline train`"
    if all(name.startswith(OF_DEMO) for name in names):
        return "the next `driftline demo` of that month would train it again"
    return "see that no stage is started with that name"


def _shortened(runs: Sequence[str]) -> str:
    more = f" and {len(runs) - 3:,} more" if len(runs) > 3 else ""
    return ", ".join(runs[:3]) + more


def remove_models(chosen: Sequence[Artifact]) -> None:
    """Delete models and their names. Raises ModelUnusable if that fails."""
    for artifact in chosen:
        try:
            names.remove(artifact)
        except OSError as error:
            raise ModelUnusable(
                f"{artifact.path} cannot be removed ({error})", "run the command as the owner of the folder"
            ) from error


def holdings(connection: Connection, runs: Sequence[str]) -> list[Removed]:
    """Count what these runs hold.

    Raises:
        UsageError: There is no such run.
        RunConflict: A run is being written to.
    """
    return [_held(connection, run) for run in sorted(set(runs))]


def remove_runs(connection: Connection, runs: Sequence[str]) -> None:
    """Remove runs, all or none: one transaction.

    Consumers of their partitions begin anew from what is left in the tables, since they remember where runs stand.

    Raises:
        UsageError: There is no such run.
        RunConflict: A run is being written to.
        DatabaseUnreachable: The login may not delete.
    """
    holdings(connection, runs)
    try:
        with connection.transaction():
            connection.execute(SQL["fence"], {"runs": sorted(set(runs))})
            for run in sorted(set(runs)):
                connection.execute(SQL["lock_run"], {"run_id": run})
                _held(connection, run)
                for query in _DELETES:
                    connection.execute(SQL[query], {"run_id": run})
    except NOT_ALLOWED as error:
        raise DatabaseUnreachable(
            f"this login may not remove runs ({error.diag.message_primary})",
            "set DATABASE_URL to one that writes, such as the consumer's",
        ) from None


def _held(connection: Connection, run: str) -> Removed:
    try:
        found = connection.execute(SQL["holdings"], {"run_id": run}).fetchone()
    except MISSING_TABLES:  # nobody has made the tables yet
        found = None
    if found is None:
        raise UsageError(f"there is no run {run}", "`driftline runs` lists them")
    seconds, rows, windows, dead = found
    if seconds < QUIET_S:
        default = default_runs(connection, [run])[run]
        raise RunConflict(
            f"run {run} was written to {seconds:.0f} s ago",
            begin_anew(run, default)
            if run == default
            else f"stop its producer, and try again when it has received no data for {QUIET_S} s",
        )
    return Removed(run, rows, windows, dead)


def default_runs(connection: Connection, runs: Sequence[str]) -> dict[str, str]:
    """Map each of these runs to the default run of its stream: that of records that name none."""
    streams = definitions_of(connection, runs, DEFAULT_STREAM)
    return {run: streams.get(run, DEFAULT_STREAM).default_run for run in runs}


def describe_removed(default_runs: Mapping[str, str]) -> str:
    """Say what becomes of the records of runs that were removed. default_runs: as the function of that name."""
    anew = [run for run, default in default_runs.items() if run == default]
    texts = [f"the next record that names no run begins {run} anew" for run in anew]
    if len(anew) < len(default_runs):
        texts.append("to have records again, replay them under another --run")
    return "; ".join(["removed; what was read of them stays in Kafka and is not read again", *texts])
