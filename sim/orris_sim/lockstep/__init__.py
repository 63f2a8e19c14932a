"""Simulates the repeated modules of an array in lockstep: the same code for all, one SIMD lane each.

Verilator gives each of 168 PEs a turn of its own. Here the netlist of one PE becomes C++ that computes
that PE in all rows of a column at once, on vectors with a lane per row. The code is generated from the
RTLIL that the Verilog is written from; `build` puts it in the place of the module, and can run both and
compare all outputs in every cycle.
"""

from .program import lockstep_program
from .rtlil import LockstepError
from .shell import LANES_HEADER, Lockstep, with_lockstep

__all__ = ["LANES_HEADER", "Lockstep", "LockstepError", "lockstep_program", "with_lockstep"]
