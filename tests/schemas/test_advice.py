from __future__ import annotations

import re

from runtime.connections import ROOT
from schemas.advice import begin_anew, go_on


def test_only_records_that_name_a_run_are_to_be_replayed_under_another_name() -> None:
    assert begin_anew("january", "live").startswith("replay its records under another --run")
    anew = begin_anew("live", "live")
    assert "--run" not in anew.replace("`driftline runs rm live`", "")
    assert re.search("stop the consumers.*a minute later.*start consumers and monitors again, all with one", anew)


def test_the_model_that_scores_a_run_from_then_on_is_named_where_it_is_known() -> None:
    anew = begin_anew("live", "live", "b" * 12)
    assert f"start `driftline consume --model {'b' * 12}` and `driftline monitor --model {'b' * 12}`" in anew
    assert "same" not in anew


def test_the_readme_gives_the_same_advice_and_the_harmless_one_first() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    anew = begin_anew("live", "live").replace("--model", "`--model`")
    assert anew in text
    assert text.index(go_on("HASH").removeprefix("to go on with it, ")) < text.index(anew)
