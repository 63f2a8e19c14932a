"""What a network gave, as a file."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..graph import Graph, ModelError


def check_output(path: Path, graph: Graph) -> None:
    """ModelError unless outputs of the network can be written to `path`."""
    if path.suffix.lower() not in (".npy", ".npz"):
        raise ModelError(f"output {path}: expected a name that ends in .npy or .npz")
    if path.suffix.lower() == ".npy" and len(graph.outputs) > 1:
        raise ModelError(
            f"output {path}: the network has {len(graph.outputs)} outputs, which takes an .npz file"
        )
    if not path.absolute().parent.is_dir():
        raise ModelError(f"output {path}: there is no such directory")
    part = _part(path)
    try:
        if path.is_dir():
            raise ModelError(f"output {path} is a directory")
        part.touch()
        part.unlink()
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror}") from error


def _part(path: Path) -> Path:
    """Where results are written until they are whole."""
    return path.with_name(path.name + ".part")


def gathered(graph: Graph, results: list[dict[str, NDArray]]) -> dict[str, NDArray]:
    """Each output of all inferences: along the first axis where the batch is 1, else along a new one."""
    gathered = {}
    for name in graph.outputs:
        values = [result[name] for result in results]
        batch_of_one = graph.tensors[name].shape[:1] == (1,)
        gathered[name] = np.concatenate(values) if batch_of_one or len(values) == 1 else np.stack(values)
    return gathered


def save_outputs(path: Path, outputs: dict[str, NDArray]) -> None:
    """Writes all or nothing; ModelError if it cannot."""
    part = _part(path)
    try:
        with part.open("wb") as file:
            if path.suffix.lower() == ".npy":
                (values,) = outputs.values()
                np.save(file, values, allow_pickle=False)
            else:
                np.savez(file, allow_pickle=False, **outputs)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ModelError(f"cannot write {path}: {error.strerror}") from error
