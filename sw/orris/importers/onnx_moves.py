"""ONNX's operators that move values about as operators of a graph."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..graph import Tensor
from ..graph import operators as ops
from .onnx_builder import Builder, Node
from .onnx_node import NONE, Converter, common_of, quantised, result_of, step_of
from .unsupported import Unsupported


def moved(builder: Builder, node: Node, add: Callable[..., None]) -> None:
    """An operator that changes no value: `add` it from one quantised tensor to others of the same scale.

    Between a DequantizeLinear and nothing that quantises, a result stands for a quantised tensor, too. Where
    what comes behind quantises to another scale, that is a step of its own. `add` takes the names of the
    input and of all outputs.
    """
    source = node.input(0)
    if not builder.is_quantised(source):
        add(builder.real(source), *(builder.declare(output) for output in node.outputs))
        return
    name = builder.behind(source)
    before = builder.tensors[name]
    if builder.type_of(source)[1].kind in "iu":  # in the operator-oriented form nothing is dequantised
        add(name, *(builder.declare(output, before.quantisation) for output in node.outputs))
        return
    results = [builder.result(node, clamps=False, output=index) for index in range(len(node.outputs))]
    names, behind = [], []
    for output, result in zip(node.outputs, results, strict=True):
        if result is not None and builder.tensors[result[0]].quantisation == before.quantisation:
            names.append(result[0])
            continue
        names.append(builder.intermediate(f"{output} (quantised)", builder.type_of(output)[0], before))
        if result is None:
            builder.stand_for(output, names[-1])
        else:
            behind.append(ops.Quantise(**step_of(node, f"{output} rescaled", [names[-1]], [result[0]])))
    add(name, *names)
    for operator in behind:
        builder.add(operator)


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


def split(builder: Builder, node: Node) -> None:
    rank = len(builder.type_of(node.input(0))[0])
    axis = node.attributes.get("axis", 0) % rank

    def add(source: str, *outputs: str) -> None:
        builder.add(ops.Split(**common_of(node, [source], list(outputs)), axis=axis))

    moved(builder, node, add)


def slice_(builder: Builder, node: Node) -> None:
    rank = len(builder.type_of(node.input(0))[0])
    if len(node.inputs) > 1:
        names = ("starts", "ends", "axes", "steps")
        given = [
            builder.constant(node.input(at), name).tolist() if node.input(at) else None
            for at, name in enumerate(names, start=1)
        ]
    else:
        given = [node.attributes.get(name) for name in ("starts", "ends", "axes", "steps")]
    starts, ends = given[0] or [], given[1] or []
    axes, steps = given[2] or range(len(starts)), given[3] or [1] * len(starts)
    begin: list[int | None] = [None] * rank
    end: list[int | None] = [None] * rank
    step = [1] * rank
    for axis, first, last, each in zip(axes, starts, ends, steps, strict=True):
        if not each:
            raise Unsupported("with a step of 0")
        # Backwards, an end far below 0 means the first value; Python's end of -1 the last.
        size = builder.type_of(node.input(0))[0][axis % rank]
        begin[axis % rank], step[axis % rank] = int(first), int(each)
        end[axis % rank] = None if each < 0 and last < -size else int(last)

    def add(source: str, output: str) -> None:
        common = common_of(node, [source], [output])
        builder.add(ops.Slice(**common, begin=tuple(begin), end=tuple(end), step=tuple(step)))

    moved(builder, node, add)


def gather(builder: Builder, node: Node) -> None:
    shape, _ = builder.type_of(node.input(0))
    indices = builder.declare(node.input(1))
    axis = node.attributes.get("axis", 0) % len(shape)

    def add(source: str, output: str) -> None:
        builder.add(ops.Gather(**common_of(node, [source, indices], [output]), axis=axis))

    moved(builder, node, add)


def _regrouped(split_to: Callable[..., tuple[int, ...]], axes: tuple[int, ...]) -> Converter:
    """Axes cut into factors, which `split_to` gives for a block size and a shape, put into another order, and
    joined again.
    """

    def convert(builder: Builder, node: Node) -> None:
        shape, size = builder.type_of(node.input(0))[0], node.attributes["blocksize"]
        cut = split_to(size, *shape)

        def add(source: str, output: str) -> None:
            like = builder.tensors[source]
            first = builder.intermediate(f"{output} (cut)", cut, like)
            second = builder.intermediate(f"{output} (moved)", tuple(cut[axis] for axis in axes), like)
            builder.add(ops.Reshape(**step_of(node, "cut", [source], [first])))
            builder.add(ops.Transpose(**step_of(node, "moved", [first], [second]), axes=axes))
            builder.add(ops.Reshape(**common_of(node, [second], [output])))

        moved(builder, node, add)

    return convert


space_to_depth = _regrouped(lambda b, N, C, H, W: (N, C, H // b, b, W // b, b), (0, 3, 5, 1, 2, 4))
_DEPTH_FIRST = _regrouped(lambda b, N, C, H, W: (N, b, b, C // b // b, H, W), (0, 3, 4, 1, 5, 2))
_COLUMN_FIRST = _regrouped(lambda b, N, C, H, W: (N, C // b // b, b, b, H, W), (0, 1, 4, 2, 5, 3))


def depth_to_space(builder: Builder, node: Node) -> None:
    convert = _COLUMN_FIRST if node.attributes.get("mode", b"DCR") == b"CRD" else _DEPTH_FIRST
    convert(builder, node)


def pad(builder: Builder, node: Node) -> None:
    mode = node.attributes.get("mode", b"constant").decode()
    if mode not in ("constant", "reflect", "edge"):
        raise Unsupported(f"mode {mode}")
    rank = len(builder.type_of(node.input(0))[0])
    amounts = node.attributes.get("pads")
    if amounts is None:
        amounts = builder.constant(node.input(1), "amount").tolist()
    axes = range(rank)
    if node.input(3):
        axes = [axis % rank for axis in builder.constant(node.input(3), "list of axes").tolist()]
    half = len(amounts) // 2
    if half != len(axes) or min(amounts) < 0:
        raise Unsupported(f"amounts {amounts}")
    pairs = [(0, 0)] * rank
    for axis, before, after in zip(axes, amounts[:half], amounts[half:], strict=True):
        pairs[axis] = before, after
    value = float(builder.real_constant(node.input(2), "filling").reshape(-1)[0]) if node.input(2) else 0.0

    def add(source: str, output: str) -> None:
        fill = _fill(builder, node, source, value)
        builder.add(
            ops.Pad(**common_of(node, [source], [output]), amounts=tuple(pairs), fill=fill, mode=mode)
        )

    moved(builder, node, add)


def _fill(builder: Builder, node: Node, name: str, value: float) -> int | None:
    """The filling in steps of a tensor, None for what stands for zero."""
    tensor = builder.tensors[name]
    if tensor.dtype.kind == "f":
        if value:
            raise Unsupported("real numbers with another filling than zero")
        return None
    zero = 0 if tensor.quantisation is None else tensor.zero_point
    if builder.type_of(node.input(0))[1].kind in "iu":  # in the operator-oriented form it is in steps
        steps = int(value)
    else:
        info = np.iinfo(tensor.dtype)
        steps = int(np.clip(np.rint(np.float32(value) / np.float32(tensor.scale)) + zero, info.min, info.max))
    return None if steps == zero else steps


_NEAREST: dict[str, Callable[[NDArray], NDArray]] = {
    "round_prefer_floor": lambda places: np.ceil(places - 0.5),
    "round_prefer_ceil": lambda places: np.floor(places + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _nearest_indices(node: Node, before: int, after: int) -> NDArray[np.int64]:
    """Which of `before` values each of `after` is."""
    transform = node.attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    scale, at = np.float32(before) / np.float32(after), np.arange(after, dtype=np.float32)
    places = {
        "half_pixel": (at + np.float32(0.5)) * scale - np.float32(0.5),
        "pytorch_half_pixel": (at + np.float32(0.5)) * scale - np.float32(0.5) if after > 1 else at * 0,
        "asymmetric": at * scale,
        "align_corners": at * (np.float32(before - 1) / np.float32(max(1, after - 1))),
    }.get(transform)
    rounding = node.attributes.get("nearest_mode", b"round_prefer_floor").decode()
    if places is None or rounding not in _NEAREST:
        raise Unsupported(f"coordinates {transform}, {rounding}")
    return np.clip(_NEAREST[rounding](places), 0, before - 1).astype(np.int64)


def resize_nearest(builder: Builder, node: Node) -> None:
    """By whole factors, or as a choice of rows and one of columns."""
    (before, _), (after, _) = builder.type_of(node.input(0)), builder.type_of(node.outputs[0])
    if len(before) != 4 or before[:2] != after[:2] or not min(before + after):
        raise Unsupported(f"from {list(before)} to {list(after)}")
    rows, columns = (_nearest_indices(node, before[axis], after[axis]) for axis in (2, 3))
    factors = after[2] // before[2], after[3] // before[3]
    whole = all(
        factor and np.array_equal(chosen, np.arange(size) // factor)
        for factor, chosen, size in zip(factors, (rows, columns), after[2:], strict=True)
    )

    def add(source: str, output: str) -> None:
        if whole:
            builder.add(ops.Resize(**common_of(node, [source], [output]), factors=factors))
            return
        tall = builder.intermediate(
            f"{output} (rows resized)", (*before[:2], after[2], before[3]), builder.tensors[source]
        )
        chosen = {"rows": rows, "columns": columns}
        names = [builder.new(f"{output} ({what})", indices) for what, indices in chosen.items()]
        step = step_of(node, "rows", [source, names[0]], [tall])
        builder.add(ops.Gather(**step, axis=2))
        builder.add(ops.Gather(**common_of(node, [tall, names[1]], [output]), axis=3))

    moved(builder, node, add)


def _together(builder: Builder, node: Node, inputs: list[str], output: str, axis: int) -> None:
    """Concatenation of tensors, first brought to the output's scale where they have another."""
    after, rescaled = builder.tensors[output], []
    for number, name in enumerate(inputs):
        before = builder.tensors[name]
        if before.quantisation != after.quantisation:
            name = f"{output} (part {number})"
            builder.tensors[name] = Tensor(name, before.shape, after.dtype, after.quantisation)
            builder.add(ops.Quantise(**step_of(node, f"part {number}", [before.name], [name])))
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
