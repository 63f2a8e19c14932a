"""Models that tell a multiplier made in single precision from one made in double."""

import numpy as np

from orris.golden import quantise_multiplier, requantise
from tflite_models import ModelWriter, options

FACTOR = 101
SCALES = {
    "RELU": [(0.09708815, 1.0, 0.62347764), (0.08439669, 1.0, 0.6041026)],
    "LEAKY_RELU": [(0.041891873, 0.09697042, 0.8434173), (0.08811795, 0.05517893, 0.5729742)],
    "MUL": [(0.074448444, 0.04210699, 0.6889573), (0.035432287, 0.03284105, 0.88804585)],
    "CONV_2D": [(0.057367343, 0.049188286, 0.88095975), (0.035432287, 0.03284105, 0.88804585)],
}
"""Of an operator's input, its other factor, and its output."""


def telling_model(kind: str, number: int) -> tuple[bytes, np.ndarray]:
    """A model of one operator, and values of which at least one is rounded elsewhere in double precision."""
    f = np.float32
    a, b, c = (f(scale) for scale in SCALES[kind][number])
    values = np.arange(-128, 0) if kind == "LEAKY_RELU" else np.arange(0, 128)
    steps = values * (FACTOR if kind in ("MUL", "CONV_2D") else 1)
    single = float(f(a * b)) / float(c) if kind == "CONV_2D" else float(f(f(a * b) / c))
    first, second = (
        np.clip(requantise(steps, *quantise_multiplier(real), "double"), -128, 127)
        for real in (single, float(a) * float(b) / float(c))
    )
    assert (first != second).any()
    return _model(kind, (a, b, c), values)


def _model(kind: str, scales: tuple[np.float32, ...], values: np.ndarray) -> tuple[bytes, np.ndarray]:
    model, (a, b, c) = ModelWriter(), scales
    dtype, zero = (np.uint8, 128) if kind == "CONV_2D" else (np.int8, 0)
    shape = (1, 1, len(values), 1)
    source, result = model.tensor(shape, dtype, a, zero), model.tensor(shape, dtype, c, zero)
    if kind == "RELU":
        model.operator(kind, [source], [result])
    elif kind == "LEAKY_RELU":
        model.operator(kind, [source], [result], options("LeakyReluOptions", alpha=float(b)))
    elif kind == "MUL":
        other = model.tensor((1, 1, 1, 1), dtype, b, zero, values=np.array([FACTOR]))
        model.operator(kind, [source, other], [result], options("MulOptions"))
    else:
        other = model.tensor((1, 1, 1, 1), dtype, b, zero, values=np.array([FACTOR + zero]))
        bias = model.tensor((1,), np.int32, float(a) * float(b), values=np.zeros(1))
        made = options("Conv2DOptions", strideH=1, strideW=1)
        model.operator(kind, [source, other, bias], [result], made)
    return model.write([source], [result]), (values + zero).astype(dtype).reshape(shape)
