"""What the core of a microcontrolled accelerator sees: one definition for gateware, firmware and tests.

Pure data, no gateware. Addresses are bytes, accesses aligned. Four regions, told apart by bits 31, 29 and 28:

========== ============== ==========================================================================
``ROM``    0x0000_0000    firmware and, in its last `CONSTANTS_BYTES`, what `constants_table` says
``RAM``    0x1000_0000    firmware's own data, host registers, global buffer, post-processing parameters
``IO``     0x2000_0000    control and status, and the PE's streams
``MEMORY`` 0x8000_0000    the AXI4 master: byte a of its lower or upper 2 GB (`IO_PAGE`) is at MEMORY + a
========== ============== ==========================================================================

An access lasts until the other side is ready: a store to the PE until it takes the value, a load of a psum
until there is one, an access to MEMORY until it is answered. ROM is only read. In IO only whole words are
stored; RAM and MEMORY take bytes and halfwords too. Loads of the RAM take 4 cycles, stores 3.
"""

from typing import TYPE_CHECKING

from ..register_map import REGISTERS, constants

if TYPE_CHECKING:
    from ..config.model import AcceleratorConfig

ROM = 0x0000_0000
RAM = 0x1000_0000
IO = 0x2000_0000
MEMORY = 0x8000_0000

ROM_BYTES = 8192
CONSTANTS_BYTES = 128
CONSTANTS = ROM + ROM_BYTES - CONSTANTS_BYTES
"""Words of the ROM that the configuration decides. The first are an image of the host registers: word
offset / 4 is what the register at that offset reads after reset."""
CONSTANT_PARAMETERS = CONSTANTS + 0x70
"""Word that holds the address in RAM of the post-processing parameters, 16 bytes an entry."""
CONSTANT_GLB_WORDS = CONSTANTS + 0x74
"""Words of 64 bits of the global buffer."""
CONSTANT_PARAMETER_WORDS = CONSTANTS + 0x78
"""Words of 64 bits of the parameters."""

# The RAM begins with what is the same in every configuration. After reset it holds anything.
STATE_BYTES = 0x600
"""Firmware's variables, and its stack down from the end."""
REGISTERS_BASE = RAM + STATE_BYTES
"""Host registers: the one at offset o is at REGISTERS_BASE + o, performance counters included."""
REGISTERS_BYTES = 0x200
GLB = REGISTERS_BASE + REGISTERS_BYTES
"""Global buffer: word w is the 8 bytes from GLB + 8 w; bank after bank, as its addresses count."""

IO_STATUS = IO + 0x000
"""Load: the bits below."""
STATUS_BUSY = 1 << 0
"""The host has started a program that has not been finished."""
STATUS_READ_FAILED = 1 << 1
"""A load from MEMORY was answered with an error since reset."""
STATUS_WRITE_FAILED = 1 << 2
STATUS_COLD = 1 << 3
"""Nothing has been finished since the accelerator's reset: the settings among the host registers are void."""

IO_FINISH = IO + 0x000
"""Store: the program has ended, done (bit 0) or with an error (bit 1); busy falls. Also stored after reset, 0
then, when the host registers can be read: until then the host waits."""
FINISH_DONE = 1 << 0
FINISH_ERROR = 1 << 1

IO_CYCLES = IO + 0x004
"""Load: cycles since reset, modulo 2^32."""
IO_PAGE = IO + 0x004
"""Store: its bit 31 is that of the addresses that MEMORY stands for."""

PE_PSUM = IO + 0x008
"""Load: the next psum, sign-extended; waits for it."""
PE_IFMAP = IO + 0x008
"""Store: the next ifmap operand (zero point subtracted, `operand_width` bits)."""
PE_FILTER = IO + 0x100
"""Store: a filter value of the next pass."""
PE_FIELD = IO + 0x140
"""Store at PE_FIELD + 4 f: `PassField` f of the next pass; all of them, in order, before its filters."""
PE_FILTER_LAST = IO + 0x180
"""Store: the last filter value of the next pass."""


def ram_bytes(config: "AcceleratorConfig") -> int:
    """Size of the RAM: what `config` needs, rounded up to a power of two."""
    needed = GLB - RAM + config.glb_bytes + 16 * config.post_processing.channels
    return 1 << (needed - 1).bit_length()


def constants_table(config: "AcceleratorConfig") -> list[int]:
    """The 32-bit words at CONSTANTS."""
    words = dict.fromkeys(range(CONSTANTS, CONSTANTS + CONSTANTS_BYTES, 4), 0)
    fixed = constants(config)
    for register in REGISTERS:
        words[CONSTANTS + register.offset] = fixed.get(register.name, register.reset)
    words[CONSTANT_PARAMETERS] = GLB + config.glb_bytes
    words[CONSTANT_GLB_WORDS] = config.glb_words
    words[CONSTANT_PARAMETER_WORDS] = 2 * config.post_processing.channels
    return list(words.values())
