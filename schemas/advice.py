"""Advice that several programs give in the same words: what to do about a run that cannot go on as it is."""

from __future__ import annotations


def begin_anew(run_id: str, default_run: str) -> str:
    """Say how records of a run come to be accepted again, if the run itself does not accept them.

    Args:
        run_id: The run.
        default_run: Of its stream: that of records that name none, which nobody can replay under another name.
    """
    if run_id != default_run:
        return "replay its records under another --run, or send them on under another run_id"
    return (
        f"stop the consumers, `driftline runs rm {run_id}` a minute later, then start consumers and monitors again,"
        " with the same --model: the next record begins the run anew"
    )


SHARED_PREFIX = "give produce, consume and monitor the same --topic-prefix"
"""Where a stage waits for what another one may have written under another prefix."""
