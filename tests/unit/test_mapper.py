"""The mapper: every layer of the networks maps, fast ones well; limits are named."""

import pytest

from orris.layers import NETWORKS, ConvLayer, find_layer
from orris.mapper import Mapping, MappingError, cycles, map_layer, utilisation
from orris_hw.config import PRESETS

ORRIS = PRESETS["orris-168"]


def small(**changes) -> ConvLayer:
    return ConvLayer(**(dict(name="small", C=8, M=8, H=12, W=12, R=3, S=3) | changes))


@pytest.mark.parametrize("number", range(1, 6))
def test_alexnet_uses_the_array(number):
    assert utilisation(map_layer(find_layer(f"alexnet.conv{number}"), ORRIS)) >= 0.85


@pytest.mark.parametrize("name", ["tiny", "eyeriss-v1", "orris-168"])
@pytest.mark.parametrize("network", NETWORKS)
def test_layers_of_networks_map(name, network):
    # The first, a middle and the last layer of each kind are enough here; the long test takes all.
    layers = NETWORKS[network].layers
    for layer in (layers[0], layers[len(layers) // 2], layers[-1]):
        mapping = map_layer(layer, PRESETS[name])
        assert cycles(mapping) * PRESETS[name].pes >= layer.macs


@pytest.mark.long
@pytest.mark.parametrize("name", ["tiny", "eyeriss-v1", "orris-168"])
@pytest.mark.parametrize("network", NETWORKS)
def test_all_layers_of_networks_map(name, network):
    for layer in NETWORKS[network].layers:
        map_layer(layer, PRESETS[name])


def test_given_parameters_are_kept():
    mapping = map_layer(small(), ORRIS, p=4, q=2, e=3, t=2, positions=5, order="windows")
    assert (mapping.p, mapping.q, mapping.e, mapping.t, mapping.positions) == (4, 2, 3, 2, 5)
    assert mapping.order == "windows"


@pytest.mark.parametrize(
    "changes, given, message",
    [
        (dict(H=40, U=13), {}, "U = 13: the vertical stride may be up to 12"),
        (dict(W=40, V=13), {}, "V = 13: the horizontal stride may be up to 12"),
        ({}, dict(p=25), "p = 25: must be 1 to 8 (filters of a group)"),
        ({}, dict(q=3), "q = 3: must be a power of two, or all C = 8 channels of a layer with G = 1"),
        (dict(G=2, C=6, M=8), dict(q=4), "q = 4: must divide C = 6 when there are G = 2 groups"),
        ({}, dict(e=9, t=2), "e t = 18: must be 1 to 14 (PE columns)"),
        ({}, dict(chunk=3, q=2), "chunk = 3: must be a multiple of q = 2, or C = 8"),
    ],
)
def test_limits_are_named(changes, given, message):
    with pytest.raises(MappingError) as error:
        map_layer(small(**changes), ORRIS, **given)
    assert str(error.value) == f"small: {message}"


def test_buffer_limit_is_named():
    config = ORRIS.derive({"global_buffer": {"banks": 14, "depth": 16}})
    with pytest.raises(MappingError, match="^small: the global buffer of 224 words is too small for "):
        map_layer(small(C=64, M=64, H=30, W=30), config, e=14, t=1, p=8)


def test_filters_of_a_fully_connected_layer_come_while_others_compute():
    """VGG-16's fc6: with a lone filter slot the memory would stand still half the time."""
    layer = ConvLayer(name="fc6", C=512, H=7, W=7, M=4096, R=7, S=7)
    mapping = map_layer(layer, PRESETS["orris-168"], pixel_lanes=8)
    assert isinstance(mapping, Mapping) and mapping.buffer.filters.slots >= 2
    assert cycles(mapping) < 1.06 * layer.macs / 8
