"""What the cost model speaks of: accelerators whose commands hardware executes."""

from orris_hw.config import AcceleratorConfig
from orris_hw.errors import OrrisError


class CostError(OrrisError, ValueError):
    """A figure that the cost model does not have."""


def foresees(config: AcceleratorConfig) -> bool:
    """Whether cycles can be predicted: not where firmware executes commands. Words can, in any case."""
    return config.control.kind == "hardware"


def require_foresight(config: AcceleratorConfig) -> None:
    """CostError if cycles cannot be predicted."""
    if not foresees(config):
        raise CostError(
            f"the cost model does not predict the cycles of {config.name}, whose commands firmware executes "
            f'(control.kind = "{config.control.kind}"): measure them with orris simulate or orris bench --rtl'
        )
