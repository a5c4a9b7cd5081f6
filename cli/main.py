"""The command line: all commands in the order of `--help`, and how the program ends."""

from __future__ import annotations

from runtime import interrupts

# isort: split
import os
import sys
from typing import Annotated, NoReturn

import structlog
import typer

from cli import exits, output
from cli.commands import alarms, data, decisions, local, models, results, runs, stack, stages, tuning
from cli.wrong_values import PlainGroup
from local.terminal import tell
from runtime import connections
from runtime.invocation import program
from schemas.errors import DriftlineError, UsageError
from schemas.text import printable_event

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "DO_NOT_TRACK": "1"}
"""On shared cores more threads make scikit-learn a hundred times slower; Evidently is not to report its use."""

FIRST_STEPS = """\
Driftline shows how a stream of scored events drifts. To see everything in two minutes:

  {program} demo

Step by step:

  {program} stack up             start Kafka and Postgres
  {program} train                train a model
  {program} consume &            score trips, assign to windows
  {program} monitor &            compare windows with training
  {program} board &              serve http://127.0.0.1:8000
  {program} produce --run NAME   replay a month
  {program} windows --run NAME   list the results

Instead of `{program} stack up`, KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL can name servers of your own.
`{program} doctor` says what is missing, `{program} --help` lists all commands."""

app = typer.Typer(
    cls=PlainGroup,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def begin(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Show how a stream of scored events drifts. Begin with `driftline demo`."""
    if version:
        from importlib.metadata import version as installed

        output.console.print(f"driftline {installed('driftline-app')}", highlight=False)
        raise typer.Exit
    if context.invoked_subcommand is None:
        tell(output.console, FIRST_STEPS.format(program=program()))


app.command()(local.demo)
app.command()(models.train)
app.command()(stages.produce)
app.command()(stages.scenarios)
app.command()(stages.consume)
app.command()(stages.monitor)
app.command()(data.migrate)
app.command()(data.backup)
app.command()(data.restore)
app.command()(local.dummy)
app.command()(stages.notify)
app.command()(stages.board)
app.command()(results.windows)
app.command()(results.columns)
app.command()(results.compare)
app.command("dead-letters")(results.dead_letters)
app.command()(alarms.calibrate)
app.command()(tuning.tune)
app.command()(results.recompute)
app.command()(results.report)
app.command()(local.grafana)
app.command()(data.doctor)
app.add_typer(stack.app, name="stack")
app.add_typer(runs.app, name="runs")
app.add_typer(models.app, name="models")
app.add_typer(alarms.app, name="alarms")
app.add_typer(decisions.silence, name="silence")
app.add_typer(decisions.weeks, name="weeks")


def logging() -> None:
    """Set up logging to stderr: coloured in a terminal, `key=value` lines elsewhere."""
    people = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if people else "iso", utc=True),
            structlog.processors.format_exc_info,
            printable_event,
            structlog.dev.ConsoleRenderer()
            if people
            else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # looked up late: a progress bar replaces it
    )


def main() -> None:
    """Run a command. `cli.exits` lists the exit codes."""
    interrupts.raise_on_interrupt()
    try:
        logging()
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        connections.drop_platform_variables(os.environ)
        connections.drop_libpq_variables(os.environ)
        exits.replace_unprintable()
        exits.end_with_the_reader()
        _warn_of_unknown_variables()
        try:
            app()
        finally:
            interrupts.end_on_interrupt()
            exits.flush()
    except KeyboardInterrupt:
        sys.exit(interrupts.INTERRUPTED)
    except DriftlineError as error:
        _fail(error)
    except OSError as error:
        if (explained := exits.explain_os_error(error)) is None:
            raise
        _fail(explained)
    except Exception as error:
        if (explained := exits.explain_database_error(error, os.environ)) is None:
            raise
        _fail(explained)


def _warn_of_unknown_variables() -> None:
    from cli.variables import PREFIX, unknown

    if any(name.startswith(PREFIX) for name in os.environ):
        for text in unknown(os.environ, typer.main.get_command(app)):
            output.warn(text)


def _fail(error: DriftlineError) -> NoReturn:
    tell(output.err, f"driftline: {error}")
    sys.exit(2 if isinstance(error, UsageError) else 1)
