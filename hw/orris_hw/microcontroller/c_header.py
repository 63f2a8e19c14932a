"""The memory map, registers and error codes for firmware in C."""

from ..gateware.beats import PassField
from ..register_map import COUNTER_BASE, FEW_COUNTERS, REGISTER, ErrorCode
from . import memory_map


def c_header() -> str:
    """Each as a macro `ORRIS_...`; the same definitions give the same bytes."""
    named = {name: value for name, value in vars(memory_map).items() if name.isupper() and type(value) is int}
    named |= {f"REGISTER_{name}": register.offset for name, register in REGISTER.items()}
    named |= {"COUNTER_BASE": COUNTER_BASE, "COUNTERS": FEW_COUNTERS}
    named |= {f"FIELD_{field.name}": field.value for field in PassField.__members__.values()}
    named |= {f"ERROR_{code.name}": code.value for code in ErrorCode}
    lines = [f"#define ORRIS_{name} {value:#x}u" for name, value in named.items()]
    return "\n".join(["/* Made by orris_hw.microcontroller.c_header: do not edit. */", *lines, ""])
