"""What a stream looks like: its fields, their types, ranges and roles. A stream is one such definition.

Every stage works from the definition, so that another stream is one more file beside `taxi.py`, not a fork.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Type = Literal["int", "float", "str"]
Role = Literal["number", "category", "carried"]
"""number, category: monitored for drift. carried: rides along on the topic, is neither decoded nor stored."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a record.

    low, high: inclusive; for a str the bounds of its length. A value outside makes the record invalid (a dead
    letter), so they are what is *possible*; what is *usual* is learnt from the reference.
    """

    name: str
    type: Type
    role: Role
    required: bool = True
    low: float | None = None
    high: float | None = None


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One topic of records that share a shape.

    topic: the name of the topic and of the stream in every table.
    kind: the value of `kind` in its records.
    id: the field that holds the record's id, a str; also the Kafka key.
    time: the field that holds the event time, ms since the epoch.
    fields: all others.
    label: the field that holds the true value (outcomes only); joined to the prediction by the id.
    label_range: inclusive; labels outside are counted, but not part of MAE, RMSE, bias and R², because the
        model was trained inside.
    prediction: the field that holds a prediction made upstream; None where the consumer's model makes it.
    """

    topic: str
    kind: str
    id: str
    time: str
    fields: tuple[Field, ...]
    label: str | None = None
    label_range: tuple[float, float] | None = None
    prediction: str | None = None

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
        return tuple(f.name for f in self.fields if f.role == "number")

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.fields if f.role == "category")
