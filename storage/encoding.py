"""Text for databases whose encoding is not UTF-8: what they cannot hold becomes a question mark."""

from __future__ import annotations

import codecs
import json
from functools import partial
from typing import Any

import psycopg
from psycopg.types.json import set_json_dumps
from psycopg.types.string import StrDumper

_UNCHECKED = "SQL_ASCII"


def adapt(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    """Make a connection write only what its database can hold. Nothing to do where that is all of Unicode."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding in (None, "UTF8"):
        return
    # Postgres does not take the escapes of JSON for what these encodings have no character for.
    write_json = partial(json.dumps, ensure_ascii=False)
    if encoding == _UNCHECKED:  # whatever bytes come: ours are UTF-8
        set_json_dumps(write_json, connection)
        return
    holds = partial(_held, codec=_codec(encoding))

    class Dumper(StrDumper):
        def dump(self, obj: str) -> Any:
            return super().dump(holds(obj))

    connection.adapters.register_dumper(str, Dumper)
    set_json_dumps(lambda value: holds(write_json(value)), connection)


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
