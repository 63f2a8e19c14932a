"""The accelerator: registers for the host, the core, and what starts, stops and resets it."""

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, DomainRenamer, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..microcontroller.image import firmware_image
from ..register_map import ADDRESS_WIDTH, constants, counters_of
from .axi import Axi4LiteSignature, Axi4Signature
from .core import Core
from .microcontroller.accelerator import MicrocontrolledAccelerator
from .registers import Registers

SETTLE = 4
"""Cycles after the last command until the counters hold everything: the registers between an event and its
counter. (Those of PEs have come by then: the compute unit waits for its array to be empty.)"""
RESET_CYCLES = 4
"""From the request of a reset until the core can start; its registers are reset in all but the first."""


class Accelerator(wiring.Component):
    """A row-stationary CNN accelerator: one AXI4 master for commands and data, AXI4-Lite registers.

    A start resets the core and runs the program. Its end, an error or a soft reset first brings the memory
    port to rest, so that no transaction is ever cut short; after an error the core stays as it is until
    a soft reset.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    m_axi : Out(Axi4Signature(port_words))
    s_axi : In(Axi4LiteSignature())
    irq : Out(1)
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__(
            {
                "m_axi": Out(Axi4Signature(config.port_words)),
                "s_axi": In(Axi4LiteSignature(ADDRESS_WIDTH)),
                "irq": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # A plain register behind another: synthesis may make copies of it, one for each part of the design.
        core_reset, resets = Signal(init=1, reset_less=True), Signal(init=1)
        m.domains.core = domain = ClockDomain()
        m.d.comb += [domain.clk.eq(ClockSignal()), domain.rst.eq(core_reset)]
        m.submodules.registers = registers = Registers(constants(self.config), counters_of(self.config))
        core = Core(self.config)
        m.submodules.core = DomainRenamer("core")(core)

        wiring.connect(m, wiring.flipped(self.s_axi), registers.bus)
        wiring.connect(m, core.m_axi, wiring.flipped(self.m_axi))
        m.d.comb += self.irq.eq(registers.irq)
        for name in (
            "program_address", "program_commands", "read_base", "read_limit", "write_base", "write_limit",
            "timeout",
        ):  # fmt: skip
            m.d.comb += getattr(core, name).eq(getattr(registers, name))
        m.d.comb += [
            registers.error_code.eq(core.error_code),
            registers.error_index.eq(core.error_index),
        ]
        for name, _ in registers.increments.shape():
            m.d.comb += registers.increments[name].eq(core.increments[name])

        count = Signal(range(SETTLE + 1))
        stopping = Signal()  # a soft reset came while the program ran
        m.d.sync += [core_reset.eq(resets), resets.eq(0)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [count.eq(0), stopping.eq(0)]
                with m.If(registers.start | registers.soft_reset):
                    m.d.sync += stopping.eq(registers.soft_reset)
                    m.next = "RESET"
            with m.State("RESET"):
                m.d.comb += registers.busy.eq(~stopping)
                m.d.sync += [resets.eq(count < RESET_CYCLES - 1), count.eq(count + 1)]
                with m.If(count == RESET_CYCLES):
                    m.next = "START"
                    with m.If(stopping):
                        m.next = "IDLE"
            with m.State("START"):
                m.d.comb += [registers.busy.eq(1), core.start.eq(1)]
                m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += registers.busy.eq(1)
                m.d.sync += count.eq(0)
                with m.If(registers.soft_reset):
                    m.d.sync += stopping.eq(1)
                with m.If(core.finished | core.error | registers.soft_reset | stopping):
                    m.next = "HALT"
            with m.State("HALT"):
                m.d.comb += [registers.busy.eq(1), core.halt.eq(1)]
                with m.If(registers.soft_reset):
                    m.d.sync += stopping.eq(1)
                with m.If(count != SETTLE):
                    m.d.sync += count.eq(count + 1)
                with m.Elif(core.quiet):
                    m.d.sync += count.eq(0)
                    with m.If(stopping):
                        m.next = "RESET"
                    with m.Elif(core.error):
                        m.next = "ERROR"
                    with m.Else():
                        m.d.comb += registers.done.eq(1)
                        m.next = "IDLE"
            with m.State("ERROR"):
                m.d.comb += [registers.error.eq(1), core.halt.eq(1)]
                with m.If(registers.soft_reset):
                    m.d.sync += stopping.eq(1)
                    m.next = "RESET"
        return m


def make_accelerator(config: AcceleratorConfig) -> Accelerator | MicrocontrolledAccelerator:
    """The accelerator of `config`, whatever executes its commands; ports as of `Accelerator`."""
    if config.control.kind == "microcontroller":
        return MicrocontrolledAccelerator(config, firmware_image())
    return Accelerator(config)
