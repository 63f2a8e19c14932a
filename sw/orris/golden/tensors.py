"""Integer tensors: checks of shape and type, two's complement wrapping, saturation, padding."""

import numpy as np
from numpy.typing import NDArray

from orris_hw.errors import OrrisError

from ..layers import ConvLayer

IntArray = NDArray[np.signedinteger]


class TensorError(OrrisError, ValueError):
    """A tensor or parameter of the wrong shape, type or range."""


def wrap(values: IntArray, width: int) -> NDArray[np.int64]:
    """The low `width` bits (up to 63) of each value, read as two's complement: what an accumulator keeps."""
    half = np.int64(1 << (width - 1))
    return ((values.astype(np.int64) + half) & np.int64((1 << width) - 1)) - half


def saturate(values: IntArray, width: int) -> IntArray:
    """Each value, or the nearest rail of a signed number of `width` bits."""
    return np.clip(values, -(1 << (width - 1)), (1 << (width - 1)) - 1)


def check_tensor(what: str, tensor: IntArray, shape: tuple[int, ...]) -> None:
    """Raise TensorError unless `tensor` holds signed integers in exactly that shape."""
    if not isinstance(tensor, np.ndarray) or tensor.dtype.kind != "i":
        kind = tensor.dtype if isinstance(tensor, np.ndarray) else type(tensor).__name__
        raise TensorError(f"{what} is of type {kind}, expected a numpy array of signed integers")
    if tensor.shape != shape:
        raise TensorError(f"{what} has shape {tensor.shape}, expected {shape}")


def check_layer_tensors(layer: ConvLayer, ifmap: IntArray, weights: IntArray) -> None:
    check_tensor(f"{layer.name}: ifmap (N, G*C, H, W)", ifmap, layer.ifmap_shape)
    check_tensor(f"{layer.name}: weights (M, C, R, S)", weights, layer.weights_shape)


def padded_operands(layer: ConvLayer, ifmap: IntArray, zp_in: int, dtype: type) -> NDArray:
    """The ifmap less its zero point, in `dtype`, with zeros all round: (N, G*C, padded_H, padded_W)."""
    padding = layer.padding
    operands = ifmap.astype(dtype) - dtype(zp_in)
    return np.pad(operands, ((0, 0), (0, 0), (padding.top, padding.bottom), (padding.left, padding.right)))
