"""What an alarm says, in sentences: what terminal, pages, messages, Grafana and log show of it. Pure.

The text is stored with the alarm, one sentence to a line: what changed and when; what kind of change that probably
is; what else moved; what became of the model's error; the evidence and the promise; what to do next.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlencode

import msgspec

from schemas.alarms import AlarmMember, AlarmRecord, Change, ChangeKind, leading, own
from schemas.definition import LABELS, Stream
from schemas.durations import duration_text, moment
from schemas.sides import Side
from schemas.text import printable

NEXT = "Next: "
"""How the line begins that says what to do."""

LITTLE = 0.5
"""Members with less evidence are not worth a sentence: it suspects nothing."""

COMPARED = 3
"""Columns that a comparison is of."""

ALSO = 3
"""Other members that are named."""

_LINE = 400
_HOUR = 3_600_000
_WEEK = 7 * 24 * _HOUR
_WHEN = re.compile(r", (?:since|from) \w{3} \d")
_LOG = ("gap", "volume", "coverage", "model", "stream")
"""Kinds of alarm about which the log says more than the columns of a window."""

_KINDS = {
    "unit": "another unit",
    "scale": "every value multiplied",
    "shift": "a constant added to every value",
    "spread": "noise",
    "late": "they come too late to count",
    "concept": "what the model has learnt does not hold any more",
}

_CHANGED: Mapping[ChangeKind, str] = {
    "unit": "{name} {times} the usual{medians}",
    "scale": "{name} {times} the usual{medians}",
    "shift": "{name} {shifted} the usual{medians}",
    "spread": "{name} scatters more: {factor} × as wide as usual around the same middle",
    "missing": "{name} missing in {after} of the {records}, usually in {before}",
    "new": "{name} has values never seen before in {after} of the {records}",
    "gone": "{name}: {shares} of the {records}",
    "shares": "{name}: {shares} of the {records}",
    "gap": "no {events} came",
    "fewer": "{more} fewer {events} than usual",
    "more": "{more} more {events} than usual",
    "duplicates": "{more} of the {events} come twice",
    "late": "{more} of the {events} are missing, though their {labels} came",
    "clock": "the {events} come as if a clock were {hours}",
    "labels": "{after} of the {events} have no {label}, usually {before}",
    "concept": "the model's error changed, inputs hardly did",
}


def alarm_text(alarm: AlarmRecord, stream: Stream) -> str:
    """Say what an alarm is about, one sentence to a line.

    Args:
        alarm: As it is now; its message is not looked at.
        stream: Whose records it is about: names of columns and values, and units, are taken from there.
    """
    return "\n".join(printable(line, _LINE) for line in _Sentences(alarm, stream).lines())


def headline(message: str) -> str:
    """Return the first line of what `alarm_text` has made: what changed, and when."""
    return message.split("\n", 1)[0]


def told(message: str) -> list[str]:
    """Return the lines but for what to do next, which depends on what people have decided since."""
    return [line for line in message.split("\n") if not line.startswith(NEXT)]


def what(message: str) -> str:
    """Return what changed, without when."""
    return _WHEN.split(headline(message))[0]


class Step(msgspec.Struct, frozen=True):
    """Something to do about an alarm. command: to copy. page: of the board, that shows the same; '' for none."""

    why: str
    command: str
    page: str = ""


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What decides what to do about an alarm, or about an incident of the log, which has no state.

    Attributes:
        alarm_id, run_id, state, track, kind: Of the alarm.
        size_s, window_start: The window that raised it; None: none did.
        columns: That it is of, the worst first.
        segment: That it is of, as `name=value`; '' for the whole stream.
        onset, until: Event time, ms; None: not known, or not yet.
        period: Event time that the run covers, ms, the end exclusive; None: it is not known what it held.
        verdict: What people judged last; None: nobody has.
        is_silenced: Whether it is silenced now.
    """

    alarm_id: str
    run_id: str
    state: str | None
    track: str | None
    kind: str
    size_s: int | None
    window_start: int | None
    columns: Sequence[str] = ()
    segment: str = ""
    onset: int | None = None
    until: int | None = None
    period: tuple[int, int] | None = None
    verdict: str | None = None
    is_silenced: bool = False


def segment_of(track: str | None, segments: Sequence[str]) -> str:
    """Return the segment that an alarm is of; '' where it is of the whole stream, or of the shares of segments.

    Args:
        track: Of the alarm.
        segments: Of its members, the worst first.
    """
    first = segments[0] if track == "segments" and segments else ""
    return first if "=" in first else ""


def next_steps(situation: Situation, weeks: Sequence[int]) -> list[Step]:
    """Say what to do about an alarm, as commands.

    Args:
        situation: Of the alarm.
        weeks: That it touches, by their start, ms; none if they cannot be excluded.
    """
    looks, decisions = (
        [Step(why, shlex.join(["driftline", *words])) for why, words in found]
        for found in (_looks(situation), _decisions(situation, weeks))
    )
    return [*looks, *_comparison(situation), *decisions]


def _looks(situation: Situation) -> Iterator[tuple[str, list[str]]]:
    """Where to look."""
    run = ["--run", situation.run_id]
    if situation.track == "ageing":
        yield "train a model on newer data", ["train", "--help"]
        yield "see how the error went", ["windows", *run]
        return
    if situation.kind in _LOG:
        yield "see what was rejected", ["dead-letters", *run]
    if situation.size_s and situation.window_start is not None:
        size = ["--size", duration_text(1_000 * situation.size_s)]
        if situation.kind in (*_LOG, "error"):
            yield "see how windows went", ["windows", *run, *size]
        else:
            start = f"{moment(situation.window_start):%Y-%m-%dT%H:%M:%S}".removesuffix(":00")
            window = [*size, "--window", start, *(["--segment", situation.segment] if situation.segment else [])]
            yield "see its distributions", ["report", *run, *window]
            yield "compare its columns with the reference", ["columns", *run, *window]


def _comparison(situation: Situation) -> Iterator[Step]:
    """Its columns a week earlier, or before its onset where the run begins later than that, and since its onset."""
    onset, period = situation.onset, situation.period
    if onset is None or period is None or situation.track in (None, "ageing"):
        return
    first, last = -(-period[0] // _HOUR) * _HOUR, period[1] // _HOUR * _HOUR
    start = max(onset // _HOUR * _HOUR, first)
    end = min(last if situation.until is None else situation.until // _HOUR * _HOUR, start + _WEEK, last)
    before = (start - _WEEK, end - _WEEK) if start - _WEEK >= first else (first, start)
    if start >= end or before[0] >= before[1]:
        return
    sides = [Side(situation.run_id, *span, situation.segment).text for span in (before, (start, end))]
    columns = [*situation.columns][:COMPARED]
    options = [word for name in columns for word in ("--column", name)]
    query = urlencode([("a", sides[0]), ("b", sides[1]), *(("column", name) for name in columns)])
    yield Step(
        "compare what is usual with what came since its onset",
        shlex.join(["driftline", "compare", *sides, *options]),
        f"/compare?{query}",
    )


def _decisions(situation: Situation, weeks: Sequence[int]) -> Iterator[tuple[str, list[str]]]:
    """What people can say about it."""
    if situation.track == "ageing" or situation.state in (None, "withdrawn"):
        return
    if situation.verdict is None:
        yield (
            "say what it was (real, known or false)",
            ["alarms", "ack", situation.alarm_id, "--as", "real"],
        )
    if situation.state == "firing" and not situation.is_silenced:
        run = ["--run", situation.run_id]
        yield "silence the run for a day", ["silence", "add", *run, "--for", "1d", "--reason", "being handled"]
    if situation.verdict != "false" and weeks:
        days = [f"{moment(week):%Y-%m-%d}" for week in weeks]
        yield (
            "if it was real or known, measure later weeks without it",
            ["weeks", "exclude", *days, "--reason", situation.alarm_id],
        )


class _Sentences:
    def __init__(self, alarm: AlarmRecord, stream: Stream) -> None:
        self._alarm, self._stream = alarm, stream
        self._members = own(alarm.members)
        self._told: AlarmMember | None = leading(self._members)
        self._events = f"{stream.events.kind}s"
        self._labels = f"{stream.labels.kind}s" if stream.labels is not None else "labels"

    def lines(self) -> Iterator[str]:
        if self._alarm.track == "ageing":
            yield from self._aged()
        else:
            yield f"{self._capital(self._what())}, {self._when()}"
            yield from filter(None, (self._kind(), self._where(), self._also(), self._error(), self._evidence()))
        if self._alarm.state != "withdrawn":
            yield NEXT + self._next()

    def _capital(self, text: str) -> str:
        """Begin a sentence; a column's name stays as it is written."""
        names = {m.column or m.name for m in self._alarm.members}
        return text if text.split(" ", 1)[0].rstrip(",:") in names else text[:1].upper() + text[1:]

    def _what(self) -> str:
        alarm, told = self._alarm, self._told
        if alarm.track == "harm":
            return f"larger errors of the model: {self._grown()}"
        if told is not None and told.change is not None:
            return self._changed(told, told.change)
        names = [self._name(m) for m in self._members if not m.consequence] or ["the stream"]
        names = list(dict.fromkeys(names))
        first = {
            "gap": f"no {self._events} came",
            "volume": f"another number of {self._events} than usual",
            "coverage": f"{self._labels} are missing",
        }.get(alarm.kind)
        alone = ", while no segment did by itself" if alarm.kind == "mixture" else ""
        return first or f"{_listed(names)} changed{alone}"

    def _where(self) -> str:
        """Of a change of the whole stream, the segments that explain it."""
        if self._members is self._alarm.members:
            return ""
        found = [self._name(m) if m.kind == "mixture" else m.segment for m in self._alarm.members if m.segment]
        return f"Most in {', '.join([*dict.fromkeys(found)][:2])}" if found else ""

    def _changed(self, member: AlarmMember, change: Change) -> str:
        """What is different; without a verb where possible, since it may be over."""
        unit, offset = self._stream.unit_of(member.column or member.name), change.offset or 0.0
        before, after, factor = change.before or 0.0, change.after or 0.0, change.factor or 1.0
        changed = _CHANGED[change.kind].format(
            name=self._name(member),
            records=self._labels if member.role == LABELS else self._events,
            events=self._events,
            labels=self._labels,
            label=self._labels.removesuffix("s"),
            before=_percent(before),
            after=_percent(after),
            medians=f" (median {_figure(before)} → {_with_unit(after, unit)})",
            times=_times(factor),
            factor=_figure(factor),
            more=_percent(abs(factor - 1)),
            shifted=f"{_with_unit(abs(offset), unit)} {'above' if offset > 0 else 'below'}",
            hours=f"{_figure(abs(offset))} h {'behind' if offset > 0 else 'ahead'}",
            shares=self._shares(member, change),
        )
        return changed if change.hours is None else f"{changed}, each day {_clock(*change.hours)}"

    def _shares(self, member: AlarmMember, change: Change) -> str:
        """`74 (East Harlem North) fell from 15 % to 0 %, 41 (Central Harlem) rose from 12 % to 27 %`."""
        pairs = [
            (change.value, change.before, change.after),
            (change.other, change.other_before, change.other_after),
        ]
        return ", ".join(
            f"{self._value(member, value)} {'rose' if (after or 0) > (before or 0) else 'fell'}"
            f" from {_percent(before or 0.0)} to {_percent(after or 0.0)}"
            for value, before, after in pairs
            if value is not None
        )

    def _value(self, member: AlarmMember, value: str) -> str:
        name = self._stream.value_names(member.column or member.name).get(value)
        return value if name is None else f"{value} ({name})"

    def _name(self, member: AlarmMember) -> str:
        """What people call a signal, with its column and segment."""
        of = f" of {member.segment}" if member.segment and member.kind != "mixture" else ""
        return f"{self._named(member)}{of}"

    def _named(self, member: AlarmMember) -> str:
        if member.kind in ("volume", "coverage", "error", "prediction"):
            words = {
                "volume": f"the number of {self._events}",
                "coverage": f"the share of {self._events} that have a label",
                "error": "the model's error",
                "prediction": "the prediction",
            }
            return words[member.kind]
        if member.kind == "mixture":
            return f"the shares of {member.name}"
        return self._stream.title_of(member.column or member.name)

    def _when(self) -> str:
        told, alarm = self._told, self._alarm
        since = (
            told.change.since if told is not None and told.change and told.change.since else alarm.first_evidence
        )
        if alarm.recovered_at is None:
            return f"since {_moment(since)}"
        return f"from {_moment(since)} until {_moment(alarm.recovered_at)}"

    def _kind(self) -> str:
        told = self._told
        if told is None or told.change is None:
            return ""
        change, known = told.change, _KINDS.get(told.change.kind)
        if known is None:
            return ""
        what = f"another unit, {change.value}" if change.kind == "unit" and change.value else known
        return f"{'Surely' if change.sure >= 0.97 else 'Probably'} {what} (sure: {_percent(change.sure)})"

    def _also(self) -> str:
        """Other members, with what is known of them."""
        told = self._told
        if told is None or told.change is None:
            return ""
        said_already = {told.change.kind} & {"duplicates", "late", "clock"}
        others = [
            m
            for m in self._members
            if m is not told
            and m.kind != "error"
            and m.value >= LITTLE
            and (m.change is None or m.change.kind not in said_already)
        ]
        if not others:
            return ""
        said = []
        for member in others[:ALSO]:
            name = self._name(member)
            if member.consequence:
                said.append(f"{name} (follows from it)")
            elif member.change is not None:
                said.append(self._changed(member, member.change))
            else:
                said.append(name)
        more = len(others) - ALSO
        return f"Also moved: {'; '.join(said)}{f'; and {more} more' if more > 0 else ''}"

    def _error(self) -> str:
        alarm = self._alarm
        usual, now = alarm.error_usual, alarm.error_now
        figures = (
            "" if usual is None or now is None else f": {_figure(usual)} → {_with_unit(now, self._stream.unit)}"
        )
        if alarm.track == "harm" and alarm.harm == "concept":
            return "No input moved with it"
        if alarm.harm == "harmless":
            at = "" if now is None else f" ({_with_unit(now, self._stream.unit)} on average)"
            return f"The model's error{self._there()} is about as usual{at}"
        said = {
            "concept": f"The model's error{self._there()} rose, but no input moved{figures}",
            "both": f"The model's error{self._there()} rose with it{figures}",
            "unlabelled": f"Nothing is known yet of the model's error: no {self._labels} have come since"
            f"{self._estimated()}",
        }
        return said.get(alarm.harm or "", "")

    def _there(self) -> str:
        """Of segments, the error is that of the one that is named first."""
        first = next((m.segment for m in self._members), "") if self._alarm.track == "segments" else ""
        return f" of {first}" if first else ""

    def _estimated(self) -> str:
        found = self._alarm.estimated
        return "" if found is None else f"; from the inputs alone, up to {1 + found:.1f} × the usual is expected"

    def _grown(self) -> str:
        usual, now = self._alarm.error_usual, self._alarm.error_now
        if usual is None or now is None or usual <= 0:
            return "above what is tolerated"
        percent = _percent(now / usual - 1)
        return f"{_figure(usual)} → {_with_unit(now, self._stream.unit)} on average over a day, {percent} more"

    def _evidence(self) -> str:
        alarm = self._alarm
        if alarm.track == "harm":
            return f"The excess is {alarm.value:.1f} × what is tolerated"
        if alarm.promise is None:
            return f"Evidence {alarm.value:.1f} × the line; no promise yet"
        rate = f"{alarm.promise:.1f}".removesuffix(".0")
        plural = "" if rate == "1" else "s"
        return f"Evidence {alarm.value:.1f} × the line; at most {rate} false alarm{plural} a month promised"

    def _aged(self) -> Iterator[str]:
        furthest = "; ".join(f"{self._name(m)} {m.value:.1f} × its tolerance" for m in self._alarm.members[:ALSO])
        more = len(self._alarm.members) - ALSO
        since = f"{moment(self._alarm.first_evidence):%a %d %b %Y}"
        yield f"Further from the training than is tolerated, since {since}"
        yield f"Furthest: {furthest}{f'; and {more} more' if more > 0 else ''}"
        if self._alarm.harm == "harmless":
            yield "The model's error is about as it was in the training"

    def _next(self) -> str:
        alarm = self._alarm
        situation = Situation(
            alarm_id=alarm.alarm_id,
            run_id=alarm.run_id,
            state=alarm.state,
            track=alarm.track,
            kind=alarm.kind,
            size_s=alarm.size_s,
            window_start=alarm.window_start,
            segment=segment_of(alarm.track, [m.segment for m in alarm.members]),
        )
        return next_steps(situation, ())[0].command


def _times(factor: float) -> str:
    """`12 % above`, `1.61 ×`, `40 % below`."""
    if 1 < factor < 1.5:
        return f"{_percent(factor - 1)} above"
    return f"{_percent(1 - factor)} below" if 0.5 < factor <= 1 else f"{_figure(factor)} ×"


def _figure(value: float) -> str:
    """Three digits, and no more than a person reads."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"


def _with_unit(value: float, unit: str | None) -> str:
    return f"{_figure(value)} {unit}" if unit else _figure(value)


def _clock(begin: int, end: int) -> str:
    return f"between {begin:02}:00 and {end:02}:00"


def _percent(share: float) -> str:
    """Whole percents, but for the last one at either end."""
    percent = 100 * share
    if 0 < percent < 1 or 99 < percent < 100:
        return f"{percent:.1f} %"
    return f"{percent:.0f} %"


def _moment(at: int) -> str:
    return f"{moment(at):%a} {moment(at).day} {moment(at):%b %Y %H:%M}"


def _listed(names: Sequence[str], most: int = 3) -> str:
    more = len(names) - most
    if more > 0:
        return f"{', '.join(names[:most])} and {more} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
