"""Layers of the vector unit: pooling, addition, concatenation and upsampling become programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orris_hw.commands import COMMAND_BITS, END
from orris_hw.config import AcceleratorConfig

from ..golden import AddParameters, PoolParameters, TensorError
from ..golden.tensors import IntArray
from ..layers import AddLayer, ConcatLayer, PoolLayer, UpsampleLayer
from .constants import AREA_BYTES, padded_bytes
from .elementwise import add_tiles, concat_tiles, upsample_tiles
from .errors import CompileError
from .layout import WORD_BYTES, ActivationLayout, pack_activations, unpack_activations, value_type
from .places import Command, Placement, pack_program
from .pooling import pool_tiles
from .vector_counts import vector_counts, vector_cycles
from .vector_pipeline import VectorTile, pipeline

VectorLayer = PoolLayer | AddLayer | ConcatLayer | UpsampleLayer
VectorParameters = PoolParameters | AddParameters | None
"""Of pooling, of an addition; the others have none."""

MEMORY_LIMIT = 1 << 32

_PARAMETERS = {PoolLayer: PoolParameters, AddLayer: AddParameters}


@dataclass(frozen=True, eq=False)
class CompiledVector:
    """All that the accelerator needs to run one layer of the vector unit, but for the ifmaps.

    Parameters
    ----------
    program_address : of the first command. program : the commands, 64 bytes each.
    segments : (byte address, bytes) to be in memory: the program.
    ifmaps, ofmap : the tensors' addresses and layouts.
    read_window, write_window : (first byte, byte behind the last) that the accelerator may touch.
    expected_counts : performance counters that do not depend on data or time.
    predicted_cycles : of the whole program.
    """

    layer: VectorLayer
    config: AcceleratorConfig
    parameters: VectorParameters
    program_address: int
    program: bytes
    segments: tuple[tuple[int, NDArray[np.uint8]], ...]
    ifmaps: tuple[Placement, ...]
    ofmap: Placement
    read_window: tuple[int, int]
    write_window: tuple[int, int]
    expected_counts: dict[str, int]
    predicted_cycles: int

    @property
    def commands(self) -> int:
        return len(self.program) * 8 // COMMAND_BITS

    @property
    def memory_size(self) -> int:
        """Byte behind the last one in use."""
        return max(self.read_window[1], self.write_window[1])

    def pack_ifmaps(self, *ifmaps: IntArray) -> list[tuple[int, NDArray[np.uint8]]]:
        """(byte address, bytes) of the ifmaps; TensorError if they are not the layer's."""
        if len(ifmaps) != len(self.ifmaps):
            raise TensorError(f"{self.layer.name} has {len(self.ifmaps)} ifmaps, not {len(ifmaps)}")
        return [
            (place.address, pack_activations(ifmap, place.layout))
            for place, ifmap in zip(self.ifmaps, ifmaps, strict=True)
        ]

    def unpack_ofmap(self, content: NDArray[np.uint8] | bytes) -> IntArray:
        """The ofmap (N, C, H, W) from the bytes at `self.ofmap.address`."""
        return unpack_activations(content, self.ofmap.layout)


def vector_layouts(
    layer: VectorLayer, config: AcceleratorConfig
) -> tuple[tuple[ActivationLayout, ...], ActivationLayout]:
    """Of the ifmaps and of the ofmap: whole words of one pixel."""
    ifmaps, ofmap = (
        tuple(ActivationLayout(*shape, config.data_width, config.block) for shape in shapes)
        for shapes in (layer.ifmap_shapes, [layer.ofmap_shape])
    )
    return ifmaps, ofmap[0]


def vector_commands(
    layer: VectorLayer,
    config: AcceleratorConfig,
    parameters: VectorParameters,
    ifmaps: Sequence[Placement],
    ofmap: Placement,
) -> list[Command]:
    """The commands of a layer, without `END`, on tensors at addresses of the caller's choice.

    They take the semaphores to be at zero. Layers are chained by a `BARRIER` between their commands. The
    ofmap of an addition may lie where one of its operands does.

    Parameters
    ----------
    parameters : PoolParameters for a PoolLayer, AddParameters for an AddLayer, None for the others.

    Raises
    ------
    TensorError
        Parameters that do not fit the layer or the configuration's values.
    CompileError
        A configuration without vector unit, tensors in another layout or number than the layer's, an address
        that is no multiple of 8, or an upsampling factor that the global buffer is too small for.
    """
    if not config.vector.lanes:
        raise CompileError(
            f"{layer.name}: {config.name} has no vector unit, which {type(layer).__name__} needs: "
            "set vector.lanes to 1 or more"
        )
    kind = _PARAMETERS.get(type(layer), type(None))
    if not isinstance(parameters, kind):
        raise TensorError(
            f"{layer.name}: parameters are {type(parameters).__name__}, {type(layer).__name__} takes "
            f"{'none' if kind is type(None) else kind.__name__}"
        )
    _check_places(layer, config, ifmaps, ofmap)
    return pipeline(_tiles(layer, config, parameters, ifmaps, ofmap), config)


def _tiles(
    layer: VectorLayer, config: AcceleratorConfig, parameters: VectorParameters, ifmaps: Sequence[Placement],
    ofmap: Placement,
) -> Iterator[VectorTile]:  # fmt: skip
    dtype = value_type(config)
    if isinstance(layer, PoolLayer):
        assert isinstance(parameters, PoolParameters)
        parameters.check(layer, dtype)
        return pool_tiles(layer, config, parameters, ifmaps[0], ofmap)
    if isinstance(layer, AddLayer):
        assert isinstance(parameters, AddParameters)
        parameters.check(layer, dtype)
        return add_tiles(layer, config, parameters, ifmaps[0], ifmaps[1], ofmap)
    if isinstance(layer, ConcatLayer):
        return concat_tiles(layer, config, ifmaps, ofmap)
    return upsample_tiles(layer, config, ifmaps[0], ofmap)


def _check_places(
    layer: VectorLayer, config: AcceleratorConfig, ifmaps: Sequence[Placement], ofmap: Placement
) -> None:
    expected_ifmaps, expected_ofmap = vector_layouts(layer, config)
    if len(ifmaps) != len(expected_ifmaps):
        raise CompileError(f"{layer.name} has {len(expected_ifmaps)} ifmaps, not {len(ifmaps)}")
    for what, place, expected in (
        *(("an ifmap", *pair) for pair in zip(ifmaps, expected_ifmaps, strict=True)),
        ("the ofmap", ofmap, expected_ofmap),
    ):
        if place.layout != expected:
            raise CompileError(f"{layer.name}: {what} is placed as {place.layout}, not as {expected}")
        if place.address % WORD_BYTES or not 0 <= place.address < MEMORY_LIMIT:
            raise CompileError(
                f"{layer.name}: {what} is at {place.address}, expected a multiple of {WORD_BYTES} below "
                f"{MEMORY_LIMIT}"
            )


def compile_vector(
    layer: VectorLayer, config: AcceleratorConfig, parameters: VectorParameters = None, base: int = 0
) -> CompiledVector:
    """Program and memory image of `layer`; memory is used from byte `base` on.

    Raises
    ------
    TensorError, CompileError
        As `vector_commands` does; and CompileError for more memory than 32-bit addresses reach, or a base
        that is no multiple of an area's alignment.
    """
    if base % AREA_BYTES or base < 0:
        raise CompileError(f"base = {base}: must be a multiple of {AREA_BYTES}, not negative")
    ifmap_layouts, ofmap_layout = vector_layouts(layer, config)
    starts, end = [], base
    for layout in (ofmap_layout, *ifmap_layouts):
        starts.append(end)
        end += padded_bytes(layout.bytes)
    if end > MEMORY_LIMIT:
        raise CompileError(f"{layer.name}: takes {end} bytes of memory, addresses reach {MEMORY_LIMIT}")
    ofmap = Placement(starts[0], ofmap_layout)
    ifmaps = tuple(Placement(*pair) for pair in zip(starts[1:], ifmap_layouts, strict=True))
    commands = vector_commands(layer, config, parameters, ifmaps, ofmap)
    program = pack_program([*commands, (END, {})])
    last = end + len(program)
    if last > MEMORY_LIMIT:
        raise CompileError(f"{layer.name}: takes {last} bytes of memory, addresses reach {MEMORY_LIMIT}")
    return CompiledVector(
        layer=layer,
        config=config,
        parameters=parameters,
        program_address=end,
        program=program,
        segments=((end, np.frombuffer(program, np.uint8)),),
        ifmaps=ifmaps,
        ofmap=ofmap,
        read_window=(starts[1], last),
        write_window=(ofmap.address, starts[1]),
        expected_counts=vector_counts([*commands, (END, {})]),
        predicted_cycles=vector_cycles(commands, config),
    )
