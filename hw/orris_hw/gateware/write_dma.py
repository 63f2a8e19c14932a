"""Write DMA: global buffer to memory."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..register_map import ErrorCode
from . import axi
from .buffers import StreamFifo
from .burst_planner import BUFFER_ADDRESS_BITS, BurstPlanner, whole_beats
from .event_sum import count_ones
from .word_aligner import WordAligner, lanes_of_run, run_lanes, run_mask


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
    """A request for the words at word address `addr`, a multiple of the port's words, and the next ones."""

    addr: BUFFER_ADDRESS_BITS


class _Beats(data.Struct):
    final: range(axi.MAX_BEATS)  # beats, minus one


def _fetch(port_words: int) -> data.StructLayout:
    """Rows of the buffer in which a burst's words lie, minus one, and the first one's address.

    With several words a beat: where the words begin and end, and how many lanes they move up.
    """
    lanes = {"lanes": run_lanes(port_words), "shift": exact_log2(port_words)} if port_words > 1 else {}
    return data.StructLayout(
        {"final": range(axi.MAX_BEATS + (port_words > 1)), "addr": BUFFER_ADDRESS_BITS, **lanes}
    )


class _Response(data.Struct):
    last: 1
    fault: ErrorCode


class WriteDma(wiring.Component):
    """Executes write transfers in order, keeping bursts of several in flight.

        memory[addr + i*row_stride + 8*k] = buffer[src_addr + i*src_stride + k],  i < rows, k < row_words

    Latency: 5 cycles from transfer to awvalid, 6 to read.valid, 2 from data to wvalid (3 with several words
    a beat). Throughput: 1 beat per cycle, while min(beats of a row, 32) * outstanding covers the latency of
    write responses and bursts have 2 beats or more on average; with several words a beat, a cycle less for
    each burst whose words have other places in their beats than in the buffer's rows. Bursts are INCR, at
    most 32 beats, and cross neither 4 KiB nor a row's end; a burst may begin at any word of a beat.
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
        Rows of words fetched ahead of W, at least 2.
    port_words : int
        64-bit words of a beat, a power of two up to 16.

    Members
    -------
    transfer : In(stream.Signature(WriteTransfer))
    read : Out(stream.Signature(BufferRead))
    data : In(stream.Signature(64 * port_words))
        The words asked for by `read`, in that order.
    done : Out(1)
        High for one cycle per transfer, in the cycle after the last of its write responses.
    fetched, words : Out(range(port_words + 1))
        Words asked for in the buffer, and given to memory, in this cycle.
    axi : Out(Axi4Signature(port_words))
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

    def __init__(self, outstanding: int = 16, prefetch: int = 16, port_words: int = 1):
        if not isinstance(outstanding, int) or not 2 <= outstanding <= 256:
            raise ValueError(f"WriteDma outstanding must be an integer in 2..256, not {outstanding!r}")
        if not isinstance(prefetch, int) or prefetch < 2:
            raise ValueError(f"WriteDma prefetch must be an integer of at least 2, not {prefetch!r}")
        self.outstanding = outstanding
        self.prefetch = prefetch
        self.port_words = port_words
        super().__init__({
            "transfer": In(stream.Signature(WriteTransfer)),
            "read": Out(stream.Signature(BufferRead)),
            "data": In(stream.Signature(port_words * axi.DATA_BITS)),
            "fetched": Out(range(port_words + 1)),
            "words": Out(range(port_words + 1)),
            "done": Out(1),
            "axi": Out(axi.Axi4Signature(port_words)),
            "window_base": In(32),
            "window_limit": In(32),
            "halt": In(1),
            "error": Out(1),
            "error_code": Out(ErrorCode),
            "idle": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes = self.port_words
        m.submodules.planner = planner = BurstPlanner(self.port_words)
        m.submodules.fetches = fetches = StreamFifo(_fetch(lanes), self.outstanding)
        m.submodules.words = words = StreamFifo(lanes * axi.DATA_BITS, self.prefetch)
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
        place = planned.addr[3:]
        final = whole_beats(place, planned.words, lanes)
        free = ~bus.awvalid & ~stopped & responses.i.ready
        issue = planner.burst.valid & free & (planned.fault == ErrorCode.NONE)
        m.d.comb += [
            planner.burst.ready.eq(free),
            responses.i.valid.eq(planner.burst.valid & free),
            responses.i.payload.last.eq(planned.last),
            responses.i.payload.fault.eq(planned.fault),
            fetches.i.valid.eq(issue),
            fetches.i.payload.final.eq(whole_beats(planned.buffer_addr, planned.words, lanes)),
            fetches.i.payload.addr.eq(planned.buffer_addr),
            bursts.i.valid.eq(issue),
            bursts.i.payload.final.eq(final),
            bus.awsize.eq(axi.SIZE_WORD + exact_log2(lanes)),
            bus.awburst.eq(axi.Burst.INCR),
        ]
        address, length = Signal.like(bus.awaddr, reset_less=True), Signal.like(bus.awlen, reset_less=True)
        m.d.comb += [bus.awaddr.eq(address), bus.awlen.eq(length)]
        with m.If(issue):
            m.d.sync += [
                bus.awvalid.eq(1),
                address.eq(planned.addr),
                length.eq(final),
            ]
        with m.Elif(bus.awready):
            m.d.sync += bus.awvalid.eq(0)

        # Fetch.
        read = self.read
        asked = fetches.o.payload
        fetched = Signal.like(asked.final)  # rows of the burst asked for so far
        room = Signal(range(self.prefetch + 1), init=self.prefetch)  # places in `words` not spoken for
        fetch = fetches.o.valid & ~stopped & (~read.valid | read.ready) & (room != 0)
        m.d.sync += room.eq(room - fetch + (words.o.valid & words.o.ready))
        ends_fetch = fetched == asked.final
        m.d.comb += fetches.o.ready.eq(fetch & ends_fetch)
        row, mask = asked.addr + fetched, Const(1, 1)
        if lanes > 1:
            bits = exact_log2(lanes)
            row = (asked.addr[bits:] + fetched) << bits
            mask = run_mask(asked.lanes, fetched == 0, ends_fetch, lanes)
            m.d.comb += [
                fetches.i.payload.shift.eq(place[:bits] - planned.buffer_addr[:bits]),
                fetches.i.payload.lanes.eq(lanes_of_run(planned.buffer_addr, planned.words, lanes)),
            ]
        m.d.comb += self.fetched.eq(Mux(fetch, count_ones(list(mask)), 0))
        wanted = Signal.like(read.payload.addr, reset_less=True)
        m.d.comb += read.payload.addr.eq(wanted)
        with m.If(fetch):
            m.d.sync += [
                read.valid.eq(1),
                wanted.eq(row),
                fetched.eq(Mux(ends_fetch, 0, fetched + 1)),
            ]
        with m.Elif(read.ready):
            m.d.sync += read.valid.eq(0)

        # W: one beat of data, or nothing under low strobes, for each beat of each issued burst.
        m.d.comb += [
            words.i.valid.eq(self.data.valid),
            words.i.payload.eq(self.data.payload),
            self.data.ready.eq(words.i.ready),
        ]
        source, beat, used = words.o, words.o.payload, Const(1, 1)
        if lanes > 1:
            source = self._align(m, words.o, fetch, mask, asked.shift, ends_fetch)
            beat, used = source.payload.beat.data, source.payload.beat.mask
        sent = Signal(range(axi.MAX_BEATS))  # beats of the burst sent so far
        send = bursts.o.valid & (source.valid | stopped) & (~bus.wvalid | bus.wready)
        ends_burst = sent == bursts.o.payload.final
        m.d.comb += [
            self.words.eq(Mux(send & ~stopped, count_ones(list(used)), 0)),
            source.ready.eq(send | stopped),
            bursts.o.ready.eq(send & ends_burst),
        ]
        sent_beat = Signal.like(bus.wdata, reset_less=True)
        m.d.comb += bus.wdata.eq(sent_beat)
        with m.If(send):
            m.d.sync += [
                bus.wvalid.eq(1),
                sent_beat.eq(beat),
                bus.wstrb.eq(Mux(stopped, 0, Cat(lane.replicate(axi.WORD_BYTES) for lane in used))),
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

    def _align(self, m: Module, rows: Any, fetch: Any, mask: Any, shift: Any, last: Any) -> Any:
        """The fetched rows as beats of memory; what is in a row is noted when it is asked for."""
        m.submodules.aligner = aligner = WordAligner(self.port_words, 0)
        given = aligner.i.payload
        note = data.StructLayout({"mask": self.port_words, "shift": given.shift.shape(), "last": 1})
        m.submodules.notes = notes = StreamFifo(note, self.prefetch)
        m.d.comb += [
            notes.i.valid.eq(fetch),
            notes.i.payload.mask.eq(mask),
            notes.i.payload.shift.eq(shift),
            notes.i.payload.last.eq(last),
            notes.o.ready.eq(rows.valid & rows.ready),
            aligner.i.valid.eq(rows.valid),
            rows.ready.eq(aligner.i.ready),
            given.beat.data.eq(rows.payload),
            given.beat.mask.eq(notes.o.payload.mask),
            given.shift.eq(notes.o.payload.shift),
            given.last.eq(notes.o.payload.last),
        ]
        return aligner.o
