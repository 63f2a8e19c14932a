"""A small AXI4 master to try the simulation harness on: reads a burst, adds one to each word, writes it back.

It has the accelerator's ports. Registers: 0 source, 4 destination, 8 words (a write starts it), 12 misdeed,
16 (read) the OR of all responses; the interrupt stays until the next start.
"""

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from orris_hw.gateware.axi import Axi4LiteSignature, Axi4Signature

WORDS = 32


class Misdeed(enum.Enum, shape=3):
    NONE = 0
    EARLY_WLAST = 1
    DROPPED_AWVALID = 2
    CHANGED_WDATA = 3


class CopyEngine(wiring.Component):
    m_axi: Out(Axi4Signature())
    s_axi: In(Axi4LiteSignature())
    irq: Out(1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus, axi = self.s_axi, self.m_axi
        registers = Array(Signal(32, name=name) for name in ("source", "destination", "words", "misdeed"))
        source, destination, words, misdeed = registers
        buffer = Array(Signal(64, name=f"word_{k}") for k in range(WORDS))
        responses, beat, start, last = Signal(2), Signal(range(WORDS)), Signal(), Signal()
        changing = Signal()

        m.d.comb += [bus.awready.eq(bus.wvalid & ~bus.bvalid), bus.wready.eq(bus.awvalid & ~bus.bvalid)]
        m.d.comb += bus.arready.eq(~bus.rvalid)
        m.d.sync += start.eq(0)
        with m.If(bus.awvalid & bus.wvalid & ~bus.bvalid):
            m.d.sync += [bus.bvalid.eq(1), bus.bresp.eq(Mux(bus.awaddr > 12, 2, 0))]
            m.d.sync += [registers[bus.awaddr[2:4]].eq(bus.wdata), start.eq(bus.awaddr == 8)]
        with m.If(bus.bvalid & bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += [bus.rvalid.eq(1), bus.rresp.eq(Mux(bus.araddr > 16, 2, 0))]
            m.d.sync += bus.rdata.eq(Mux(bus.araddr[4], responses, registers[bus.araddr[2:4]]))
        with m.If(bus.rvalid & bus.rready):
            m.d.sync += bus.rvalid.eq(0)

        for channel, address in ("ar", source), ("aw", destination):
            m.d.comb += [
                getattr(axi, f"{channel}addr").eq(address),
                getattr(axi, f"{channel}len").eq(words - 1),
                getattr(axi, f"{channel}size").eq(3),
                getattr(axi, f"{channel}burst").eq(1),
            ]
        m.d.comb += [
            last.eq(beat == words - 1),
            axi.wstrb.eq(0xFF),
            axi.wlast.eq(Mux(misdeed == Misdeed.EARLY_WLAST.value, beat == 0, last)),
            axi.wdata.eq(buffer[beat] + 1 + ((misdeed == Misdeed.CHANGED_WDATA.value) & changing)),
        ]
        with m.FSM():
            with m.State("IDLE"):
                with m.If(start):
                    m.d.sync += [self.irq.eq(0), responses.eq(0), beat.eq(0), axi.arvalid.eq(1)]
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += axi.rready.eq(1)
                with m.If(axi.arready):
                    m.d.sync += axi.arvalid.eq(0)
                with m.If(axi.rvalid):
                    m.d.sync += [buffer[beat].eq(axi.rdata), beat.eq(beat + 1)]
                    m.d.sync += responses.eq(responses | axi.rresp)
                    with m.If(axi.rlast):
                        m.d.sync += [beat.eq(0), axi.awvalid.eq(1)]
                        m.next = "ADDRESS"
            with m.State("ADDRESS"):
                with m.If(axi.awready | (misdeed == Misdeed.DROPPED_AWVALID.value)):
                    m.d.sync += [axi.awvalid.eq(0), axi.wvalid.eq(1)]
                    m.next = "WRITE"
            with m.State("WRITE"):
                m.d.sync += changing.eq(~changing)
                with m.If(axi.wready):
                    m.d.sync += beat.eq(beat + 1)
                    with m.If(last):
                        m.d.sync += axi.wvalid.eq(0)
                        m.next = "RESPONSE"
            with m.State("RESPONSE"):
                m.d.comb += axi.bready.eq(1)
                with m.If(axi.bvalid):
                    m.d.sync += [responses.eq(responses | axi.bresp), self.irq.eq(1)]
                    m.next = "IDLE"
        return m
