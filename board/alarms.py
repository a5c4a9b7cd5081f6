"""Alarms of a run, the evidence behind them, and the promise: what the pages show of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from board.alarm_errors import read_errors
from board.database import Reader
from board.http_errors import NotFound
from board.runs import RunInfo
from board.signal_evidence import SignalCurves
from schemas.alarm_text import Situation, next_steps, segment_of, told, what
from schemas.alarms import AlarmMember
from schemas.durations import duration_ms, duration_text, moment
from schemas.text import printable

WATCHED = (
    "sizes", "asked", "done", "folded_at", "promise", "refused", "about", "weeks", "set_by", "from", "to",
)  # fmt: skip
RECORD = ("alarms", "false", "known", "real")
ALARM = (
    "id", "state", "track", "kind", "harm", "message", "stream", "size", "window", "first_evidence", "pending_at",
    "fired_at", "recovered_at", "withdrawn_at", "value", "columns", "members", "calibration_id", "promise",
    "estimated", "unestimated",
)  # fmt: skip
ACK = ("verdict", "note", "author", "at")
CALIBRATION = (
    "season", "id", "promise", "refused", "about", "weeks", "set_by", "unwatched", "signals", "lines",
)  # fmt: skip
TOLD_OF = ("target", "state", "outcome", "sent_at", "reminders", "error")
SILENCE = ("track", "column", "until", "author", "reason")

TOLD = 20
"""Alarms that the headline knows."""
LISTED = 500
WEEK = 7 * 86_400_000
CURVES = 8
"""Members whose evidence is drawn."""
AROUND = 60
"""Windows of an alarm that are listed."""


async def read_watch(reader: Reader, run: RunInfo) -> dict[str, Any] | None:
    """Read what the headline says of alarms; None where no season of the run is watched.

    Returns:
        Among others: `alarms`, the newest ones of tracks `change` and `harm` that were not withdrawn, newest first;
        `record`, how the promise was kept; `level` and `signal`, the newest evidence.
    """
    row = await reader.row("watched", run=run.run_id)
    if row is None:
        return None
    found = dict(zip(WATCHED, row, strict=True))
    alarms = await _alarms(reader, run.run_id, limit=TOLD, every=False)
    newest = max(await reader.rows("newest_evidence", run=run.run_id), key=lambda each: each[2], default=None)
    return found | {
        "sizes": sizes_text(found["sizes"]),
        "set_by": set_by(found["set_by"]),
        "record": dict(zip(RECORD, await reader.row("record", run=run.run_id), strict=True)),
        "level": newest and newest[2],
        "signal": newest and newest[3],
        "alarms": [{name: each[name] for name in each if name != "members"} for each in alarms],
        "silence": await _silence(reader, run.run_id, alarms[0]) if alarms else None,
    }


async def read_evidence(reader: Reader, run: RunInfo, axis: str) -> dict[str, Any]:
    """Read the evidence curve of a run, as JSON takes it.

    Args:
        reader: A snapshot of the database.
        run: The run.
        axis: `event` or `wall`: only then windows have the time at which they were closed.

    Returns:
        `curves`, by role and size: `at`, starts of windows in sizes from `start` on; `signals`, names to which
        `signal` points. `resets`: moments of event time after which evidence begins at nothing.
    """
    curves = []
    wall = axis == "wall"
    for role, size_s, starts, values, signals, closed in await reader.rows("evidence", run=run.run_id, wall=wall):
        names = sorted({name for name in signals if name is not None})
        place = {name: n for n, name in enumerate(names)}
        curves.append({
            "role": role,
            "size": duration_text(1_000 * size_s),
            "start": starts[0],
            "at": [(start - starts[0]) // (1_000 * size_s) for start in starts],
            "value": [round(value, 3) for value in values],
            "signal": [place.get(name, -1) for name in signals],
            "signals": names,
            "wall": closed if wall else None,
        })  # fmt: skip
    seasons = [row[0] for row in await reader.rows("calibrations", run=run.run_id)]
    recovered = [at for (at,) in await reader.rows("recoveries", run=run.run_id)]
    return {"run": run.run_id, "curves": curves, "seasons": sorted(seasons), "recovered": recovered}


async def read_alarms(reader: Reader, run: RunInfo) -> dict[str, Any]:
    """Read all alarms of a run, withdrawn ones and those of the log too, and by what its seasons were measured."""
    return {
        "run": run.run_id,
        "watch": await read_watch(reader, run),
        "alarms": await _alarms(reader, run.run_id, limit=LISTED, every=True),
        "calibrations": [_without(each, "signals", "lines") for each in await _calibrations(reader, run.run_id)],
    }


async def read_alarm(reader: Reader, run: RunInfo, alarm_id: str) -> dict[str, Any]:
    """Read one alarm: its evidence by signal, its windows, its calibration, and who silenced it.

    Raises:
        NotFound: The run has no such alarm.
    """
    alarm = await find_alarm(reader, run.run_id, alarm_id)
    shown = {"run": run.run_id, "unit": run.stream.unit, "alarm": alarm}
    if alarm["state"] is None:
        return shown | {"next": steps(run.run_id, alarm, (), None, is_silenced=False)}
    calibrations = await _calibrations(reader, run.run_id)
    own = next((each for each in calibrations if each["id"] == alarm["calibration_id"]), None)
    silence, evidence = (
        await _silence(reader, run.run_id, alarm),
        await _evidence_of(reader, run.run_id, alarm, calibrations),
    )
    return shown | {
        "calibration": own and _without(own, "signals", "lines"),
        "silence": silence,
        "notified": await _notified(reader, run.run_id, alarm_id),
        "next": steps(run.run_id, alarm, evidence.pop("seasons"), run.period, is_silenced=silence is not None),
        "errors": await read_errors(reader, run.run_id, alarm) if alarm["track"] == "harm" else None,
        **evidence,
    }


def steps(
    run: str, alarm: Mapping[str, Any], seasons: Iterable[int], period: Sequence[int] | None, *, is_silenced: bool
) -> list[dict[str, str]]:
    """Return what to do about an alarm, as `driftline alarms show` says it. Pure.

    Args:
        run: Its run.
        alarm: The alarm.
        seasons: That it may touch.
        period: That the run covers, ms, end exclusive.
        is_silenced: Whether it is silenced now.
    """
    situation = Situation(
        alarm_id=alarm["id"],
        run_id=run,
        state=alarm["state"],
        track=alarm["track"],
        kind=alarm["kind"],
        size_s=duration_ms(alarm["size"]) // 1_000 if alarm["size"] else None,
        window_start=alarm["window"],
        columns=alarm["columns"],
        segment=segment_of(alarm["track"], [m.get("segment", "") for m in alarm["members"]]),
        onset=alarm["first_evidence"],
        until=alarm["recovered_at"],
        period=(period[0], period[1]) if period else None,
        verdict=alarm["ack"] and alarm["ack"]["verdict"],
        is_silenced=is_silenced,
    )
    weeks = [at for at in seasons if at + WEEK > (alarm["first_evidence"] or 0)]
    return [msgspec.structs.asdict(step) for step in next_steps(situation, weeks)]


async def find_alarm(reader: Reader, run: str, alarm_id: str) -> dict[str, Any]:
    """Read an alarm of a run, as `alarm_of` returns it.

    Raises:
        NotFound: The run has no such alarm.
    """
    found = await _alarms(reader, run, limit=1, every=True, alarm_id=alarm_id)
    if not found:
        raise NotFound("there is no such alarm", "its evidence may be gone; see the alarms of the run")
    return found[0]


async def _alarms(
    reader: Reader, run: str, *, limit: int, every: bool, alarm_id: str | None = None
) -> list[dict[str, Any]]:
    rows = await reader.rows("alarms", run=run, limit=limit, all=every, alarm=alarm_id)
    return [alarm_of(row) for row in rows]


def alarm_of(row: Sequence[Any]) -> dict[str, Any]:
    """Return an alarm as the pages take it. Pure. row: of the query `alarms`."""
    found = dict(zip(ALARM, row, strict=False))
    ack = dict(zip(ACK, row[len(ALARM) :], strict=True))
    message = printable(found.pop("message"), 2_000, keep="\n")
    return found | {
        "what": what(message),
        "told": told(message),
        "size": found["size"] and duration_text(1_000 * found["size"]),
        "columns": [printable(name) for name in found["columns"] or ()],
        "members": (known := members(found["members"])),
        "causes": causes(known),
        "ack": ack if ack["verdict"] else None,
    }


def members(stored: Any) -> list[dict[str, Any]]:
    """Return members with their sizes as text; none where they are not as a monitor writes them. Pure."""
    try:
        known = msgspec.convert(stored, list[AlarmMember])
    except msgspec.ValidationError:
        return []
    return [msgspec.to_builtins(each) | {"size": duration_text(1_000 * each.size_s)} for each in known]


def causes(known: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return what members are of, but for the error and for what another one explains, the worst first. Pure."""
    names = (m["column"] or m["name"] for m in own(known) if not m["consequence"] and m["kind"] != "error")
    return list(dict.fromkeys(names))


def own(known: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Leave out the segments that explain a change of the whole stream. Pure."""
    every = [*known]
    return [m for m in every if not m.get("segment")] or every


def set_by(stored: Any) -> dict[str, Any] | None:
    """Return what set a line, its size as text; None where nothing did. Pure."""
    if not isinstance(stored, dict) or not isinstance(size := stored.get("size"), int) or size < 1:
        return None
    return stored | {"size": duration_text(size)}


async def _calibrations(reader: Reader, run: str) -> list[dict[str, Any]]:
    rows = await reader.rows("calibrations", run=run)
    found = [dict(zip(CALIBRATION, row, strict=True)) for row in rows]
    return [each | {"set_by": set_by(each["set_by"])} for each in found]


async def _silence(reader: Reader, run: str, alarm: Mapping[str, Any]) -> dict[str, Any] | None:
    rows = await reader.rows("silences", run=run)
    return silence_of(alarm, [dict(zip(SILENCE, row, strict=True)) for row in rows])


async def _notified(reader: Reader, run: str, alarm_id: str) -> list[dict[str, Any]]:
    """Read who was told of the changes of an alarm, and for whom they wait."""
    rows = await reader.rows("told", run=run, alarm=alarm_id)
    found = [dict(zip(TOLD_OF, row, strict=True)) for row in rows]
    return [each | {name: printable(each[name] or "") for name in ("target", "error")} for each in found]


def silence_of(alarm: Mapping[str, Any], silences: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the silence that ends first of those that hold an alarm back; None where it is not silenced. Pure.

    Args:
        alarm: The alarm. It is silenced while all of its members are, but for consequences of others.
        silences: Of its run, those that hold now.
    """
    known = [each for each in silences if each["track"] in (None, alarm["track"])]
    names = {m["column"] or m["name"] for m in own(alarm["members"]) if not m["consequence"]} or {None}
    held = [
        max((s for s in known if s["column"] in (None, name)), key=lambda s: s["until"], default=None)
        for name in names
    ]
    whole = [dict(each) for each in held if each is not None]
    return min(whole, key=lambda s: s["until"]) if len(whole) == len(held) else None


async def _evidence_of(
    reader: Reader, run: str, alarm: Mapping[str, Any], calibrations: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    begun = sorted(each["season"] for each in calibrations)
    onset, until = alarm["first_evidence"], alarm["recovered_at"] or alarm["withdrawn_at"]
    seasons = [at for at in begun if until is None or at < until]
    first = max((at for at in seasons if at <= onset), default=min(seasons, default=None))
    if first is None:
        return {"seasons": [], "curves": [], "windows": []}
    where = {"from": moment(first), "to": moment(seasons[-1])}
    if alarm["track"] == "segments":
        found = await reader.rows("segment_evidence", run=run, **where)
        return {
            "seasons": [at for at in seasons if at >= first],
            "curves": segment_curves(found),
            "windows": _windows_around(found, alarm),
        }
    rows = await reader.rows("scores", run=run, **where)
    recovered = [at for (at,) in await reader.rows("recoveries", run=run)]
    curves = SignalCurves(calibrations, recovered)
    for row in rows:
        curves.add(row)
    return {
        "seasons": [at for at in seasons if at >= first],
        "curves": [
            {
                "role": m["role"],
                "name": m["name"],
                "size": m["size"],
                **curves.of(m["role"], m["size_s"], m["name"]),
            }
            for m in alarm["members"][:CURVES]
            if not m.get("segment")
        ],
        "windows": _windows_around(rows, alarm),
    }


def segment_curves(rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the evidence of all segments together, of which one line is drawn for each role and size. Pure.

    Args:
        rows: Of the query `segment_evidence`.
    """
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for role, size_s, _, start, _, value, *_ in rows:
        size = duration_text(1_000 * size_s)
        name = f"segments, by {role}"
        curve = found.setdefault((role, size_s), {"role": role, "name": name, "size": size, "at": [], "value": []})
        curve["at"].append(start + 1_000 * size_s)
        curve["value"].append(round(float(value), 3))
    return [*found.values()]


def _windows_around(rows: Iterable[Sequence[Any]], alarm: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Windows of the size that raised an alarm, from its onset on."""
    found = [
        {"start": start, "rows": count, "value": value, "signal": signal}
        for role, size_s, _, start, count, value, signal, _ in rows
        if (role, duration_text(1_000 * size_s)) == (alarm["stream"], alarm["size"])
        and start >= min(alarm["first_evidence"], alarm["window"])
        and (alarm["recovered_at"] is None or start < alarm["recovered_at"])
    ]
    return found[:AROUND]


def sizes_text(sizes: Iterable[int]) -> list[str]:
    """Return sizes in seconds as text, the smallest first. Pure."""
    return [duration_text(1_000 * size) for size in sorted(sizes)]


def _without(found: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}
