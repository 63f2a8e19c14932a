"""A board's design: the system, its clock and its pads."""

from typing import Any

from amaranth.hdl import ClockSignal, Elaboratable, Instance, Module, ResetSignal, Signal
from amaranth.lib import io, wiring

from orris_hw.emission import emit_verilog

from ..sdram.chips import SdramChip
from .sdram_pins import SdramSignature
from .system import System, SystemParameters

INPUT, OUTPUT, BIDIR = io.Direction.Input, io.Direction.Output, io.Direction.Bidir

SYSTEM = "orris_system"
"""Name of the system's Verilog module."""


class BoardTop(Elaboratable):
    """The system as a Verilog module, the same that is simulated, between the board's pins.

    Parameters
    ----------
    parameters : SystemParameters
    clocking : Elaboratable
        Drives the domain `sync`, and `sdram` where there is an SDRAM.
    """

    def __init__(self, parameters: SystemParameters, clocking: Any):
        self._parameters, self._clocking = parameters, clocking

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.clocking = self._clocking
        platform.add_file(f"{SYSTEM}.v", emit_verilog(System(self._parameters), SYSTEM))
        serial = platform.request("uart", 0, dir={"rx": "-", "tx": "-", "rts": "-", "dtr": "-"})
        m.submodules.rx = rx = io.Buffer(INPUT, serial.rx)
        m.submodules.tx = tx = io.Buffer(OUTPUT, serial.tx)
        m.submodules.led = led = io.Buffer(OUTPUT, platform.request("led", 0, dir="-"))
        connections: dict[str, Any] = {
            "i_clk": ClockSignal(), "i_rst": ResetSignal(), "i_rx": rx.i, "o_tx": tx.o, "o_irq": led.o,
        }  # fmt: skip
        if isinstance(self._parameters.memory, SdramChip):
            pins = SdramSignature(self._parameters.memory.row_bits).create()
            for name, member in pins.signature.members.items():
                direction = "o" if member.flow is wiring.Out else "i"
                connections[f"{direction}_sdram_{name}"] = getattr(pins, name)
            self._connect_sdram(m, platform, pins)
        m.submodules.system = Instance(SYSTEM, **connections)
        return m

    def _connect_sdram(self, m: Module, platform: Any, pins: Any) -> None:
        """Every signal through a register in its pad; the clock from one that toggles twice a cycle."""
        names = ("clk", "clk_en", "cs", "we", "ras", "cas", "ba", "a", "dq", "dqm")
        sdram = platform.request("sdram", 0, dir=dict.fromkeys(names, "-"))
        for name in ("clk_en", "cs", "we", "ras", "cas", "ba", "a", "dqm"):
            m.submodules[f"sdram_{name}"] = pad = io.FFBuffer(OUTPUT, getattr(sdram, name))
            m.d.comb += pad.o.eq(getattr(pins, name))
        m.submodules.sdram_dq = dq = io.FFBuffer(BIDIR, sdram.dq)
        m.d.comb += [dq.o.eq(pins.dq_o), dq.oe.eq(pins.dq_oe), pins.dq_i.eq(dq.i)]
        m.submodules.sdram_clk = clock = io.DDRBuffer(OUTPUT, sdram.clk, o_domain="sdram")
        high = Signal(init=1)
        m.d.comb += [clock.o[0].eq(high), clock.o[1].eq(0)]
