"""TFLite's state between inferences as operators of a graph."""

import tflite

from ..graph import operators as ops
from ..graph.operators import Operator
from .tflite_source import Source
from .unsupported import Unsupported


def var_handle(source: Source) -> list[Operator]:
    options = source.options(tflite.VarHandleOptions())
    name = (options.SharedName() or b"").decode("utf-8", "replace")
    source.handles[source.outputs[0]] = name
    return []


def _variable(source: Source) -> str:
    if source.inputs[0] not in source.handles:
        raise Unsupported("it has no variable")
    return source.handles[source.inputs[0]]


def read_variable(source: Source) -> list[Operator]:
    return [ops.ReadVariable(**source.common([]), variable=_variable(source))]


def assign_variable(source: Source) -> list[Operator]:
    source.tensor(1)
    return [ops.AssignVariable(**source.common(source.inputs[1:2]), variable=_variable(source))]
