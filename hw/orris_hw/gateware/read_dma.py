"""Read DMA: memory to global buffer, parameters and commands."""

from enum import IntEnum
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..register_map import ErrorCode
from . import axi
from .buffers import SkidBuffer, StreamFifo
from .burst_planner import BUFFER_ADDRESS_BITS, BurstPlanner


class Destination(IntEnum):
    """Where read words go."""

    GLB = 0
    PARAMETERS = 1
    COMMANDS = 2


class ReadTransfer(data.Struct):
    """`rows` rows of `row_words` words: row i is read at byte `addr + i*row_stride` (modulo 2^32, multiples
    of 8) and written from word `dest_addr + i*dest_stride` (modulo 2^20) of `dest`, a `Destination`."""

    addr: 32
    row_words: 16
    rows: 16
    row_stride: 32
    dest: 2
    dest_addr: BUFFER_ADDRESS_BITS
    dest_stride: BUFFER_ADDRESS_BITS


class BufferWrite(data.Struct):
    """One word for word address `addr` of `dest`, a `Destination`."""

    dest: 2
    addr: BUFFER_ADDRESS_BITS
    data: axi.DATA_BITS


class _Expected(data.Struct):
    """A requested burst, or the fault of the transfer that cannot go on."""

    beats: range(axi.MAX_BEATS + 1)
    dest: 2
    addr: BUFFER_ADDRESS_BITS
    last: 1
    fault: ErrorCode


class _ReadBeat(data.Struct):
    data: axi.DATA_BITS
    resp: 2
    last: 1


class ReadDma(wiring.Component):
    """Executes read transfers in order, planning and requesting the next while data of earlier ones arrives.

        write(dest_addr + i*dest_stride + k) = memory[addr + i*row_stride + 8*k],  i < rows, k < row_words

    Latency: 5 cycles from transfer to arvalid, 2 from rvalid to write.valid. Throughput: 1 word per cycle,
    while min(row_words, 32) * outstanding covers the memory's latency and bursts have 2 words or more on
    average. Bursts are INCR, at most 32 beats, and cross neither 4 KiB nor a row's end; merge contiguous
    rows first.

    An error always belongs to the oldest transfer that is not done. After an error, or once `halt` has been
    high, the block has stopped until reset: it requests nothing more, accepts and drops what was requested,
    and offers no further word (a word already offered stays, as stream rules demand). It may be reset when
    `idle`.

    Parameters
    ----------
    outstanding : int
        Bursts in flight, 2 to 256.

    Members
    -------
    transfer : In(stream.Signature(ReadTransfer))
    write : Out(stream.Signature(BufferWrite))
    done : Out(1)
        High for one cycle per transfer, in the cycle after its last word was taken from `write`.
    axi : Out(Axi4Signature())
        Only AR and R are driven.
    window_base, window_limit : In(32)
        Bytes; only [window_base, window_limit) is read. Constant while busy.
    halt : In(1)
    error : Out(1)
        Sticky until reset.
    error_code : Out(ErrorCode)
        BAD_FIELD: no rows or words, misaligned address or stride. MEMORY_RANGE: outside the window.
        BUS_READ: error response, or RLAST where it does not belong.
    idle : Out(1)
        No burst is in flight; unless stopped, no transfer or word is pending either.

    Raises
    ------
    ValueError
        If `outstanding` is out of range.
    """

    def __init__(self, outstanding: int = 16):
        if not isinstance(outstanding, int) or not 2 <= outstanding <= 256:
            raise ValueError(f"ReadDma outstanding must be an integer in 2..256, not {outstanding!r}")
        self.outstanding = outstanding
        super().__init__({
            "transfer": In(stream.Signature(ReadTransfer)),
            "write": Out(stream.Signature(BufferWrite)),
            "done": Out(1),
            "axi": Out(axi.Axi4Signature()),
            "window_base": In(32),
            "window_limit": In(32),
            "halt": In(1),
            "error": Out(1),
            "error_code": Out(ErrorCode),
            "idle": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.planner = planner = BurstPlanner()
        m.submodules.expected = expected = StreamFifo(_Expected, self.outstanding)
        m.submodules.arrived = arrived = SkidBuffer(_ReadBeat)
        bus, write = self.axi, self.write
        stopped = Signal()
        with m.If(self.halt):
            m.d.sync += stopped.eq(1)

        given, inner = self.transfer.payload, planner.transfer.payload
        m.d.comb += [
            planner.transfer.valid.eq(self.transfer.valid),
            self.transfer.ready.eq(planner.transfer.ready),
            inner.addr.eq(given.addr),
            inner.row_words.eq(given.row_words),
            inner.rows.eq(given.rows),
            inner.row_stride.eq(given.row_stride),
            inner.dest.eq(given.dest),
            inner.buffer_addr.eq(given.dest_addr),
            inner.buffer_stride.eq(given.dest_stride),
            planner.window_base.eq(self.window_base),
            planner.window_limit.eq(self.window_limit),
        ]

        # Request: a planned burst goes to AR and, with what to do with its data, into `expected`. Only when
        # AR is empty, not when it is just being taken: the planner is no faster, and arready ends here.
        planned = planner.burst.payload
        request = planner.burst.valid & ~bus.arvalid & ~stopped
        requested = request & expected.i.ready & (planned.fault == ErrorCode.NONE)
        m.d.comb += [
            expected.i.valid.eq(request),
            expected.i.payload.beats.eq(planned.beats),
            expected.i.payload.dest.eq(planned.dest),
            expected.i.payload.addr.eq(planned.buffer_addr),
            expected.i.payload.last.eq(planned.last),
            expected.i.payload.fault.eq(planned.fault),
            planner.burst.ready.eq(expected.i.ready & ~bus.arvalid & ~stopped),
            bus.arsize.eq(axi.SIZE_WORD),
            bus.arburst.eq(axi.Burst.INCR),
        ]
        with m.If(requested):
            m.d.sync += [
                bus.arvalid.eq(1),
                bus.araddr.eq(planned.addr),
                bus.arlen.eq(planned.beats - 1),
            ]
        with m.Elif(bus.arready):
            m.d.sync += bus.arvalid.eq(0)

        # Data: each beat belongs to the oldest expected burst.
        burst, beat = expected.o.payload, arrived.o.payload
        m.d.comb += [
            arrived.i.valid.eq(bus.rvalid),
            bus.rready.eq(arrived.i.ready),
            arrived.i.payload.data.eq(bus.rdata),
            arrived.i.payload.resp.eq(bus.rresp),
            arrived.i.payload.last.eq(bus.rlast),
        ]
        index = Signal(range(axi.MAX_BEATS))  # of the beat within its burst
        ends_burst = Signal()
        ends_transfer = Signal()  # with write: its word is the transfer's last
        write_free = ~write.valid | write.ready
        faulty = expected.o.valid & (burst.fault != ErrorCode.NONE)
        usable = expected.o.valid & ~faulty & ~stopped
        accept = arrived.o.valid & usable & write_free
        bad = beat.resp[1] | (beat.last != ends_burst)
        m.d.comb += [
            ends_burst.eq(index == burst.beats - 1),
            arrived.o.ready.eq(stopped | (usable & write_free)),
            expected.o.ready.eq(accept & ends_burst),
        ]
        with m.If(write_free):
            m.d.sync += [
                write.valid.eq(accept & ~bad),
                write.payload.dest.eq(burst.dest),
                write.payload.addr.eq(burst.addr + index),
                write.payload.data.eq(beat.data),
                ends_transfer.eq(burst.last & ends_burst),
            ]
        with m.If(accept):
            m.d.sync += index.eq(index + 1)
            with m.If(ends_burst):
                m.d.sync += index.eq(0)
        m.d.sync += self.done.eq(write.valid & write.ready & ends_transfer)

        with m.If(accept & bad):
            m.d.sync += [self.error.eq(1), self.error_code.eq(ErrorCode.BUS_READ), stopped.eq(1)]
        # Everything before the fault has arrived; wait until it has been taken too, so that done comes first.
        with m.If(faulty & ~write.valid & ~stopped):
            m.d.sync += [self.error.eq(1), self.error_code.eq(burst.fault), stopped.eq(1)]

        # Bursts in flight are counted by the bus's own RLAST, so that idle is right whatever its data was.
        in_flight = Signal(range(self.outstanding + 2))
        arrived_last = arrived.o.valid & arrived.o.ready & beat.last
        with m.If(requested & ~arrived_last):
            m.d.sync += in_flight.eq(in_flight + 1)
        with m.Elif(arrived_last & ~requested):
            m.d.sync += in_flight.eq(in_flight - 1)
        m.d.comb += self.idle.eq(
            (in_flight == 0) & (stopped | ~(planner.busy | expected.o.valid | write.valid | self.done))
        )
        return m
