"""Plain integer arithmetic as the configurations define it, and random operands that reach the rails."""

import random

from orris_hw.config import AcceleratorConfig


def signed(rng: random.Random, width: int) -> int:
    """A signed number of `width` bits, often an extreme one."""
    high = 1 << (width - 1)
    return rng.choice((-high, high - 1)) if rng.random() < 0.1 else rng.randrange(-high, high)


def add(config: AcceleratorConfig, width: int, first: int, second: int) -> int:
    """The sum of two psums at `width` bits: it saturates in fixed point and wraps in integer arithmetic."""
    high = 1 << (width - 1)
    if config.arithmetic == "fixed_point":
        return max(-high, min(high - 1, first + second))
    return (first + second + high) % (2 * high) - high
