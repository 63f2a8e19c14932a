"""Expected cycles of a mapped layer."""

import numpy as np

from ..compiler import Addresses, Placement, ifmap_layout, layer_commands, layer_constants, ofmap_layout
from ..compiler.layout import value_type
from ..golden import Requant
from ..mapper import AnyMapping
from .memory import MemoryTiming
from .program import Timing, program_timing


def layer_timing(mapping: AnyMapping, memory: MemoryTiming | None = None) -> Timing:
    """Expected timing of the program that runs a mapped layer: it does not depend on the data."""
    layer, config = mapping.layer, mapping.config
    requant = Requant.plain(np.zeros(layer.M, np.int64), value_type(config))
    constants = layer_constants(mapping, np.zeros(layer.weights_shape, np.int64), requant)
    at = Addresses(0, 0, Placement(0, ifmap_layout(mapping)), Placement(0, ofmap_layout(layer, config)))
    return program_timing(config, layer_commands(mapping, constants, at), memory)
