"""Evidently's report in a browser, as a file: values of records that want to be markup or script stay values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.drift.figures import Config
from monitor.evidently.html import write_html
from monitor.evidently.page import Heading
from monitor.evidently.reference import Reference
from schemas.definition import Records, Stream
from schemas.streams.taxi import OUTCOMES, TRIPS
from tests.browser.conftest import Visit
from tests.monitor.windows import LABEL, base, outcomes_of, put, trips

pytestmark = pytest.mark.browser

KEPT = ("trip_distance", "store_and_fwd_flag")
BREAK = "document.title='broken in';"
HOSTILE = {
    "a comment that would swallow the end of a script": ["<!--", "<script>"],
    "the end of a script, a script, an image and line separators": [
        "</script>",
        f"<script>{BREAK}//",
        f"</script><script>{BREAK}</script>",
        f'<img src=x onerror="{BREAK}">',
        "&lt;b&gt;",
        "\u2028" + BREAK,
        "\u2029",
        f"'{BREAK}'",
        f"\\';{BREAK}//",
    ],
}
HEADING = Heading(
    title="Run </title><script>1</script> & co",
    verdict="Drift <b>here</b>",
    drift=True,
    notes=("<!--", "<script>"),
    back="/window?run=a&size=1h",
)


@pytest.fixture(scope="module")
def reference() -> Reference:
    events = Records(
        topic="trips",
        kind="trip",
        id="trip_id",
        time="pickup_at",
        fields=tuple(f for f in TRIPS.fields if f.name in KEPT),
    )
    return Reference.from_table(
        base(), Stream(name="small", events=events, labels=OUTCOMES), Config(), calibrated=False
    )


@pytest.fixture
def saved(reference: Reference, tmp_path: Path) -> Callable[[list[str]], Path]:
    """The report of a window that holds these categories."""

    def write(values: list[str]) -> Path:
        rows = 120
        window = put(trips(rows, seed=2), "store_and_fwd_flag", (values * rows)[:rows])
        path = tmp_path / "report.html"
        write_html(
            window.drop_columns([LABEL]),
            reference,
            path,
            Config(),
            HEADING,
            labels=outcomes_of(trips(rows, seed=2)),
        )
        return path

    return write


@pytest.mark.parametrize("values", HOSTILE.values(), ids=HOSTILE)
def test_a_report_of_hostile_values_draws_and_runs_nothing_of_theirs(
    saved: Callable[[list[str]], Path], visit: Visit, values: list[str]
) -> None:
    page = visit(saved(values).as_uri(), ready=".js-plotly-plot .main-svg")
    page.get_by_text("Drift is detected for").first.wait_for()
    assert page.title() == f"{HEADING.title} · Driftline"
    assert page.locator("header.driftline h1").inner_text() == HEADING.title
    assert page.locator("header.driftline b, header.driftline script").count() == 0
    assert page.get_by_text("Dataset Drift is").count() == 0
    assert page.locator("header.driftline a").get_attribute("href") == HEADING.back


def test_a_script_that_is_not_evidentlys_does_not_run(
    saved: Callable[[list[str]], Path], visit: Visit, complaints: list[str]
) -> None:
    path = saved(["N"])
    path.write_text(
        path.read_text(encoding="utf-8").replace("<header", f"<script>{BREAK}</script><header"), encoding="utf-8"
    )
    page = visit(path.as_uri(), ready=".js-plotly-plot .main-svg")
    assert "broken in" not in page.title()
    assert [complaint for complaint in complaints if "Content Security Policy" in complaint or "CSP" in complaint]
    complaints.clear()
