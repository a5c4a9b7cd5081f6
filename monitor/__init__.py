"""The monitor: compares windows that closed with a reference, and writes the figures.

Others may use:

- `monitor.stage.run` and `monitor.settings.Settings`: the stage itself (`driftline monitor`, local, tests);
- `monitor.evidently.report.report` and `monitor.recompute.compare.recompute`: one window as HTML, or once more from
  the log (cli, board's child process);
- `monitor.drift`: statistics without Evidently and without a database (cli, board, local, benchmarks), and
  `monitor.drift.figures.Config`, what counts as drift;
- in tests and benchmarks, `monitor.evidently.reference`, `monitor.evidently.window_figures`, `monitor.scheduling`.

What the monitor writes is defined in `schemas.figures` and `schemas.status`, and read and written by
`storage.snapshot`, `storage.results` and `storage.panes`: who only reads results needs nothing from here.

    stage ─▶ scheduling: plan (pure), scheduler, window_job ─▶ engine ─▶ evidently ─▶ drift (pure)
"""
