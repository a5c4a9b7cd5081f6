"""The model card: an artifact's kind, training data, errors, and the hashes of its files."""

from __future__ import annotations

from hashlib import sha256

import msgspec
from msgspec.structs import replace

from schemas.definition import Field, Records

FORMAT = 1
"""Of an artifact. One more whenever older programs could not read it."""

REFERENCE_ONLY = "reference"
"""The kind of an artifact without a model: the records bring their own predictions."""


class Errors(msgspec.Struct, frozen=True, kw_only=True):
    """Errors on held-out records. mae, rmse, bias (prediction − truth): in the unit of the label."""

    rows: int
    period: tuple[int, int]
    mae: float
    rmse: float
    bias: float


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The card of an artifact, written as `card.json`.

    Attributes:
        format: Of the artifact.
        kind: Chooses the scorer.
        about: A description for people.
        stream: Topic of the events that it scores.
        definition: `definition_hash` of these events, as they were defined then.
        source: Where the records come from.
        period: Their event time, ms since the epoch, end exclusive.
        rows: Records that the model was trained on.
        reference_rows: Records in the reference set.
        inputs: Columns that a prediction reads.
        target: The label; None without labels.
        target_range: Range of the labels that it was trained on; None without labels.
        errors: Of the same model on the last 20 % of these records, trained on the first 80 %; None without
            labels.
        seed: Of the training.
        versions: Versions of the libraries, by name.
        files: sha256 of each file, by name.
        hash: sha256 of the card itself with '' in this place; it identifies the whole artifact.
    """

    format: int = FORMAT
    kind: str
    about: str
    stream: str
    definition: str
    source: str
    period: tuple[int, int]
    rows: int
    reference_rows: int
    inputs: tuple[str, ...]
    target: str | None
    target_range: tuple[float, float] | None
    errors: Errors | None
    seed: int
    versions: dict[str, str]
    files: dict[str, str]
    hash: str = ""

    @property
    def mae(self) -> float | None:
        """The mean absolute error held out; None without labels."""
        return None if self.errors is None else self.errors.mae


_BOUND = ("topic", "kind", "id", "time", "fields", "label", "label_range", "prediction")
_BOUND_OF_FIELD = ("name", "type", "role", "required", "low", "high")


def definition_hash(stream: Records) -> str:
    """Hash the part of a definition by which the records of a model were chosen: no display texts.

    It says where a model comes from; which streams it fits is decided by the columns of its reference. The order is
    part of it: artifacts keep this hash for good.
    """
    fields = [{name: getattr(field, name) for name in _BOUND_OF_FIELD} | _bounds(field) for field in stream.fields]
    bound = {name: getattr(stream, name) for name in _BOUND} | {"fields": fields}
    return sha256(msgspec.json.encode(bound)).hexdigest()


def _bounds(field: Field) -> dict[str, float | None]:
    """Bounds as numbers of the field's type: in a definition that was stored, all are floats."""
    kind = float if field.type == "float" else int
    bounds = {"low": field.low, "high": field.high}
    return {name: bound if bound is None or bound != kind(bound) else kind(bound) for name, bound in bounds.items()}


def seal(card: Card) -> Card:
    """Return the card with its own hash in it."""
    bare = replace(card, hash="")
    return replace(bare, hash=sha256(encode(bare)).hexdigest())


def encode(card: Card) -> bytes:
    """Encode a card as the content of `card.json`."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"


def decode(data: bytes) -> Card:
    """Decode a card.

    Raises:
        ValueError: The bytes are not exactly what `encode` returned.
    """
    card = msgspec.json.decode(data, type=Card)
    if encode(seal(card)) != data:
        raise ValueError("the card does not match its own hash")
    return card
