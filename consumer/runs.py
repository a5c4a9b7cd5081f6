"""What each run was begun with, as far as a consumer judges records by it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import structlog

from consumer.ledger import Foreign
from consumer.store import RunBinding, Store
from consumer.windows import LatenessPolicy
from schemas.advice import begin_anew, go_on
from schemas.compatibility import incompatibility, other_stream, same_bounds
from schemas.definition import LABELS, Records, RunConfig, Stream
from schemas.durations import duration_text
from schemas.errors import RunConflict

log = structlog.get_logger()


class Runs:
    """Looks up what runs were begun with, and begins those that nobody has met yet."""

    def __init__(
        self, store: Store, stream: Stream, ours: RunBinding, awaited: str | None, wanted: RunConfig | None = None
    ) -> None:
        """Make one.

        Args:
            store: Where runs are registered.
            stream: That this consumer reads.
            ours: What new runs are begun with.
            awaited: The run that this consumer is to end with, if any.
            wanted: What the operator gave for new runs; None: nothing.
        """
        self._store = store
        self._stream = stream
        self._ours = ours
        self._awaited = awaited
        self._wanted = wanted
        self._compared: set[str] = set()

    def register(self, run_ids: Iterable[str]) -> None:
        """Begin those of the runs that nobody has met yet, all at once."""
        known = [*run_ids]
        self._store.register(known, self._ours, self._stream)
        if self._wanted:
            for run_id in known:
                self._compare(run_id, self._wanted)

    def policies(self, run_ids: Iterable[str], records: Records) -> dict[str, LatenessPolicy]:
        """When the records of each registered run, in one topic of the stream, are late or too far ahead."""
        return {run_id: self._policy(run_id, records) for run_id in run_ids}

    def earlier_records(self, run_ids: Iterable[str], records: Records) -> dict[str, Records]:
        """Find runs whose records are judged by other bounds than today's: by those that they were begun with.

        Args:
            run_ids: Runs that records name, valid or not.
            records: The topic of the stream.

        Returns:
            Run → the topic as it was defined then, with the same columns.
        """
        bindings = self._store.find_bindings(run_ids, self._stream)
        definitions = {run_id: begun.definition for run_id, begun in bindings.items()}
        changed = {run_id: begun for run_id, begun in definitions.items() if begun not in (None, self._stream)}
        return {
            run_id: earlier
            for run_id, begun in changed.items()
            if begun is not None
            and incompatibility(run_id, begun, self._stream) is None
            and not same_bounds(earlier := begun.records(records.role), records)
        }

    def foreign(self, run_ids: Iterable[str], records: Records) -> Mapping[str, Foreign]:
        """Find registered runs that this consumer must make no rows of.

        They belong to another stream, or, where the model makes the predictions, to another model.

        Args:
            run_ids: To be looked at.
            records: The topic of the stream.

        Returns:
            Run → what its records become instead.

        Raises:
            RunConflict: The awaited run is one of them, so that its end would never come.
        """
        found = {run_id: self._conflict(run_id, records) for run_id in run_ids}
        return {run_id: self._rejected(run_id, conflict) for run_id, conflict in found.items() if conflict}

    def _compare(self, run_id: str, wanted: RunConfig) -> None:
        """Log, once for each run, what it keeps though the operator gave something else."""
        if run_id in self._compared:
            return
        self._compared.add(run_id)
        kept, given = msgspec.structs.asdict(self._store.binding(run_id).config), msgspec.structs.asdict(wanted)
        if other := {name: kept[name] for name in given if kept[name] != given[name]}:
            log.warning(
                "run_keeps_its_settings",
                run=run_id,
                **{name.removesuffix("_ms"): duration_text(ms) for name, ms in other.items()},
                do="what was given now is for new runs: replay it under another --run",
            )

    def _policy(self, run_id: str, records: Records) -> LatenessPolicy:
        config = self._store.binding(run_id).config
        lateness = config.label_lateness_ms if records.role == LABELS else config.lateness_ms
        return LatenessPolicy(config.pane_ms, lateness, config.max_ahead_ms)

    def _conflict(self, run_id: str, records: Records) -> Foreign | None:
        """What keeps the run from being this consumer's, or None."""
        theirs, ours = self._store.binding(run_id), self._ours
        if not theirs.is_of(self._stream):
            name = theirs.stream or theirs.events_topic or "?"
            return Foreign("stream", other_stream(run_id, name, self._stream.name))
        if theirs.definition is None:
            return Foreign("stream", f"run {run_id} was begun by another version, whose definition cannot be read")
        if detail := incompatibility(run_id, theirs.definition, self._stream):
            return Foreign("stream", detail)
        if records.needs_model and theirs.model != ours.model:
            models = f"by model {_short(theirs.model)}, not by {_short(ours.model)} as here"
            return Foreign("model", f"run {run_id} is scored {models}")
        return None

    def _rejected(self, run_id: str, conflict: Foreign) -> Foreign:
        """What the records of a foreign run become. Raises RunConflict for the awaited run."""
        advice = self._advice(run_id, conflict)
        if run_id == self._awaited:
            raise RunConflict(conflict.detail, advice)
        return conflict._replace(detail=f"{conflict.detail}: {advice}")

    def _advice(self, run_id: str, conflict: Foreign) -> str:
        """How the records of a foreign run come to be read as they should, the harmless way first."""
        default, theirs = self._stream.default_run, self._store.binding(run_id)
        if run_id == default and not theirs.is_of(self._stream):
            return f"give stream {self._stream.name} a default_run of its own, and restart its consumers"
        if conflict.reason != "model":
            return begin_anew(run_id, default)
        another = begin_anew(run_id, default, _short(self._ours.model) if self._ours.model else "")
        return f"{go_on(_short(theirs.model))}; or {another}" if theirs.model else another


def _short(model: str | None) -> str:
    return "none" if model is None else model[:12]
