"""Expected cycles of a mapped layer."""

import numpy as np

from ..compiler import (
    Addresses,
    FusedParameters,
    Placement,
    fused_layer,
    ifmap_layout,
    layer_commands,
    layer_constants,
    ofmap_layout,
    operand_layout,
)
from ..compiler.layout import value_type
from ..golden import AddParameters, PoolParameters, Requant
from ..layers import PoolLayer
from ..mapper import AnyMapping
from ..mapper.fusion import Tail
from .memory import MemoryTiming
from .program import Timing, program_timing


def layer_timing(mapping: AnyMapping, memory: MemoryTiming | None = None) -> Timing:
    """Expected timing of the program that runs a mapped layer: it does not depend on the data."""
    layer, config = mapping.layer, mapping.config
    requant = Requant.plain(np.zeros(layer.M, np.int64), value_type(config))
    weights = np.zeros(layer.weights_shape, np.int64)
    after = _any_parameters(fused_layer(mapping), value_type(config))
    constants = layer_constants(mapping, weights, requant, after=after)
    operand = operand_layout(mapping)
    at = Addresses(
        0,
        0,
        Placement(0, ifmap_layout(mapping)),
        Placement(0, ofmap_layout(mapping)),
        Placement(0, operand) if operand else None,
    )
    return program_timing(config, layer_commands(mapping, constants, at), memory)


def _any_parameters(tail: Tail | None, dtype: np.dtype) -> FusedParameters | None:
    """Parameters of a fused layer: which ones costs nothing."""
    if tail is None:
        return None
    if isinstance(tail, PoolLayer):
        return PoolParameters.plain(dtype)
    return AddParameters.from_scales(dtype, (1.0, 0), (1.0, 0), (1.0, 0))
