"""Layers that only move values."""

from collections.abc import Sequence

import numpy as np

from ..layers.elementwise import ConcatLayer, UpsampleLayer
from .tensors import IntArray, check_tensor


def concatenate(layer: ConcatLayer, ifmaps: Sequence[IntArray]) -> IntArray:
    """The ifmaps (N, channels[i], H, W) one behind the other; TensorError for another shape."""
    for number, (ifmap, shape) in enumerate(zip(ifmaps, layer.ifmap_shapes, strict=True)):
        check_tensor(f"{layer.name}: ifmap {number} (N, C, H, W)", ifmap, shape)
    return np.concatenate(list(ifmaps), axis=1)


def upsample(layer: UpsampleLayer, ifmap: IntArray) -> IntArray:
    """(N, C, factor*H, factor*W), every value factor x factor times; TensorError for another shape."""
    check_tensor(f"{layer.name}: ifmap (N, C, H, W)", ifmap, layer.ifmap_shapes[0])
    return ifmap.repeat(layer.factor, axis=2).repeat(layer.factor, axis=3)
