"""The end of a detector beside LiteRT's."""

import numpy as np
import pytest
from flatbuffers import flexbuffers

from beside_litert import check
from orris.graph import ModelError
from orris.importers import load_model
from tflite_models import ModelWriter

BOXES, CLASSES = 60, 5
OPTIONS = {
    "max_detections": 8,
    "max_classes_per_detection": 1,
    "detections_per_class": 6,
    "use_regular_nms": False,
    "nms_score_threshold": 0.2,
    "nms_iou_threshold": 0.4,
    "num_classes": CLASSES,
    "y_scale": 10.0,
    "x_scale": 10.0,
    "h_scale": 5.0,
    "w_scale": 5.0,
}


def detector(quantised: bool, background: bool, **changes: object) -> bytes:
    rng, model = np.random.default_rng(1), ModelWriter()
    anchors = rng.uniform(0.1, 0.9, (BOXES, 4)).astype(np.float32)
    shapes = (1, BOXES, 4), (1, BOXES, CLASSES + background)
    if quantised:
        sources = [
            model.tensor(shape, np.uint8, scale, zero)
            for shape, scale, zero in zip(shapes, (0.06, 1 / 256), (130, 0), strict=True)
        ]
        anchor = model.tensor((BOXES, 4), np.uint8, 1 / 256, 0, values=np.rint(anchors * 255))
    else:
        sources = [model.tensor(shape, np.float32) for shape in shapes]
        anchor = model.tensor((BOXES, 4), np.float32, values=anchors)
    places = OPTIONS["max_detections"] * int(changes.get("max_classes_per_detection", 1))
    results = [model.tensor(shape, np.float32) for shape in ((1, places, 4), (1, places), (1, places), (1,))]
    custom = ("TFLite_Detection_PostProcess", bytes(flexbuffers.Dumps(OPTIONS | changes)))
    model.operator("CUSTOM", [*sources, anchor], results, custom=custom)
    return model.write(sources, results)


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("quantised", [True, False])
@pytest.mark.parametrize(
    "changes",
    [{}, {"use_regular_nms": True}, {"max_classes_per_detection": 2}, {"nms_iou_threshold": 0.9}],
    ids=["by box", "by class", "two classes", "close together"],
)
def test_detections(tmp_path, changes, quantised, background):
    if quantised and "max_classes_per_detection" in changes:
        pytest.skip("of classes with the same score the reference's sort may take either")
    check(tmp_path, detector(quantised, background, **changes))


def test_options_that_make_no_sense(tmp_path):
    for changes in ({"max_detections": 0}, {"y_scale": 0.0}, {"num_classes": 9}):
        (tmp_path / "model.tflite").write_bytes(detector(True, True, **changes))
        with pytest.raises(ModelError, match="max_detections|scales|classes"):
            load_model(tmp_path / "model.tflite")
