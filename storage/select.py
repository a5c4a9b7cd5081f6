"""Rows of a query as frozen structs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from psycopg.rows import class_row

from storage.connect import Connection
from storage.errors import MISSING_TABLES

Row = TypeVar("Row")


def select(connection: Connection, query: str, row: type[Row], params: Mapping[str, Any]) -> list[Row]:
    """Select rows; none where no stage has created the tables yet.

    Args:
        connection: Any connection that may read.
        query: In SQL; its columns are the fields of `row`.
        row: Type of the rows.
        params: Of the query.
    """
    with connection.cursor(row_factory=class_row(row)) as cursor:
        try:
            return cursor.execute(query, params).fetchall()
        except MISSING_TABLES:
            return []
