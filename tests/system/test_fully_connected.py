"""Fully connected layers: bit-exact, and as fast as memory gives their weights."""

import pytest

from orris.cost import best_mapping
from orris.layers import ConvLayer
from orris_hw.config import preset
from orris_sim.layer_run import MemoryModel, run_layer

FLAGSHIP = preset("orris-168")
WEIGHTS_PER_CYCLE = 8
"""int8 weights in a memory word: the memory gives one a cycle."""


@pytest.mark.parametrize("N, C, M", [(1, 2048, 500), (4, 1056, 504), (8, 1024, 512)])
def test_weights_come_at_nine_tenths_of_the_memorys_bandwidth(N, C, M, seed):
    layer = ConvLayer.fully_connected(N=N, C=C, M=M, name=f"{C} to {M}, batch {N}")
    assert layer.macs / FLAGSHIP.pes < layer.weights_values / WEIGHTS_PER_CYCLE  # memory is what limits
    mapping = best_mapping(layer, FLAGSHIP)
    report = run_layer(layer, FLAGSHIP, seed=seed, mapping=mapping, memory=MemoryModel(latency=100)).report
    assert report.bit_exact and report.surprises == {}
    share = layer.weights_values / WEIGHTS_PER_CYCLE / report.cycles
    print(f"{layer.name}: {report.cycles:,} cycles, {share:.1%} of the memory's bandwidth is weights")
    assert share >= 0.9
