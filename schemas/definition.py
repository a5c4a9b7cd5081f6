"""The definition of a monitored stream: its topics, the fields of their records, and the settings of its runs.

A definition is a value. It is passed to every stage at the edge (`cli`, tests), and stored in the database beside
the runs that it belongs to, so that whatever works on stored runs reads it there (`storage/streams.py`). The
command line uses `streams/taxi.py` only; tests run other streams by passing their definitions.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

import msgspec

from schemas.errors import UsageError
from schemas.topics import check_topic

Type = Literal["int", "float", "str"]
Use = Literal["number", "category", "carried"]
"""number, category: monitored for drift. carried: rides along on the topic, is neither decoded nor stored."""

Role = Literal["events", "labels"]
"""What a topic of a stream holds: what happened, or how it turned out. Tables call a topic's rows by it."""

EVENTS: Role = "events"
LABELS: Role = "labels"

RESERVED = ("kind", "run_id", "seq", "offset")
"""Names that a record's own fields may not have: the envelope's, and a chunk's column of offsets."""

INTERNAL = "driftline:"
"""Prefix of columns that are added to those of a record; no field may have it."""

_PREDICTION = "prediction"


class Field(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """One field of a record.

    Attributes:
        name: As in the JSON.
        type: Of its values.
        role: How it is monitored.
        required: Whether it may not be missing.
        low, high: Inclusive bounds; for a str of its length. A value outside makes the record invalid (a dead
            letter), so they are what is *possible*; what is *usual* is learnt from the reference.
        unit: For display.
        description: For display.
        value_names: What people call single values, for display, as pairs of (value as text, name).
    """

    name: str
    type: Type
    role: Use
    required: bool = True
    low: float | None = None
    high: float | None = None
    unit: str | None = None
    description: str | None = None
    value_names: tuple[tuple[str, str], ...] = ()


class Records(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """One topic of records that have the same fields.

    Attributes:
        topic: Name of the topic, without the prefix of an installation.
        kind: Value of `kind` in its records.
        id: The field with the record's id, a str; also the Kafka key.
        time: The field with the event time, ms since the epoch.
        fields: All others.
        label: The field with the true value (of labels only); joined to the prediction by the id.
        label_range: Inclusive; labels outside are counted, but left out of MAE, RMSE, bias and R², because the
            model was trained inside.
        known_at: The field that says when the label became known, ms since the epoch (of labels only); None if it
            is known at once. A replay sends the label then.
        prediction: The field with a prediction made upstream; None if the consumer's model makes it.

    Raises:
        UsageError: Names of fields are reserved, repeated or unknown.
    """

    topic: str
    kind: str
    id: str
    time: str
    fields: tuple[Field, ...]
    label: str | None = None
    label_range: tuple[float, float] | None = None
    known_at: str | None = None
    prediction: str | None = None

    def __post_init__(self) -> None:
        check_topic(self.topic, "give the topic another name")
        names = [self.id, self.time, *(field.name for field in self.fields)]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"{self.topic}: two fields are called {name!r}", "give each a name of its own")
            if name in RESERVED or name.startswith(INTERNAL):
                reserved = f"{', '.join(RESERVED)} and {INTERNAL}… are reserved"
                raise UsageError(f"{self.topic}: a field is called {name!r}", reserved)
            if name == _PREDICTION != self.prediction:
                raise UsageError(
                    f"{self.topic}: a field that is not the prediction is called {name!r}",
                    "name it as the prediction, or call it otherwise: the model's prediction has that name",
                )
        for meant in (self.label, self.known_at, self.prediction):
            if meant is not None and meant not in names[2:]:
                raise UsageError(f"{self.topic}: there is no field {meant!r}", "name one of its fields")

    @property
    def role(self) -> Role:
        """What these records are to their stream."""
        return EVENTS if self.label is None else LABELS

    @property
    def kept(self) -> tuple[Field, ...]:
        """The fields that are decoded, validated and stored."""
        return tuple(f for f in self.fields if f.role != "carried")

    @property
    def needs_model(self) -> bool:
        """Whether the consumer's model makes the prediction of its records."""
        return self.label is None and self.prediction is None

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the fields that are monitored as numbers, without a prediction made upstream."""
        return tuple(f.name for f in self.fields if f.role == "number" and f.name != self.prediction)

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the fields that are monitored as categories."""
        return tuple(f.name for f in self.fields if f.role == "category" and f.name != self.prediction)

    def with_range(self, reason: str) -> str:
        """Add to the reason why there are no figures of labels which labels count at all."""
        if self.label_range is None:
            return reason
        low, high = self.label_range
        return f"{reason}: only labels from {low:g} to {high:g} count"

    def field(self, name: str) -> Field | None:
        """Return the field of that name, or None."""
        return next((f for f in self.fields if f.name == name), None)


class RunConfig(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """Settings of a new run, all in ms; a run keeps those that it was begun with.

    Attributes:
        pane_ms: The smallest window.
        lateness_ms: How far behind the newest record of its partition an event is still accepted.
        label_lateness_ms: The same of a label.
        max_ahead_ms: A record further ahead of its partition is a dead letter.
    """

    pane_ms: int = 300_000
    lateness_ms: int = 600_000
    label_lateness_ms: int = 7_200_000
    max_ahead_ms: int = 86_400_000

    def check(self) -> None:
        """Check that a new run may begin with these.

        Raises:
            UsageError: It may not.
        """
        for name in ("pane_ms", "max_ahead_ms"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}", "give 1 or more")
        if min(self.lateness_ms, self.label_lateness_ms) < 0:
            raise UsageError("the allowed lateness is negative", "give 0 or more")
        if self.pane_ms % 1_000:
            raise UsageError("the pane is no whole number of seconds", "give it in seconds, such as 300s or 5m")


class Segment(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A way to divide the events of a stream by the value of a field.

    Attributes:
        column: The field.
        name: Of the division; '' for that of the field.
        groups: A lookup, as pairs of (value as text, name of its segment). Values that are not in it have none of
            their own, but for a division without a lookup, in which each value is a segment.
        present: Name of the segment of all values that are not missing; None where they are told apart.
        missing: Name of the segment of missing values.
        top: Segments, by the rows that the reference of the model has of them; the rest is `other`.
    """

    column: str
    name: str = ""
    groups: tuple[tuple[str, str], ...] = ()
    present: str | None = None
    missing: str = "missing"
    top: int = 4

    @property
    def called(self) -> str:
        """Its name."""
        return self.name or self.column


class Stream(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True, dict=True):
    """A monitored stream: the value that is passed to every stage.

    Attributes:
        name: Unique in a database.
        events: What happened.
        labels: How it turned out, joined to the events by their ids; None without labels.
        unit: Of label and prediction, for display.
        season_ms: Period after which the usual pattern of the stream repeats, such as a week; None if it does not.
        segments: How the stream is divided, each part to be monitored by itself. A name stands for the values of
            that field.
        terms: Settings of new runs.
        default_run: The run of records that name none.

    Raises:
        UsageError: The parts contradict one another.
    """

    name: str
    events: Records
    labels: Records | None = None
    unit: str | None = None
    season_ms: int | None = None
    segments: tuple[Segment | str, ...] = ()
    terms: RunConfig = RunConfig()
    default_run: str = "live"

    def __post_init__(self) -> None:
        self.terms.check()
        if self.events.label is not None:
            raise UsageError(f"{self.name}: the events carry the label", "put it into the labels' own topic")
        if self.labels is not None and self.labels.label is None:
            raise UsageError(f"{self.name}: the labels name no label", "name the field that holds it")
        if self.labels is not None and self.labels.topic == self.events.topic:
            raise UsageError(f"{self.name}: events and labels share a topic", "give each a topic of its own")
        of_events = {field.name for field in self.events.fields}
        if shared := sorted(of_events & {field.name for field in self.labels.fields} if self.labels else ()):
            raise UsageError(
                f"{self.name}: events and labels both have a field {shared[0]!r}", "give each a name of its own"
            )
        names = [one.called for one in self.divisions]
        for one in self.divisions:
            if one.column not in {field.name for field in self.events.kept}:
                raise UsageError(
                    f"{self.name}: there is no field {one.column!r} to segment by",
                    "name a field of the events that is not merely carried",
                )
            if names.count(one.called) > 1 or "=" in one.called or one.top < 1:
                raise UsageError(
                    f"{self.name}: {one.called!r} cannot be the name of a division, or has no segments",
                    "give each division a name of its own, without '=', and a top of 1 or more",
                )

    @property
    def topics(self) -> tuple[Records, ...]:
        """Its topics, events first."""
        return (self.events,) if self.labels is None else (self.events, self.labels)

    def records(self, role: str) -> Records:
        """Return the topic of that role.

        Raises:
            KeyError: The stream has none.
        """
        for records in self.topics:
            if records.role == role:
                return records
        raise KeyError(role)

    @property
    def label(self) -> str | None:
        """The field of the labels that holds the true value; None without labels."""
        return self.labels.label if self.labels is not None else None

    @property
    def needs_model(self) -> bool:
        """Whether the consumer's model makes the predictions."""
        return self.events.needs_model

    @property
    def divisions(self) -> tuple[Segment, ...]:
        """How it is divided into segments."""
        return tuple(Segment(column=one) if isinstance(one, str) else one for one in self.segments)

    @cached_property
    def hash(self) -> str:
        """sha256 in hex of the definition as `encode` writes it: equal hashes are equal definitions."""
        return sha256(encode(self)).hexdigest()

    def unit_of(self, column: str) -> str | None:
        """Return the unit of a column, for display; prediction and label have the stream's."""
        if column in (self.label, _PREDICTION, self.events.prediction):
            return self.unit
        return next((field.unit for field in self._named(column)), None)

    def title_of(self, column: str) -> str:
        """Return what people call a column, with its name: `pickup zone (PULocationID)`; else its name."""
        title = next((field.description for field in self._named(column)), None)
        return column if title is None else f"{title} ({column})"

    def value_names(self, column: str) -> dict[str, str]:
        """Return what people call the values of a column, by the value as text; most columns have no such names."""
        return next((dict(field.value_names) for field in self._named(column)), {})

    def _named(self, column: str) -> Iterator[Field]:
        return (field for records in self.topics if (field := records.field(column)) is not None)


def encode(stream: Stream) -> bytes:
    """Encode a definition as canonical JSON: keys in alphabetical order, defaults written out, bounds as floats."""
    return msgspec.json.encode(decode(msgspec.to_builtins(stream)), order="deterministic")


def decode(definition: bytes | str | dict[str, Any]) -> Stream:
    """Decode a definition from JSON, or from the dict that `jsonb` is read as.

    Fields of later versions are ignored; missing ones get their defaults.

    Raises:
        msgspec.ValidationError: It is no definition.
    """
    if isinstance(definition, dict):
        return msgspec.convert(definition, Stream)
    return msgspec.json.decode(definition, type=Stream)
