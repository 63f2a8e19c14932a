"""What the command line does with the errors a user can cause."""

from typing import Any

import typer
from typer.core import TyperGroup

from orris_hw.errors import OrrisError

USER_ERROR = 2
"""Exit status for wrong use or wrong input, the same that a wrong option gives."""


class ErrorReportingGroup(TyperGroup):
    """Commands whose `OrrisError`s become one red line each on stderr, and exit status 2.

    Anything else that is raised is a defect of ours, and keeps its traceback.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except OrrisError as error:
            for problem in str(error).splitlines():
                typer.secho(f"error: {problem}", fg=typer.colors.RED, err=True)
            raise typer.Exit(USER_ERROR) from None
