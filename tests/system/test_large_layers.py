"""Layers far larger than buffers and arrays, and filters larger than most images: bit-exact in RTL."""

import pytest

from orris.layers import ConvLayer, Padding
from orris_hw.config import preset
from orris_sim.layer_run import MemoryModel, run_layer

FAST = MemoryModel(latency=5, bandwidth=16.0)
SHAPES = {
    "wide": dict(W=4096, S=3, M=3, C=2, padding=Padding(0, 1, 0, 1)),
    "high": dict(H=4096, R=5, U=4, padding=Padding(2, 0, 2, 0)),
    "deep": dict(C=4096, M=5),
    "many filters": dict(M=4096, C=3),
    "many groups": dict(G=1365, M=4095, C=3),
    "depthwise": dict(G=4096, M=4096, C=1),
    "16 x 32": dict(R=16, S=32, H=6, W=12, C=2, M=2, padding=Padding(15, 31, 15, 31)),
    "16 x 32, dilated by 8": dict(R=16, S=32, D=8, H=121, W=250, M=2),
    "300 rows": dict(R=300, H=301),
    "deep and dilated": dict(C=200, M=8, H=9, W=9, R=3, S=3, D=4, padding=Padding.all(4)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_large(name, seed):
    layer = ConvLayer(**(dict(name=name, M=1, C=1, H=1, W=1, R=1, S=1) | SHAPES[name]))
    report = run_layer(layer, preset("tiny"), seed=seed, memory=FAST).report
    print(f"{report.cycles:,} cycles, {report.mapping.as_dict()}")
    assert report.problem is None and report.mismatches == 0 and report.surprises == {}


@pytest.mark.long
def test_many_images(seed):
    layer = ConvLayer(name="batch", N=4096, M=3, C=2, H=3, W=3, R=3, S=3)
    report = run_layer(layer, preset("tiny"), seed=seed, memory=FAST).report
    assert report.problem is None and report.mismatches == 0 and report.surprises == {}
