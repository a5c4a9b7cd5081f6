"""Artifacts: `model.skops`, `card.json` and `reference.parquet` in one directory, written completely or not at all.

The artifact of a stream whose records bring their own predictions has no `model.skops`: it is a reference alone.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models import card as cards
from models import names, storage
from models.card import FORMAT, REFERENCE_ONLY, Card
from models.columns import Columns, Floats
from models.names import CARD
from schemas.definition import Records
from schemas.errors import ModelMissing, ModelUnusable, UsageError
from storage.chunk import OFFSET, layout

MODEL, REFERENCE = "model.skops", "reference.parquet"

_TRAIN = "run `driftline train`"

_NOTHING: Mapping[str, bytes] = {}


class Scorer(Protocol):
    """What each kind of model can do.

    inputs: the columns that `predict` reads.
    predict: one finite float64 for each row, which never depends on the rows beside it, in the label's unit.
    arrays: what an artifact stores; a scorer is made of it again.
    """

    @property
    def inputs(self) -> tuple[str, ...]: ...
    def predict(self, columns: Columns) -> Floats: ...
    def arrays(self) -> dict[str, NDArray[Any]]: ...


Scorers = Mapping[str, Callable[[Mapping[str, NDArray[Any]]], Scorer]]
"""Kind, as the card names it → what makes a scorer of the stored arrays, or raises KeyError or ValueError."""


@dataclass(frozen=True)
class Model:
    """An artifact that was loaded and verified.

    scorer: None where the artifact holds only a reference, or was loaded for that alone.
    path: where its reference is read from when asked for.
    """

    card: Card
    scorer: Scorer | None
    path: Path

    @property
    def hash(self) -> str:
        """sha256 in hex: equal hashes mean equal predictions and the same reference."""
        return self.card.hash

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that `predict` reads."""
        return () if self.scorer is None else self.scorer.inputs

    def predict(self, columns: Columns) -> Floats:
        """Predict each row, in the label's unit. A row's value never depends on the rows beside it.

        Args:
            columns: The rows; more than `inputs` may be in it.

        Returns:
            float64, finite, shape (rows,).

        Raises:
            KeyError: A column is missing.
            ModelUnusable: There is only a reference.
        """
        if self.scorer is None:
            raise ModelMissing(f"{self.path} contains a reference but no model", "name one with --model")
        return self.scorer.predict(columns)

    def reference(self) -> pa.Table:
        """Read the reference set (`models.reference.layout`), sorted by event time.

        Raises:
            ModelUnusable: It is damaged.
        """
        return pq.read_table(pa.BufferReader(_file(self.path, REFERENCE, self.card)))

    def file(self, name: str) -> bytes | None:
        """Read one of the files that were written beside the model; None where there is none of this name.

        Raises:
            ModelUnusable: It is damaged.
        """
        return _file(self.path, name, self.card) if name in self.card.files else None


def load(path: Path, stream: Records | None = None, scorers: Scorers | None = None) -> Model:
    """Read an artifact. It takes a few milliseconds, and no scikit-learn: what is stored is numbers in tables.

    Args:
        path: The directory, or a name that points to it, such as `default`.
        stream: The events whose columns its reference has to have; None: whichever.
        scorers: The kinds of models that the program can score with; None: only the reference is wanted.

    Raises:
        ModelUnusable: It is missing, damaged, of an unknown kind, or made for something else.
    """
    path = names.resolve_name(path)  # once: the name may stand for another one meanwhile
    card = _card(path)
    if card.format != FORMAT:
        raise ModelUnusable(f"the model in {path} has format {card.format}; this program reads {FORMAT}", _TRAIN)
    for name in {*card.files, REFERENCE}:
        _file(path, name, card)
    if stream is not None:
        _check_columns(path, card, stream)
    return Model(card=card, scorer=None if scorers is None else _scorer(path, card, scorers), path=path)


def _check_columns(path: Path, card: Card, records: Records) -> None:
    """Check that the reference has the columns of these events, whose bounds may have changed since."""
    wanted = {field.name: field for field in layout(records) if field.name != OFFSET}
    stored = pq.read_schema(pa.BufferReader(_file(path, REFERENCE, card)))
    found = {field.name: field for field in stored}
    if (last := stored.names[-1]) == card.target or (card.target is None and last not in wanted):
        del found[last]  # the label
    if card.stream != records.topic or found != wanted:
        differ = sorted({name for name, _ in {*found.items()} ^ {*wanted.items()}})
        what = f"the model in {path} was made for another definition of {records.topic!r}"
        raise ModelUnusable(f"{what}, with other columns: {', '.join(differ)}", _TRAIN)


def _scorer(path: Path, card: Card, scorers: Scorers) -> Scorer | None:
    if card.kind == REFERENCE_ONLY:
        return None
    if card.kind not in scorers:
        known = ", ".join(scorers) or "none"
        raise ModelUnusable(f"the model in {path} is of kind {card.kind!r}; this program supports {known}", _TRAIN)
    try:
        return scorers[card.kind](storage.load(_file(path, MODEL, card)))
    except Exception as error:  # whatever arrays of other types and shapes can raise
        raise ModelUnusable(f"{path / MODEL} cannot be read ({error})", _TRAIN) from error


def save(
    path: Path, card: Card, scorer: Scorer | None, reference: pa.Table, beside: Mapping[str, bytes] = _NOTHING
) -> Model:
    """Write an artifact into a directory and put it in place at once.

    Another artifact that is there is kept beside it, under its hash.

    Args:
        path: The directory.
        card: Without files and hash.
        scorer: None where the records bring their own predictions.
        reference: A table as `models.reference.layout` describes it.
        beside: Further files, by name.

    Raises:
        UsageError: The directory holds something else.
        ModelUnusable: It cannot be written.
    """
    _refuse_foreign(path)
    _write(path, _packed(card, scorer, reference, beside)[1])
    return replace(load(path), scorer=scorer)


def publish(
    name: Path, card: Card, scorer: Scorer | None, reference: pa.Table, beside: Mapping[str, bytes] = _NOTHING
) -> Model:
    """Write an artifact beside `name`, under its hash, and let the name stand for it: see `models.names`.

    Args and Raises: as of `save`.
    """
    _refuse_foreign(name)
    hash, contents = _packed(card, scorer, reference, beside)
    place = name.with_name(hash)
    try:
        made = load(place)
    except ModelUnusable:
        _write(place, contents)
        made = load(place)
    try:
        names.link(name, hash)
    except OSError as error:
        raise _unwritable(name, error) from error
    return replace(made, scorer=scorer)


def _packed(
    card: Card, scorer: Scorer | None, reference: pa.Table, beside: Mapping[str, bytes]
) -> tuple[str, dict[str, bytes]]:
    """Hash and files of an artifact."""
    contents = {} if scorer is None else {MODEL: storage.dump(scorer.arrays())}
    contents |= {REFERENCE: _parquet(reference), **beside}
    files = {name: sha256(data).hexdigest() for name, data in contents.items()}
    sealed = cards.seal(msgspec.structs.replace(card, files=files))
    return sealed.hash, {**contents, CARD: cards.encode(sealed)}


def _write(path: Path, contents: Mapping[str, bytes]) -> None:
    try:
        _put(path, contents)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ModelUnusable:
    return ModelUnusable(f"the model could not be written to {path} ({error})", "name another --out")


def _card(path: Path) -> Card:
    try:
        return cards.decode((path / CARD).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ModelMissing(f"there is no model in {path}", f"{_TRAIN}, or see `driftline models`") from None
    except (OSError, ValueError) as error:
        raise ModelUnusable(f"{path / CARD} is damaged ({error})", _TRAIN) from error


def _file(path: Path, name: str, card: Card) -> bytes:
    """A file's bytes, if their hash is the one in the card."""
    try:
        data = (path / name).read_bytes()
    except OSError as error:
        raise ModelUnusable(f"{path / name} cannot be read ({error})", _TRAIN) from error
    if sha256(data).hexdigest() != card.files.get(name):
        raise ModelUnusable(f"{path / name} is damaged: its hash differs from the one in the card", _TRAIN)
    return data


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _refuse_foreign(path: Path) -> None:
    """Replacing means deleting: only what looks like an artifact is replaced."""
    place = names.resolve_name(path)
    if place.exists() and not (place / CARD).is_file() and (not place.is_dir() or any(place.iterdir())):
        raise UsageError(f"{path} exists and is not a model", "name another --out")


def _put(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write under a temporary name, sync, then rename: a reader never sees half an artifact."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as room:
        made, old = Path(room) / "new", Path(room) / "old"
        made.mkdir()
        for name, data in contents.items():
            with (made / name).open("wb") as file:
                file.write(data)
                os.fsync(file.fileno())
        if path.exists():
            path.rename(old)
        try:
            made.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        if not old.is_symlink() and names.read_card(old) not in (None, names.read_card(path)):
            names.archive(old, path.parent)
