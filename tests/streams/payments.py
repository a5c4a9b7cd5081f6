"""Payments, each with the score that somebody else's model gave it. What becomes of them, nobody says."""

from schemas.definition import Field, Records, Stream

STREAM = Stream(
    name="payments",
    events=Records(
        topic="payments",
        kind="payment",
        id="payment_id",
        time="paid_at",
        fields=(
            Field(name="country", type="str", role="category", low=2, high=2),
            Field(name="score", type="float", role="number", low=0.0, high=1_000.0),
            Field(name="amount", type="float", role="number", low=0.0, high=1_000_000.0, unit="€"),
        ),
        prediction="score",
    ),
)
