"""ONNX's operators that move values about as operators of a graph."""

from collections.abc import Callable

from ..graph import Tensor
from ..graph import operators as ops
from .onnx_builder import Builder, Node
from .onnx_node import NONE, common_of, quantised, result_of
from .unsupported import Unsupported


def moved(builder: Builder, node: Node, add: Callable[[str, str], None]) -> None:
    """An operator that changes no value: `add` it from one quantised tensor to another of the same scale.

    Between a DequantizeLinear and nothing that quantises, its result stands for a quantised tensor, too.
    Where what comes behind quantises to another scale, that is a step of its own.
    """
    source = node.input(0)
    if not builder.is_quantised(source):
        add(builder.real(source), builder.declare(node.outputs[0]))
        return
    name = builder.behind(source)
    before, output = builder.tensors[name], node.outputs[0]
    if builder.type_of(source)[1].kind in "iu":  # in the operator-oriented form nothing is dequantised
        add(name, builder.declare(output, before.quantisation))
        return
    result = builder.result(node, clamps=False)
    if result is not None and builder.tensors[result[0]].quantisation == before.quantisation:
        add(name, result[0])
        return
    shape, _ = builder.type_of(output)
    quantised = f"{output} (quantised)"
    builder.tensors[quantised] = Tensor(quantised, shape, before.dtype, before.quantisation)
    add(name, quantised)
    if result is None:
        builder.stand_for(output, quantised)
    else:
        again = {"kind": "QuantizeLinear", "name": f"{node.name}, rescaled"}
        builder.add(ops.Quantise(**again, inputs=(quantised,), outputs=(result[0],)))


def reshape(builder: Builder, node: Node) -> None:
    moved(
        builder,
        node,
        lambda source, output: builder.add(ops.Reshape(**common_of(node, [source], [output]))),
    )


def transpose(builder: Builder, node: Node) -> None:
    rank = len(builder.type_of(node.input(0))[0])
    axes = tuple(node.attributes.get("perm", range(rank - 1, -1, -1)))
    moved(
        builder,
        node,
        lambda source, output: builder.add(ops.Transpose(**common_of(node, [source], [output]), axes=axes)),
    )


def pad(builder: Builder, node: Node) -> None:
    if node.attributes.get("mode", b"constant") != b"constant":
        raise Unsupported("with another filling than a constant")
    amounts = node.attributes.get("pads")
    if amounts is None:
        amounts = builder.constant(node.input(1), "amount").tolist()
    if node.input(2) and builder.constant(node.input(2), "filling").any():
        raise Unsupported("it fills with another value than zero")
    half = len(amounts) // 2
    if half != len(builder.type_of(node.input(0))[0]) or min(amounts) < 0:
        raise Unsupported(f"amounts {amounts}")
    pairs = tuple(zip(amounts[:half], amounts[half:], strict=True))
    moved(
        builder,
        node,
        lambda source, output: builder.add(ops.Pad(**common_of(node, [source], [output]), amounts=pairs)),
    )


def resize(builder: Builder, node: Node) -> None:
    if node.attributes.get("mode", b"nearest") != b"nearest":
        raise Unsupported(f"mode {node.attributes['mode'].decode()}")
    (before, _), (after, _) = builder.type_of(node.input(0)), builder.type_of(node.outputs[0])
    if (
        len(before) != 4
        or any(new % old for old, new in zip(before, after, strict=True))
        or before[:2] != after[:2]
    ):
        raise Unsupported(f"from {list(before)} to {list(after)}: not by whole factors")
    transform = node.attributes.get("coordinate_transformation_mode", b"half_pixel")
    nearest = node.attributes.get("nearest_mode", b"round_prefer_floor")
    if not (transform == b"asymmetric" and nearest == b"floor") and transform != b"half_pixel":
        raise Unsupported(f"coordinates {transform.decode()}, {nearest.decode()}")
    factors = after[2] // before[2], after[3] // before[3]

    def add(source: str, output: str) -> None:
        builder.add(ops.Resize(**common_of(node, [source], [output]), factors=factors))

    moved(builder, node, add)


def _together(builder: Builder, node: Node, inputs: list[str], output: str, axis: int) -> None:
    """Concatenation of tensors, first brought to the output's scale where they have another."""
    after, rescaled = builder.tensors[output], []
    for number, name in enumerate(inputs):
        before = builder.tensors[name]
        if before.quantisation != after.quantisation:
            name = f"{output} (part {number})"
            builder.tensors[name] = Tensor(name, before.shape, after.dtype, after.quantisation)
            again = {"kind": "QuantizeLinear", "name": f"{node.name}, part {number}"}
            builder.add(ops.Quantise(**again, inputs=(before.name,), outputs=(name,)))
        rescaled.append(name)
    builder.add(ops.Concatenate(**common_of(node, rescaled, [output]), axis=axis % len(after.shape)))


def concat(builder: Builder, node: Node) -> None:
    inputs = [builder.behind(name) for name in node.inputs]
    if builder.type_of(node.input(0))[1].kind in "iu":
        output = builder.declare(node.outputs[0], builder.tensors[inputs[0]].quantisation)
    else:
        output, bounds = result_of(builder, node)
        if bounds != NONE:
            raise Unsupported("with an activation behind it")
    _together(builder, node, inputs, output, node.attributes["axis"])


def qlinear_concat(builder: Builder, node: Node) -> None:
    name = node.outputs[0]
    _, dtype = builder.type_of(name)
    output = builder.declare(name, builder.quantisation(node.input(0), node.input(1), dtype))
    inputs = [quantised(builder, node, at) for at in range(2, len(node.inputs), 3)]
    _together(builder, node, inputs, output, node.attributes["axis"])


def identity(builder: Builder, node: Node) -> None:
    reshape(builder, node)
