"""The AXI4-Lite registers and the error codes: one definition for gateware, driver and JSON.

Pure data, no gateware. Registers are 32 bits at byte offsets that are multiples of 4, and are only written
as whole words. A write to a read-only register, to an unknown address, with a byte strobe low, or (except
for CONTROL and STATUS) while the accelerator is busy is answered with SLVERR and changes nothing.

Performance counters are `COUNTER_BITS` wide, cleared by start and counted while the accelerator is busy.
Each is a pair of registers: reading NAME_LO also latches the upper bits, which NAME_HI then returns.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config.model import AcceleratorConfig

IDENT = int.from_bytes(b"ORRS", "big")
VERSION = 2 << 16 | 0
"""Version of this register map: major << 16 | minor."""

ADDRESS_WIDTH = 12
"""Bits of an AXI4-Lite byte address."""

COUNTER_BITS = 40
COUNTER_BASE = 0x100

DEFAULT_TIMEOUT = 1 << 20


class ErrorCode(IntEnum):
    """Why a program stopped."""

    NONE = 0
    BAD_OPCODE = 1
    BAD_FIELD = 2
    GLB_RANGE = 3
    MEMORY_RANGE = 4
    BUS_READ = 5
    BUS_WRITE = 6
    TIMEOUT = 7
    SEMAPHORE = 8


@dataclass(frozen=True)
class Field:
    """Bits `lsb` to `lsb + width - 1` of a register.

    `action` says what a write does: "store" keeps the value, "strobe" acts once and reads as 0,
    "clear" clears the bit where a 1 is written, "ignore" does nothing.
    """

    name: str
    lsb: int
    width: int
    description: str
    action: str = "store"


@dataclass(frozen=True)
class Register:
    """A 32-bit register at a byte `offset`."""

    name: str
    offset: int
    description: str
    writable: bool = False
    reset: int = 0
    fields: tuple[Field, ...] = ()

    def pack(self, **values: int) -> int:
        """The word with the named fields at `values` and the others at 0.

        Raises
        ------
        ValueError
            If a value does not fit its field, or no field has that name.
        """
        fields = {field.name: field for field in self.fields}
        word = 0
        for name, value in values.items():
            if name not in fields:
                raise ValueError(f"register {self.name} has no field {name!r}, only {', '.join(fields)}")
            if not 0 <= value < 1 << fields[name].width:
                limit = (1 << fields[name].width) - 1
                raise ValueError(f"{self.name}.{name} must be in 0..{limit}, not {value}")
            word |= value << fields[name].lsb
        return word

    def unpack(self, word: int) -> dict[str, int]:
        """The fields of `word`, by name."""
        return {field.name: word >> field.lsb & (1 << field.width) - 1 for field in self.fields}


@dataclass(frozen=True)
class Counter:
    """A performance counter; `step_bits` is the width of what it can gain in one cycle.

    `per_word`: it counts words of the memory port, of which a wider port moves several.
    """

    name: str
    step_bits: int
    description: str
    per_word: bool = False


REGISTERS = (
    Register("IDENT", 0x00, "'ORRS', most significant byte first"),
    Register("VERSION", 0x04, "version of the register map, major << 16 | minor"),
    Register("CONTROL", 0x08, "commands from the host", writable=True, fields=(
        Field("start", 0, 1, "run the program; SLVERR while busy, in error, or with soft_reset", "strobe"),
        Field("soft_reset", 1, 1, "abandon what runs and clear done and error", "strobe"),
        Field("irq_enable", 2, 1, "raise the interrupt while done or error is set"),
    )),
    Register("STATUS", 0x0C, "state of the accelerator", writable=True, fields=(
        Field("busy", 0, 1, "a program runs", "ignore"),
        Field("done", 1, 1, "a program has ended well; also cleared by start and soft reset", "clear"),
        Field("error", 2, 1, "a program has stopped; cleared by soft reset", "ignore"),
    )),
    Register("ERROR_CODE", 0x10, "why the program stopped: an ErrorCode"),
    Register("ERROR_INDEX", 0x14, "index of the command that stopped the program"),
    Register("PROGRAM_ADDRESS", 0x18, "byte address of the program, a multiple of 8", writable=True),
    Register("PROGRAM_COMMANDS", 0x1C, "commands in the program", writable=True),
    Register("READ_BASE", 0x20, "first byte the accelerator may read", writable=True),
    Register("READ_LIMIT", 0x24, "first byte above READ_BASE it may not read", writable=True),
    Register("WRITE_BASE", 0x28, "first byte the accelerator may write", writable=True),
    Register("WRITE_LIMIT", 0x2C, "first byte above WRITE_BASE it may not write", writable=True),
    Register("TIMEOUT", 0x30, "cycles without progress after which a program is stopped",
             writable=True, reset=DEFAULT_TIMEOUT),
    Register("GEOMETRY_ARRAY", 0x40, "PE array", fields=(
        Field("rows", 0, 8, "PE rows"),
        Field("columns", 8, 8, "PE columns"),
    )),
    Register("GEOMETRY_ARITHMETIC", 0x44, "number formats", fields=(
        Field("data_width", 0, 8, "bits of a value"),
        Field("psum_width", 8, 8, "bits of a partial sum"),
        Field("fixed_point", 16, 1, "1: saturating fixed point, 0: integer"),
        Field("zero_gating", 17, 1, "zero ifmap values are gated"),
    )),
    Register("GEOMETRY_GLB", 0x48, "global buffer", fields=(
        Field("banks", 0, 16, "banks"),
        Field("depth", 16, 16, "64-bit words per bank"),
    )),
    Register("GEOMETRY_SCRATCHPADS", 0x4C, "scratchpads of a PE", fields=(
        Field("filter", 0, 16, "values per filter bank"),
        Field("ifmap", 16, 8, "ifmap values"),
        Field("psum", 24, 8, "partial sums"),
    )),
    Register("GEOMETRY_POST", 0x50, "post-processing", fields=(
        Field("lanes", 0, 16, "lanes"),
        Field("channels", 16, 16, "parameter entries"),
    )),
    Register("GEOMETRY_NETWORKS", 0x54, "psum network and memory port", fields=(
        Field("psum_ports", 0, 8, "psums collected per cycle"),
        Field("port_words", 8, 8, "64-bit words of a beat of the memory port"),
    )),
    Register("GEOMETRY_VECTOR", 0x58, "vector unit", fields=(
        Field("lanes", 0, 8, "sums requantised per cycle, 0: no vector unit"),
    )),
    Register("GEOMETRY_CONTROL", 0x60, "what is checked and counted", fields=(
        Field("counters", 0, 8, "performance counters: so many from the first one on"),
        Field("checks", 8, 1, "commands and buffer addresses are checked"),
    )),
)
"""Every register except the counters."""

REGISTER = {register.name: register for register in REGISTERS}
"""The same by name."""

# Steps are sized for the largest array, 16 x 16: 256 PEs take 9 bits, 16 columns 5. Bits that a configuration
# never sets are constants to synthesis, which removes them.
COUNTERS = (
    Counter("cycles", 1, "cycles busy"),
    Counter("commands", 2, "commands executed"),
    Counter("dram_read_words", 1, "64-bit words read from memory", per_word=True),
    Counter("dram_write_words", 1, "64-bit words written to memory", per_word=True),
    Counter("mac_done", 9, "multiply-accumulates made"),
    Counter("mac_gated", 9, "multiply-accumulates stilled because the ifmap value was zero"),
    Counter("stall_ifmap", 9, "PE-cycles lost waiting for ifmap values"),
    Counter("stall_filter", 9, "PE-cycles lost waiting for filters"),
    Counter("stall_psum", 9, "PE-cycles lost waiting for partial sums to come or go"),
    Counter("spad_ifmap_read", 9, "values read from ifmap scratchpads"),
    Counter("spad_ifmap_write", 9, "values written to ifmap scratchpads"),
    Counter("spad_filter_read", 9, "values read from filter scratchpads"),
    Counter("spad_filter_write", 12, "values written to filter scratchpads"),
    Counter("spad_psum_read", 9, "partial sums read from psum scratchpads"),
    Counter("spad_psum_write", 9, "partial sums written to psum scratchpads"),
    Counter("net_ifmap_beats", 1, "beats of ifmap values on the Y-bus"),
    Counter("net_filter_beats", 1, "beats of filter values on the Y-bus"),
    Counter("net_psum_values", 9, "partial sums passed up, from PE to PE and to the psum ports"),
    Counter("glb_ifmap_read", 1, "words read by the ifmap feeder"),
    Counter("glb_filter_read", 1, "words read by the filter feeder"),
    Counter("glb_psum_read", 5, "psums read by the psum ports"),
    Counter("glb_psum_write", 5, "psums written by the psum ports"),
    Counter("glb_ofmap_read", 1, "words read by the write DMA", per_word=True),
    Counter("glb_ofmap_write", 4, "values written by post-processing"),
    Counter("glb_load_write", 1, "words written by the read DMA", per_word=True),
    Counter("glb_vector_read", 1, "words read by the vector unit"),
    Counter("glb_vector_write", 1, "words written by the vector unit"),
    Counter("compute_busy", 1, "cycles the compute unit was busy"),
    Counter("load_busy", 1, "cycles the load unit was busy"),
    Counter("store_busy", 1, "cycles the store unit was busy"),
    Counter("vector_busy", 1, "cycles the vector unit was busy"),
)
"""The performance counters, in the order of their addresses. To add one, add it at the end."""

FEW_COUNTERS = 4
"""So many of them, the first, are in every accelerator."""


def sized_counters(config: "AcceleratorConfig") -> tuple[Counter, ...]:
    """`COUNTERS`, with steps for the memory port of `config`."""
    bits = config.port_words.bit_length()
    return tuple(replace(counter, step_bits=bits) if counter.per_word else counter for counter in COUNTERS)


def counters_of(config: "AcceleratorConfig") -> tuple[Counter, ...]:
    """The performance counters that an accelerator of `config` has."""
    return sized_counters(config)[: None if config.control.counters == "all" else FEW_COUNTERS]


def counter_offset(name: str) -> int:
    """Byte offset of counter `name`'s LO register; HI is 4 above. KeyError if there is none."""
    for index, counter in enumerate(COUNTERS):
        if counter.name == name:
            return COUNTER_BASE + 8 * index
    raise KeyError(name)


def constants(config: "AcceleratorConfig") -> dict[str, int]:
    """What the identity and geometry registers read for `config`, by register name."""
    return {
        "IDENT": IDENT,
        "VERSION": VERSION,
        "GEOMETRY_ARRAY": REGISTER["GEOMETRY_ARRAY"].pack(
            rows=config.array.rows, columns=config.array.columns,
        ),
        "GEOMETRY_ARITHMETIC": REGISTER["GEOMETRY_ARITHMETIC"].pack(
            data_width=config.data_width, psum_width=config.psum_width,
            fixed_point=int(config.arithmetic == "fixed_point"), zero_gating=int(config.zero_gating),
        ),
        "GEOMETRY_GLB": REGISTER["GEOMETRY_GLB"].pack(
            banks=config.global_buffer.banks, depth=config.global_buffer.depth,
        ),
        "GEOMETRY_SCRATCHPADS": REGISTER["GEOMETRY_SCRATCHPADS"].pack(
            filter=config.scratchpads.filter, ifmap=config.scratchpads.ifmap, psum=config.scratchpads.psum,
        ),
        "GEOMETRY_POST": REGISTER["GEOMETRY_POST"].pack(
            lanes=config.post_processing.lanes, channels=config.post_processing.channels,
        ),
        "GEOMETRY_NETWORKS": REGISTER["GEOMETRY_NETWORKS"].pack(
            psum_ports=config.psum_ports, port_words=config.port_words,
        ),
        "GEOMETRY_VECTOR": REGISTER["GEOMETRY_VECTOR"].pack(lanes=config.vector.lanes),
        "GEOMETRY_CONTROL": REGISTER["GEOMETRY_CONTROL"].pack(
            counters=len(counters_of(config)), checks=int(config.control.checks),
        ),
    }


def describe(config: "AcceleratorConfig") -> dict[str, Any]:
    """The register map of `config` as plain data, ready for JSON."""
    fixed = constants(config)
    registers = [
        {
            "name": register.name,
            "offset": register.offset,
            "description": register.description,
            "access": "read-write" if register.writable else "read-only",
            "reset": fixed.get(register.name, register.reset),
            "fields": [vars(field).copy() for field in register.fields],
        }
        for register in REGISTERS
    ]
    counters = [
        {"name": counter.name, "offset_lo": counter_offset(counter.name),
         "offset_hi": counter_offset(counter.name) + 4, "description": counter.description}
        for counter in counters_of(config)
    ]
    return {
        "address_width": ADDRESS_WIDTH,
        "registers": registers,
        "counters": counters,
        "counter_bits": COUNTER_BITS,
        "error_codes": {code.name: code.value for code in ErrorCode},
    }
