"""What the converters of ONNX operators share."""

from collections.abc import Callable
from typing import Any

from ..layers import Padding, same_padding
from .onnx_builder import Bounds, Builder, Node
from .unsupported import Unsupported

NONE: Bounds = (None, None)
Converter = Callable[[Builder, Node], None]


def common_of(node: Node, inputs: list[str], outputs: list[str]) -> dict[str, Any]:
    return {"kind": node.kind, "name": node.name, "inputs": tuple(inputs), "outputs": tuple(outputs)}


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


def padding_of(node: Node, H: int, W: int, taps: tuple[int, int], stride: tuple[int, int], D: int) -> Padding:
    scheme = node.attributes.get("auto_pad", b"NOTSET").decode()
    if scheme in ("NOTSET", ""):
        return Padding(*node.attributes.get("pads", [0] * 4))
    if scheme == "VALID":
        return Padding()
    same = same_padding(H, W, *taps, *stride, D)
    if scheme == "SAME_LOWER":
        return Padding(same.bottom, same.right, same.top, same.left)
    return same


def pair(node: Node, name: str) -> tuple[int, int]:
    values = tuple(node.attributes.get(name, [1, 1]))
    if len(values) != 2 or min(values) < 1:
        raise Unsupported(f"{name} {list(values)}: expected two axes")
    return values
