"""IDs on the command line."""

import re
from typing import Any, Final

import click

_SEVERAL: Final = re.compile(r"\d+([,; ]+\d+)+")


class _Id(click.IntRange):
    """An integer >= 1; its error message says how to give several IDs, or where to find one."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            hint = ""
            if _SEVERAL.fullmatch(str(value)):
                hint = "; give each ID separately"
            elif param is not None and "--company" in param.opts:
                hint = "; `woodpecker-async companies list` shows the IDs"
            raise click.BadParameter(f"{value!r} is not a valid integer >= 1{hint}.", ctx, param) from None


ID: Final = _Id(min=1)
