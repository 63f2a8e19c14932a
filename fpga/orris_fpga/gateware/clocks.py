"""Clocks: the domain `sync` of a board's design, from the board's oscillator."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, Module, ResetSignal, Signal
from amaranth.lib import io
from amaranth.lib.cdc import AsyncFFSynchronizer, ResetSynchronizer

POWER_ON_CYCLES = 255
"""Cycles of reset after configuration, in which block RAM and pads settle."""


class BoardClock(Elaboratable):
    """The oscillator's clock itself.

    Parameters
    ----------
    clock_hz : int
        Has to be the oscillator's frequency.

    Raises
    ------
    ValueError
        While elaborating, if it is not.
    """

    def __init__(self, clock_hz: int):
        self._clock_hz = clock_hz

    def elaborate(self, platform: Any) -> Module:
        if platform.default_clk_frequency != self._clock_hz:
            raise ValueError(f"the board's oscillator has {platform.default_clk_frequency / 1e6:g} MHz, and "
                             f"without a PLL no {self._clock_hz / 1e6:g} MHz can be made")
        m = Module()
        m.domains.sync = ClockDomain()
        pin = platform.request(platform.default_clk, dir="-")
        m.submodules.pin = buffer = io.Buffer(io.Direction.Input, pin)
        m.d.comb += ClockSignal().eq(buffer.i)
        platform.add_clock_constraint(buffer.i, self._clock_hz)
        m.domains.power_on = ClockDomain(reset_less=True)
        m.d.comb += ClockSignal("power_on").eq(ClockSignal())
        count, running = Signal(range(POWER_ON_CYCLES + 1)), Signal()
        m.d.power_on += running.eq(count == POWER_ON_CYCLES)
        with m.If(count != POWER_ON_CYCLES):
            m.d.power_on += count.eq(count + 1)
        m.submodules.reset = ResetSynchronizer(~running)
        return m


@dataclass(frozen=True)
class PllSettings:
    """Dividers of an EHXPLLL: out = in * feedback / reference, and the oscillator in it at out * output."""

    reference: int
    feedback: int
    output: int


VCO_MHZ = (400, 800)
COMPARE_MHZ = (3.125, 400)


def pll_settings(input_hz: float, output_hz: float) -> PllSettings:
    """Dividers that make `output_hz` exactly, with an output divider that is a multiple of 4.

    Raises
    ------
    ValueError
        If there are none.
    """
    for reference in range(1, 129):
        if input_hz / reference < COMPARE_MHZ[0] * 1e6:
            break
        feedback = output_hz * reference / input_hz
        if feedback != int(feedback) or not 1 <= feedback <= 80:
            continue
        for output in range(4, 129, 4):
            if VCO_MHZ[0] * 1e6 <= output_hz * output <= VCO_MHZ[1] * 1e6:
                return PllSettings(reference, int(feedback), output)
    raise ValueError(f"no PLL setting makes {output_hz / 1e6:g} MHz from {input_hz / 1e6:g} MHz")


class Ecp5Pll(Elaboratable):
    """`sync` from an ECP5's PLL, and `sdram`, a quarter period later, for the SDRAM's clock pin.

    Parameters
    ----------
    clock_hz : int
    """

    def __init__(self, clock_hz: int):
        self._clock_hz = clock_hz

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.domains.sdram = ClockDomain(reset_less=True)
        pin = platform.request(platform.default_clk, dir="-")
        m.submodules.pin = buffer = io.Buffer(io.Direction.Input, pin)
        settings = pll_settings(platform.default_clk_frequency, self._clock_hz)
        locked, clock = Signal(), Signal()
        m.submodules.pll = Instance(
            "EHXPLLL",
            p_PLLRST_ENA="DISABLED", p_INTFB_WAKE="DISABLED", p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED", p_FEEDBK_PATH="CLKOP", p_OUTDIVIDER_MUXA="DIVA",
            p_OUTDIVIDER_MUXB="DIVB", p_CLKOP_ENABLE="ENABLED", p_CLKOS_ENABLE="ENABLED",
            p_CLKI_DIV=settings.reference, p_CLKFB_DIV=settings.feedback,
            p_CLKOP_DIV=settings.output, p_CLKOP_CPHASE=settings.output - 1, p_CLKOP_FPHASE=0,
            p_CLKOS_DIV=settings.output, p_CLKOS_CPHASE=settings.output - 1 + settings.output // 4,
            p_CLKOS_FPHASE=0,
            i_CLKI=buffer.i, i_CLKFB=clock, o_CLKOP=clock, o_CLKOS=ClockSignal("sdram"), o_LOCK=locked,
            i_RST=0, i_STDBY=0, i_PHASESEL0=0, i_PHASESEL1=0, i_PHASEDIR=0, i_PHASESTEP=0, i_PHASELOADREG=0,
            i_PLLWAKESYNC=0, i_ENCLKOP=0,
            a_ICP_CURRENT="12", a_LPF_RESISTOR="8", a_MFG_ENABLE_FILTEROPAMP="1", a_MFG_GMCREF_SEL="2",
        )  # fmt: skip
        m.d.comb += ClockSignal().eq(clock)
        platform.add_clock_constraint(clock, self._clock_hz)
        # A register of its own behind the synchroniser: synthesis may make copies of it.
        m.domains.power_on = ClockDomain(reset_less=True)
        m.d.comb += ClockSignal("power_on").eq(clock)
        unlocked, reset = Signal(), Signal(init=1)
        m.submodules.unlocked = AsyncFFSynchronizer(~locked, unlocked, o_domain="power_on")
        m.d.power_on += reset.eq(unlocked)
        m.d.comb += ResetSignal().eq(reset)
        return m
