"""The errors a user can cause. The command line prints them as one sentence; nothing else is caught there."""

from collections.abc import Iterable


class OrrisError(Exception):
    """What the user asked for cannot be done; `str(error)` is one clear sentence saying why."""


class ConfigError(OrrisError, ValueError):
    """A configuration is wrong. `problems` holds one sentence for each thing to mend, in order."""

    def __init__(self, problems: str | Iterable[str]):
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self):
        # Exceptions cross process borders (pytest-xdist, worker pools) by pickling.
        return type(self), (self.problems,)
