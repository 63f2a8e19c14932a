"""Loads and stores as transactions on the AXI4 master."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..axi import SIZE_WORD, Axi4Signature, Burst
from .riscv import BusSignature


class MemoryPort(wiring.Component):
    """Each access a transaction of one 64-bit beat, one at a time.

    An access is never abandoned: `bus.valid` stays until `ready`. No latency of its own: the address is on
    the port with `valid`, `ready` comes with the answer. An access that waits for more than `patience` cycles
    is told of, and goes on.

    Members
    -------
    bus : In(BusSignature())
        31 bits of the address count.
    page : In(1)
        Bit 31 of the addresses.
    axi : Out(Axi4Signature())
    patience : In(32)
    late : Out(1)
        High for the one cycle after these.
    read_failed, write_failed : Out(1)
        High for the one cycle in which an error is answered.
    """

    bus: In(BusSignature())
    page: In(1)
    axi: Out(Axi4Signature())
    patience: In(32)
    late: Out(1)
    read_failed: Out(1)
    write_failed: Out(1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus, axi = self.bus, self.axi
        upper = bus.address[2]
        word = Cat(bus.address[3:31], self.page) << 3
        m.d.comb += [
            axi.araddr.eq(word), axi.arsize.eq(SIZE_WORD), axi.arburst.eq(Burst.INCR),
            axi.awaddr.eq(word), axi.awsize.eq(SIZE_WORD), axi.awburst.eq(Burst.INCR),
            axi.wdata.eq(bus.data.replicate(2)), axi.wlast.eq(1),
            axi.wstrb.eq(Mux(upper, bus.strobe << 4, bus.strobe)),
            bus.read_data.eq(Mux(upper, axi.rdata[32:], axi.rdata[:32])),
        ]  # fmt: skip
        waited = Signal(32)
        m.d.sync += [
            waited.eq(Mux(bus.valid & ~bus.ready, waited + 1, 0)),
            self.late.eq(bus.valid & ~bus.ready & (waited == self.patience)),
        ]
        addressed, sent = Signal(), Signal()
        with m.FSM():
            with m.State("ADDRESS"):
                with m.If(bus.valid & ~bus.write):
                    m.d.comb += axi.arvalid.eq(1)
                    with m.If(axi.arready):
                        m.next = "READ"
                with m.If(bus.valid & bus.write):
                    m.d.comb += [axi.awvalid.eq(~addressed), axi.wvalid.eq(~sent)]
                    m.d.sync += [
                        addressed.eq(addressed | axi.awready),
                        sent.eq(sent | axi.wready),
                    ]
                    with m.If((addressed | axi.awready) & (sent | axi.wready)):
                        m.d.sync += [addressed.eq(0), sent.eq(0)]
                        m.next = "WRITTEN"
            with m.State("READ"):
                m.d.comb += bus.ready.eq(axi.rvalid)
                with m.If(axi.rvalid):
                    m.next = "TAKE"
            with m.State("TAKE"):  # the core does
                m.d.comb += [axi.rready.eq(1), self.read_failed.eq(axi.rresp[1])]
                m.next = "ADDRESS"
            with m.State("WRITTEN"):
                m.d.comb += [
                    axi.bready.eq(1),
                    bus.ready.eq(axi.bvalid),
                    self.write_failed.eq(axi.bvalid & axi.bresp[1]),
                ]
                with m.If(axi.bvalid):
                    m.next = "ADDRESS"
        return m
