"""What a mapping costs: cycles, words and energy, without running the RTL."""

from .choice import AIMS, Candidate, Criteria, best_candidate, best_mapping, parse_aim, ranked_mappings
from .energy import DEFAULT_TABLE, Energy, EnergyError, EnergyTable, energy, energy_table, table_names
from .expected import expected_counters
from .layer import layer_timing
from .memory import BandwidthError, MemoryTiming, within_port
from .program import Timing, program_timing
from .roofline import Roofline, roofline
from .scope import CostError, foresees, require_foresight

__all__ = [
    "AIMS",
    "BandwidthError",
    "DEFAULT_TABLE",
    "Candidate",
    "CostError",
    "Criteria",
    "Energy",
    "EnergyError",
    "EnergyTable",
    "MemoryTiming",
    "Roofline",
    "Timing",
    "best_candidate",
    "best_mapping",
    "energy",
    "energy_table",
    "expected_counters",
    "foresees",
    "layer_timing",
    "parse_aim",
    "program_timing",
    "ranked_mappings",
    "require_foresight",
    "roofline",
    "table_names",
    "within_port",
]
