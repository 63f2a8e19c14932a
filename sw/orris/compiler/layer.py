"""The compiler: a layer and its mapping become a program and a memory image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orris_hw.commands import COMMAND_BITS
from orris_hw.config import AcceleratorConfig

from ..golden import Requant, post_process
from ..golden.tensors import IntArray, check_tensor
from ..layers import ConvLayer
from ..mapper import Mapping, expected_counts
from .constants import filter_stream, padded_bytes, parameter_entries, parameter_stream
from .errors import CompileError
from .layout import ActivationLayout, pack_activations, unpack_activations, value_type
from .program import Addresses, Placement, layer_program

MEMORY_LIMIT = 1 << 32
SHIFT_MAX = 31


@dataclass(frozen=True, eq=False)
class CompiledLayer:
    """All that the accelerator needs to run one layer, but for the ifmap.

    Parameters
    ----------
    mapping : with the layer and configuration it is for. requant : post-processing.
    program_address : of the first command. program : the commands, 64 bytes each.
    segments : (byte address, bytes) to be in memory: parameters, filters, program.
    ifmap, ofmap : the tensors' addresses and layouts.
    read_window, write_window : (first byte, byte behind the last) that the accelerator may touch.
    """

    mapping: Mapping
    requant: Requant
    program_address: int
    program: bytes
    segments: tuple[tuple[int, NDArray[np.uint8]], ...]
    ifmap: Placement
    ofmap: Placement
    read_window: tuple[int, int]
    write_window: tuple[int, int]

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

    def unpack_ofmap(self, content: NDArray[np.uint8] | bytes) -> IntArray:
        """The ofmap (N, M, E, F) from the bytes at `self.ofmap.address`."""
        return unpack_activations(content, self.ofmap.layout)


def compile_layer(
    layer: ConvLayer,
    mapping: Mapping,
    config: AcceleratorConfig,
    weights: IntArray,
    requant: Requant,
    product_shift: int = 0,
    base: int = 0,
) -> CompiledLayer:
    """Program and memory image of `layer`; memory is used from byte `base` on.

    Parameters
    ----------
    weights : integers (M, C, R, S). requant : parameters of M channels.
    product_shift : bits cut from each product, fixed-point arithmetic only.

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
    if not 0 <= product_shift <= (SHIFT_MAX if config.arithmetic == "fixed_point" else 0):
        raise CompileError(
            f"{layer.name}: product_shift = {product_shift}, expected "
            + (f"0 to {SHIFT_MAX}" if config.arithmetic == "fixed_point" else "0 for integer arithmetic")
        )
    if base % 64 or base < 0:
        raise CompileError(f"base = {base}: must be a multiple of 64, not negative")
    check_tensor(f"{layer.name}: weights (M, C, R, S)", weights, layer.weights_shape)
    # The golden model checks the parameters; there is nothing to compute in an empty ofmap.
    post_process(np.zeros((1, layer.M, 0, 0), np.int64), requant, value_type(config))

    filters = filter_stream(mapping, weights)
    parameters = parameter_stream(requant, parameter_entries(mapping))
    ofmap = ActivationLayout(*layer.ofmap_shape, config.data_width, config.block)
    ifmap = ActivationLayout(*layer.ifmap_shape, config.data_width, mapping.pixel_lanes)
    starts, end = [], base
    for size in (ofmap.bytes, len(parameters), len(filters.content), ifmap.bytes):
        starts.append(end)
        end += padded_bytes(size)
    at = Addresses(starts[1], starts[2], Placement(starts[3], ifmap), Placement(starts[0], ofmap))

    if end > MEMORY_LIMIT:
        raise CompileError(f"{layer.name}: takes {end} bytes of memory, addresses reach {MEMORY_LIMIT}")
    commands = layer_program(mapping, requant, product_shift, filters, at)
    program = b"".join(command.pack(fields) for command, fields in commands)
    last = end + len(program)
    if last > MEMORY_LIMIT:
        raise CompileError(f"{layer.name}: takes {last} bytes of memory, addresses reach {MEMORY_LIMIT}")
    return CompiledLayer(
        mapping=mapping,
        requant=requant,
        program_address=end,
        program=program,
        segments=(
            (at.parameters, parameters),
            (at.filters, filters.content),
            (end, np.frombuffer(program, np.uint8)),
        ),
        ifmap=at.ifmap,
        ofmap=at.ofmap,
        read_window=(at.parameters, last),
        write_window=(at.ofmap.address, at.parameters),
    )
