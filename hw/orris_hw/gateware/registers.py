"""The AXI4-Lite register block."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..register_map import (
    ADDRESS_WIDTH,
    COUNTER_BASE,
    COUNTER_BITS,
    COUNTERS,
    REGISTER,
    REGISTERS,
    Counter,
    ErrorCode,
    Register,
)
from .axi import Axi4LiteSignature, Resp
from .performance_counters import PerformanceCounters, increments

SETTINGS = tuple(register for register in REGISTERS if register.writable and not register.fields)
"""The registers that hold what a program needs, as plain values."""


class Registers(wiring.Component):
    """Control, status, settings, identity and performance counters, as `orris_hw.register_map` lays them out.

    One write and one read at a time, independent of each other. Latency: writes 2 cycles from the later of
    AW and W to B; reads 4 cycles from AR to R, a counter's LO 10 to len(counters) + 9, and includes all that
    was counted before. Errors (see `register_map`) are answered with SLVERR and data 0. The low two address
    bits count: an address that is not a register's is unknown.

    Parameters
    ----------
    constants : mapping of str to int
        What each register that is neither writable nor listed below reads; `register_map.constants(config)`.
    counters : sequence of Counter
        The performance counters there are, the first of COUNTERS.

    Members
    -------
    bus : In(Axi4LiteSignature(12))
    start, soft_reset : Out(1)
        High for one cycle. `start` comes only while neither `busy` nor `error` is high; raise `busy` in the
        cycle after.
    program_address, program_commands, read_base, read_limit, write_base, write_limit, timeout : Out(32)
        The settings; they never change while `busy`.
    busy : In(1)
        A program runs.
    done : In(1)
        High for one cycle when a program ends well.
    error : In(1)
        High from a program's failure until soft reset.
    error_code : In(ErrorCode)
    error_index : In(32)
    increments : In(increments(counters))
        What each performance counter gains in this cycle; counted while `busy`, cleared by `start`. Drive
        `increments.cycles` with 1.
    irq : Out(1)
        irq_enable & (done | error), done as in STATUS.

    Raises
    ------
    ValueError
        If `constants` lacks a register, or a value does not fit 32 bits.
    """

    def __init__(self, constants: Mapping[str, int], counters: Sequence[Counter] = COUNTERS):
        for register in _constant_registers():
            value = constants.get(register.name)
            if not isinstance(value, int) or not 0 <= value < 1 << 32:
                raise ValueError(f"Registers constant {register.name} must be in 0..2^32-1, not {value!r}")
        self._constants, self._counters = dict(constants), tuple(counters)
        super().__init__({
            "bus": In(Axi4LiteSignature(ADDRESS_WIDTH)),
            "start": Out(1),
            "soft_reset": Out(1),
            **{register.name.lower(): Out(32, init=register.reset) for register in SETTINGS},
            "busy": In(1),
            "done": In(1),
            "error": In(1),
            "error_code": In(ErrorCode),
            "error_index": In(32),
            "increments": In(increments(counters)),
            "irq": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        done, irq_enable = Signal(), Signal()
        self._write(m, done, irq_enable)
        self._read(m, done, irq_enable)
        m.d.sync += self.irq.eq(irq_enable & (done | self.error))
        return m

    def _write(self, m: Module, done: Signal, irq_enable: Signal) -> None:
        bus = self.bus
        word = Signal(32)
        whole, has_address, has_word = Signal(), Signal(), Signal()
        control, status = REGISTER["CONTROL"], REGISTER["STATUS"]
        targets = (control, status, *SETTINGS)
        hits = Signal(len(targets))  # which of them the address is of
        perform = Signal()
        accepted = Signal()
        m.d.comb += [
            bus.awready.eq(~has_address),
            bus.wready.eq(~has_word),
            perform.eq(has_address & has_word & ~bus.bvalid),
        ]
        with m.If(bus.awvalid & bus.awready):
            m.d.sync += [
                has_address.eq(1), hits.eq(Cat(bus.awaddr == register.offset for register in targets)),
            ]  # fmt: skip
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += [has_word.eq(1), word.eq(bus.wdata), whole.eq(bus.wstrb.all())]
        with m.If(bus.bvalid & bus.bready):
            m.d.sync += bus.bvalid.eq(0)

        m.d.sync += [self.start.eq(0), self.soft_reset.eq(0)]
        start, soft_reset = _bit(word, control, "start"), _bit(word, control, "soft_reset")
        startable = ~(start & (soft_reset | self.busy | self.start | self.error))
        settable = ~self.busy & ~self.start
        m.d.comb += accepted.eq(
            whole & ((hits[0] & startable) | hits[1] | (hits[2:].any() & settable))
        )
        with m.If(perform):
            m.d.sync += [
                has_address.eq(0),
                has_word.eq(0),
                bus.bvalid.eq(1),
                bus.bresp.eq(Mux(accepted, Resp.OKAY, Resp.SLVERR)),
            ]
            with m.If(accepted & hits[0]):
                m.d.sync += [
                    self.start.eq(start),
                    self.soft_reset.eq(soft_reset),
                    irq_enable.eq(_bit(word, control, "irq_enable")),
                ]
            with m.If(accepted & hits[1] & _bit(word, status, "done")):
                m.d.sync += done.eq(0)
            for hit, register in zip(hits[2:], SETTINGS, strict=True):
                with m.If(whole & hit & settable):
                    m.d.sync += getattr(self, register.name.lower()).eq(word)
        with m.If(self.start | self.soft_reset):
            m.d.sync += done.eq(0)
        with m.Elif(self.done):
            m.d.sync += done.eq(1)

    def _read(self, m: Module, done: Signal, irq_enable: Signal) -> None:
        m.submodules.counters = counters = PerformanceCounters(self._counters)
        bus = self.bus
        address = Signal(ADDRESS_WIDTH)
        value = Signal(32)
        known, counts = Signal(), Signal()
        hits = Signal(len(REGISTERS))
        # The upper bits of the counter whose LO was read last.
        latched = Signal(COUNTER_BITS - 32)
        counter_address = Signal(ADDRESS_WIDTH)
        m.d.comb += [
            counters.increment.eq(self.increments),
            counters.enable.eq(self.busy),
            counters.clear.eq(self.start),
            counter_address.eq(address - COUNTER_BASE),
            counters.index.eq(counter_address[3:]),
        ]
        readable = {
            **self._constants,
            **{register.name: getattr(self, register.name.lower()) for register in SETTINGS},
            "CONTROL": irq_enable << _lsb(REGISTER["CONTROL"], "irq_enable"),
            "STATUS": Cat(self.busy, done, self.error),
            "ERROR_CODE": self.error_code,
            "ERROR_INDEX": self.error_index,
        }
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += bus.arready.eq(1)
                with m.If(bus.arvalid):
                    m.d.sync += address.eq(bus.araddr)
                    m.next = "LOOK UP"
            with m.State("LOOK UP"):  # which register, now; what is in it, in the next cycle: both are wide
                m.d.sync += [
                    hits.eq(Cat(address == register.offset for register in REGISTERS)),
                    counts.eq((address >= COUNTER_BASE) & (counter_address < 8 * len(self._counters))
                              & ~address[:2].any()),
                ]  # fmt: skip
                m.next = "GATHER"
            with m.State("GATHER"):
                values = (Mux(hit, readable[register.name], 0)
                          for hit, register in zip(hits, REGISTERS, strict=True))  # fmt: skip
                m.d.sync += [value.eq(reduce(or_, values)), known.eq(hits.any() | counts)]
                m.next = "RESPOND"
                with m.If(counts):
                    m.d.sync += value.eq(latched)
                    with m.If(~address[2]):
                        m.next = "COUNT"
            with m.State("COUNT"):
                m.d.comb += counters.request.eq(1)
                m.d.sync += [value.eq(counters.value), latched.eq(counters.value[32:])]
                with m.If(counters.ready):
                    m.next = "RESPOND"
            with m.State("RESPOND"):
                with m.If(~bus.rvalid):
                    m.d.sync += [
                        bus.rvalid.eq(1),
                        bus.rdata.eq(value),
                        bus.rresp.eq(Mux(known, Resp.OKAY, Resp.SLVERR)),
                    ]
                with m.Elif(bus.rready):
                    m.d.sync += bus.rvalid.eq(0)
                    m.next = "IDLE"


def _constant_registers() -> list[Register]:
    return [
        register for register in REGISTERS
        if not register.writable and register.name not in ("ERROR_CODE", "ERROR_INDEX")
    ]


def _lsb(register: Register, field: str) -> int:
    return next(f.lsb for f in register.fields if f.name == field)


def _bit(word: Signal, register: Register, field: str) -> Any:
    return word[_lsb(register, field)]
