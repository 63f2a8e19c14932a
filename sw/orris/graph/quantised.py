"""Convolutions and fully connected layers of a graph as the integer layers that compute them.

A tensor of type uint8 is the int8 one of the same bits but the highest: both its values and its zero point
are 128 less. Everything below is in int8 or int16.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..golden import Requant
from ..golden.tensors import IntArray
from ..layers import ConvLayer
from . import operators as ops
from .errors import ModelError
from .graph import Graph
from .shapes import conv_layer, image_shape, number_format_of
from .tensor import Quantisation, Tensor

Bounds = tuple[float | None, float | None]


@dataclass(frozen=True, eq=False)
class QuantisedLayer:
    """A layer with its weights (M, C, R, S) and post-processing; `ifmap`, `ofmap` name tensors.

    Weights are less their zero point, and may take more bits than a filter has: `layer.terms` filters then.
    """

    layer: ConvLayer
    weights: IntArray
    requant: Requant
    ifmap: str
    ofmap: str
    psum_width: int

    @property
    def ifmaps(self) -> tuple[str, ...]:
        """The one ifmap."""
        return (self.ifmap,)


def unsigned_offset(tensor: Tensor) -> int:
    """What has to be taken from values of a tensor to make them signed."""
    return 128 if tensor.dtype == np.uint8 else 0


def to_signed(values: NDArray) -> IntArray:
    """uint8 as the int8 values that are 128 less; others as they are."""
    return (values ^ np.uint8(128)).view(np.int8) if values.dtype == np.uint8 else values


def from_signed(values: IntArray, tensor: Tensor) -> NDArray:
    """The reverse: int8 as values of the tensor's type."""
    return values.view(np.uint8) ^ np.uint8(128) if tensor.dtype == np.uint8 else values


def in_single(*scales: float, over: float = 1.0) -> float:
    """Scales multiplied from left to right, and divided by `over`, in single precision.

    Some of TFLite's kernels make their multipliers so, others in double.
    """
    product = np.float32(1)
    for scale in scales:
        product = product * np.float32(scale)
    return float(product / np.float32(over))


def value_bounds(tensor: Tensor, bounds: Bounds) -> tuple[int, int]:
    """The least and the largest quantised value between two real bounds, in the tensor's own type."""
    info, scale = np.iinfo(tensor.dtype), np.float32(tensor.scale)

    def quantised(real: float) -> int:
        ratio = float(np.float32(real) / scale)
        return tensor.zero_point + int(np.trunc(ratio + np.copysign(0.5, ratio)))

    low = info.min if bounds[0] is None else max(info.min, quantised(bounds[0]))
    high = info.max if bounds[1] is None else min(info.max, quantised(bounds[1]))
    if low > high:
        raise ModelError(f"tensor '{tensor.name}': no value of its scale is from {bounds[0]} to {bounds[1]}")
    return low, high


def quantised_convolution(graph: Graph, operator: ops.Convolution) -> QuantisedLayer:
    """The integer layer of a convolution; ModelError where its numbers do not fit together."""
    ifmap, weights = (graph.tensors[name] for name in operator.inputs[:2])
    layer = conv_layer(operator, ifmap, weights, graph.layout)
    return _quantised(graph, operator, layer, weights)


def quantised_rows(graph: Graph, operator: ops.FullyConnected) -> QuantisedLayer:
    """A fully connected layer as a 1 x 1 convolution of one row: its pixels are the rows of the input."""
    ifmap, weights = (graph.tensors[name] for name in operator.inputs[:2])
    M, C = weights.shape
    rows, number_format = ifmap.size // C, number_format_of(ifmap)
    layer = ConvLayer(name=operator.name, M=M, C=C, H=1, W=rows, R=1, S=1, number_format=number_format)
    return _quantised(graph, operator, layer, weights)


def quantised_flattened(
    graph: Graph, operator: ops.FullyConnected, image: Tensor, weights: Tensor
) -> QuantisedLayer:
    """A fully connected layer over a flattened image: a convolution, filters (M, C, H, W) over all of it."""
    _, C, H, W = image_shape(image.shape, graph.layout)
    layer = ConvLayer(
        name=operator.name,
        M=weights.shape[0],
        C=C,
        H=H,
        W=W,
        R=H,
        S=W,
        number_format=number_format_of(image),
    )
    return _quantised(graph, operator, layer, weights, image.name)


def _quantised(
    graph: Graph,
    operator: ops.Convolution | ops.FullyConnected,
    layer: ConvLayer,
    weights: Tensor,
    ifmap_name: str | None = None,
) -> QuantisedLayer:
    ifmap, ofmap = graph.tensors[operator.input], graph.tensors[operator.output]
    if weights.values is None or weights.quantisation is None:
        raise ModelError(f"{operator.name}: its filter is not constant, or not quantised")
    if ifmap.dtype == np.int16 and (ifmap.zero_point or ofmap.zero_point):
        raise ModelError(f"{operator.name}: 16-bit values have zero point 0")
    low, high = value_bounds(ofmap, operator.bounds)
    offset = unsigned_offset(ofmap)
    products = ifmap.scale * weights.quantisation.scale
    if graph.arithmetic == "tflite" and ifmap.dtype == np.uint8 and isinstance(operator, ops.Convolution):
        products = products.astype(np.float32).astype(np.float64)
    scales = np.broadcast_to(products / ofmap.scale, (layer.M,))
    bias, wide = _bias(graph, operator, layer.M), ifmap.dtype == np.int16
    limits = {"act_min": low - offset, "act_max": high - offset}
    if wide and isinstance(operator, ops.Convolution):
        requant = Requant.int16x8(bias, scales, **limits)
    else:
        zero_points = ifmap.zero_point - unsigned_offset(ifmap), ofmap.zero_point - offset
        requant = Requant.from_scales(
            bias, scales, operator.rounding, zp_in=zero_points[0], zp_out=zero_points[1], **limits
        )
    filters = _less_zero_point(weights.values, weights.quantisation).reshape(layer.weights_shape)
    return QuantisedLayer(
        replace(layer, terms=_terms(filters)),
        filters,
        requant,
        ifmap_name or operator.input,
        operator.output,
        48 if wide else 32,
    )


def _less_zero_point(values: NDArray, quantisation: Quantisation) -> IntArray:
    """What the numbers of a filter stand for, in steps."""
    return values.astype(np.int16) - quantisation.along(quantisation.zero_point, values.ndim).astype(np.int16)


def _terms(filters: IntArray) -> int:
    """How many int8 filters it takes to add up to values from -256 to 255."""
    info = np.iinfo(np.int8)
    low, high = int(filters.min(initial=0)), int(filters.max(initial=0))
    return max(1, -(-high // info.max), -(low // -info.min))


def _bias(graph: Graph, operator: ops.Operator, M: int) -> NDArray[np.int64]:
    if len(operator.inputs) < 3:
        return np.zeros(M, np.int64)
    values = graph.tensors[operator.inputs[2]].values
    if values is None or values.dtype.kind != "i":
        raise ModelError(f"{operator.name}: its bias is not constant, or not quantised")
    return values.astype(np.int64)
