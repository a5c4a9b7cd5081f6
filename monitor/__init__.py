"""The monitor: computes windows that are due and writes their figures; recomputes and reports them on demand.

Others start it with `monitor.stage.run` and `monitor.settings`. The board reads with `monitor.snapshot`,
`monitor.panes` and `monitor.drift`; no other stage imports it.
"""
