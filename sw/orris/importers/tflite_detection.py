"""The operator at the end of TFLite's detectors, whose options are a map of their own format."""

from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from ..graph import Tensor
from ..graph import operators as ops
from ..graph.operators import Operator
from .tflite_source import Source
from .unsupported import Unsupported

OUTPUTS_LIMIT = 1 << 16
"""Boxes; no detector gives as many."""


def detections(source: Source) -> list[Operator]:
    if len(source.inputs) != 3 or len(source.outputs) != 4 or len(source.tensor(0).shape) != 3:
        raise Unsupported(f"with {len(source.inputs)} inputs and {len(source.outputs)} outputs")
    for index in range(3):
        tensor = source.tensor(index)
        if tensor.dtype != np.float32 and (tensor.dtype != np.uint8 or tensor.quantisation is None):
            raise Unsupported(f"of {tensor.dtype} values")
    options = _options(source)
    operator = ops.Detections(
        **source.common(),
        most=_whole(options, "max_detections"),
        classes=_whole(options, "num_classes"),
        classes_of_a_box=_whole(options, "max_classes_per_detection"),
        by_class=bool(options.get("use_regular_nms", False)),
        of_a_class=_whole({"detections_per_class": 100} | options, "detections_per_class"),
        least_score=float(options["nms_score_threshold"]),
        overlap=float(options["nms_iou_threshold"]),
        scales=_scales(options),
    )
    if 0.0 in operator.scales or not np.isfinite(operator.scales).all():
        raise Unsupported(f"scales {list(operator.scales)}")
    # Files leave the shapes open: they follow from the options.
    places = operator.most * (1 if operator.by_class else operator.classes_of_a_box)
    for name, shape in zip(source.outputs, ((1, places, 4), (1, places), (1, places), (1,)), strict=True):
        source.tensors[name] = Tensor(name, shape, np.dtype(np.float32))
    return [operator]


def _scales(options: dict[str, Any]) -> tuple[float, float, float, float]:
    y, x, height, width = (float(options[f"{axis}_scale"]) for axis in "yxhw")
    return y, x, height, width


def _options(source: Source) -> dict[str, Any]:
    try:
        options = flexbuffers.Loads(source.custom)
    except Exception as error:  # whatever that library raises for damaged bytes
        raise Unsupported(f"its options cannot be read ({error})") from error
    if not isinstance(options, dict):
        raise Unsupported("its options are no map")
    return options


def _whole(options: dict[str, Any], name: str) -> int:
    value = int(options[name])
    if not 0 < value < OUTPUTS_LIMIT:
        raise Unsupported(f"{name} is {value}")
    return value
