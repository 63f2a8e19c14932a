"""The error of an accelerator that is not the expected one, or stops."""

from orris_hw.errors import OrrisError
from orris_hw.register_map import ErrorCode


class DeviceError(OrrisError):
    """The accelerator did not do what it was asked to.

    `code` and `command` are the error code and the index of the command that a program stopped with, or None.
    """

    def __init__(self, message: str, code: ErrorCode | None = None, command: int | None = None):
        self.code, self.command = code, command
        super().__init__(message)

    def __reduce__(self):
        return type(self), (str(self), self.code, self.command)
