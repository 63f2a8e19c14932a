"""Model files whose structure is whole and whose contents are not: numbers, lists and references changed."""

import random
from typing import Any

import numpy as np
import onnx

from tflite_models import flatbuffers, schema

INTEGERS = (-1, 0, 1, 2, 7, 127, 255, -128, 65536, 1 << 20, (1 << 31) - 1, -(1 << 31))
REALS = (float("nan"), float("inf"), 0.0, -1.0, 1e-45, 1e-38, 1e38, 0.5)


def mutated_tflite(content: bytes, seed: int) -> bytes | None:
    """One to four changes anywhere in the file's tables; None where the format cannot hold them."""
    rng = random.Random(seed)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    places: list[tuple[Any, str]] = []
    _walk(model, places)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        table, field = rng.choice(places)
        setattr(table, field, _changed(getattr(table, field), rng, within=256 if field == "data" else None))
    builder = flatbuffers.Builder(1024)
    try:
        builder.Finish(model.Pack(builder), b"TFL3")
    except Exception:  # of many kinds: numbers out of range, mixed lists
        return None
    return bytes(builder.Output())


def _walk(table: Any, places: list[tuple[Any, str]]) -> None:
    for field, value in vars(table).items():
        if _is_number(value):
            places.append((table, field))
        elif isinstance(value, (list, np.ndarray)) and len(value):
            places.append((table, field))
            for each in value if isinstance(value, list) else ():
                if hasattr(each, "__dict__"):
                    _walk(each, places)
        elif hasattr(value, "__dict__"):
            _walk(value, places)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _changed(value: Any, rng: random.Random, within: int | None) -> Any:
    """Another number; or a list with an item changed, left out, doubled, or all from there cut off."""
    if isinstance(value, (float, np.floating)):
        return rng.choice(REALS)
    if _is_number(value):
        return rng.choice(INTEGERS) if within is None else rng.randrange(within)
    items = list(value)
    if not items:
        return items
    at = rng.randrange(len(items))
    match rng.randrange(4):
        case 0 if _is_number(items[at]):
            items[at] = _changed(items[at], rng, within)
        case 1:
            items.pop(at)
        case 2:
            items.append(items[at])
        case _:
            items = items[:at]
    return items


def mutated_onnx(model: onnx.ModelProto, seed: int) -> bytes:
    """One to three changes to nodes, attributes and constants."""
    rng, changed = random.Random(seed), onnx.ModelProto()
    changed.CopyFrom(model)
    for _ in range(rng.choice((1, 1, 2, 3))):
        try:
            _change_onnx(changed.graph, rng)
        except (ValueError, OverflowError):  # a field that cannot hold it
            continue
    return changed.SerializeToString()


def _change_onnx(graph: onnx.GraphProto, rng: random.Random) -> None:
    node, tensor = rng.choice(graph.node), rng.choice(graph.initializer)
    names = [rng.choice(graph.node).output[0], rng.choice(graph.initializer).name, "", "nothing", "x"]
    match rng.randrange(9):
        case 0 if node.attribute:
            attribute = rng.choice(node.attribute)
            if attribute.ints:
                attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(INTEGERS)
            elif attribute.type == onnx.AttributeProto.INT:
                attribute.i = rng.choice(INTEGERS)
            else:
                attribute.f = rng.choice(REALS)
        case 1 if node.attribute:
            del node.attribute[rng.randrange(len(node.attribute))]
        case 2 if node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(names)
        case 3 if node.input:
            del node.input[rng.randrange(len(node.input))]
        case 4:
            node.op_type = rng.choice(("LSTM", "Conv", "Resize", "Add", "Split", "Pad", "MaxPool"))
        case 5 if tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(INTEGERS)
        case 6:
            tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
        case 7 if tensor.data_type == onnx.TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(tensor).copy().reshape(-1)
            values[rng.randrange(values.size)] = rng.choice(REALS)
            tensor.raw_data = values.tobytes()
        case _:
            other = rng.choice(graph.node)
            kept = onnx.NodeProto()
            kept.CopyFrom(node)
            node.CopyFrom(other)
            other.CopyFrom(kept)
