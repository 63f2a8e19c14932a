"""Verilog as a product: identical modules once, the same bytes every time, a JSON description beside it."""

from .files import describe, emit_to, write_if_changed
from .once import Once
from .ports import EmissionError, Port
from .verilog import Emitted, emit, emit_netlist, emit_verilog

__all__ = ["EmissionError", "Emitted", "Once", "Port", "describe", "emit", "emit_netlist", "emit_to",
           "emit_verilog", "write_if_changed"]
