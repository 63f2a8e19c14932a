"""A network on the accelerator's RTL."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from orris.network import CompiledNetwork, NetworkRunner

from .layer_run import MemoryModel, Watcher
from .simulator import Simulator


class _Watched:
    """A simulator that tells how far the present program is."""

    def __init__(self, simulator: Simulator, watcher: Watcher):
        self._simulator, self._watcher = simulator, watcher
        self.predicted = 0
        self.write_register, self.read_register = simulator.write_register, simulator.read_register

    def write_memory(self, address: int, content: NDArray[np.uint8]) -> None:
        self._simulator.write_memory(address, content)

    def read_memory(self, address: int, size: int) -> NDArray[np.uint8]:
        return self._simulator.read_memory(address, size)

    def wait(self, max_cycles: int) -> bool:
        return self._simulator.wait(
            max_cycles, lambda run: self._watcher.running(run, max(run, self.predicted))
        )

    def begin(self, name: str, predicted: int) -> None:
        self.predicted = predicted
        self._watcher.building(name)
        self._watcher.running(0, predicted)


@contextmanager
def network_simulation(
    network: CompiledNetwork, memory: MemoryModel | None = None, watcher: Watcher | None = None
) -> Iterator[NetworkRunner]:
    """A runner of the network on its configuration's RTL, which is built unless it was before.

    Raises
    ------
    SimulationError
        The simulator cannot be built.
    """
    memory, watcher = memory or MemoryModel(), watcher or Watcher()
    with Simulator(
        network.config,
        memory_bytes=network.memory_size,
        latency=memory.latency,
        bandwidth=memory.bandwidth,
        stalls=memory.stalls,
        progress=watcher.building,
    ) as simulator:
        watched = _Watched(simulator, watcher)
        yield NetworkRunner(network, watched, watched.begin)
