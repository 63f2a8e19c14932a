"""Integer convolution: exact sums, and the quantised layer made of them."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..layers import ConvLayer
from .quantise import Requant, post_process, sum_width
from .tensors import IntArray, check_layer_tensors, check_tensor, padded_operands, wrap

_CHUNK_BYTES = 1 << 25  # working set of one matrix product


def _largest(values: IntArray, zero: int = 0) -> int:
    """The largest magnitude of value - zero."""
    return max(abs(int(values.min()) - zero), abs(int(values.max()) - zero))


def conv2d_accumulate(
    layer: ConvLayer, ifmap: IntArray, weights: IntArray, bias: IntArray | None = None, zp_in: int = 0
) -> NDArray[np.int64]:
    """The exact sums ``bias[m] + sum of w * (x - zp_in)`` over the taps inside the image.

    Nothing wraps here: an accumulator of the hardware holds ``wrap(result, psum_width)``, the same number
    whatever the order of its additions.

    Parameters
    ----------
    ifmap : integers (N, G*C, H, W). weights : integers (M, C, R, S). bias : integers (M,), or None for zeros.

    Returns
    -------
    int64 array (N, M, E, F).

    Raises
    ------
    TensorError : a tensor of the wrong shape or type.
    """
    check_layer_tensors(layer, ifmap, weights)
    # Matrix products in double precision are exact while every sum stays below 2^53; 8-bit and 16-bit values
    # of any layer do, wider ones take numpy's slower integer product.
    bound = _largest(ifmap, zp_in) * _largest(weights) * layer.taps
    dtype = np.float64 if bound < 1 << 53 else np.int64

    padded = padded_operands(layer, ifmap, zp_in, dtype)
    reach = ((layer.R - 1) * layer.D + 1, (layer.S - 1) * layer.D + 1)
    windows = sliding_window_view(padded, reach, axis=(2, 3))  # a view: n, channel, y, x, r, s
    windows = windows[:, :, :: layer.U, :: layer.V, :: layer.D, :: layer.D]
    filters = weights.reshape(layer.G, layer.filters_per_group, layer.taps).astype(dtype)

    sums = np.empty(layer.ofmap_shape, dtype=np.int64)
    row_bytes = layer.channels * layer.R * layer.S * layer.F * 8
    step = max(1, _CHUNK_BYTES // row_bytes)
    for n in range(layer.N):
        for top in range(0, layer.E, step):
            rows = windows[n, :, top : top + step].transpose(0, 3, 4, 1, 2)  # channel, r, s, e, f
            matrix = rows.reshape(layer.G, layer.taps, -1)
            product = filters @ matrix
            sums[n, :, top : top + step] = product.reshape(layer.M, -1, layer.F)
    if bias is not None:
        check_tensor(f"{layer.name}: bias (M,)", bias, (layer.M,))
        sums += bias.astype(np.int64)[:, None, None]
    return sums


def conv2d(
    layer: ConvLayer, ifmap: IntArray, weights: IntArray, requant: Requant, psum_width: int = 32
) -> IntArray:
    """The quantised layer: ``post_process(wrap(sums, psum_width), requant)``, in the ifmap's own type.

    Parameters
    ----------
    ifmap : int8 or int16 (N, G*C, H, W). weights : integers (M, C, R, S). requant : parameters of M channels.

    Returns
    -------
    Array (N, M, E, F) of the ifmap's type.

    Raises
    ------
    TensorError : a tensor of the wrong shape or type, or parameters that do not fit it.
    """
    psums = wrap(conv2d_accumulate(layer, ifmap, weights, zp_in=requant.zp_in), psum_width)
    return post_process(psums, requant, ifmap.dtype, sum_width(psum_width))
