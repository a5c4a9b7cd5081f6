from __future__ import annotations

import re

from runtime.connections import ROOT
from schemas.advice import begin_anew


def test_only_records_that_name_a_run_are_to_be_replayed_under_another_name() -> None:
    assert begin_anew("january", "live").startswith("replay its records under another --run")
    anew = begin_anew("live", "live")
    assert "--run" not in anew.replace("`driftline runs rm live`", "")
    assert re.search("stop the consumers.*a minute later.*start consumers and monitors", anew)


def test_the_readme_gives_the_same_advice() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert begin_anew("live", "live").replace("--model", "`--model`") in text
