"""Databases whose encoding is not UTF-8: characters that they lack become question marks."""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from psycopg.types.json import set_json_dumps
from psycopg.types.string import StrDumperUnknown

_UNCHECKED = "SQL_ASCII"
"""A database that stores any bytes: ours are UTF-8."""


def restrict_text(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """Make a connection write only characters that its database has.

    Args:
        connection: Where the database has all of Unicode, it stays as it is.
    """
    encoding = connection.info.parameter_status("server_encoding")
    if encoding in (None, "UTF8"):
        return
    codec = "utf-8" if encoding == _UNCHECKED else _codec(encoding)
    set_json_dumps(_Json(codec), connection)
    connection.adapters.register_dumper(str, _dumper(codec))


@dataclass(frozen=True)
class _Json:
    """Writes JSON without escapes: Postgres refuses an escaped character that its encoding lacks."""

    codec: str

    def __call__(self, value: Any) -> str:
        return _restricted(json.dumps(value, ensure_ascii=False), self.codec)


@cache
def _dumper(codec: str) -> type[StrDumperUnknown]:
    class Dumper(StrDumperUnknown):  # as psycopg's own: a statement means the same in every database
        def dump(self, obj: str) -> Any:
            return super().dump(_restricted(obj, codec))

    return Dumper


def _restricted(text: str, codec: str) -> str:
    return text if text.isascii() else text.encode(codec, "replace").decode(codec)


def _codec(encoding: str) -> str:
    """Find Python's codec for an encoding of Postgres; ASCII where there is none."""
    for name in (encoding, encoding.replace("WIN", "cp"), encoding.replace("KOI8", "koi8_")):
        try:
            return codecs.lookup(name).name
        except LookupError:
            continue
    return "ascii"
