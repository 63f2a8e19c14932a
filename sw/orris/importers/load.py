"""A model file of any known format as a graph."""

from pathlib import Path

from ..graph import Graph, ModelError
from ..graph.shapes import check_shapes
from ..graph.simplify import simplify
from ..layers import NETWORKS
from ..runtime.folding import fold_constants
from .builtin import builtin_network

FILE_LIMIT = 1 << 30
"""Bytes of a file that is read at all."""

TFLITE_IDENTIFIER = slice(4, 8), b"TFL3"


def load_model(path: Path | str) -> Graph:
    """The network in a TFLite or ONNX file, or a built-in one by its name, checked and simplified.

    Raises
    ------
    ModelError
        The file cannot be read, is damaged, or holds operators or types that are not supported (all of them
        are listed, a line each).
    """
    path = Path(path)
    if path.name in NETWORKS and not path.exists():
        return _finished(builtin_network(path.name))
    content = read_file(path)
    where, identifier = TFLITE_IDENTIFIER
    if content[where] == identifier:
        from .tflite import read_tflite

        return _finished(read_tflite(content, path.name))
    if path.suffix.lower() == ".onnx":
        from .onnx import read_onnx

        return _finished(read_onnx(content, path.name))
    raise ModelError(
        f"{path} is neither a TFLite file (bytes 4 to 7 are not 'TFL3') nor named .onnx: "
        "the formats that can be imported are TFLite and ONNX"
    )


def _finished(graph: Graph) -> Graph:
    """Checked, then without what is known beforehand or not needed."""
    check_shapes(graph)
    return simplify(fold_constants(graph))


def read_file(path: Path) -> bytes:
    """The bytes of a model file; ModelError if there are none, or too many."""
    try:
        size = path.stat().st_size
        if not path.is_file() and not path.is_dir():
            raise ModelError(f"{path} is no regular file")
        if size > FILE_LIMIT:
            raise ModelError(f"{path} has {size} bytes, the limit is {FILE_LIMIT}")
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    if not content:
        raise ModelError(f"{path} is empty")
    return content
