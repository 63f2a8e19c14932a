"""Runs a layer on a board and compares it with the golden model."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from orris.compiler import compile_layer
from orris.driver import Device
from orris.layers import ConvLayer
from orris.mapper import map_layer
from orris_hw.config import AcceleratorConfig
from orris_sim.layer_run import golden_ofmap, layer_data

from .errors import BoardError
from .link.protocol import Hello


@dataclass(frozen=True)
class BoardRun:
    """What came of a layer on a board.

    mismatches: ofmap values that differ from the golden model's. counters: the performance counters.
    """

    layer: ConvLayer
    config: AcceleratorConfig
    clock_hz: int
    mismatches: int
    counters: dict[str, int]

    @property
    def bit_exact(self) -> bool:
        return self.mismatches == 0

    @property
    def cycles(self) -> int:
        return self.counters["cycles"]

    @property
    def milliseconds(self) -> float:
        """At the board's clock."""
        return 1e3 * self.cycles / self.clock_hz

    @property
    def utilization(self) -> float:
        """MACs of the layer per PE and cycle."""
        return self.layer.macs / (self.config.pes * self.cycles) if self.cycles else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Every figure, for JSON."""
        return {
            "layer": self.layer.name,
            "config": self.config.name,
            "clock_hz": self.clock_hz,
            "bit_exact": self.bit_exact,
            "mismatches": self.mismatches,
            "milliseconds": self.milliseconds,
            "utilization": self.utilization,
            "counters": self.counters,
        }


def run_on_board(layer: ConvLayer, device: Device, hello: Hello, seed: int = 0) -> BoardRun:
    """Map and compile one layer, run it on a board with random data, and compare every value.

    Raises
    ------
    OrrisError
        The layer does not map, does not fit the board's memory, its program stops, or the line fails.
    """
    config = device.config
    data = layer_data(layer, config, seed)
    mapping = map_layer(layer, config)
    compiled = compile_layer(layer, mapping, config, data.weights, data.requant, data.product_shift)
    if compiled.memory_size > hello.memory_bytes:
        raise BoardError(
            f"{layer.name} needs {compiled.memory_size:,} bytes of memory and the board has "
            f"{hello.memory_bytes:,}: take a smaller layer or another board"
        )
    result = device.run_layer(compiled, data.ifmap)
    differ = int(np.count_nonzero(result.ofmap != golden_ofmap(mapping, data)))
    return BoardRun(layer, config, hello.clock_hz, differ, result.counters)
