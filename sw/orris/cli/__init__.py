"""The command line, `orris`: the one door to all four packages.

Each command is a module here with `register(app)`. Modules import what a command needs inside the command,
so that `orris --help` answers at once.
"""

from .app import app


def main() -> None:
    """Entry point of the `orris` command."""
    app(prog_name="orris")


__all__ = ["app", "main"]
