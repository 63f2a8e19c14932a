"""What a mapping costs: cycles, words and energy, without running the RTL."""

from .layer import layer_timing
from .memory import MemoryTiming
from .program import Timing, program_timing

__all__ = ["MemoryTiming", "Timing", "layer_timing", "program_timing"]
