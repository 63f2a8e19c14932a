"""The cost model against the RTL's counters: cycles, and every word that follows from the mapping."""

import random
from dataclasses import replace

import pytest

from orris.cost import Criteria, best_mapping
from orris.layers import NETWORKS, ConvLayer, Padding, find_layer
from orris.mapper import MappingError
from orris.report import LayerReport
from orris_hw.config import AcceleratorConfig, preset
from orris_sim.layer_run import MemoryModel, run_layer
from random_shapes import random_layer

TINY, ORRIS, EYERISS = preset("tiny"), preset("orris-168"), preset("eyeriss-v1")


def square(C: int, M: int, size: int, R: int, U: int = 1, G: int = 1) -> ConvLayer:
    padding = Padding.all(R // 2)
    name = f"{C}x{size}-{M}x{R}"
    return ConvLayer(name=name, C=C, M=M, H=size, W=size, R=R, S=R, U=U, G=G, padding=padding)


def measured(layer: ConvLayer, config: AcceleratorConfig, memory: MemoryModel | None = None) -> LayerReport:
    """Run on the RTL with the best mapping; words must be as expected."""
    memory = memory or MemoryModel()
    mapping = best_mapping(layer, config, Criteria(memory=memory.timing))
    report = run_layer(layer, config, mapping=mapping, memory=memory).report
    assert report.bit_exact, report.problem
    assert report.surprises == {}, report.mapping.as_dict()
    return report


def error(report: LayerReport) -> float:
    return report.predicted["cycles"] / report.cycles - 1


@pytest.mark.parametrize(
    "layer",
    [
        square(8, 8, 16, 3),
        square(16, 16, 16, 3),
        square(3, 8, 32, 3),
        square(16, 32, 14, 1),
        square(1, 16, 14, 3, G=16),
        square(6, 16, 14, 5),
        square(3, 12, 35, 11, U=4),
    ],
    ids=lambda layer: layer.name,
)
def test_cycles_within_a_percent(layer):
    report = measured(layer, TINY)
    assert abs(error(report)) < 0.01, (report.cycles, report.predicted["cycles"], report.mapping.as_dict())


def test_cycles_with_another_memory():
    report = measured(square(16, 16, 16, 3), TINY, MemoryModel(latency=200, bandwidth=4.0))
    assert abs(error(report)) < 0.01, (report.cycles, report.predicted["cycles"])


@pytest.mark.parametrize(
    "layer",
    [
        # The walk through the tile passes over ten columns of eleven.
        ConvLayer(name="far apart", C=38, M=3, H=10, W=253, R=10, S=1, U=11, V=11),
        # Tiles of padding alone, of which nothing is read, whatever psums do in the banks.
        ConvLayer(
            name="padding", N=2, C=3, M=2, H=1, W=1, R=7, S=5, U=7, V=2, D=4, padding=Padding(24, 16, 24, 16)
        ),
    ],
    ids=lambda layer: layer.name,
)
def test_cycles_of_unusual_strides(layer):
    report = measured(layer, TINY)
    assert abs(error(report)) < 0.01, (report.cycles, report.predicted["cycles"])


def test_random_shapes():
    numbers, found = random.Random(11), []
    while len(found) < 10:
        try:
            layer = random_layer(numbers, 200_000)
            mapping = best_mapping(layer, TINY)
        except MappingError:
            continue
        if layer.D > 1 or layer.macs < 20_000:
            continue  # filters in many parts, and layers of a few hundred cycles, are less regular
        report = run_layer(layer, TINY, mapping=mapping).report
        assert report.surprises == {}, (layer, mapping.as_dict())
        found.append((abs(error(report)), layer, mapping.as_dict()))
    assert sorted(each for each, *_ in found)[len(found) // 2] < 0.015, found
    worst = max(found, key=lambda each: each[0])
    assert worst[0] < 0.15, worst


def different_layers() -> list[ConvLayer]:
    """The layers of all networks, each shape once, and the two small ones."""
    shapes: dict[ConvLayer, ConvLayer] = {}
    for network in NETWORKS.values():
        for layer in network.layers:
            shapes.setdefault(replace(layer, name="any"), layer)
    return [*shapes.values(), square(16, 16, 32, 3), square(4, 8, 32, 3)]


MOST_CYCLES = 3_000_000


@pytest.mark.long
@pytest.mark.parametrize("config", [TINY, ORRIS, EYERISS], ids=lambda config: config.name)
@pytest.mark.parametrize("layer", different_layers(), ids=lambda layer: layer.name)
def test_layers_of_networks_within_a_percent(config, layer):
    if layer.macs > MOST_CYCLES * config.pes:
        pytest.skip(f"`orris bench --preset {config.name}` compares a layer of {layer.macs:,} MACs")
    report = measured(layer, config)
    assert abs(error(report)) < 0.01, (report.cycles, report.predicted["cycles"], report.mapping.as_dict())


@pytest.mark.long
@pytest.mark.parametrize("name", ["dw1", "dw2", "dw3", "dw4", "dw5", "dw6", "dw7", "dw12", "dw13"])
def test_depthwise_layers_through_a_port_of_256_bits(name):
    report = measured(
        find_layer(f"mobilenetv1.{name}"),
        ORRIS.derive({"memory": {"port_bits": 256}}),
        MemoryModel(bandwidth=32.0),
    )
    assert abs(error(report)) < 0.01, (report.cycles, report.predicted["cycles"])


@pytest.mark.long
@pytest.mark.parametrize("C, M, target", [(16, 16, 0.75), (4, 8, 0.45)])
def test_small_layers_from_start_to_done(C, M, target):
    assert measured(square(C, M, 32, 3), ORRIS).utilization >= target
