"""Whole layers on the accelerator's RTL, bit-exact with the golden model, the counters as predicted."""

import random

import pytest

from orris.layers import ConvLayer, LayerError, Padding, find_layer
from orris.mapper import MappingError, map_layer
from orris.report import LayerReport
from orris_hw.config import AcceleratorConfig, preset
from orris_sim.layer_run import MemoryModel, run_layer

TINY = preset("tiny")
ONE_PE = AcceleratorConfig(
    name="one-pe",
    array=dict(rows=1, columns=1),
    scratchpads=dict(filter=16, ifmap=8, psum=4),
    global_buffer=dict(banks=4, depth=64),
    networks=dict(psum_bits=32),
    post_processing=dict(lanes=1, channels=32),
)
ODD = AcceleratorConfig(
    name="odd",
    array=dict(rows=5, columns=3),
    scratchpads=dict(filter=56, ifmap=13, psum=7),
    global_buffer=dict(banks=5, depth=256),
    networks=dict(ifmap_bits=16, filter_bits=32, psum_bits=64),
    post_processing=dict(lanes=3, channels=40),
)
FIXED_POINT = AcceleratorConfig(
    name="fixed-point",
    array=dict(rows=4, columns=3),
    data_width=16,
    psum_width=16,
    arithmetic="fixed_point",
    scratchpads=dict(filter=48, ifmap=12, psum=8),
    global_buffer=dict(banks=6, depth=256),
    networks=dict(ifmap_bits=16, filter_bits=64, psum_bits=32),
    post_processing=dict(lanes=2, channels=48),
)


def check(report: LayerReport) -> None:
    assert report.problem is None
    assert report.mismatches == 0, f"{report.layer}\n{report.mapping.as_dict()}"
    assert report.surprises == {}, f"{report.layer}\n{report.mapping.as_dict()}"


def random_layer(numbers: random.Random, config: AcceleratorConfig, macs: int) -> ConvLayer:
    """Any layer of at most `macs` MACs that maps: odd sizes, strides, groups, padding, several images."""
    while True:
        G = numbers.choice([1, 1, 1, 2, 3, 8])
        R, S = numbers.choice([1, 2, 3, 3, 5]), numbers.choice([1, 2, 3, 3, 5])
        pad = (numbers.randrange(R), numbers.randrange(S), numbers.randrange(R), numbers.randrange(S))
        try:
            layer = ConvLayer(
                N=numbers.choice([1, 1, 2]),
                G=G,
                M=G * numbers.randint(1, 20 // G),
                C=numbers.randint(1, 20 // G),
                H=numbers.randint(1, 20),
                W=numbers.randint(1, 20),
                R=R,
                S=S,
                U=numbers.randint(1, 3),
                V=numbers.randint(1, 3),
                padding=Padding(*pad) if numbers.random() < 0.7 else Padding(),
                ifmap_zeros=numbers.choice([0.0, 0.3, 0.9]),
            )
            if layer.macs <= macs:
                map_layer(layer, config)
                return layer
        except (LayerError, MappingError):
            pass


def random_memory(numbers: random.Random) -> MemoryModel:
    return MemoryModel(
        latency=numbers.choice([0, 5, 100, 300]),
        bandwidth=numbers.choice([8.0, 8.0, 2.5, 16.0]),
        stalls=numbers.choice([0.0, 0.3, 0.7]),
    )


@pytest.mark.parametrize("config, layers, macs", [
    pytest.param(TINY, 16, 400_000, id="tiny"),
    pytest.param(ONE_PE, 6, 20_000, id="one PE"),
    pytest.param(ODD, 10, 200_000, id="odd"),
    pytest.param(FIXED_POINT, 8, 200_000, id="fixed point"),
])  # fmt: skip
def test_random_layers(config, layers, macs, seed):
    numbers = random.Random(seed)
    for number in range(layers):
        layer, memory = random_layer(numbers, config, macs), random_memory(numbers)
        print(f"layer {number}: {layer} {memory}")
        check(run_layer(layer, config, seed=seed + number, memory=memory).report)


def test_a_layer_takes_the_same_cycles_again(seed):
    layer = random_layer(random.Random(seed), TINY, 100_000)
    first, second = (run_layer(layer, TINY, seed=seed, memory=MemoryModel(stalls=0.2)) for _ in range(2))
    assert first.report.counters == second.report.counters


def test_gated_macs_are_those_of_the_zeros(seed):
    """Without padding or empty lanes, a zero ifmap value is gated in every multiply-accumulate it enters."""
    layer = ConvLayer(M=8, C=4, H=9, W=9, R=1, S=1)
    counters = run_layer(layer, TINY, seed=seed, zeros=0.25).report.counters
    assert counters["mac_gated"] == 8 * round(0.25 * layer.ifmap_values)
    assert counters["mac_gated"] + counters["mac_done"] == layer.macs


# -- published layers, full size ---------------------------------------------------------------
def test_alexnet_conv3_on_the_flagship():
    report = run_layer(find_layer("alexnet.conv3"), preset("orris-168")).report
    check(report)
    assert report.utilization >= 0.7


@pytest.mark.long
def test_all_of_alexnet_on_the_flagship():
    reports = [run_layer(find_layer(f"alexnet.conv{n}"), preset("orris-168")).report for n in range(1, 6)]
    for report in reports:
        print(f"{report.layer.name}: {report.cycles:,} cycles, {report.utilization:.1%}")
        check(report)
    macs, cycles = (sum(getattr(report, name) for report in reports) for name in ("macs", "cycles"))
    assert macs / (168 * cycles) >= 0.7


@pytest.mark.long
def test_alexnet_conv3_in_the_chips_arithmetic():
    check(run_layer(find_layer("alexnet.conv3"), preset("eyeriss-v1")).report)
