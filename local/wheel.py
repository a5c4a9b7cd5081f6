"""Refuses to build a wheel: Driftline is an application that is installed from its checkout."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CheckoutOnly(BuildHookInterface[Any]):
    """Lets an editable install pass, which leaves the code where it is."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raise SystemExit unless an editable install is built."""
        if version != "editable":
            raise SystemExit(
                "Driftline is installed from its checkout, not from a wheel, which would lack its SQL, pages and"
                " dashboards: run `make setup` there, or `pip install --editable .`"
            )
