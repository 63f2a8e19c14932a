"""Everything on a board's FPGA but clocks and pads: accelerator, host link and memory."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from orris_hw.config import AcceleratorConfig
from orris_hw.gateware.accelerator import make_accelerator
from orris_hw.gateware.axi import DATA_BITS

from ..errors import BoardError
from ..link.protocol import Hello
from ..sdram.chips import SdramChip
from .axi_registers import AxiRegisters
from .axi_switch import AxiSwitch
from .axi_words import AxiWords
from .block_memory import BlockMemory
from .host_link import HostLink
from .sdram_controller import SdramController
from .sdram_pins import SdramSignature
from .spram_memory import BLOCK_BYTES, BLOCKS, SpramMemory
from .uart import divisor

SDRAM_READS, ON_CHIP_READS = 16, 4
"""Words that may be on their way from memory: enough for its latency at full rate."""


@dataclass(frozen=True)
class OnChipMemory:
    """Memory in the FPGA's block RAM."""

    bytes: int


@dataclass(frozen=True)
class Spram:
    """Memory in so many blocks of the iCE40 UltraPlus' single-port RAM."""

    blocks: int = BLOCKS

    @property
    def bytes(self) -> int:
        return self.blocks * BLOCK_BYTES


Memory = SdramChip | OnChipMemory | Spram


@dataclass(frozen=True)
class SystemParameters:
    """What makes a board's system: an accelerator, its memory, its clock and the speed of its serial line."""

    config: AcceleratorConfig
    memory: Memory
    clock_hz: int
    baud: int

    @property
    def hello(self) -> Hello:
        """What the board answers to HELLO."""
        return Hello(self.memory.bytes, self.clock_hz, config_word(self.config))


def config_word(config: AcceleratorConfig) -> int:
    """The first 32 bits of a configuration's content hash."""
    return int(config.content_hash()[:8], 16)


class System(wiring.Component):
    """An accelerator with memory behind its AXI4 port, both reached through a serial line.

    Parameters
    ----------
    parameters : SystemParameters

    Members
    -------
    rx : In(1, init=1), tx : Out(1, init=1)
        The serial line.
    irq : Out(1)
        The accelerator's interrupt: a program has ended.
    sdram : Out(SdramSignature)
        Only with an SDRAM chip.

    Raises
    ------
    ValueError
        If the serial line's speed cannot be made from the clock.
    BoardError
        If the clock is too fast for the SDRAM chip, or the accelerator's memory port wider than a board's.
    """

    def __init__(self, parameters: SystemParameters):
        self._parameters = parameters
        if (bits := parameters.config.memory.port_bits) != DATA_BITS:
            raise BoardError(
                f"{parameters.config.name}: memory.port_bits = {bits}, but the memory of a board is "
                f"{DATA_BITS} bits wide: take memory.port_bits = {DATA_BITS}"
            )
        self._divisor = divisor(parameters.clock_hz, parameters.baud)
        members: dict[str, wiring.Member] = {"rx": In(1, init=1), "tx": Out(1, init=1), "irq": Out(1)}
        if isinstance(parameters.memory, SdramChip):
            members["sdram"] = Out(SdramSignature(parameters.memory.row_bits))
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        memory, clock_hz = self._parameters.memory, self._parameters.clock_hz
        m.submodules.accelerator = accelerator = make_accelerator(self._parameters.config)
        m.submodules.link = link = HostLink(self._parameters.hello, self._divisor)
        m.submodules.switch = switch = AxiSwitch()
        in_flight = SDRAM_READS if isinstance(memory, SdramChip) else ON_CHIP_READS
        m.submodules.words = words = AxiWords(memory.bytes // 8, in_flight)
        m.d.comb += [link.rx.eq(self.rx), self.tx.eq(link.tx), self.irq.eq(accelerator.irq)]
        wiring.connect(m, link.registers, accelerator.s_axi)
        if isinstance(memory, SdramChip):
            # Devices with such a chip are large and fast: the path from the memory's readiness through the
            # switch into the DMA's queues would be their longest. What is read comes to a buffer of its own.
            m.submodules.registers = registers = AxiRegisters(through=("r",))
            wiring.connect(m, accelerator.m_axi, registers.master)
            wiring.connect(m, registers.slave, switch.masters[0])
        else:
            wiring.connect(m, accelerator.m_axi, switch.masters[0])
        wiring.connect(m, link.memory, switch.masters[1])
        wiring.connect(m, switch.slave, words.axi)
        if isinstance(memory, SdramChip):
            m.submodules.sdram = controller = SdramController(memory, clock_hz)
            wiring.connect(m, controller.pins, wiring.flipped(self.sdram))
            wiring.connect(m, words.memory, controller.port)
        else:
            spram = isinstance(memory, Spram)
            blocks = SpramMemory(memory.blocks) if spram else BlockMemory(memory.bytes // 8)
            m.submodules.on_chip_memory = blocks
            wiring.connect(m, words.memory, blocks.port)
        return m
