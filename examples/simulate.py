"""Runs a layer of one's own, with one's own numbers, on the RTL of a small accelerator.

    python examples/simulate.py
"""

import numpy as np

from orris.compiler import compile_layer
from orris.driver import Device
from orris.golden import Requant, conv2d
from orris.layers import ConvLayer, Padding
from orris.mapper import map_layer
from orris_hw.config import preset
from orris_sim import Simulator


def main() -> None:
    config = preset("tiny")
    layer = ConvLayer(name="mine", M=8, C=4, H=16, W=16, R=3, S=3, padding=Padding.all(1))
    numbers = np.random.default_rng(1)
    ifmap = numbers.integers(-128, 128, layer.ifmap_shape, dtype=np.int8)
    weights = numbers.integers(-128, 128, layer.weights_shape, dtype=np.int8)
    requant = Requant.from_scales(
        bias=np.zeros(layer.M, np.int64), scales=np.full(layer.M, 1 / 2000), rounding="double",
        zp_in=3, zp_out=-5, act_min=-128, act_max=127,
    )  # fmt: skip

    compiled = compile_layer(layer, map_layer(layer, config), config, weights, requant)
    with Simulator(config, memory_bytes=compiled.memory_size, progress=print) as simulator:
        result = Device(simulator, config).run_layer(compiled, ifmap)

    exact = np.array_equal(result.ofmap, conv2d(layer, ifmap, weights, requant))
    cycles = result.counters["cycles"]
    print(f"{cycles:,} cycles, {layer.macs / (config.pes * cycles):.0%} of {config.pes} PEs busy")
    print("bit-exact" if exact else "NOT bit-exact")


if __name__ == "__main__":
    main()
