"""The compiler: a layer and its mapping become a program and a memory image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orris_hw.commands import COMMAND_BITS, END
from orris_hw.config import AcceleratorConfig

from ..golden import AddParameters, PoolParameters, Requant, post_process
from ..golden.tensors import IntArray, TensorError, check_tensor
from ..layers import AddLayer, ConvLayer, PoolLayer
from ..mapper import AnyMapping, DepthwiseMapping, Mapping, expected_counts
from ..mapper.fusion import Tail
from .constants import (
    AREA_BYTES,
    FilterStream,
    filter_stream,
    padded_bytes,
    parameter_entries,
    parameter_stream,
)
from .depthwise import depthwise_commands, depthwise_filters
from .errors import CompileError
from .layout import WORD_BYTES, ActivationLayout, pack_activations, unpack_activations, value_type
from .places import Addresses, Command, Placement, pack_program
from .program import program_commands

MEMORY_LIMIT = 1 << 32
SHIFT_MAX = 31

FusedParameters = AddParameters | PoolParameters
"""Of a layer of the vector unit fused to a convolution."""


@dataclass(frozen=True, eq=False)
class CompiledLayer:
    """All that the accelerator needs to run one layer, but for the ifmap.

    Parameters
    ----------
    mapping : with the layer and configuration it is for. requant : post-processing.
    program_address : of the first command. program : the commands, 64 bytes each.
    segments : (byte address, bytes) to be in memory: parameters, filters, program.
    ifmap, ofmap : the tensors' addresses and layouts; of a fused layer `ofmap` is the result, and `operand`
    the other one of an addition.
    read_window, write_window : (first byte, byte behind the last) that the accelerator may touch.
    """

    mapping: AnyMapping
    requant: Requant
    program_address: int
    program: bytes
    segments: tuple[tuple[int, NDArray[np.uint8]], ...]
    ifmap: Placement
    ofmap: Placement
    read_window: tuple[int, int]
    write_window: tuple[int, int]
    operand: Placement | None = None

    @property
    def layer(self) -> ConvLayer:
        return self.mapping.layer

    @property
    def config(self) -> AcceleratorConfig:
        return self.mapping.config

    @property
    def commands(self) -> int:
        return len(self.program) * 8 // COMMAND_BITS

    @property
    def memory_size(self) -> int:
        """Byte behind the last one in use."""
        return max(self.read_window[1], self.write_window[1])

    @property
    def expected_counts(self) -> dict[str, int]:
        """Performance counters that do not depend on data or time."""
        return expected_counts(self.mapping, self.commands)

    def pack_ifmap(self, ifmap: IntArray) -> NDArray[np.uint8]:
        """Bytes for `self.ifmap.address`; TensorError if the tensor (N, G*C, H, W) is not the layer's."""
        return pack_activations(ifmap, self.ifmap.layout, fill=self.requant.zp_in)

    def pack_ifmaps(self, ifmap: IntArray, *operand: IntArray) -> list[tuple[int, NDArray[np.uint8]]]:
        """(byte address, bytes) of the ifmap, as `pack_ifmap` gives them, and of a fused addition's operand;
        TensorError if they are not the layer's."""
        places = [self.operand] if self.operand is not None else []
        if len(operand) != len(places):
            raise TensorError(f"{self.layer.name} has {1 + len(places)} ifmaps, not {1 + len(operand)}")
        return [(self.ifmap.address, self.pack_ifmap(ifmap))] + [
            (place.address, pack_activations(tensor, place.layout))
            for place, tensor in zip(places, operand, strict=True)
        ]

    def unpack_ofmap(self, content: NDArray[np.uint8] | bytes) -> IntArray:
        """The ofmap (N, M, E, F) from the bytes at `self.ofmap.address`."""
        return unpack_activations(content, self.ofmap.layout)


@dataclass(frozen=True, eq=False)
class LayerConstants:
    """What a layer keeps in memory beside its tensors: its filters and parameters, as they are streamed.

    requant, product_shift : what they were made from. parameters : bytes for `Addresses.parameters`.
    filters : its `content` are the bytes for `Addresses.filters`. after : parameters of the fused layer.
    """

    requant: Requant
    product_shift: int
    parameters: NDArray[np.uint8]
    filters: FilterStream
    after: FusedParameters | None = None


def layer_constants(
    mapping: AnyMapping,
    weights: IntArray,
    requant: Requant,
    product_shift: int = 0,
    after: FusedParameters | None = None,
) -> LayerConstants:
    """Filters and parameters of a layer; arguments and errors are those of `compile_layer`."""
    layer, config = mapping.layer, mapping.config
    if not 0 <= product_shift <= (SHIFT_MAX if config.arithmetic == "fixed_point" else 0):
        raise CompileError(
            f"{layer.name}: product_shift = {product_shift}, expected "
            + (f"0 to {SHIFT_MAX}" if config.arithmetic == "fixed_point" else "0 for integer arithmetic")
        )
    check_tensor(f"{layer.name}: weights (M, C, R, S)", weights, layer.weights_shape)
    # The golden model checks the parameters; there is nothing to compute in an empty ofmap.
    post_process(np.zeros((1, layer.M, 0, 0), np.int64), requant, value_type(config))
    parameters = parameter_stream(requant, parameter_entries(mapping))
    if isinstance(mapping, DepthwiseMapping):
        filters = FilterStream(depthwise_filters(mapping, weights), {})
    else:
        filters = filter_stream(mapping, weights)
    _check_fused(layer, fused_layer(mapping), after, value_type(config))
    return LayerConstants(requant, product_shift, parameters, filters, after)


def fused_layer(mapping: AnyMapping) -> Tail | None:
    """The layer of the vector unit that is fused to a mapped one."""
    return mapping.after if isinstance(mapping, Mapping) else None


def _check_fused(
    layer: ConvLayer, tail: Tail | None, parameters: FusedParameters | None, dtype: np.dtype
) -> None:
    if isinstance(tail, PoolLayer) and isinstance(parameters, PoolParameters):
        parameters.check(tail, dtype)
    elif isinstance(tail, AddLayer) and isinstance(parameters, AddParameters):
        parameters.check(tail, dtype)
    elif tail is not None or parameters is not None:
        raise TensorError(
            f"{layer.name}: parameters of the fused layer are {type(parameters).__name__}, but it is "
            f"{type(tail).__name__}"
        )


def ifmap_layout(mapping: AnyMapping) -> ActivationLayout:
    """The layout in which a mapped layer reads its ifmap."""
    return ActivationLayout(*mapping.layer.ifmap_shape, mapping.config.data_width, mapping.pixel_lanes)


def ofmap_layout(mapping: AnyMapping) -> ActivationLayout:
    """The layout in which a mapped layer, or the one fused to it, writes its ofmap: whole words of one pixel.

    A layer that reads it is mapped with ``pixel_lanes=config.block``.
    """
    config, last = mapping.config, fused_layer(mapping) or mapping.layer
    return ActivationLayout(*last.ofmap_shape, config.data_width, config.block)


def operand_layout(mapping: AnyMapping) -> ActivationLayout | None:
    """The layout of the other operand of a fused addition, if there is one."""
    return ofmap_layout(mapping) if isinstance(fused_layer(mapping), AddLayer) else None


def layer_commands(mapping: AnyMapping, constants: LayerConstants, at: Addresses) -> list[Command]:
    """The commands of a layer, without `END`, on tensors and constants at addresses of the caller's choice.

    They take the semaphores to be at zero, and what is in the buffer to be of no use. Layers are chained by
    a `BARRIER` between their commands, which sees to both.

    Raises
    ------
    CompileError
        Tensors in another layout than the mapping's, or an address that is no multiple of 8.
    """
    layer = mapping.layer
    for what, found, expected in (
        ("ifmap", at.ifmap.layout, ifmap_layout(mapping)),
        ("ofmap", at.ofmap.layout, ofmap_layout(mapping)),
        ("other operand", at.operand.layout if at.operand else None, operand_layout(mapping)),
    ):
        if found != expected:
            raise CompileError(f"{layer.name}: the {what} is placed as {found}, the mapping needs {expected}")
    for what, address in (
        ("parameters", at.parameters),
        ("filters", at.filters),
        ("ifmap", at.ifmap.address),
        ("ofmap", at.ofmap.address),
        *((("other operand", at.operand.address),) if at.operand else ()),
    ):
        if address % WORD_BYTES or not 0 <= address < MEMORY_LIMIT:
            raise CompileError(
                f"{layer.name}: {what} at {address}, expected a multiple of {WORD_BYTES} below {MEMORY_LIMIT}"
            )
    if isinstance(mapping, DepthwiseMapping):
        return depthwise_commands(mapping, constants.requant, at, constants.product_shift)
    return program_commands(
        mapping, constants.requant, constants.filters, at, constants.product_shift, constants.after
    )


def compile_layer(
    layer: ConvLayer,
    mapping: AnyMapping,
    config: AcceleratorConfig,
    weights: IntArray,
    requant: Requant,
    product_shift: int = 0,
    base: int = 0,
    after: FusedParameters | None = None,
) -> CompiledLayer:
    """Program and memory image of `layer`; memory is used from byte `base` on.

    Parameters
    ----------
    weights : integers (M, C, R, S). requant : parameters of M channels.
    product_shift : bits cut from each product, fixed-point arithmetic only.
    after : parameters of the layer that the mapping fuses.

    Raises
    ------
    TensorError
        Weights or parameters of another shape, type or range.
    CompileError
        A mapping for another layer or configuration, arithmetic that the configuration does not have, or more
        memory than 32-bit addresses reach.
    """
    if mapping.layer != layer or mapping.config != config:
        raise CompileError(
            f"{layer.name} on {config.name}: the mapping is for {mapping.layer.name} on {mapping.config.name}"
        )
    if base % AREA_BYTES or base < 0:
        raise CompileError(f"base = {base}: must be a multiple of {AREA_BYTES}, not negative")
    constants = layer_constants(mapping, weights, requant, product_shift, after)
    ofmap, ifmap, other = ofmap_layout(mapping), ifmap_layout(mapping), operand_layout(mapping)
    starts, end = [], base
    for size in (
        ofmap.bytes,
        len(constants.parameters),
        len(constants.filters.content),
        ifmap.bytes,
        other.bytes if other else 0,
    ):
        starts.append(end)
        end += padded_bytes(size)
    operand = Placement(starts[4], other) if other else None
    at = Addresses(starts[1], starts[2], Placement(starts[3], ifmap), Placement(starts[0], ofmap), operand)
    if end > MEMORY_LIMIT:
        raise CompileError(f"{layer.name}: takes {end} bytes of memory, addresses reach {MEMORY_LIMIT}")
    program = pack_program([*layer_commands(mapping, constants, at), (END, {})])
    last = end + len(program)
    if last > MEMORY_LIMIT:
        raise CompileError(f"{layer.name}: takes {last} bytes of memory, addresses reach {MEMORY_LIMIT}")
    return CompiledLayer(
        mapping=mapping,
        requant=requant,
        program_address=end,
        program=program,
        segments=(
            (at.parameters, constants.parameters),
            (at.filters, constants.filters.content),
            (end, np.frombuffer(program, np.uint8)),
        ),
        ifmap=at.ifmap,
        ofmap=at.ofmap,
        read_window=(at.parameters, last),
        write_window=(at.ofmap.address, at.parameters),
        operand=operand,
    )
