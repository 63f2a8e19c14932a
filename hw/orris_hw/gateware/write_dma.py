"""Write DMA: global buffer to memory."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..register_map import ErrorCode
from . import axi
from .buffers import StreamFifo
from .burst_planner import BUFFER_ADDRESS_BITS, BurstPlanner


class WriteTransfer(data.Struct):
    """`rows` rows of `row_words` words: row i is fetched from word `src_addr + i*src_stride` (modulo 2^20) of
    the global buffer and written at byte `addr + i*row_stride` (modulo 2^32, multiples of 8)."""

    addr: 32
    row_words: 16
    rows: 16
    row_stride: 32
    src_addr: BUFFER_ADDRESS_BITS
    src_stride: BUFFER_ADDRESS_BITS


class BufferRead(data.Struct):
    """A request for the word at word address `addr`."""

    addr: BUFFER_ADDRESS_BITS


class _Beats(data.Struct):
    beats: range(axi.MAX_BEATS + 1)


class _Fetch(data.Struct):
    beats: range(axi.MAX_BEATS + 1)
    addr: BUFFER_ADDRESS_BITS


class _Response(data.Struct):
    last: 1
    fault: ErrorCode


class WriteDma(wiring.Component):
    """Executes write transfers in order, keeping bursts of several in flight.

        memory[addr + i*row_stride + 8*k] = buffer[src_addr + i*src_stride + k],  i < rows, k < row_words

    Latency: 5 cycles from transfer to awvalid, 6 to read.valid, 2 from data to wvalid. Throughput: 1 word
    per cycle, while min(row_words, 32) * outstanding covers the latency of write responses and bursts have
    2 words or more on average. Bursts are INCR, at most 32 beats, and cross neither 4 KiB nor a row's end.
    Words are fetched ahead of W, across bursts and transfers, as far as `prefetch` has room for them: they
    are always taken at once, so that whoever shares the buffer's port does not wait for memory.

    An error always belongs to the oldest transfer that is not done. After an error, or once `halt` has been
    high, the block has stopped until reset: it issues no burst and fetches nothing more, drops fetched
    words, finishes issued bursts with WSTRB = 0, which writes nothing, and awaits their responses. `done`
    stays low from then on. The block may be reset when `idle`.

    Parameters
    ----------
    outstanding : int
        Bursts in flight, 2 to 256.
    prefetch : int
        Words fetched ahead of W, at least 2.

    Members
    -------
    transfer : In(stream.Signature(WriteTransfer))
    read : Out(stream.Signature(BufferRead))
    data : In(stream.Signature(64))
        The words asked for by `read`, in that order.
    done : Out(1)
        High for one cycle per transfer, in the cycle after the last of its write responses.
    axi : Out(Axi4Signature())
        Only AW, W and B are driven.
    window_base, window_limit : In(32)
        Bytes; only [window_base, window_limit) is written. Constant while busy.
    halt : In(1)
    error : Out(1)
        Sticky until reset.
    error_code : Out(ErrorCode)
        BAD_FIELD: no rows or words, misaligned address or stride. MEMORY_RANGE: outside the window.
        BUS_WRITE: error response.
    idle : Out(1)
        No burst is in flight; unless stopped, no transfer is pending either.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, outstanding: int = 16, prefetch: int = 16):
        if not isinstance(outstanding, int) or not 2 <= outstanding <= 256:
            raise ValueError(f"WriteDma outstanding must be an integer in 2..256, not {outstanding!r}")
        if not isinstance(prefetch, int) or prefetch < 2:
            raise ValueError(f"WriteDma prefetch must be an integer of at least 2, not {prefetch!r}")
        self.outstanding = outstanding
        self.prefetch = prefetch
        super().__init__({
            "transfer": In(stream.Signature(WriteTransfer)),
            "read": Out(stream.Signature(BufferRead)),
            "data": In(stream.Signature(axi.DATA_BITS)),
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
        m.submodules.fetches = fetches = StreamFifo(_Fetch, self.outstanding)
        m.submodules.words = words = StreamFifo(axi.DATA_BITS, self.prefetch)
        m.submodules.bursts = bursts = StreamFifo(_Beats, self.outstanding)
        m.submodules.responses = responses = StreamFifo(_Response, self.outstanding)
        bus = self.axi
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
            inner.buffer_addr.eq(given.src_addr),
            inner.buffer_stride.eq(given.src_stride),
            planner.window_base.eq(self.window_base),
            planner.window_limit.eq(self.window_limit),
        ]

        # Issue: a planned burst goes to AW and to the three queues below at once; a fault only to
        # `responses`, where it waits until all before it has been written. `fetches` and `bursts` never hold
        # more than `responses`, whose entries leave last, so its room is room in all.
        planned = planner.burst.payload
        free = ~bus.awvalid & ~stopped & responses.i.ready
        issue = planner.burst.valid & free & (planned.fault == ErrorCode.NONE)
        m.d.comb += [
            planner.burst.ready.eq(free),
            responses.i.valid.eq(planner.burst.valid & free),
            responses.i.payload.last.eq(planned.last),
            responses.i.payload.fault.eq(planned.fault),
            fetches.i.valid.eq(issue),
            fetches.i.payload.beats.eq(planned.beats),
            fetches.i.payload.addr.eq(planned.buffer_addr),
            bursts.i.valid.eq(issue),
            bursts.i.payload.beats.eq(planned.beats),
            bus.awsize.eq(axi.SIZE_WORD),
            bus.awburst.eq(axi.Burst.INCR),
        ]
        with m.If(issue):
            m.d.sync += [
                bus.awvalid.eq(1),
                bus.awaddr.eq(planned.addr),
                bus.awlen.eq(planned.beats - 1),
            ]
        with m.Elif(bus.awready):
            m.d.sync += bus.awvalid.eq(0)

        # Fetch.
        read = self.read
        fetched = Signal(range(axi.MAX_BEATS))  # words of the burst asked for so far
        room = Signal(range(self.prefetch + 1), init=self.prefetch)  # places in `words` not spoken for
        fetch = fetches.o.valid & ~stopped & (~read.valid | read.ready) & (room != 0)
        m.d.sync += room.eq(room - fetch + (words.o.valid & words.o.ready))
        ends_fetch = fetched == fetches.o.payload.beats - 1
        m.d.comb += fetches.o.ready.eq(fetch & ends_fetch)
        with m.If(fetch):
            m.d.sync += [
                read.valid.eq(1),
                read.payload.addr.eq(fetches.o.payload.addr + fetched),
                fetched.eq(Mux(ends_fetch, 0, fetched + 1)),
            ]
        with m.Elif(read.ready):
            m.d.sync += read.valid.eq(0)

        # W: one word of data, or nothing under low strobes, for each beat of each issued burst.
        sent = Signal(range(axi.MAX_BEATS))  # beats of the burst sent so far
        send = bursts.o.valid & (words.o.valid | stopped) & (~bus.wvalid | bus.wready)
        ends_burst = sent == bursts.o.payload.beats - 1
        m.d.comb += [
            words.i.valid.eq(self.data.valid),
            words.i.payload.eq(self.data.payload),
            self.data.ready.eq(words.i.ready),
            words.o.ready.eq(send | stopped),
            bursts.o.ready.eq(send & ends_burst),
        ]
        with m.If(send):
            m.d.sync += [
                bus.wvalid.eq(1),
                bus.wdata.eq(words.o.payload),
                bus.wstrb.eq(Mux(stopped, 0, -1)),
                bus.wlast.eq(ends_burst),
                sent.eq(Mux(ends_burst, 0, sent + 1)),
            ]
        with m.Elif(bus.wready):
            m.d.sync += bus.wvalid.eq(0)

        # B.
        oldest = responses.o.payload
        faulty = responses.o.valid & (oldest.fault != ErrorCode.NONE)
        respond = bus.bvalid & bus.bready
        m.d.comb += [
            bus.bready.eq(responses.o.valid & ~faulty),
            responses.o.ready.eq(bus.bvalid & ~faulty),
        ]
        m.d.sync += self.done.eq(respond & oldest.last & ~bus.bresp[1] & ~stopped)
        with m.If(respond & bus.bresp[1] & ~stopped):
            m.d.sync += [self.error.eq(1), self.error_code.eq(ErrorCode.BUS_WRITE), stopped.eq(1)]
        with m.If(faulty & ~stopped):
            m.d.sync += [self.error.eq(1), self.error_code.eq(oldest.fault), stopped.eq(1)]

        # A fault is in `responses` only when nothing else is, so once stopped what is left is in flight.
        in_flight = responses.o.valid & ~faulty
        m.d.comb += self.idle.eq(~in_flight & (stopped | ~(planner.busy | responses.o.valid | self.done)))
        return m
