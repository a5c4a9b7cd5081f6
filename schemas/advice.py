"""Advice that several programs give in the same words: what to do about a run that cannot go on as it is."""

from __future__ import annotations


def go_on(model: str) -> str:
    """Say how a run is continued by its own model, which harms nothing. model: its hash, or the beginning of it."""
    return f"to go on with it, restart the consumers as `driftline consume --model {model}`"


def begin_anew(run_id: str, default_run: str, model: str = "") -> str:
    """Say how records of a run come to be accepted again, if the run itself does not accept them.

    Args:
        run_id: The run.
        default_run: Of its stream: that of records that name none, which nobody can replay under another name.
        model: Hash of the model that is to score it from then on, or the beginning of it; "" where it is not known.
    """
    if run_id != default_run:
        return "replay its records under another --run, or send them on under another run_id"
    again = "consumers and monitors again, all with one --model"
    if model:
        again = f"`driftline consume --model {model}` and `driftline monitor --model {model}`"
    return (
        f"stop the consumers, `driftline runs rm {run_id}` a minute later, then start {again}:"
        " the next record begins the run anew"
    )


SHARED_PREFIX = "give produce, consume and monitor the same --topic-prefix"
"""Where a stage waits for what another one may have written under another prefix."""
