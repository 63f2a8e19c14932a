"""The chip's 16-bit fixed-point arithmetic: products cut by a shift, every addition saturating.

Saturating addition depends on its order, so the order is part of the definition and an argument here:

- inside a PE, over one filter row and its q channels, x-major and channel minor, from zero:
  ``sum = sat(sum + (x * w >> product_shift))``; the shift is arithmetic (it rounds down), and the sum is
  taken in full before it saturates to psum_width bits;
- up the column, from the bottom of the chain: ``joined = sat(own + from_below)``;
- over the passes, in the bank of the global buffer: ``total = sat(bank + joined)``.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from ..layers import ConvLayer
from .quantise import BIAS_BITS, Requant, post_process
from .tensors import IntArray, TensorError, check_layer_tensors, padded_operands


class RowWork(NamedTuple):
    """What one PE row does in one pass: these channels of the group, this row and these columns of the
    filters."""

    channels: tuple[int, ...]
    filter_row: int
    columns: tuple[int, ...]


Order = Sequence[Sequence[RowWork]]  # passes, each from the bottom of the chain to its top


def row_folded_order(layer: ConvLayer, rows: int, q: int) -> list[list[RowWork]]:
    """The order of row folding: pass k lays logical rows k*rows.. over PE rows 0..; row 0 is the chain's top.

    Logical row L stands for channels (L div R)*q.. of the group and filter row L mod R.
    """
    logical = [
        RowWork(tuple(range(first, min(first + q, layer.C))), r, tuple(range(layer.S)))
        for first in range(0, layer.C, q)
        for r in range(layer.R)
    ]
    return [logical[top : top + rows][::-1] for top in range(0, len(logical), rows)]


def _check_order(layer: ConvLayer, order: Order) -> None:
    works = [work for chain in order for work in chain]
    taps = [(c, work.filter_row, s) for work in works for c in work.channels for s in work.columns]
    expected = set(product(range(layer.C), range(layer.R), range(layer.S)))
    if set(taps) != expected or len(taps) != len(expected):
        raise TensorError(
            f"{layer.name}: the order must name each of the C*R*S = {layer.taps} taps once, it names "
            f"{len(set(taps))} of them in {len(taps)} entries"
        )


def accumulate_fixed_point(
    layer: ConvLayer,
    ifmap: IntArray,
    weights: IntArray,
    order: Order,
    product_shift: int,
    psum_width: int = 16,
) -> IntArray:
    """Psums (N, M, E, F) in the arithmetic of this module, before bias.

    Parameters
    ----------
    ifmap : int8 or int16 (N, G*C, H, W), zero point 0. weights : int8 or int16 (M, C, R, S).
    order : passes of chains of PE rows; the same for every group. product_shift : bits, 0 or more.
    psum_width : bits of a psum, up to 48.

    Raises
    ------
    TensorError : a tensor of the wrong shape or type, or an order that is not the whole sum.
    """
    check_layer_tensors(layer, ifmap, weights)
    _check_order(layer, order)
    # Products of 16-bit values reach 2^30: with a psum of up to 30 bits their sum still fits int32.
    dtype = np.int32 if psum_width <= 30 else np.int64
    low, high = -(1 << (psum_width - 1)), (1 << (psum_width - 1)) - 1

    padded = padded_operands(layer, ifmap, 0, dtype)
    padded = padded.reshape(layer.N, layer.G, 1, layer.C, layer.padded_H, layer.padded_W)
    filters = weights.astype(dtype).reshape(1, layer.G, layer.filters_per_group, 1, 1, *weights.shape[1:])
    span_y, span_x = (layer.E - 1) * layer.U + 1, (layer.F - 1) * layer.V + 1
    shape = (layer.N, layer.G, layer.filters_per_group, layer.E, layer.F)
    products = np.empty(shape, dtype)

    def row_of_pe(work: RowWork) -> IntArray:
        psum = np.zeros(shape, dtype)
        y = work.filter_row * layer.D
        for s in work.columns:
            x = s * layer.D
            for c in work.channels:
                values = padded[..., c, y : y + span_y : layer.U, x : x + span_x : layer.V]
                np.multiply(values, filters[..., c, work.filter_row, s], out=products)
                np.right_shift(products, product_shift, out=products)
                np.add(psum, products, out=psum)
                np.clip(psum, low, high, out=psum)
        return psum

    total = np.zeros(shape, dtype)
    for chain in order:
        joined = np.zeros(shape, dtype)
        for work in chain:
            joined = np.clip(row_of_pe(work) + joined, low, high)
        total = np.clip(total + joined, low, high)
    return total.reshape(layer.ofmap_shape)


def conv2d_fixed_point(
    layer: ConvLayer,
    ifmap: IntArray,
    weights: IntArray,
    requant: Requant,
    order: Order,
    product_shift: int,
    psum_width: int = 16,
) -> IntArray:
    """The layer in fixed point: ``post_process`` of `accumulate_fixed_point`, in the ifmap's own type.

    Raises TensorError as that function does, and for a zero point other than 0.
    """
    if requant.zp_in or requant.zp_out:
        raise TensorError(f"fixed point has zero point 0, not {requant.zp_in} in and {requant.zp_out} out")
    psums = accumulate_fixed_point(layer, ifmap, weights, order, product_shift, psum_width)
    return post_process(psums, requant, ifmap.dtype, BIAS_BITS)
