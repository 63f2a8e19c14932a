"""Runs a layer on the accelerator's RTL and compares it with the golden model."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from orris.compiler import CompiledLayer, compile_layer
from orris.cost import MemoryTiming, foresees, layer_timing
from orris.driver import Device, DeviceError, cycle_limit
from orris.golden import LayerData, conv2d, conv2d_fixed_point, random_layer_data
from orris.golden.tensors import IntArray
from orris.layers import ConvLayer
from orris.mapper import AnyMapping, map_layer
from orris.report import LayerReport
from orris_hw.config import AcceleratorConfig

from .errors import SimulationError
from .simulator import Simulator


@dataclass(frozen=True)
class MemoryModel:
    """The memory behind the accelerator: cycles of latency, bytes per cycle, chance of a pause per cycle."""

    latency: int = 100
    bandwidth: float = 8.0
    stalls: float = 0.0

    @property
    def timing(self) -> MemoryTiming:
        """What the cost model needs of it: pauses are not foreseen."""
        return MemoryTiming(self.latency, self.bandwidth / 8)


@dataclass(frozen=True)
class Watcher:
    """Who is told what goes on: what is being built, and (cycles run, cycles predicted or 0)."""

    building: Callable[[str], None] = lambda text: None
    running: Callable[[int, int], None] = lambda run, predicted: None


@dataclass(frozen=True, eq=False)
class LayerRun:
    """What a layer gave: the ofmap (None if the program did not end well), the golden one, and the report."""

    ofmap: IntArray | None
    golden: IntArray
    report: LayerReport


def run_layer(
    layer: ConvLayer,
    config: AcceleratorConfig,
    data: LayerData | None = None,
    *,
    seed: int = 0,
    zeros: float | None = None,
    mapping: AnyMapping | None = None,
    memory: MemoryModel | None = None,
    trace: Path | None = None,
    watcher: Watcher | None = None,
) -> LayerRun:
    """Map, compile and simulate one layer, and compare every value of its ofmap.

    Parameters
    ----------
    data : tensors and parameters; by default random ones from `seed`, with the fraction `zeros` of zeros.
    mapping : by default the mapper's.
    memory : what the accelerator's memory is like.
    trace : file for a VCD waveform.

    Raises
    ------
    OrrisError
        The layer does not map, the data do not fit it, or the simulator cannot be built. A program that
        does not end well is no exception but the report's `problem`.
    """
    memory, watcher = memory or MemoryModel(), watcher or Watcher()
    data = data or layer_data(layer, config, seed, zeros)
    mapping = mapping or map_layer(layer, config)
    compiled = compile_layer(layer, mapping, config, data.weights, data.requant, data.product_shift)
    golden = golden_ofmap(mapping, data)
    timing = layer_timing(mapping, memory.timing)
    times = {"cycles": timing.cycles} | timing.stalls if foresees(config) else {}
    predicted = times | compiled.expected_counts
    with Simulator(
        config,
        memory_bytes=compiled.memory_size,
        latency=memory.latency,
        bandwidth=memory.bandwidth,
        stalls=memory.stalls,
        seed=seed,
        trace=trace,
        progress=watcher.building,
    ) as simulator:
        begin = time.perf_counter()
        ofmap, counters, problem = _simulate(simulator, compiled, data.ifmap, timing.cycles, watcher)
        seconds, simulated = time.perf_counter() - begin, simulator.traffic.cycles
    report = LayerReport(
        layer=layer,
        config=config,
        mapping=mapping,
        counters=counters,
        predicted=predicted,
        mismatches=golden.size if ofmap is None else int(np.count_nonzero(ofmap != golden)),
        problem=problem,
        simulated_cycles=simulated,
        seconds=seconds,
        conditions={"seed": seed, "zeros": zeros, "memory": asdict(memory)},
    )
    return LayerRun(ofmap, golden, report)


def layer_data(
    layer: ConvLayer, config: AcceleratorConfig, seed: int, zeros: float | None = None
) -> LayerData:
    """Random tensors and parameters in the arithmetic of a configuration."""
    return random_layer_data(
        layer,
        seed,
        data_width=config.data_width,
        arithmetic=config.arithmetic,
        psum_width=config.psum_width,
        zeros=zeros,
    )


def golden_ofmap(mapping: AnyMapping, data: LayerData) -> IntArray:
    """What the layer must give; in fixed point it depends on the order in which the mapping adds."""
    layer, config = mapping.layer, mapping.config
    if config.arithmetic == "fixed_point":
        order = mapping.accumulation_order()
        return conv2d_fixed_point(
            layer, data.ifmap, data.weights, data.requant, order, data.product_shift, config.psum_width
        )
    return conv2d(layer, data.ifmap, data.weights, data.requant, config.psum_width)


def _simulate(
    simulator: Simulator, compiled: CompiledLayer, ifmap: IntArray, predicted: int, watcher: Watcher
) -> tuple[IntArray | None, dict[str, int], str | None]:
    """(ofmap, counters, problem)."""
    limit = cycle_limit(compiled.config, predicted)
    predicted = predicted if foresees(compiled.config) else 0
    watcher.running(0, predicted)
    try:
        device = Device(simulator, compiled.config)
        device.load(compiled, ifmap)
        device.start(compiled)
        simulator.wait(limit, lambda run: watcher.running(run, predicted))
        device.finish(0)
        ofmap = compiled.ofmap
        content = simulator.read_memory(ofmap.address, ofmap.layout.bytes)
        return compiled.unpack_ofmap(content), device.counters(), None
    except (DeviceError, SimulationError) as error:
        return None, {}, str(error)
