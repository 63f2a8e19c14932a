"""The last operator of TFLite's detectors: boxes out of their encodings, and the best that do not overlap.

Step by step as the reference kernel has it: places in single precision, of products in double; overlaps in
single precision.
"""

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph, Tensor
from ..graph import operators as ops

Real = NDArray[np.float32]


def detections(graph: Graph, operator: ops.Detections, inputs: list[NDArray]) -> list[NDArray]:
    """Boxes (1, n, 4) as top, left, bottom and right, classes and scores (1, n), and how many there are."""
    encodings, scores, anchors = (
        _real(values, graph.tensors[name]) for name, values in zip(operator.inputs, inputs, strict=True)
    )
    boxes, shares = _decoded(operator, encodings[0], anchors), scores[0]
    background = shares.shape[1] - operator.classes
    found = (_by_class if operator.by_class else _by_box)(operator, boxes, shares[:, background:])
    together, room = (1, 1) if operator.by_class else (operator.of_a_box, operator.classes_of_a_box)
    results = [np.zeros((1, operator.most * room, *rest), np.float32) for rest in ((4,), (), ())]
    for number, (box, kind, score) in enumerate(found):
        place = number // together * room + number % together
        results[0][0, place], results[1][0, place], results[2][0, place] = boxes[box], kind, score
    return [*results, np.array([len(found) // together], np.float32)]


def _real(values: NDArray, tensor: Tensor) -> Real:
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    return (values.astype(np.float32) - np.float32(tensor.zero_point)) * np.float32(tensor.scale)


def _decoded(operator: ops.Detections, encodings: Real, anchors: Real) -> Real:
    """Corners of boxes, out of centres and sizes relative to their anchors'."""
    y, x, h, w = (encodings[:, axis].astype(np.float64) / operator.scales[axis] for axis in range(4))
    at_y, at_x, height, width = (anchors[:, axis].astype(np.float64) for axis in range(4))
    centre = np.stack([y * height + at_y, x * width + at_x], 1).astype(np.float32)
    half = np.stack([0.5 * np.exp(h) * height, 0.5 * np.exp(w) * width], 1).astype(np.float32)
    return np.concatenate([centre - half, centre + half], 1)


def _apart(operator: ops.Detections, boxes: Real, scores: Real, most: int) -> list[int]:
    """Boxes by falling score, without those that overlap a better one too much."""
    order = np.argsort(-scores, kind="stable")
    left = [int(box) for box in order[scores[order] >= np.float32(operator.least_score)]]
    chosen: list[int] = []
    while left and len(chosen) < most:
        best, *rest = left
        chosen.append(best)
        overlaps = _overlaps(boxes[best], boxes[rest])
        keep = overlaps <= np.float32(operator.overlap)
        left = [box for box, kept in zip(rest, keep, strict=True) if kept]
    return chosen


def _overlaps(box: Real, others: Real) -> Real:
    """Common area over that of both together; 0 where a box has none."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    sides = np.maximum(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), np.float32(0))
    common = sides[:, 0] * sides[:, 1]
    with np.errstate(all="ignore"):
        return np.where((area > 0) & (areas > 0), common / (area + areas - common), np.float32(0))


Found = list[tuple[int, int, np.float32]]


def _by_box(operator: ops.Detections, boxes: Real, scores: Real) -> Found:
    """(box, class, score): each box stands for its best class, and comes with as many as are wanted."""
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, : operator.of_a_box]
    best = scores[np.arange(len(scores)), ranked[:, 0]]
    chosen = _apart(operator, boxes, best, operator.most)
    return [(box, int(kind), scores[box, kind]) for box in chosen for kind in ranked[box]]


def _by_class(operator: ops.Detections, boxes: Real, scores: Real) -> Found:
    """(box, class, score): classes by themselves, and the best of all."""
    found: Found = []
    for kind in range(scores.shape[1]):
        chosen = _apart(operator, boxes, scores[:, kind], operator.of_a_class)
        found += [(box, kind, scores[box, kind]) for box in chosen]
        found = sorted(found, key=lambda each: -each[2])[: operator.most]
    return found
