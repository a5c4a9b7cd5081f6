"""Two sides of a comparison, for the page that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from board.database import Database
from board.http_errors import BadParameter
from schemas.definition import Stream
from schemas.errors import UsageError
from schemas.sides import Side

if TYPE_CHECKING:
    from monitor.comparing import Compared


def read_comparison(database: Database, a: Side, b: Side, run: str | None, fallback: Stream) -> Compared:
    """Compare two sides; for a thread.

    Args:
        database: Of the board.
        a: One side.
        b: The other one.
        run: Of sides that name none.
        fallback: The stream of runs whose definition is not stored.

    Raises:
        BadParameter: They cannot be compared.
        Unavailable: The database does not answer.
    """
    from monitor.comparing import compare_sides  # noqa: PLC0415 - scipy takes a second, and is needed here only

    with database.blocking() as connection:
        try:
            return compare_sides(connection, a, b, run=run, fallback=fallback)
        except UsageError as error:
            raise BadParameter(error.what, error.do) from None
