"""A reference interpreter in a process of its own.

LiteRT's reference kernels end the whole process where a check of theirs fails (that of a softmax over many
nearly equal values does): here that ends the comparison, and not the run.
"""

import multiprocessing
import os
import signal
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from ..graph import Graph, ModelError
from .reference import open_reference

_PATIENCE = 10.0
"""Seconds that a process gets to end by itself."""


class ReferenceStopped(ModelError):
    """The interpreter ended its process, or failed, on some input."""


class IsolatedReference:
    """`open_reference` in another process; to be closed, best as a context manager.

    A process that ended is started again with the next input, except for a network with variables, whose
    values are lost with it.

    Raises
    ------
    ModelError
        As `open_reference`.
    """

    def __init__(self, path: Path, graph: Graph):
        self._path, self._graph = path, graph
        self._lost = ""
        self._start()

    def __enter__(self) -> "IsolatedReference":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, inputs: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """Every tensor that the interpreter can give, by name.

        Raises
        ------
        ReferenceStopped
            It ended its process or failed, with this input or (of a network with variables) an earlier one.
        """
        if self._lost and self._graph.variables:
            raise ReferenceStopped(f"{self.name} lost the network's variables with an earlier input")
        if self._lost:
            self._start()
        try:
            self._pipe.send(dict(inputs))
        except OSError:
            pass  # it has ended: so says the answer
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(_PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._path, self._graph), name="reference", daemon=True
        )
        self._process.start()
        theirs.close()
        self._lost, self.name = "", "the reference interpreter"
        self.name = self._answer()

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError:
            self._process.join()
            self._lost = f"the process ended ({_cause(self._process.exitcode or 0)})"
            self.close()
            raise ReferenceStopped(f"{self.name}: {self._lost}, nothing to compare with") from None
        if isinstance(answer, ModelError):
            raise answer
        return answer


def _cause(exit_code: int) -> str:
    return signal.Signals(-exit_code).name if exit_code < 0 else f"exit status {exit_code}"


def _serve(pipe: Connection, path: Path, graph: Graph) -> None:
    """In the other process: the interpreter's name, then an answer for each set of inputs.

    What it writes of its own is of no use beside that answer.
    """
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        reference = open_reference(path, graph)
    except ModelError as error:
        pipe.send(error)
        return
    pipe.send(reference.name)
    while True:
        try:
            inputs = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            pipe.send(reference.run(inputs))
        except (RuntimeError, ValueError) as error:
            pipe.send(ReferenceStopped(f"{reference.name} failed: {error}"))
