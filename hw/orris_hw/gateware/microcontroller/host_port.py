"""The host's AXI4-Lite registers, kept in the core's RAM."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...microcontroller.memory_map import REGISTERS_BYTES
from ...register_map import (
    ADDRESS_WIDTH,
    COUNTER_BASE,
    DEFAULT_TIMEOUT,
    FEW_COUNTERS,
    REGISTER,
    REGISTERS,
    ErrorCode,
    Register,
)
from ..axi import Axi4LiteSignature, Resp
from ..registers import SETTINGS


class HostPort(wiring.Component):
    """CONTROL and STATUS, and the way to all other registers, as `orris_hw.register_map` lays them out.

    One access at a time, a write before a read; each is answered as soon as the core leaves the RAM alone for
    a cycle, and none before firmware has started. The RAM is the host's until a register's value is taken.
    `late` ends a program with TIMEOUT, about which firmware is not asked.
    Latency: 3 cycles, from the later of AW and W to B, or from AR to R, while the core does.

    Members
    -------
    bus : In(Axi4LiteSignature(12))
    request : Out(1), address : Out(log2(REGISTERS_BYTES / 4)), write : Out(1), data : Out(32)
        Access to the RAM's register words, made in a cycle in which `grant` is high.
    grant : In(1)
    hold : Out(1)
        The word read has to stay on `read_data`.
    read_data : In(32)
        The cycle after the access.
    finish : In(1), finish_done : In(1), finish_error : In(1)
        The program has ended, or firmware has started.
    late : In(1)
        Memory has not answered for as long as `patience`.
    patience : Out(32)
        The register TIMEOUT.
    busy : Out(1)
        The host has started a program that has not ended.
    halted : Out(1)
        Memory was late: firmware is not to go on, until a soft reset.
    cold : Out(1)
        Firmware has not started yet.
    restart : Out(1)
        High for one cycle on a soft reset.
    irq : Out(1)
    """

    bus: In(Axi4LiteSignature(ADDRESS_WIDTH))
    request: Out(1)
    address: Out(range(REGISTERS_BYTES // 4))
    write: Out(1)
    data: Out(32)
    grant: In(1)
    hold: Out(1)
    read_data: In(32)
    finish: In(1)
    finish_done: In(1)
    finish_error: In(1)
    late: In(1)
    patience: Out(32, init=DEFAULT_TIMEOUT)
    busy: Out(1)
    halted: Out(1)
    cold: Out(1, init=1)
    restart: Out(1)
    irq: Out(1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        bus = self.bus
        started, done, error, irq_enable = Signal(), Signal(), Signal(), Signal()
        m.d.sync += self.irq.eq(irq_enable & (done | error))
        with m.If(self.finish):
            m.d.sync += [
                started.eq(1), self.cold.eq(0),
                self.busy.eq(0), done.eq(self.finish_done), error.eq(self.finish_error),
            ]  # fmt: skip
        with m.If(self.late & self.busy):
            m.d.sync += [self.halted.eq(1), self.busy.eq(0), error.eq(1)]

        m.d.comb += [
            self.data.eq(bus.wdata),
            self.address.eq(Mux(self.write, bus.awaddr, bus.araddr)[2:]),
        ]
        word = bus.wdata
        start, soft_reset = _bit(word, "CONTROL", "start"), _bit(word, "CONTROL", "soft_reset")
        accepted = Signal()
        is_control, is_status, is_code, known = Signal(), Signal(), Signal(), Signal()
        with m.FSM():
            with m.State("IDLE"):
                with m.If(started & bus.awvalid & bus.wvalid):
                    m.next = "WRITE"
                with m.Elif(started & bus.arvalid):
                    m.next = "READ"
            with m.State("WRITE"):
                m.d.comb += self.write.eq(1)
                settings = Cat(bus.awaddr == register.offset for register in SETTINGS).any()
                whole = bus.wstrb.all()
                with m.If(_at(bus.awaddr, "CONTROL")):
                    m.d.comb += accepted.eq(whole & ~(start & (soft_reset | self.busy | error)))
                with m.Elif(_at(bus.awaddr, "STATUS")):
                    m.d.comb += accepted.eq(whole)
                with m.Else():
                    m.d.comb += [
                        accepted.eq(whole & settings & ~self.busy),
                        self.request.eq(accepted),
                    ]
                with m.If(self.grant | ~self.request):
                    m.d.comb += [bus.awready.eq(1), bus.wready.eq(1)]
                    m.d.sync += bus.bresp.eq(Mux(accepted, Resp.OKAY, Resp.SLVERR))
                    m.next = "WRITTEN"
                    with m.If(accepted & _at(bus.awaddr, "CONTROL")):
                        m.d.sync += irq_enable.eq(_bit(word, "CONTROL", "irq_enable"))
                        with m.If(start):
                            m.d.sync += [self.busy.eq(1), done.eq(0)]
                        with m.If(soft_reset):
                            m.d.comb += self.restart.eq(1)
                            m.d.sync += [
                                self.busy.eq(0), done.eq(0), error.eq(0), started.eq(0), self.halted.eq(0),
                            ]  # fmt: skip
                    with m.If(accepted & _at(bus.awaddr, "TIMEOUT")):
                        m.d.sync += self.patience.eq(word)
                    with m.If(accepted & _at(bus.awaddr, "STATUS") & _bit(word, "STATUS", "done")):
                        m.d.sync += done.eq(0)
            with m.State("WRITTEN"):
                m.d.comb += bus.bvalid.eq(1)
                with m.If(bus.bready):
                    m.next = "IDLE"
            with m.State("READ"):
                m.d.comb += self.request.eq(1)
                with m.If(self.grant):
                    m.d.comb += bus.arready.eq(1)
                    m.d.sync += [
                        is_control.eq(_at(bus.araddr, "CONTROL")),
                        is_status.eq(_at(bus.araddr, "STATUS")),
                        is_code.eq(_at(bus.araddr, "ERROR_CODE")),
                        known.eq(_known(bus.araddr)),
                    ]
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += [self.hold.eq(1), bus.rvalid.eq(1)]
                with m.If(bus.rready):
                    m.next = "IDLE"
        with m.If(~known):
            m.d.comb += bus.rresp.eq(Resp.SLVERR)
        with m.Elif(is_control):
            m.d.comb += bus.rdata.eq(irq_enable << _lsb("CONTROL", "irq_enable"))
        with m.Elif(is_status):
            m.d.comb += bus.rdata.eq(Cat(self.busy, done, error))
        with m.Elif(is_code & self.halted):
            m.d.comb += bus.rdata.eq(ErrorCode.TIMEOUT)
        with m.Else():
            m.d.comb += bus.rdata.eq(self.read_data)
        return m


def _known(address: Value) -> Value:
    """Whether there is a register."""
    counters = (address[5:] == COUNTER_BASE >> 5) & ~address[:2].any()
    assert FEW_COUNTERS * 8 == 1 << 5
    return Cat(*(address == register.offset for register in REGISTERS), counters).any()


def _at(address: Value, name: str) -> Value:
    return address == REGISTER[name].offset


def _lsb(name: str, field: str) -> int:
    register: Register = REGISTER[name]
    return next(f.lsb for f in register.fields if f.name == field)


def _bit(word: Value, name: str, field: str) -> Value:
    return word[_lsb(name, field)]
