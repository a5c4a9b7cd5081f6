"""Arrays in a skops file: no pickle, no executable content. The same arrays always give the same bytes.

Any skops reads it (`skops.io.load(path)`, no type to trust). We read it ourselves, because importing skops brings
all of scikit-learn and SciPy with it: 4 seconds, which a consumer that only looks up tables need not wait for.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping
from typing import Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

_SCHEMA = "schema.json"
_DAMAGED = (BadZipFile, zlib.error, KeyError, TypeError, AttributeError, EOFError, OSError, RuntimeError)


def dump(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Encode arrays, by name, as a skops file."""
    import skops.io  # noqa: PLC0415 - see above

    sink = io.BytesIO()
    with ZipFile(io.BytesIO(skops.io.dumps(dict(arrays)))) as given, ZipFile(sink, "w") as taken:
        names: dict[str, str] = {}
        schema = json.dumps(_renumbered(json.loads(given.read(_SCHEMA)), {}, names), indent=1)
        for old, new in names.items():
            taken.writestr(_entry(new), given.read(old))
        taken.writestr(_entry(_SCHEMA), schema)
    return sink.getvalue()


def load(data: bytes) -> dict[str, NDArray[Any]]:
    """Decode the arrays of a skops file, by name.

    Raises:
        ValueError: It is something else, or damaged.
    """
    try:
        with ZipFile(io.BytesIO(data)) as file:
            content = json.loads(file.read(_SCHEMA))["content"]
            return {name: _array(file, node) for name, node in content.items()}
    except _DAMAGED as error:
        raise ValueError(f"not a skops file of arrays: {error}") from error


def _array(file: ZipFile, node: Mapping[str, str]) -> NDArray[Any]:
    if node["__loader__"] != "NdArrayNode" or node["type"] != "numpy":
        raise ValueError(f"holds {node['__class__']}, where only arrays belong")
    array: NDArray[Any] = np.load(io.BytesIO(file.read(node["file"])), allow_pickle=False)
    return array


def _entry(name: str) -> ZipInfo:
    info = ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = ZIP_DEFLATED
    return info


def _renumbered(node: Any, ids: dict[int, int], names: dict[str, str]) -> Any:
    """The schema with skops' memory addresses replaced by 0, 1, 2…; collects the old and new names of files."""
    if isinstance(node, list):
        return [_renumbered(item, ids, names) for item in node]
    if not isinstance(node, dict):
        return node
    copy = {key: _renumbered(value, ids, names) for key, value in node.items()}
    if "__id__" in node:
        copy["__id__"] = ids.setdefault(node["__id__"], len(ids))
    if "file" in node:
        copy["file"] = names.setdefault(node["file"], f"{len(names)}.npy")
    return copy
