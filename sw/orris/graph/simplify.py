"""Makes a graph smaller without changing what it computes."""

from dataclasses import replace
from math import prod

from ..layers import Padding
from . import operators as ops
from .graph import Graph
from .shapes import check_shapes
from .tensor import Quantisation, Tensor


def simplify(graph: Graph) -> Graph:
    """The graph checked, padding moved into convolutions, activations into what makes their input, flattening
    into fully connected layers; operators whose results nobody uses are left out.

    Raises
    ------
    ModelError
        Tensors whose shapes do not fit their operators.
    """
    check_shapes(graph)
    for step in (_join_reshapes, _fuse_pads, _fuse_clamps, _drop_unused, _name_images):
        graph = step(graph)
    check_shapes(graph)
    return graph


def _join_reshapes(graph: Graph) -> Graph:
    """A reshape of a reshape starts from the first one's input, and is left out if it ends in its shape."""
    makers = graph.producers()
    same: dict[str, str] = {}
    operators: list[ops.Operator] = []
    for operator in graph.operators:
        operator = replace(operator, inputs=tuple(same.get(name, name) for name in operator.inputs))
        if isinstance(operator, ops.Reshape):
            maker = makers.get(operator.input)
            if isinstance(maker, ops.Reshape):
                operator = replace(operator, inputs=maker.inputs)
            before, after = graph.tensors[operator.input], graph.tensors[operator.output]
            unchanged = before.shape == after.shape and before.quantisation == after.quantisation
            if unchanged and operator.output not in graph.outputs:
                same[operator.output] = operator.input
                continue
            makers[operator.output] = operator
        operators.append(operator)
    return replace(graph, operators=tuple(operators))


def _fuse_pads(graph: Graph) -> Graph:
    """PAD of height and width, then a convolution, is a convolution with more padding."""
    makers = graph.producers()
    operators = []
    for operator in graph.operators:
        maker = makers.get(operator.input) if operator.inputs else None
        if isinstance(operator, ops.Convolution) and isinstance(maker, ops.Pad):
            padding = _joined_padding(graph, maker, operator)
            if padding is not None:
                inputs = (maker.input, *operator.inputs[1:])
                operator = replace(operator, inputs=inputs, padding=padding)
        operators.append(operator)
    return replace(graph, operators=tuple(operators))


def _joined_padding(graph: Graph, pad: ops.Pad, conv: ops.Convolution) -> Padding | None:
    """Both paddings in one, or None where the convolution cannot have it."""
    before, after = graph.tensors[pad.input], graph.tensors[pad.output]
    if before.quantisation != after.quantisation or pad.mode != "constant" or pad.fill is not None:
        return None
    batch, channels, (top, bottom), (left, right) = (
        pad.amounts if graph.layout == "NCHW" else (pad.amounts[i] for i in (0, 3, 1, 2))
    )
    if batch != (0, 0) or channels != (0, 0):
        return None
    own = conv.padding
    joined = Padding(own.top + top, own.left + left, own.bottom + bottom, own.right + right)
    R, S = graph.tensors[conv.inputs[1]].shape[2:]
    limits = [(taps - 1) * conv.dilation[0] for taps in (R, S)] * 2
    return joined if all(value <= limit for value, limit in zip(joined, limits, strict=True)) else None


Bounds = tuple[float | None, float | None]
_BOUNDED = ops.Convolution | ops.FullyConnected | ops.Pool | ops.Add | ops.Multiply


def _fuse_clamps(graph: Graph) -> Graph:
    """A ReLU of the same scale behind an operator that can clamp is that operator's own."""
    uses = graph.uses()
    operators: list[ops.Operator] = []
    places: dict[str, int] = {}
    for operator in graph.operators:
        if isinstance(operator, ops.Clamp) and operator.input in places and uses[operator.input] == 1:
            place = places[operator.input]
            maker = operators[place]
            before, after = (graph.tensors[name].quantisation for name in (operator.input, operator.output))
            if isinstance(maker, _BOUNDED) and before == after:
                bounds = _tighter(maker.bounds, operator.bounds)
                operators[place] = replace(maker, outputs=operator.outputs, bounds=bounds)
                places[operator.output] = place
                continue
        places |= dict.fromkeys(operator.outputs, len(operators))
        operators.append(operator)
    return replace(graph, operators=tuple(operators))


def _tighter(first: Bounds, second: Bounds) -> Bounds:
    low = [value for value in (first[0], second[0]) if value is not None]
    high = [value for value in (first[1], second[1]) if value is not None]
    return max(low, default=None), min(high, default=None)


def _drop_unused(graph: Graph) -> Graph:
    """Only operators whose results reach an output or a variable, and the tensors they name."""
    needed, kept = set(graph.outputs), []
    for operator in reversed(graph.operators):
        if isinstance(operator, ops.AssignVariable) or needed.intersection(operator.outputs):
            kept.append(operator)
            needed.update(operator.inputs)
    needed.update(name for operator in kept for name in operator.outputs)
    needed.update(graph.inputs)
    tensors = {name: tensor for name, tensor in graph.tensors.items() if name in needed}
    return replace(graph, operators=tuple(reversed(kept)), tensors=tensors)


IMAGE = " (image)"
"""Behind the name of a series: its values as an image of one row."""


def _name_images(graph: Graph) -> Graph:
    """An image that stands for a series which nobody reads has the name of that, as the file has it."""

    def renamed(name: str) -> str:
        series = name.removesuffix(IMAGE)
        return name if series in graph.tensors else series

    operators = tuple(
        replace(
            operator,
            inputs=tuple(renamed(name) for name in operator.inputs),
            outputs=tuple(renamed(name) for name in operator.outputs),
        )
        for operator in graph.operators
    )
    tensors = {renamed(name): replace(tensor, name=renamed(name)) for name, tensor in graph.tensors.items()}
    return replace(graph, operators=operators, tensors=tensors)


def flattened_filter(
    graph: Graph, operator: ops.FullyConnected, makers: dict[str, ops.Operator]
) -> tuple[str, Tensor] | None:
    """For a fully connected layer over a flattened image: that image, and the filter as one over all of it.

    The filter is (M, C, H, W), and a convolution of it gives the same sums. None where the input is no
    flattened image of more than one pixel.
    """
    name = operator.input
    while isinstance(maker := makers.get(name), ops.Reshape):
        name = maker.input
    image, weights = graph.tensors[name], graph.tensors[operator.inputs[1]]
    if len(image.shape) != 4 or image.shape[0] != 1 or weights.values is None:
        return None
    if (
        prod(image.shape) != weights.shape[1]
        or image.quantisation != graph.tensors[operator.input].quantisation
    ):
        return None
    quantisation: Quantisation | None = weights.quantisation
    values = weights.values.reshape(-1, *image.shape[1:])
    if graph.layout == "NHWC":
        values = values.transpose(0, 3, 1, 2)
    return name, Tensor(f"{weights.name} (M, C, H, W)", values.shape, weights.dtype, quantisation, values)
