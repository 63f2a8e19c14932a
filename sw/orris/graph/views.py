"""How the accelerator sees a tensor: as images (N, C, H, W) of signed values.

A tensor of four axes is what its layout says. One of fewer axes has its channels last; all that is before
them lies along the width of a single row.
"""

from math import prod

import numpy as np
from numpy.typing import NDArray

from ..golden.tensors import IntArray
from .graph import Graph, Layout
from .quantised import from_signed, to_signed
from .tensor import Tensor

Shape4 = tuple[int, int, int, int]


def view_shape(tensor: Tensor, layout: Layout) -> Shape4:
    """(N, C, H, W) of a tensor."""
    shape = tensor.shape
    if len(shape) != 4:
        return 1, (shape[-1] if shape else 1), 1, prod(shape[:-1])
    N, H, W, C = shape if layout == "NHWC" else (shape[0], shape[2], shape[3], shape[1])
    return N, C, H, W


def to_view(values: NDArray, tensor: Tensor, layout: Layout) -> IntArray:
    """Values of a tensor as (N, C, H, W), signed."""
    signed = to_signed(values)
    if len(tensor.shape) == 4:
        return signed.transpose(0, 3, 1, 2) if layout == "NHWC" else signed
    _, C, _, W = view_shape(tensor, layout)
    return signed.reshape(W, C).T.reshape(1, C, 1, W)


def from_view(values: IntArray, tensor: Tensor, layout: Layout) -> NDArray:
    """The reverse of `to_view`."""
    if len(tensor.shape) == 4:
        moved = values.transpose(0, 2, 3, 1) if layout == "NHWC" else values
    else:
        _, C, _, W = view_shape(tensor, layout)
        moved = values.reshape(C, W).T
    return from_signed(np.ascontiguousarray(moved), tensor).reshape(tensor.shape)


def same_storage(graph: Graph, first: str, second: str) -> bool:
    """Whether a reshape of one tensor into another leaves every byte where it is.

    It does where only the pixels of one image are counted in another way: blocks of channels lie behind each
    other, and in each of them pixel after pixel.
    """
    tensors = graph.tensors[first], graph.tensors[second]
    (N, C, H, W), (other_N, other_C, other_H, other_W) = (view_shape(each, graph.layout) for each in tensors)
    if (N, C, H * W) != (other_N, other_C, other_H * other_W) or N != 1:
        return False
    if tensors[0].quantisation != tensors[1].quantisation or tensors[0].dtype != tensors[1].dtype:
        return False
    channels_last = [graph.layout == "NHWC" or len(each.shape) != 4 for each in tensors]
    return H * W == 1 or channels_last[0] == channels_last[1]
