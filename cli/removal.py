"""`driftline models`, `models rm` and `runs rm`: list models, and remove models and runs with care."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from cli.streams import DEFAULT_STREAM
from models import names
from models.names import DEFAULT, OF_DEMO, Artifact
from schemas.durations import moment
from schemas.errors import DatabaseUnreachable, DriftlineError, ModelUnusable, RunConflict, UsageError
from storage.connect import Connection
from storage.errors import MISSING_TABLES, NOT_ALLOWED
from storage.queries import load_queries
from storage.select import select
from storage.streams import definitions_of

SQL = load_queries(Path(__file__).with_suffix(".sql"))

QUIET_S = 60
"""A run is not removed within this many seconds of its beginning, or of its last record."""

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
    """What a run held in the tables when it was removed: rows and windows of events, and the others beside them."""

    run_id: str
    rows: int
    labels: int
    windows: int
    dead_letters: int


class Holdings(msgspec.Struct, frozen=True):
    """What a run has, and whether records of it still arrive.

    begun_s, received_s: seconds since it began, and since a consumer read a record of it; None where none did.
    lag: records that are not read yet and may be of it.
    """

    rows: int
    labels: int
    windows: int
    dead_letters: int
    begun_s: float
    received_s: float | None
    finished: bool
    lag: int


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
        UsageError: There is no such model, or several begin so. The error names everything that keeps any of
            them, as the next one does.
        ModelUnusable: One is needed.
    """
    found: dict[Path, Artifact] = {}
    problems: list[DriftlineError] = []
    for name in dict.fromkeys(wanted):
        try:
            artifact = _one(name, folder)
            if artifact.path not in found and not force:
                _refuse_needed(artifact, used)
            found[artifact.path] = artifact
        except (UsageError, ModelUnusable) as error:
            problems.append(error)
    raise_all(problems)
    return [*found.values()]


def _one(name: str, folder: Path) -> Artifact:
    found = [a for a in names.list_artifacts(folder) if name in a.names] or list(names.find_by_prefix(name, folder))
    if not found:
        raise UsageError(f"there is no model {name} in {folder}", "`driftline models` lists them")
    if len({artifact.hash for artifact in found}) > 1:
        raise UsageError(f"{len(found)} models begin with {name}", "give more characters of the hash")
    return found[0]


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
        UsageError: There is no such run. The error names everything that keeps any of them, as the next one does.
        RunConflict: Records of a run may still arrive.
    """
    wanted = sorted(set(runs))
    found = {run: held for run in wanted if (held := _held(connection, run))}
    defaults = default_runs(connection, [*found]) if found else {}
    raise_all([problem for run in wanted if (problem := _problem(run, found.get(run), defaults.get(run)))])
    return [Removed(run, held.rows, held.labels, held.windows, held.dead_letters) for run, held in found.items()]


def remove_runs(connection: Connection, runs: Sequence[str]) -> None:
    """Remove runs, all or none: one transaction.

    Consumers of their partitions begin anew from what is left in the tables, since they remember where runs stand.
    A monitor in the middle of a window of theirs writes nothing.

    Raises:
        UsageError: There is no such run.
        RunConflict: Records of a run may still arrive.
        DatabaseUnreachable: The login may not delete.
    """
    holdings(connection, runs)
    try:
        with connection.transaction():
            connection.execute(SQL["fence"], {"runs": sorted(set(runs))})
            for run in sorted(set(runs)):
                connection.execute(SQL["lock_run"], {"run_id": run})
            holdings(connection, runs)
            for run in sorted(set(runs)):
                for query in _DELETES:
                    connection.execute(SQL[query], {"run_id": run})
    except NOT_ALLOWED as error:
        raise DatabaseUnreachable(
            f"this login may not remove runs ({error.diag.message_primary})",
            "set DATABASE_URL to one that writes, such as the consumer's",
        ) from None


def _held(connection: Connection, run: str) -> Holdings | None:
    try:
        found = select(connection, SQL["holdings"], Holdings, {"run_id": run})
    except MISSING_TABLES:  # nobody has made the tables yet
        return None
    return found[0] if found else None


def _problem(run: str, held: Holdings | None, default: str | None) -> DriftlineError | None:
    """What keeps a run from being removed. default: that of its stream; None where the run is not there."""
    if held is None:
        return UsageError(f"there is no run {run}", "`driftline runs` lists them")
    if held.received_s is not None and held.received_s < QUIET_S:
        since, what = held.received_s, f"records of run {run} were read {held.received_s:.0f} s ago"
    elif held.begun_s < QUIET_S:
        since, what = held.begun_s, f"run {run} began {held.begun_s:.0f} s ago"
    else:
        return None
    again = f"try again in {max(QUIET_S - since, 1):.0f} s"
    if held.finished:
        return RunConflict(what, f"it has ended: {again}")
    if run == default:
        return RunConflict(what, f"stop the consumers, {again}, then start them")
    left = f"let the consumers read the {held.lag:,} that are left, " if held.lag else ""
    return RunConflict(what, f"stop its producer, {left}and {again}")


def raise_all(problems: Sequence[DriftlineError]) -> None:
    """Raise what several errors say as one, wrong usage if any of them is; nothing where there are none."""
    if not problems:
        return
    wrong = next((problem for problem in problems if isinstance(problem, UsageError)), problems[0])
    what = "; ".join(map(str, problems[:-1]))
    last = problems[-1]
    raise type(wrong)(f"{what}; {last.what}" if what else last.what, last.do)


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
