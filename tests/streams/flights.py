"""Departures, each with a late label: other names and types than taxi's."""

from schemas.definition import Field, Records, RunConfig, Stream

STREAM = Stream(
    name="flights",
    events=Records(
        topic="flight_departures",
        kind="departure",
        id="flight",
        time="scheduled_ms",
        fields=(
            Field(name="carrier", type="str", role="category", low=2, high=2, value_names=(("AA", "American"),)),
            Field(name="stand", type="int", role="category", required=False, low=1, high=4),
            Field(name="distance", type="float", role="number", low=0.0, high=20_000.0, unit="mi"),
            Field(name="seats", type="int", role="number", required=False, low=1, high=900),
            Field(name="remark", type="str", role="carried", required=False),
        ),
    ),
    labels=Records(
        topic="flight_arrivals",
        kind="arrival",
        id="flight",
        time="scheduled_ms",
        fields=(
            Field(name="landed_ms", type="int", role="carried"),
            Field(name="delay", type="float", role="number", low=-10_000.0, high=10_000.0),
        ),
        label="delay",
        label_range=(-60.0, 10_000.0),
        known_at="landed_ms",
    ),
    unit="s",
    segments=("carrier",),
    terms=RunConfig(label_lateness_ms=3_600_000),
)
