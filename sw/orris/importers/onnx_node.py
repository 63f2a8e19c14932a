"""What the converters of ONNX operators share."""

from collections.abc import Callable
from typing import Any

from ..graph import operators as ops
from ..graph.simplify import IMAGE
from ..layers import Padding, same_padding
from .onnx_builder import Bounds, Builder, Node
from .unsupported import Unsupported

NONE: Bounds = (None, None)
Converter = Callable[[Builder, Node], None]


def common_of(node: Node, inputs: list[str], outputs: list[str]) -> dict[str, Any]:
    """What all operators have."""
    return {"kind": node.kind, "name": node.name, "inputs": tuple(inputs), "outputs": tuple(outputs)}


def step_of(node: Node, note: str, inputs: list[str], outputs: list[str]) -> dict[str, Any]:
    """The same for one of several operators that a node becomes."""
    return common_of(node, inputs, outputs) | {"name": f"{node.name}, {note}"}


def quantised(builder: Builder, node: Node, at: int, axis: int = 0) -> str:
    """A QLinear operator's input: tensor, scale and zero point from input `at` on."""
    name = node.input(at)
    _, dtype = builder.type_of(name)
    return builder.declare(name, builder.quantisation(node.input(at + 1), node.input(at + 2), dtype, axis))


def made(builder: Builder, node: Node, at: int) -> str:
    """A QLinear operator's output, whose scale and zero point are inputs `at` and `at` + 1."""
    name = node.outputs[0]
    _, dtype = builder.type_of(name)
    return builder.declare(name, builder.quantisation(node.input(at), node.input(at + 1), dtype))


def result_of(builder: Builder, node: Node) -> tuple[str, Bounds]:
    result = builder.result(node)
    if result is None:
        raise Unsupported("its result is used as real numbers, not quantised at once")
    return result


def real_or_quantised(builder: Builder, node: Node) -> tuple[str, Bounds]:
    """As `result_of`, or the tensor of real numbers: what the host computes may be either."""
    result = builder.result(node)
    return (builder.declare(node.outputs[0]), NONE) if result is None else result


def image_of(builder: Builder, node: Node, name: str) -> str:
    """A tensor as an image: a series (N, C, W) as one of a single row."""
    tensor = builder.tensors[name]
    if len(tensor.shape) == 4:
        return name
    if len(tensor.shape) != 3:
        raise Unsupported(f"of a tensor {list(tensor.shape)}: expected an image or a series")
    N, C, W = tensor.shape
    image = builder.intermediate(f"{name} (image for {node.name})", (N, C, 1, W), tensor)
    step = step_of(node, "to an image", [name], [image])
    builder.add(ops.Reshape(**step))
    return image


def from_image(builder: Builder, node: Node, ofmap: str, add: Callable[[str], None]) -> None:
    """`add` what makes an image for `ofmap`, and make that the series which `ofmap` is."""
    tensor = builder.tensors[ofmap]
    if len(tensor.shape) != 3:
        add(ofmap)
        return
    N, C, W = tensor.shape
    image = builder.intermediate(ofmap + IMAGE, (N, C, 1, W), tensor)
    add(image)
    step = step_of(node, "from an image", [image], [ofmap])
    builder.add(ops.Reshape(**step))


def padding_of(node: Node, H: int, W: int, taps: tuple[int, int], stride: tuple[int, int], D: int) -> Padding:
    scheme = node.attributes.get("auto_pad", b"NOTSET").decode()
    if scheme in ("NOTSET", ""):
        pads = node.attributes.get("pads", [0] * 4)
        return Padding(*pads) if len(pads) == 4 else Padding(0, pads[0], 0, pads[1])
    if scheme == "VALID":
        return Padding()
    same = same_padding(H, W, *taps, *stride, D)
    if scheme == "SAME_LOWER":
        return Padding(same.bottom, same.right, same.top, same.left)
    return same


def pair(node: Node, name: str) -> tuple[int, int]:
    """An attribute of height and width; of a series, 1 and the attribute."""
    values = tuple(node.attributes.get(name, [1, 1]))
    if len(values) not in (1, 2) or min(values) < 1:
        raise Unsupported(f"{name} {list(values)}: expected one or two axes")
    return values if len(values) == 2 else (1, values[0])
