"""Two AXI4 masters in front of one slave."""

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from orris_hw.gateware.axi import Axi4Signature

MAX_BURSTS = 63
"""Bursts of one kind that may be under way."""


class AxiSwitch(wiring.Component):
    """Gives the port to one of two masters at a time.

    A master keeps the port until the other one asks for it and all its own bursts have been answered. From
    then on its new bursts wait. No latency; a change of masters costs the time until the last answer.
    The slave has to take a burst's data only after its address.

    Members
    -------
    masters[0], masters[1] : In(Axi4Signature())
    slave : Out(Axi4Signature())
    """

    def __init__(self) -> None:
        super().__init__({"masters": In(Axi4Signature()).array(2), "slave": Out(Axi4Signature())})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        slave = self.slave
        owner, blocked = Signal(), Signal()
        reads, writes = Signal(range(MAX_BURSTS + 1)), Signal(range(MAX_BURSTS + 1))
        wants = [master.arvalid | master.awvalid for master in self.masters]
        others = Mux(owner, wants[0], wants[1])
        may_read, may_write = Signal(), Signal()
        m.d.comb += [
            may_read.eq(~blocked & (reads != MAX_BURSTS)),
            may_write.eq(~blocked & (writes != MAX_BURSTS)),
        ]
        for number, master in enumerate(self.masters):
            with m.If(owner == number):
                for name, member in Axi4Signature().members.items():
                    source, sink = (master, slave) if member.flow is Out else (slave, master)
                    allowed = {"ar": may_read, "aw": may_write}.get(name[:2], Const(1))
                    value = getattr(source, name)
                    handshake = name.endswith(("valid", "ready"))
                    m.d.comb += getattr(sink, name).eq(value & allowed if handshake else value)
        ends = slave.rvalid & slave.rready & slave.rlast
        m.d.sync += [
            reads.eq(reads + (slave.arvalid & slave.arready) - ends),
            writes.eq(writes + (slave.awvalid & slave.awready) - (slave.bvalid & slave.bready)),
            # An address that was offered stays offered: block only between bursts.
            blocked.eq(others & ~(slave.arvalid & ~slave.arready) & ~(slave.awvalid & ~slave.awready)),
        ]
        with m.If(blocked & (reads == 0) & (writes == 0)):
            m.d.sync += [owner.eq(~owner), blocked.eq(0)]
        return m
