"""Wrong values of options in plain words: typer's own are those of pydantic, and leave the value out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup

_KINDS = {
    "int": "is not a whole number",
    "float": "is not a number",
    "bool": "is neither true nor false",
}


class PlainGroup(TyperGroup):
    """The commands. A wrong value is named, with the option or the variable that it comes from."""

    def main(self, *args: Any, **more: Any) -> Any:
        if not sys.stderr.isatty():
            self.rich_markup_mode = None  # without frames, in which long lines are broken
        return super().main(*args, **more)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands with the whole first paragraph of their help; click cuts it at the terminal's width."""
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [
            (name, " ".join((command.help or "").split("\n\n")[0].split()))
            for name, command in commands
            if command is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if (parameter := error.param) is not None and error.ctx is not None:
                source = error.ctx.get_parameter_source(parameter.name or "")
                if source is not None and source.name == "ENVIRONMENT" and isinstance(parameter.envvar, str):
                    error.param_hint = parameter.envvar
            if (reasons := getattr(error.__cause__, "errors", None)) is not None:
                error.message = explain(reasons()[0])
            raise


def explain(reason: Mapping[str, Any]) -> str:
    """Explain why a value was refused. reason: one of pydantic's errors."""
    value, bounds = reason["input"], reason.get("ctx", {})
    if "ge" in bounds:
        return f"{value} is too small: give {bounds['ge']} or more."
    if "le" in bounds:
        return f"{value} is too large: give {bounds['le']} or less."
    if kind := _KINDS.get(reason["type"].partition("_")[0]):
        return f"{value!r} {kind}."
    return str(bounds.get("error", reason["msg"]))
