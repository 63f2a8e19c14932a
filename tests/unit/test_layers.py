"""Layer descriptions: derived figures, exact errors, and the tables of known networks."""

from dataclasses import replace

import pytest

from orris.layers import NETWORKS, ConvLayer, LayerError, Padding, find_layer, find_network, same_padding
from orris_hw.errors import OrrisError

SHAPE = {"name": "probe", "M": 4, "C": 3, "H": 9, "W": 11, "R": 3, "S": 2}


def test_derived_figures():
    layer = ConvLayer(**SHAPE, N=2, G=2, U=2, V=3, D=2, padding=Padding(1, 0, 2, 1))
    assert (layer.padded_H, layer.padded_W) == (12, 12)
    assert (layer.E, layer.F) == (4, 4)  # rows 0, 2, 4, 6 (span 5 of 12); columns 0, 3, 6, 9 (span 3 of 12)
    assert layer.ifmap_shape == (2, 6, 9, 11)
    assert layer.weights_shape == (4, 3, 3, 2)
    assert layer.ofmap_shape == (2, 4, 4, 4)
    assert (layer.taps, layer.ifmap_values, layer.weights_values) == (18, 1188, 72)
    assert (layer.ofmap_values, layer.macs) == (128, 2304)
    assert (layer.channels, layer.filters_per_group, layer.depthwise) == (6, 2, False)
    assert layer.as_dict()["padding"] == {"top": 1, "left": 0, "bottom": 2, "right": 1}


def test_defaults():
    layer = ConvLayer(**SHAPE, U=2, padding=Padding.all(1))
    assert (layer.N, layer.G, layer.V, layer.D) == (1, 1, 2, 1)
    assert layer.padding == Padding(1, 1, 1, 1)
    assert replace(layer, N=4).macs == 4 * layer.macs
    assert replace(layer, ifmap_zeros=0.5) == layer  # says nothing about the shape


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"M": 0}, "probe: M is 0, expected a whole number from 1 to 65535"),
        ({"H": 2.5}, "probe: H is 2.5, expected a whole number from 1 to 65535"),
        ({"U": True}, "probe: U is True, expected a whole number from 1 to 65535"),
        ({"W": 65536}, "probe: W is 65536, expected a whole number from 1 to 65535"),
        ({"G": 40000, "M": 40000}, "probe: G*C is 120000, expected a whole number from 1 to 65535"),
        ({"padding": Padding.all(-1)}, "probe: padding top is -1, expected a whole number from 0 to 65535"),
        ({"padding": (1, 2)}, "probe: padding is (1, 2), expected Padding(top, left, bottom, right)"),
        (
            {"padding": Padding(right=2)},
            "probe: padding right is 2, the limit is (S-1)*D = 1: beyond it a filter sees no ifmap",
        ),
        ({"G": 3}, "probe: M = 4 filters is not a multiple of G = 3 groups"),
        (
            {"R": 10},
            "probe: the filter spans (R-1)*D+1 = 10 of the padded ifmap's H = 9: it must not be larger",
        ),
        (
            {"S": 7, "D": 2},
            "probe: the filter spans (S-1)*D+1 = 13 of the padded ifmap's W = 11: it must not be larger",
        ),
        ({"ifmap_zeros": 38.7}, "probe: ifmap_zeros = 38.7 is a fraction, from 0 to 1"),
    ],
)
def test_errors(change: dict, sentence: str):
    with pytest.raises(LayerError) as error:
        ConvLayer(**(SHAPE | change))
    assert str(error.value) == sentence
    assert isinstance(error.value, OrrisError)


def test_same_padding():
    assert same_padding(224, 224, 3, 3, 2) == (0, 0, 1, 1)
    assert same_padding(49, 10, 10, 4, 2) == (4, 1, 5, 1)
    assert same_padding(7, 7, 3, 3, D=2) == (2, 2, 2, 2)
    assert same_padding(8, 9, 1, 1, 2) == (0, 0, 0, 0)


# H (padded), R, E, C, M, U, groups; zeros and 1e6 MACs of a batch of 4: the chip's own table (JSSC 2017).
ALEXNET = {
    "conv1": (227, 11, 55, 3, 96, 4, 1, 0.01, 421.6),
    "conv2": (31, 5, 27, 48, 256, 1, 2, 38.7, 895.7),
    "conv3": (15, 3, 13, 256, 384, 1, 1, 72.5, 598.1),
    "conv4": (15, 3, 13, 192, 384, 1, 2, 79.3, 448.6),
    "conv5": (15, 3, 13, 192, 256, 1, 2, 77.6, 299.0),
}


@pytest.mark.parametrize("name", ALEXNET)
def test_alexnet(name: str):
    H, R, E, C, M, U, G, zeros, mmac = ALEXNET[name]
    layer = find_layer(f"alexnet.{name}")
    assert (layer.padded_H, layer.padded_W, layer.R, layer.S, layer.E, layer.F) == (H, H, R, R, E, E)
    assert (layer.C, layer.M, layer.U, layer.V, layer.G) == (C, M, U, U, G)
    assert 100 * layer.ifmap_zeros == pytest.approx(zeros)
    assert 4 * layer.macs / 1e6 == pytest.approx(mmac, abs=0.1)


@pytest.mark.parametrize(
    ("name", "layers", "mmac", "weights"),
    [  # published totals, less the fully connected layer's
        ("alexnet", 5, 665.8, 2_332_704),
        ("vgg16", 13, 15_346.6, 14_710_464),
        ("resnet18", 20, 1_813.6, 11_166_912),
        ("mobilenetv1", 27, 567.7, 3_185_088),
    ],
)
def test_networks(name: str, layers: int, mmac: float, weights: int):
    network = find_network(name)
    assert len(network.layers) == layers
    assert network.macs / 1e6 == pytest.approx(mmac, abs=0.06)
    assert sum(layer.weights_values for layer in network.layers) == weights


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_layers_follow_each_other(network):
    """Every layer finds the channels some earlier layer made, and its own name."""
    made = {3}
    for layer in network.layers:
        assert layer.channels in made
        assert find_layer(layer.name) is layer
        made.add(layer.M)


def test_shapes_known_by_heart():
    assert find_layer("vgg16.conv5_3").ofmap_shape == (1, 512, 14, 14)
    assert find_layer("resnet18.conv1").ofmap_shape == (1, 64, 112, 112)
    assert find_layer("resnet18.layer2.0.downsample").ofmap_shape == (1, 128, 28, 28)
    assert find_layer("resnet18.layer4.1.conv2").ofmap_shape == (1, 512, 7, 7)
    dw2 = find_layer("mobilenetv1.dw2")
    assert dw2.depthwise and dw2.padding == Padding(0, 0, 1, 1) and dw2.ofmap_shape == (1, 64, 56, 56)
    assert find_layer("mobilenetv1.pw13").ofmap_shape == (1, 1024, 7, 7)


def test_unknown_names():
    with pytest.raises(LayerError) as error:
        find_layer("alexnet.conv22")
    assert str(error.value) == (
        "layer 'alexnet.conv22' is not in the built-in tables; the nearest name is 'alexnet.conv2'"
    )
    with pytest.raises(LayerError, match="nearest name is 'vgg16'"):
        find_network("vgg")
