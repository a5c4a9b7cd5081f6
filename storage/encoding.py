"""Text for databases whose encoding is not UTF-8: what they cannot hold becomes a question mark."""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from psycopg.types.json import set_json_dumps
from psycopg.types.string import StrDumper

_UNCHECKED = "SQL_ASCII"
"""Takes whatever bytes come: ours are UTF-8."""


def adapt(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """Make a connection write only what its database can hold. Nothing to do where that is all of Unicode."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding in (None, "UTF8"):
        return
    codec = "utf-8" if encoding == _UNCHECKED else _codec(encoding)
    set_json_dumps(_Json(codec), connection)
    connection.adapters.register_dumper(str, _dumper(codec))


@dataclass(frozen=True)
class _Json:
    """Writes JSON without escapes, which Postgres refuses where its encoding has no such character."""

    codec: str

    def __call__(self, value: Any) -> str:
        return _held(json.dumps(value, ensure_ascii=False), self.codec)


@cache
def _dumper(codec: str) -> type[StrDumper]:
    class Dumper(StrDumper):
        def dump(self, obj: str) -> Any:
            return super().dump(_held(obj, codec))

    return Dumper


def _held(text: str, codec: str) -> str:
    return text if text.isascii() else text.encode(codec, "replace").decode(codec)


def _codec(encoding: str) -> str:
    """Python's name for an encoding of Postgres'; ASCII where it has none."""
    for name in (encoding, encoding.replace("WIN", "cp"), encoding.replace("KOI8", "koi8_")):
        try:
            return codecs.lookup(name).name
        except LookupError:
            continue
    return "ascii"
