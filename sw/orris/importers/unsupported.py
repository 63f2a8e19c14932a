"""What an importer cannot import, gathered so that a user sees all of it at once."""

from dataclasses import dataclass, field

from ..graph import ModelError


class Unsupported(Exception):
    """One operator cannot be imported; the text says why, or is empty if nobody knows the operator."""


@dataclass
class Refusals:
    """Operators that cannot be imported."""

    model: str
    lines: list[str] = field(default_factory=list)

    def add(self, kind: str, node: str, outputs: list[str], why: str) -> None:
        reason = f" ({why})" if why else ""
        results = ", ".join(f"'{output}'" for output in outputs) or "none"
        self.lines.append(f"operator {kind}, node '{node}', output {results}{reason}")

    def raise_if_any(self, operators: int) -> None:
        """ModelError with a line for each, if there are any."""
        if self.lines:
            count = f"{len(self.lines)} of {operators} operators are not supported:"
            raise ModelError("\n".join([f"{self.model}: {count}", *self.lines]))
