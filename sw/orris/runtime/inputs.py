"""What a network is run on: arrays, images, or a directory of them."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ..graph import Graph, ModelError, Tensor

ARRAYS = (".npy", ".npz")
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm")

Inputs = dict[str, NDArray]


def load_inputs(path: Path, graph: Graph) -> list[Inputs]:
    """The inputs of one or more inferences, by the names of the network's input tensors.

    Parameters
    ----------
    path : `.npy`: an array of the input's shape and type, or several of them along one more, first axis (or
        along the first axis where the network's batch is 1). `.npz`: one such array for each input, by name.
        An image: cropped to the network's aspect and resized; bytes 0 to 255 become the range of the input's
        type. A directory: all these in the order of their names.

    Raises
    ------
    ModelError
        Nothing there, a file that cannot be read, or an array of another shape or type.
    """
    try:
        directory, there = path.is_dir(), path.exists()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    if directory:
        files = sorted(each for each in path.iterdir() if each.suffix.lower() in ARRAYS + IMAGES)
        if not files:
            raise ModelError(
                f"{path} holds no arrays ({', '.join(ARRAYS)}) and no images ({', '.join(IMAGES)})"
            )
        return [inputs for file in files for inputs in load_inputs(file, graph)]
    if not there:
        raise ModelError(f"there is no input {path}")
    suffix = path.suffix.lower()
    if suffix in ARRAYS:
        return _from_arrays(path, graph)
    if suffix in IMAGES:
        name = _only_input(path, graph)
        return [{name: image_values(_open_image(path), graph.tensors[name], graph.layout)}]
    raise ModelError(f"{path} is neither an array ({', '.join(ARRAYS)}) nor an image ({', '.join(IMAGES)})")


def _only_input(path: Path, graph: Graph) -> str:
    if len(graph.inputs) != 1:
        raise ModelError(
            f"{path} is one tensor, the network has {len(graph.inputs)} inputs: "
            f"give an .npz file with {', '.join(graph.inputs)}"
        )
    return graph.inputs[0]


def _from_arrays(path: Path, graph: Graph) -> list[Inputs]:
    try:
        loaded: Any = np.load(path, allow_pickle=False)
        arrays = loaded if isinstance(loaded, np.ndarray) else dict(loaded)
    except (OSError, ValueError, EOFError, BadZipFile, MemoryError) as error:
        raise ModelError(f"cannot read {path}: {error or 'it is damaged'}") from error
    if isinstance(arrays, np.ndarray):
        arrays = {_only_input(path, graph): arrays}
    if set(arrays) != set(graph.inputs):
        raise ModelError(
            f"{path} holds {', '.join(arrays)}; the network's inputs are {', '.join(graph.inputs)}"
        )
    series = {name: _series(path, values, graph.tensors[name]) for name, values in arrays.items()}
    counts = {len(each) for each in series.values()}
    if len(counts) != 1:
        raise ModelError(f"{path} holds different numbers of inputs: {sorted(counts)}")
    return [{name: each[index] for name, each in series.items()} for index in range(counts.pop())]


def _series(path: Path, values: NDArray, tensor: Tensor) -> list[NDArray]:
    """One or more inputs out of one array."""
    if values.dtype != tensor.dtype:
        raise ModelError(f"{path} is of type {values.dtype}, input '{tensor.name}' is {tensor.dtype}")
    if values.shape == tensor.shape:
        return [values]
    if values.shape[1:] == tensor.shape and len(values):
        return list(values)
    if tensor.shape[:1] == (1,) and values.shape[1:] == tensor.shape[1:] and len(values):
        return [each[None] for each in values]
    raise ModelError(
        f"{path} has shape {list(values.shape)}, input '{tensor.name}' has {list(tensor.shape)} "
        "(or several of it along one more axis)"
    )


def _open_image(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ModelError(f"cannot read the image {path}: {error}") from error


def image_values(image: Image.Image, tensor: Tensor, layout: str) -> NDArray:
    """An image as values of an input tensor: bytes 0 to 255 become the whole range of an integer type, and
    0 to 1 for real numbers. It is cropped to the tensor's aspect about its centre, and resized.

    Raises
    ------
    ModelError
        A tensor that holds no image of one or three channels.
    """
    shape = tensor.shape
    N, H, W, C = shape if layout == "NHWC" and len(shape) == 4 else _nhwc(tensor)
    if N != 1 or C not in (1, 3) or not H * W:
        raise ModelError(f"input '{tensor.name}' {list(shape)} is no image of one or three channels")
    scale = min(image.width / W, image.height / H)
    width, height = round(W * scale), round(H * scale)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    part = image.convert("L" if C == 1 else "RGB").crop((left, top, left + width, top + height))
    values = np.asarray(part.resize((W, H), Image.Resampling.BILINEAR)).reshape(1, H, W, C)
    values = values if layout == "NHWC" else values.transpose(0, 3, 1, 2)
    if tensor.dtype.kind == "f":
        return (values / 255).astype(tensor.dtype)
    if tensor.dtype not in (np.uint8, np.int8, np.int16):
        raise ModelError(f"input '{tensor.name}' is {tensor.dtype}: an image cannot become that")
    info = np.iinfo(tensor.dtype)
    steps = (int(info.max) - int(info.min)) // 255
    return (values.astype(np.int64) * steps + int(info.min)).astype(tensor.dtype)


def _nhwc(tensor: Tensor) -> tuple[int, int, int, int]:
    if len(tensor.shape) != 4:
        raise ModelError(f"input '{tensor.name}' {list(tensor.shape)} is no image")
    N, C, H, W = tensor.shape
    return N, H, W, C
