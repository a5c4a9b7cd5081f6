"""Streams other than the first: figures come from the definition, and from nothing else."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from monitor.drift.columns import monitored, monitored_columns
from monitor.drift.figures import Config
from monitor.drift.reference_figures import reference_figures
from monitor.evidently.reference import Reference
from monitor.evidently.window_figures import event_figures, label_figures
from schemas.definition import Field, Records, Stream
from schemas.figures import DRIFT, WindowFigures
from storage.chunk import OFFSET, PREDICTION, layout
from tests.monitor.windows import by_name, lawful

CONFIG = Config()

SCORED = Records(
    topic="payments",
    kind="payment",
    id="payment",
    time="at",
    fields=(
        Field(name="amount", type="float", role="number"),
        Field(name="country", type="str", role="category"),
        Field(name="risk", type="float", role="number"),
    ),
    prediction="risk",
)
PAYMENTS = Stream(name="payments", events=SCORED)
"""Without labels; each payment carries its prediction."""

CHARGEBACKS = Records(
    topic="chargebacks",
    kind="chargeback",
    id="of_payment",
    time="at",
    fields=(Field(name="loss", type="float", role="number"),),
    label="loss",
)
LABELLED = Stream(name="payments", events=SCORED, labels=CHARGEBACKS, unit="€")


def payments(rows: int, seed: int, scale: float = 1.0) -> pa.Table:
    draw = np.random.default_rng(seed)
    amount = np.exp(draw.normal(3, 1, rows)) * scale
    risk = amount / (amount + 40)
    columns = {
        OFFSET: np.arange(rows),
        "payment": [f"{seed}-{n}" for n in range(rows)],
        "at": 1_640_995_200_000 + 1_000 * np.arange(rows),
        "amount": amount,
        "country": draw.choice(["de", "fr", "pl"], rows, p=[0.6, 0.3, 0.1]),
        PREDICTION: risk,
    }
    return pa.table(columns).cast(layout(SCORED))


def reference(stream: Stream = PAYMENTS) -> Reference:
    table = payments(3_000, seed=1).drop_columns([OFFSET])
    if stream.label:
        table = table.append_column(stream.label, table["amount"])
    return Reference.from_table(table, stream, CONFIG, calibrated=False)


def drifted(figures: WindowFigures) -> set[str]:
    return {c.column for c in figures.columns if c.status == "drift"}


def test_a_prediction_that_the_record_carries_is_monitored_once() -> None:
    assert [column.name for column in monitored(SCORED)] == ["amount", "country", PREDICTION]
    calm, bent = (event_figures(payments(900, 2, scale), reference(), CONFIG) for scale in (1.0, 3.0))
    for figures in (calm, bent):
        lawful(figures)
        assert [c.column for c in figures.columns if c.metric == DRIFT] == ["amount", "country", PREDICTION]
    assert (drifted(calm), drifted(bent)) == (set(), {"amount", PREDICTION})
    assert bent.prediction_drift == by_name(bent)[PREDICTION, DRIFT].value


def test_a_stream_without_labels_has_the_columns_of_its_events_alone() -> None:
    assert monitored_columns(PAYMENTS) == monitored(SCORED)
    found = reference_figures(payments(300, seed=1), PAYMENTS)
    assert {column for column, _ in found} == {"amount", "country", PREDICTION}


def test_labels_are_joined_to_their_events_though_their_ids_have_other_names() -> None:
    events = payments(200, seed=3)
    ids, at = events["payment"].slice(0, 150), events["at"].slice(0, 150)
    loss = pa.chunked_array([events[PREDICTION].slice(0, 150).to_numpy() + 0.5])
    labels = pa.table({OFFSET: np.arange(150), "of_payment": ids, "at": at, "loss": loss}).cast(layout(CHARGEBACKS))
    figures = label_figures(labels, events, reference(LABELLED), CONFIG)
    lawful(figures)
    assert (round(figures.mae or 0, 9), round(figures.bias or 0, 9), figures.label_coverage) == (0.5, -0.5, 0.75)
    assert figures.target_drift is not None
