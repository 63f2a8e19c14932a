"""Pooling and sums fused to a convolution, beside a program for each of the two, in RTL.

    python examples/fused_layers.py [PRESET] [LAYER...]

Prints cycles and words to and from memory of both; every ofmap is compared with the golden model.
"""

import sys

import numpy as np

from orris.compiler import compile_layer
from orris.cost import Criteria, best_candidate
from orris.driver import Device
from orris.layers import AddLayer, ConvLayer, Padding, PoolLayer, find_layer
from orris_hw.config import AcceleratorConfig, preset
from orris_sim import Simulator
from orris_sim.layer_run import golden_ofmap, layer_data, run_layer
from orris_sim.vector_run import golden_vector, random_vector_data, run_vector_layer

POOLED, ADDED = "max 3x3 /2", "sum"
PAIRS = {
    "alexnet.conv1": POOLED,
    "alexnet.conv2": POOLED,
    "alexnet.conv5": POOLED,
    "resnet18.conv1": POOLED,
    "resnet18.layer1.0.conv2": ADDED,
    "resnet18.layer4.0.conv2": ADDED,
}


def behind(layer: ConvLayer) -> PoolLayer | AddLayer:
    """The layer that takes the ofmap of `layer`."""
    N, C, H, W = layer.N, layer.M, layer.E, layer.F
    if PAIRS[layer.name] == ADDED:
        return AddLayer(N=N, C=C, H=H, W=W)
    padding = Padding.all(1 if layer.name.startswith("resnet18") else 0)
    return PoolLayer(kind="max", N=N, C=C, H=H, W=W, R=3, S=3, U=2, V=2, padding=padding)


def fused(
    layer: ConvLayer, after: PoolLayer | AddLayer, config: AcceleratorConfig
) -> tuple[dict[str, int], int]:
    """Counters of one program for both, and the cycles predicted."""
    best = best_candidate(layer, config, Criteria(after=after))
    data = layer_data(layer, config, seed=0)
    ifmaps, parameters = random_vector_data(after, config, seed=1)
    program = compile_layer(
        layer, best.mapping, config, data.weights, data.requant, data.product_shift, after=parameters
    )
    ifmaps[0] = golden_ofmap(best.mapping, data)
    golden = golden_vector(after, ifmaps, parameters)
    with Simulator(config, memory_bytes=program.memory_size) as simulator:
        done = Device(simulator, config).run_layer(program, data.ifmap, *ifmaps[1:], max_cycles=10**9)
    assert np.array_equal(done.ofmap, golden), layer.name
    return done.counters, best.timing.cycles


def apart(layer: ConvLayer, after: PoolLayer | AddLayer, config: AcceleratorConfig) -> list[dict[str, int]]:
    """Counters of a program for each."""
    first = run_layer(layer, config, mapping=best_candidate(layer, config).mapping).report
    second = run_vector_layer(after, config)
    assert first.bit_exact and second.mismatches == 0, layer.name
    return [first.counters, second.counters]


def memory_words(counters: dict[str, int]) -> int:
    return counters["dram_read_words"] + counters["dram_write_words"]


def main(name: str = "orris-168", *layers: str) -> None:
    config = preset(name)
    print(f"{'':36} {'cycles, apart':>13} {'fused':>11} {'model':>7} {'words, apart':>13} {'fused':>9}")
    for layer in map(find_layer, layers or PAIRS):
        after = behind(layer)
        counters, predicted = fused(layer, after, config)
        both = apart(layer, after, config)
        cycles, words = (sum(map(each, both)) for each in (lambda one: one["cycles"], memory_words))
        error = predicted / counters["cycles"] - 1
        print(
            f"{layer.name + ', ' + PAIRS[layer.name]:36} {cycles:13,} {counters['cycles']:11,} {error:+7.2%} "
            f"{words:13,} {memory_words(counters):9,}",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
