"""The demonstration's photograph, filters and picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orris.demo_images import (
    FILTERS,
    filter_requant,
    filter_weights,
    load_photograph,
    photograph_layer,
    save_feature_maps_png,
)
from orris.golden import TensorError, conv2d


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(224, 224), (30, 90), (7, 3)])
def test_photograph(height: int, width: int, channels: int):
    photo = load_photograph(height, width, channels)
    assert photo.dtype == np.int8 and photo.shape == (1, channels, height, width)
    assert photo.std() > 40  # a picture, not a plain surface
    layer = photograph_layer(height, width, channels)
    assert layer.ifmap_shape == photo.shape and layer.ofmap_shape == (1, len(FILTERS), height, width)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("level", [-128, -20, 127])
def test_plain_surface(channels: int, level: int):
    """Away from the border, a plain surface keeps its brightness or, under a change filter, is mid-grey."""
    layer = photograph_layer(8, 8, channels)
    photo = np.full(layer.ifmap_shape, level, np.int8)
    maps = conv2d(layer, photo, filter_weights(channels), filter_requant())
    for name, taps, feature_map in zip(FILTERS, FILTERS.values(), maps[0], strict=True):
        expected = 0 if np.sum(taps) == 0 else level
        assert np.abs(feature_map[1:-1, 1:-1].astype(int) - expected).max() <= 1, name


def test_feature_maps_use_the_range():
    photo = load_photograph(112, 112)
    maps = conv2d(photograph_layer(112, 112), photo, filter_weights(), filter_requant())
    for name, feature_map in zip(FILTERS, maps[0].astype(int), strict=True):
        assert feature_map.std() > 15, name
        assert np.mean((feature_map == -128) | (feature_map == 127)) < 0.3, name


def test_png(tmp_path: Path):
    photo = load_photograph(32, 48)
    maps = conv2d(photograph_layer(32, 48), photo, filter_weights(), filter_requant())
    for name in ("one.png", "two.png"):
        save_feature_maps_png(photo, maps, list(FILTERS), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.format == "PNG" and np.asarray(picture.convert("L")).std() > 20


def test_errors(tmp_path: Path):
    with pytest.raises(TensorError, match="a photograph has 1 or 3 channels, not 2"):
        load_photograph(8, 8, 2)
    with pytest.raises(TensorError, match="a photograph of 0 x 8 pixels is empty, the least is 1 x 1"):
        load_photograph(0, 8)
    with pytest.raises(TensorError, match="1 names for feature maps of shape"):
        save_feature_maps_png(
            load_photograph(8, 8), np.zeros((1, 2, 8, 8), np.int8), ["one"], tmp_path / "none.png"
        )
    assert not (tmp_path / "none.png").exists()
