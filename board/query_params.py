"""The parameters of a request, checked. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from board.http_errors import BadParameter
from schemas.durations import duration_ms, moment_ms
from schemas.errors import UsageError
from schemas.notices import MAX_SIZE_S
from schemas.records import MAX_TIME, is_run_id
from schemas.sides import Side, side_of

LONGEST = 40
"""Characters of a duration or a moment."""
LONGEST_SIDE = 250
"""Characters of a side of a comparison."""
LONGEST_ID = 500
"""Characters of the id of an alarm."""
MAX_SIZE = 1_000 * MAX_SIZE_S

Query = Mapping[str, str]


def run_param(query: Query) -> str | None:
    """Return the run; None where none is named. Raises BadParameter for what no run is called."""
    run = query.get("run")
    if run is not None and not is_run_id(run):
        raise BadParameter("that is no name of a run", "`driftline runs` lists them")
    return run


def alarm_param(query: Query) -> str:
    """Return the id of an alarm. Raises BadParameter where none is named, or what no alarm is called."""
    alarm = query.get("id", "")
    if not 0 < len(alarm) <= LONGEST_ID or not alarm.isprintable():
        raise BadParameter("id is missing or is no name of an alarm", "`driftline alarms` lists them")
    return alarm


def find_param(query: Query) -> str:
    """Return a part of the names of runs; all hold "". Raises BadParameter for what is in no name."""
    find = query.get("find", "")
    if find and not is_run_id(find):
        raise BadParameter("that is in no name of a run", "`driftline runs` lists them")
    return find


def segment_param(query: Query) -> str:
    """Return the segment; '' where none is named. Raises BadParameter for what none is called."""
    segment = query.get("segment", "")
    if len(segment) > LONGEST_SIDE or not segment.isprintable():
        raise BadParameter("that is no name of a segment", "write NAME=VALUE, as `driftline windows` does")
    return segment


def size_param(query: Query) -> int | None:
    """Return the window size in seconds; None where none is named. Raises BadParameter for what is no size."""
    if (text := query.get("size")) is None:
        return None
    size = _checked(duration_ms, text, "size")
    if size % 1_000 or size > MAX_SIZE:
        raise BadParameter("size is no size of windows", "write whole seconds to a year, such as 1h")
    return size // 1_000


def moment_param(query: Query, name: str) -> int:
    """Return a moment, ms since the epoch, written so or as ISO. Raises BadParameter where it is none."""
    if (text := query.get(name)) is None:
        raise BadParameter(
            f"{name} is missing", f"add {name}=, a moment such as 2022-02-01T06:00 or ms since the epoch"
        )
    at = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else _checked(moment_ms, text, name)
    if not 0 <= at < MAX_TIME:
        raise BadParameter(f"{name} is out of range", "give a moment from 1970 to 2100")
    return at


def side_param(query: Query, name: str) -> Side:
    """Return a side of a comparison. Raises BadParameter where it is none."""
    text = query.get(name, "")
    if not 0 < len(text) <= LONGEST_SIDE:
        raise BadParameter(f"{name} is missing", f"add {name}=, a side such as demo@2022-02-08..2022-02-15")
    try:
        return side_of(text)
    except (UsageError, OverflowError, ValueError) as error:
        do = error.do if isinstance(error, UsageError) else "give another"
        raise BadParameter(f"{name} is no side of a comparison", do) from None


def axis_param(query: Query) -> str:
    """Return `event` or `wall`. Raises BadParameter for anything else."""
    axis = query.get("axis", "event")
    if axis not in ("event", "wall"):
        raise BadParameter("axis is neither event nor wall", "leave it out, or name one of them")
    return axis


def run_and_size(query: Query) -> tuple[str, int]:
    """Return run and window size in seconds. Raises BadParameter where one is missing."""
    run, size = run_param(query), size_param(query)
    if run is None or size is None:
        raise BadParameter("run or size is missing", "add run= and size=, such as run=demo&size=1h")
    return run, size


def _checked(read: Callable[[str], int], text: str, name: str) -> int:
    if len(text) > LONGEST:
        raise BadParameter(f"{name} is not valid", "write it shorter")
    try:
        return read(text)
    except UsageError as error:
        raise BadParameter(f"{name} is not valid", error.do) from None
    except (OverflowError, ValueError):
        raise BadParameter(f"{name} is not valid", "give another") from None
