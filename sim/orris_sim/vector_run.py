"""Runs a layer of the vector unit on the accelerator's RTL and compares it with the golden model."""

from dataclasses import dataclass

import numpy as np

from orris.compiler import VectorLayer, VectorParameters, compile_vector
from orris.driver import Device, DeviceError, cycle_limit
from orris.golden import AddParameters, PoolParameters, add, concatenate, pool, upsample
from orris.golden.tensors import IntArray
from orris.layers import AddLayer, ConcatLayer, PoolLayer
from orris_hw.config import AcceleratorConfig

from .errors import SimulationError
from .layer_run import MemoryModel
from .simulator import Simulator


@dataclass(frozen=True, eq=False)
class VectorRun:
    """What a layer gave: the ofmap (None if the program did not end well), the golden one, and the figures.

    expected : counters that follow from the commands. problem : why the program did not end well.
    """

    ofmap: IntArray | None
    golden: IntArray
    counters: dict[str, int]
    expected: dict[str, int]
    predicted_cycles: int
    problem: str | None

    @property
    def mismatches(self) -> int:
        """Values of the ofmap that differ from the golden one's; all of them if there is no ofmap."""
        return self.golden.size if self.ofmap is None else int(np.count_nonzero(self.ofmap != self.golden))

    @property
    def surprises(self) -> dict[str, tuple[int, int]]:
        """Counters that are not what the commands make them: (measured, expected)."""
        return {
            name: (self.counters.get(name, 0), value)
            for name, value in self.expected.items()
            if self.counters.get(name, 0) != value
        }


def random_vector_data(
    layer: VectorLayer, config: AcceleratorConfig, seed: int
) -> tuple[list[IntArray], VectorParameters]:
    """Random ifmaps over the whole range and parameters of random scales, the same for the same seed."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(np.int8 if config.data_width == 8 else np.int16)
    info = np.iinfo(dtype)
    ifmaps = [rng.integers(info.min, info.max + 1, shape).astype(dtype) for shape in layer.ifmap_shapes]
    if isinstance(layer, PoolLayer):
        return ifmaps, PoolParameters.plain(dtype)
    if isinstance(layer, AddLayer):
        scales = np.exp2(rng.uniform(-8, -4, 3)).tolist()
        zero_points = [0] * 3 if dtype == np.int16 else rng.integers(-128, 128, 3).tolist()
        a, b, out = zip(scales, zero_points, strict=True)
        return ifmaps, AddParameters.from_scales(dtype, a, b, out)
    return ifmaps, None


def golden_vector(layer: VectorLayer, ifmaps: list[IntArray], parameters: VectorParameters) -> IntArray:
    """What the layer must give."""
    if isinstance(layer, PoolLayer):
        assert isinstance(parameters, PoolParameters)
        return pool(layer, ifmaps[0], parameters)
    if isinstance(layer, AddLayer):
        assert isinstance(parameters, AddParameters)
        return add(layer, ifmaps[0], ifmaps[1], parameters)
    return concatenate(layer, ifmaps) if isinstance(layer, ConcatLayer) else upsample(layer, ifmaps[0])


def run_vector_layer(
    layer: VectorLayer,
    config: AcceleratorConfig,
    ifmaps: list[IntArray] | None = None,
    parameters: VectorParameters = None,
    *,
    seed: int = 0,
    memory: MemoryModel | None = None,
) -> VectorRun:
    """Compile and simulate one layer, and compare every value of its ofmap.

    Parameters
    ----------
    ifmaps, parameters : by default random ones from `seed`.
    memory : what the accelerator's memory is like.

    Raises
    ------
    OrrisError
        The layer does not compile, the data do not fit it, or the simulator cannot be built. A program that
        does not end well is no exception but the run's `problem`.
    """
    memory = memory or MemoryModel()
    if ifmaps is None:
        ifmaps, drawn = random_vector_data(layer, config, seed)
        parameters = parameters if parameters is not None else drawn
    compiled = compile_vector(layer, config, parameters)
    golden = golden_vector(layer, ifmaps, parameters)
    counters, ofmap, problem = {}, None, None
    with Simulator(
        config,
        memory_bytes=compiled.memory_size,
        latency=memory.latency,
        bandwidth=memory.bandwidth,
        stalls=memory.stalls,
        seed=seed,
    ) as simulator:
        limit = cycle_limit(config, compiled.predicted_cycles)
        try:
            result = Device(simulator, config).run_layer(compiled, *ifmaps, max_cycles=limit)
            ofmap, counters = result.ofmap, result.counters
        except (DeviceError, SimulationError) as error:
            problem = str(error)
    return VectorRun(ofmap, golden, counters, compiled.expected_counts, compiled.predicted_cycles, problem)
