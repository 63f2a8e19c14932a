"""The campaign of random layers: configurations, one case from a seed, and how a case is run in RTL."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from orris.compiler import CompiledLayer, compile_layer
from orris.compiler.layer import FusedParameters
from orris.driver import Device, DeviceError
from orris.golden import LayerData
from orris.golden.tensors import IntArray
from orris.layers import ConvLayer
from orris.mapper import AnyMapping, Mapping, MappingError, map_layer
from orris.mapper.fusion import Tail
from orris_hw.config import PRESETS, AcceleratorConfig
from orris_sim import Simulator
from orris_sim.errors import SimulationError
from orris_sim.layer_run import MemoryModel, golden_ofmap
from orris_sim.vector_run import golden_vector
from random_shapes import KINDS, VALUES, random_data, random_layer
from random_vector_layers import random_data as random_vector_data
from random_vector_layers import random_tail

CANARY = 4096
"""Bytes on either side of a layer's memory that must not change."""
MEMORY_BYTES = 1 << 22
CYCLES = 4_000_000
"""After which a layer is given up; no case needs a tenth of it."""
TIMEOUT = 1 << 14
"""Cycles of standstill; no memory model of the campaign pauses for as long."""


TURNS = (*KINDS, "dilated", "dilated", "depthwise", "depthwise")
"""Kinds of layers, seed after seed: those with many variants more often."""


@dataclass(frozen=True)
class Place:
    """A configuration of the campaign. macs : of a layer, at most. share : of all layers, relative."""

    config: AcceleratorConfig
    macs: int
    share: int


def _config(name: str, rows: int, columns: int, pads: tuple[int, int, int], glb: tuple[int, int], **rest):
    """scratchpads (filter, ifmap, psum), global buffer (banks, depth); `rest` is given as in a file."""
    return AcceleratorConfig(
        name=name,
        array=dict(rows=rows, columns=columns),
        scratchpads=dict(zip(("filter", "ifmap", "psum"), pads, strict=True)),
        global_buffer=dict(zip(("banks", "depth"), glb, strict=True)),
        **rest,
    )


PLACES = {
    place.config.name: place
    for place in (
        Place(PRESETS["tiny"], 60_000, 6),
        Place(PRESETS["orris-168"], 300_000, 4),
        # The least of everything: one psum, four ifmap values, 64 words of buffer.
        Place(
            _config("one-pe", 1, 1, (8, 4, 1), (4, 16),
                    networks=dict(ifmap_bits=8, filter_bits=8, psum_bits=32),
                    post_processing=dict(lanes=1, channels=8)),
            6_000, 4,
        ),
        Place(
            _config("five-by-three", 5, 3, (56, 13, 7), (5, 128), memory=dict(port_bits=128),
                    networks=dict(ifmap_bits=16, filter_bits=32, psum_bits=64, stop_columns=2),
                    post_processing=dict(lanes=3, channels=40)),
            50_000, 6,
        ),
        Place(
            _config("sixteen-by-sixteen", 16, 16, (96, 24, 12), (20, 256), networks=dict(psum_bits=256),
                    post_processing=dict(lanes=5, channels=128)),
            300_000, 3,
        ),
        Place(
            _config("sixteen-bits", 4, 4, (64, 12, 8), (6, 128), data_width=16, psum_width=48,
                    networks=dict(ifmap_bits=32, filter_bits=32, psum_bits=96),
                    post_processing=dict(lanes=2, channels=24)),
            40_000, 4,
        ),
        Place(
            _config("fixed-point", 4, 3, (48, 12, 8), (6, 128), data_width=16, psum_width=16,
                    arithmetic="fixed_point", networks=dict(ifmap_bits=16, filter_bits=64, psum_bits=32),
                    post_processing=dict(lanes=2, channels=48)),
            40_000, 3,
        ),
        # A memory port of several words, as above one of two: rows begin and end anywhere in a beat.
        Place(
            _config("port-of-256-bits", 6, 4, (64, 12, 8), (5, 128), memory=dict(port_bits=256),
                    networks=dict(psum_bits=128, x_lanes=2), post_processing=dict(lanes=4, channels=40)),
            40_000, 3,
        ),
    )
}  # fmt: skip

MEMORIES = (
    MemoryModel(latency=0, bandwidth=16.0),
    MemoryModel(latency=100, bandwidth=8.0, stalls=0.1),
    MemoryModel(latency=7, bandwidth=2.5, stalls=0.6),
    MemoryModel(latency=400, bandwidth=8.0, stalls=0.9),
)


@dataclass(frozen=True, eq=False)
class Case:
    """A layer with its data, mapped and compiled, and the memory it is to meet.

    parameters, operands : of the layer that the mapping fuses; beside the ofmap, an addition has one operand.
    """

    seed: int
    layer: ConvLayer
    values: tuple[str, str]
    data: LayerData
    mapping: AnyMapping
    compiled: CompiledLayer
    memory: int
    parameters: FusedParameters | None
    operands: list[IntArray]

    @property
    def after(self) -> Tail | None:
        """The layer fused to this one."""
        return self.mapping.after if isinstance(self.mapping, Mapping) else None

    def golden(self) -> IntArray:
        """What has to come out."""
        ofmap = golden_ofmap(self.mapping, self.data)
        return golden_vector(self.after, [ofmap, *self.operands], self.parameters) if self.after else ofmap


def draw(place: Place, seed: int) -> Case:
    """The case of a seed: always the same."""
    config = place.config
    rng = random.Random(f"{config.name} {seed}")
    layer = random_layer(rng, place.macs, TURNS[seed % len(TURNS)])
    values = rng.choice(VALUES), rng.choice(VALUES)
    data = random_data(rng, layer, config, values)
    mapping, memory = _random_mapping(rng, layer, config), rng.randrange(len(MEMORIES))
    operands, parameters = [], None
    if rng.random() < 0.5:
        mapping = _fused(mapping, random_tail(rng, layer))
    if isinstance(mapping, Mapping) and mapping.after:
        (_, *operands), parameters = random_vector_data(mapping.after, config, seed)
    compiled = compile_layer(
        layer, mapping, config, data.weights, data.requant, data.product_shift, CANARY, parameters
    )
    return Case(seed, layer, values, data, mapping, compiled, memory, parameters, operands)


def _fused(mapping: AnyMapping, tail: Tail) -> AnyMapping:
    """The mapping with a layer fused to it, or else the mapper's, or the mapping as it is."""
    with suppress(MappingError):
        if isinstance(mapping, Mapping):
            return replace(mapping, after=tail)
    with suppress(MappingError):
        return map_layer(mapping.layer, mapping.config, after=tail)
    return mapping


def _random_mapping(rng: random.Random, layer: ConvLayer, config: AcceleratorConfig) -> AnyMapping:
    """The mapper's own choice, or one held to some parameters: slow mappings must be right, too."""
    wish = {
        "e": rng.randint(1, min(layer.E, config.array.columns)), "positions": rng.randint(1, layer.F),
        "p": rng.randint(1, 4), "q": rng.choice((1, 2, 4)), "chunk": rng.randint(1, layer.C),
        "order": rng.choice(("filters", "windows")), "pixel_lanes": config.block,
    }  # fmt: skip
    kept = {name: value for name, value in wish.items() if rng.random() < 0.3}
    mapping = map_layer(layer, config)
    with suppress(MappingError):  # a wish may break a limit
        if rng.random() < 0.5:
            mapping = map_layer(layer, config, **kept)
        if rng.random() < 0.5 and isinstance(mapping, Mapping) and mapping.order == "filters":
            mapping = replace(mapping, group=rng.randint(1, len(mapping.windows)))
    return mapping


class Bench:
    """One accelerator after another layer of a campaign, with a simulator for each memory model.

    simulate : makes the simulators; takes what `Simulator` takes. cycles : after which a layer is given up.
    """

    def __init__(self, place: Place, simulate: Callable[..., Any] = Simulator, cycles: int = CYCLES):
        self.place = place
        self._simulate, self._cycles = simulate, cycles
        self._simulators: dict[int, tuple[Any, Device]] = {}

    def _device(self, memory: int) -> tuple[Any, Device]:
        if memory not in self._simulators:
            model = MEMORIES[memory]
            simulator = self._simulate(
                self.place.config,
                memory_bytes=MEMORY_BYTES,
                latency=model.latency,
                bandwidth=model.bandwidth,
                stalls=model.stalls,
                seed=memory,
            )
            simulator.memory[:] = np.random.default_rng(memory).integers(0, 256, MEMORY_BYTES, np.uint8)
            self._simulators[memory] = simulator, Device(simulator, self.place.config)
        return self._simulators[memory]

    def problem(self, case: Case) -> str | None:
        """What is wrong with the case, or None: the ofmap is the golden one, every counter is the formula's,
        and no other byte of the memory has changed."""
        simulator, device = self._device(case.memory)
        compiled = case.compiled
        if compiled.memory_size + CANARY > MEMORY_BYTES:
            return f"the layer needs {compiled.memory_size} bytes"
        ifmaps = case.data.ifmap, *case.operands
        device.load(compiled, *ifmaps)
        before = simulator.memory.copy()
        try:
            result = device.run_layer(compiled, *ifmaps, timeout=TIMEOUT, max_cycles=self._cycles)
        except (DeviceError, SimulationError) as error:
            del self._simulators[case.memory]  # whatever state it is in
            simulator.close()
            return str(error)
        golden = case.golden()
        if wrong := int(np.count_nonzero(result.ofmap != golden)):
            return f"{wrong} of {golden.size} ofmap values differ from the golden model"
        counters = result.counters
        if self.place.config.control.counters == "all":
            counters |= {"macs": counters["mac_done"] + counters["mac_gated"]}
        for name, expected in compiled.expected_counts.items():
            if name in counters and counters[name] != expected:
                return f"{name} counts {counters[name]}, the formula says {expected}"
        start, size = compiled.ofmap.address, compiled.ofmap.layout.bytes
        before[start : start + size] = simulator.memory[start : start + size]
        if not np.array_equal(before, simulator.memory):
            return "memory outside the ofmap has changed"
        return None

    def close(self) -> None:
        for simulator, _ in self._simulators.values():
            simulator.close()


@contextmanager
def bench(
    place: Place, simulate: Callable[..., Any] = Simulator, cycles: int = CYCLES
) -> Iterator[Bench]:
    """A bench that is closed in the end."""
    opened = Bench(place, simulate, cycles)
    try:
        yield opened
    finally:
        opened.close()
