"""Writing the Verilog and its JSON companion to disk."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from amaranth.lib import wiring

from .ports import EmissionError
from .verilog import Emitted, emit


def describe(emitted: Emitted, description: Mapping[str, object]) -> str:
    """JSON text: the top's name and ports, then what the caller adds (geometry, registers, commands)."""
    ports = [port.as_dict() for port in emitted.ports]
    return json.dumps({"name": emitted.name, "ports": ports, **description}, indent=2) + "\n"


def emit_to(directory: Path | str, component: wiring.Component, name: str,
            header_lines: Sequence[str] = (), description: Mapping[str, object] | None = None) -> list[Path]:
    """Write ``<name>.v`` and ``<name>.json`` into ``directory``, which is made if missing.

    Nothing is touched before both texts are complete; a file whose content would not change keeps its
    time stamp; no file is ever seen half-written.

    Returns
    -------
    list of Path
        The Verilog file and the JSON file.

    Raises
    ------
    EmissionError
        If the component cannot be emitted or the directory cannot be written.
    """
    emitted = emit(component, name, header_lines)
    texts = {f"{name}.v": emitted.verilog, f"{name}.json": describe(emitted, description or {})}
    directory = Path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            write_if_changed(directory / file, text)
    except OSError as error:
        raise EmissionError(f"cannot write to {directory}: {error.strerror}") from error
    return [directory / file for file in texts]


def write_if_changed(path: Path, text: str) -> bool:
    """Replace a file's content in one step; leave it alone, and return False, if it is the same."""
    data = text.encode()
    if path.is_file() and path.read_bytes() == data:
        return False
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)  # mkstemp makes it private
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True
