"""TFLite's operators that move values about as operators of a graph."""

import numpy as np
import tflite
from numpy.typing import NDArray

from ..graph import Tensor
from ..graph import operators as ops
from ..graph.operators import Operator
from .tflite_source import Converter, Source, activation, axis_of, image, need_quantised
from .unsupported import Unsupported


def concatenation(source: Source) -> list[Operator]:
    options = source.options(tflite.ConcatenationOptions())
    if activation(options.FusedActivationFunction()) != (None, None):
        raise Unsupported("with an activation function")
    after, operators, names = source.result(), [], []
    for index, name in enumerate(source.inputs):
        tensor = source.tensor(index)
        if tensor.quantisation != after.quantisation:
            name = source.part(f"part {index}", tensor.shape, after)
            operators.append(_rescaled(source, tensor, name, f"part {index}"))
        names.append(name)
    axis = axis_of(source, options.Axis(), len(after.shape))
    return [*operators, ops.Concatenate(**source.common(names), axis=axis)]


def _rescaled(source: Source, tensor: Tensor, to: str, note: str) -> Operator:
    """A part of a concatenation that has another scale, which only unsigned ones may have."""
    after = source.result()
    scaled = tensor.quantisation is not None and after.quantisation is not None
    if not scaled or {tensor.dtype, after.dtype} != {np.dtype(np.uint8)}:
        raise Unsupported("its inputs have another scale than its output")
    return ops.Quantise(**source.step(note, [tensor.name], [to]), single=True)


Pairs = tuple[tuple[int, int], ...]


def _amounts(source: Source, index: int) -> Pairs:
    """(before, after) of each axis that a constant input names."""
    amounts = source.constant(index, "amount").reshape(-1, 2).tolist()
    if any(min(pair) < 0 for pair in amounts):
        raise Unsupported(f"amounts {amounts}")
    return tuple((int(before), int(after)) for before, after in amounts)


def _all_axes(source: Source, pairs: Pairs) -> Pairs:
    if len(pairs) != len(source.tensor(0).shape):
        raise Unsupported(f"amounts {list(pairs)} of a tensor of rank {len(source.tensor(0).shape)}")
    return pairs


def pad(source: Source) -> list[Operator]:
    pairs, value = _all_axes(source, _amounts(source, 1)), None
    if len(source.inputs) > 2:
        fill = source.integers(2, "filling")
        if len(fill) != 1 or source.tensor(2).dtype.kind == "f":
            raise Unsupported(f"it fills with {fill}")
        quantisation = source.tensor(0).quantisation
        zero = 0 if quantisation is None else int(quantisation.zero_point[0])
        value = fill[0] if fill[0] != zero else None
    return [ops.Pad(**source.common(source.inputs[:1]), amounts=pairs, fill=value)]


def mirror_pad(source: Source) -> list[Operator]:
    pairs = _all_axes(source, _amounts(source, 1))
    reflects = source.options(tflite.MirrorPadOptions()).Mode() == tflite.MirrorPadMode.REFLECT
    for size, pair in zip(source.tensor(0).shape, pairs, strict=True):
        if max(pair) > size - reflects:
            raise Unsupported(f"amounts {list(pair)} of an axis of {size}")
    mode = "reflect" if reflects else "symmetric"
    return [ops.Pad(**source.common(source.inputs[:1]), amounts=pairs, mode=mode)]


def reshape(source: Source) -> list[Operator]:
    return [ops.Reshape(**source.common(source.inputs[:1]))]


def shape(source: Source) -> list[Operator]:
    """The shape of every tensor is known: a constant."""
    result = source.result()
    values = np.array(source.tensor(0).shape, result.dtype)
    source.tensors[result.name] = Tensor(result.name, values.shape, values.dtype, None, values)
    return []


def pack(source: Source) -> list[Operator]:
    """Each input with one more axis, then all together along it."""
    axis = axis_of(source, source.options(tflite.PackOptions()).Axis(), len(source.result().shape))
    parts, operators = [], []
    for number, name in enumerate(source.inputs):
        tensor = source.tensor(number)
        sizes = (*tensor.shape[:axis], 1, *tensor.shape[axis:])
        part = source.part(f"part {number}", sizes, tensor)
        operators.append(ops.Reshape(**source.step(f"part {number}", [name], [part])))
        parts.append(part)
    return [*operators, ops.Concatenate(**source.common(parts), axis=axis)]


def unpack(source: Source) -> list[Operator]:
    """Split along an axis, each part then without it."""
    options = source.options(tflite.UnpackOptions())
    tensor = source.tensor(0)
    axis = axis_of(source, options.Axis(), len(tensor.shape))
    sizes = (*tensor.shape[:axis], 1, *tensor.shape[axis + 1 :])
    parts = [source.part(f"part {number}", sizes, tensor) for number in range(len(source.outputs))]
    split = ops.Split(**source.step("split", [source.inputs[0]], parts), axis=axis)
    names = zip(parts, source.outputs, strict=True)
    return [split, *(ops.Reshape(**source.step(f"to {after}", [part], [after])) for part, after in names)]


def _regrouped(
    source: Source,
    split: tuple[int, ...],
    axes: tuple[int, ...],
    *,
    start: str | None = None,
    to: str | None = None,
) -> list[Operator]:
    """Axes cut into factors, put into another order, and joined again to the shape of the output.

    `start` and `to` are tensors: the input and the output unless given.
    """
    tensor, first = source.tensor(0), start or source.inputs[0]
    cut = source.part("cut", split, tensor)
    moved = source.part("moved", tuple(split[axis] for axis in axes), tensor)
    return [
        ops.Reshape(**source.step("cut", [first], [cut])),
        ops.Transpose(**source.step("moved", [cut], [moved]), axes=axes),
        ops.Reshape(**source.step("joined", [moved], [to or source.outputs[0]])),
    ]


def space_to_depth(source: Source) -> list[Operator]:
    size, (height, width) = source.options(tflite.SpaceToDepthOptions()).BlockSize(), image(source.tensor(0))
    if size < 1 or height % size or width % size:
        raise Unsupported(f"blocks of {size} in an image {height} x {width}")
    N, H, W, C = source.tensor(0).shape
    return _regrouped(source, (N, H // size, size, W // size, size, C), (0, 1, 3, 2, 4, 5))


def depth_to_space(source: Source) -> list[Operator]:
    size, _ = source.options(tflite.DepthToSpaceOptions()).BlockSize(), image(source.tensor(0))
    N, H, W, C = source.tensor(0).shape
    if size < 1 or C % (size * size):
        raise Unsupported(f"blocks of {size} out of {C} channels")
    return _regrouped(source, (N, H, W, size, size, C // size // size), (0, 1, 3, 2, 4, 5))


def _blocks(source: Source) -> tuple[list[int], Pairs]:
    """Factors of height and width, and what is added to or cut from them."""
    image(source.tensor(0))
    factors, pairs = source.integers(1, "block"), _amounts(source, 2)
    if len(factors) != 2 or len(pairs) != 2 or min(factors) < 1:
        raise Unsupported(f"blocks {factors} of two axes, amounts {list(pairs)}")
    return factors, pairs


def space_to_batch(source: Source) -> list[Operator]:
    """Pixels of a block become images, after padding."""
    (U, V), (rows, columns) = _blocks(source)
    tensor = source.tensor(0)
    N, H, W, C = tensor.shape
    H, W = H + sum(rows), W + sum(columns)
    if H % U or W % V:
        raise Unsupported(f"blocks {U} x {V} in a padded image {H} x {W}")
    padded = source.part("padded", (N, H, W, C), tensor)
    amounts = ((0, 0), rows, columns, (0, 0))
    return [
        ops.Pad(**source.step("padded", source.inputs[:1], [padded]), amounts=amounts),
        *_regrouped(source, (N, H // U, U, W // V, V, C), (2, 4, 0, 1, 3, 5), start=padded),
    ]


def batch_to_space(source: Source) -> list[Operator]:
    """Images become the pixels of blocks; then the borders are cut off."""
    (U, V), (rows, columns) = _blocks(source)
    tensor = source.tensor(0)
    N, H, W, C = tensor.shape
    if N % (U * V) or sum(rows) >= H * U or sum(columns) >= W * V:
        raise Unsupported(f"blocks {U} x {V} out of {N} images of {H} x {W}")
    whole = source.part("whole", (N // U // V, H * U, W * V, C), tensor)
    ends = [size - after for size, (_, after) in ((H * U, rows), (W * V, columns))]
    return [
        *_regrouped(source, (U, V, N // U // V, H, W, C), (2, 3, 0, 4, 1, 5), to=whole),
        ops.Slice(
            **source.step("cropped", [whole], source.outputs),
            begin=(None, rows[0], columns[0], None),
            end=(None, *ends, None),
            step=(1, 1, 1, 1),
        ),
    ]


def gather(source: Source) -> list[Operator]:
    options = source.options(tflite.GatherOptions())
    if options.BatchDims() or source.tensor(1).dtype.kind != "i":
        raise Unsupported("with batches, or indices that are no integers")
    axis = axis_of(source, options.Axis(), len(source.tensor(0).shape))
    return [ops.Gather(**source.common(source.inputs[:2]), axis=axis)]


def transpose(source: Source) -> list[Operator]:
    axes = tuple(source.integers(1, "order of axes"))
    if sorted(axes) != list(range(len(source.tensor(0).shape))):
        raise Unsupported(f"order of axes {list(axes)}")
    return [ops.Transpose(**source.common(source.inputs[:1]), axes=axes)]


def resize_nearest(source: Source) -> list[Operator]:
    options = source.options(tflite.ResizeNearestNeighborOptions())
    before, after = image(source.tensor(0)), tuple(source.integers(1, "size"))
    if len(after) != 2 or min(after) < 1 or not min(before):
        raise Unsupported(f"from {list(before)} to {list(after)}")
    corners, centred = bool(options.AlignCorners()), bool(options.HalfPixelCenters())
    if not corners and not any(new % old for old, new in zip(before, after, strict=True)):
        factors = after[0] // before[0], after[1] // before[1]
        return [ops.Resize(**source.common(source.inputs[:1]), factors=factors)]
    tensor = source.tensor(0)
    rows, columns = (
        source.indices(name, nearest_indices(old, new, corners, centred))
        for name, old, new in zip(("rows", "columns"), before, after, strict=True)
    )
    tall = source.part("rows resized", (tensor.shape[0], after[0], *tensor.shape[2:]), tensor)
    return [
        ops.Gather(**source.step("rows", [source.inputs[0], rows], [tall]), axis=1),
        ops.Gather(**source.step("columns", [tall, columns], source.outputs), axis=2),
    ]


def nearest_indices(before: int, after: int, corners: bool, centred: bool) -> NDArray[np.int32]:
    """Which of `before` rows each of `after` is, in single precision."""
    sizes = (before - 1, after - 1) if corners and after > 1 else (before, after)
    scale, half = np.float32(sizes[0]) / np.float32(sizes[1]), np.float32(0.5 if centred else 0)
    places = (np.arange(after, dtype=np.float32) + half) * scale
    nearest = np.trunc(places + np.float32(0.5)) if corners else np.floor(places)
    return np.clip(nearest, 0, before - 1).astype(np.int32)


def resize_bilinear(source: Source) -> list[Operator]:
    options = source.options(tflite.ResizeBilinearOptions())
    need_quantised(source)
    source.integers(1, "size")
    if not min(image(source.tensor(0))) or source.tensor(0).dtype != source.result().dtype:
        raise Unsupported(f"of {source.tensor(0).dtype} {list(source.tensor(0).shape)}")
    corners, centred = bool(options.AlignCorners()), bool(options.HalfPixelCenters())
    return [ops.Interpolate(**source.common(source.inputs[:1]), corners=corners, centred=centred)]


def strided_slice(source: Source) -> list[Operator]:
    options = source.options(tflite.StridedSliceOptions())
    if options.EllipsisMask() or options.NewAxisMask() or options.Offset():
        raise Unsupported("with an ellipsis, a new axis or offsets")
    begin, end, step = (source.integers(index, "range") for index in (1, 2, 3))
    if not len(begin) == len(end) == len(step) == len(source.tensor(0).shape) or 0 in step:
        raise Unsupported(f"ranges {begin}, {end}, {step}")
    shrink = options.ShrinkAxisMask()

    def bound(values: list[int], mask: int, axis: int) -> int | None:
        return None if mask >> axis & 1 else values[axis]

    begins = [bound(begin, options.BeginMask() & ~shrink, axis) for axis in range(len(begin))]
    ends = [bound(end, options.EndMask(), axis) for axis in range(len(end))]
    for axis in range(len(begin)):
        if shrink >> axis & 1:  # one index, counted from the end where negative
            ends[axis], step[axis] = begin[axis] + 1 or None, 1
    return [
        ops.Slice(**source.common(source.inputs[:1]), begin=tuple(begins), end=tuple(ends), step=tuple(step))
    ]


def slice_(source: Source) -> list[Operator]:
    begin, size = source.integers(1, "begin"), source.integers(2, "size")
    if len(begin) != len(source.tensor(0).shape) or len(size) != len(begin) or min(begin, default=0) < 0:
        raise Unsupported(f"from {begin}, sizes {size}")
    ends = tuple(None if count == -1 else first + count for first, count in zip(begin, size, strict=True))
    return [
        ops.Slice(**source.common(source.inputs[:1]), begin=tuple(begin), end=ends, step=(1,) * len(begin))
    ]


def split(data: int, axis_input: int) -> Converter:
    def split(source: Source) -> list[Operator]:
        rank = len(source.tensor(data).shape)
        axis = source.integers(axis_input, "axis")
        if len(axis) != 1:
            raise Unsupported(f"axes {axis}")
        return [ops.Split(**source.common([source.inputs[data]]), axis=axis_of(source, axis[0], rank))]

    return split
