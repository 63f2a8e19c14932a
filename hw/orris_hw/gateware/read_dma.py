"""Read DMA: memory to global buffer, parameters and commands."""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..register_map import ErrorCode
from . import axi
from .buffers import SkidBuffer, StreamFifo
from .burst_planner import BUFFER_ADDRESS_BITS, BurstPlanner, whole_beats
from .event_sum import count_ones
from .word_aligner import WordAligner, lanes_of_run, run_lanes, run_mask


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


def buffer_write(port_words: int) -> data.StructLayout:
    """Words for word address `addr` of `dest`, a `Destination`, and the next ones.

    With several, `addr` is a multiple of their number, and only those in `mask` are written.
    """
    mask = {"mask": port_words} if port_words > 1 else {}
    words = {"data": port_words * axi.DATA_BITS, **mask}
    return data.StructLayout({"dest": 2, "addr": BUFFER_ADDRESS_BITS, **words})


def _expected(port_words: int) -> data.StructLayout:
    """A requested burst, or the fault of the transfer that cannot go on.

    With several words a beat, `lanes` says where its words begin and end.
    """
    return data.StructLayout(
        {
            "final": range(axi.MAX_BEATS),  # beats, minus one
            "dest": 2,
            "addr": BUFFER_ADDRESS_BITS,
            "last": 1,
            "fault": ErrorCode,
            **({"lanes": run_lanes(port_words)} if port_words > 1 else {}),
        }
    )


class ReadDma(wiring.Component):
    """Executes read transfers in order, planning and requesting the next while data of earlier ones arrives.

        write(dest_addr + i*dest_stride + k) = memory[addr + i*row_stride + 8*k],  i < rows, k < row_words

    Latency: 5 cycles from transfer to arvalid, 2 from rvalid to write.valid (3 with several words a beat).
    Throughput: 1 beat per cycle, while min(beats of a row, 32) * outstanding covers the memory's latency and
    bursts have 2 beats or more on average; with several words a beat, a cycle less for each burst whose words
    have other places in their beats than in the buffer's rows. Bursts are INCR, at most 32 beats, and cross
    neither 4 KiB nor a row's end; merge contiguous rows first. A burst may begin at any word of a beat.

    An error always belongs to the oldest transfer that is not done. After an error, or once `halt` has been
    high, the block has stopped until reset: it requests nothing more, accepts and drops what was requested,
    and offers no further word (a word already offered stays, as stream rules demand). It may be reset when
    `idle`.

    Parameters
    ----------
    outstanding : int
        Bursts in flight, 2 to 256.
    port_words : int
        64-bit words of a beat, a power of two up to 16.

    Members
    -------
    transfer : In(stream.Signature(ReadTransfer))
    write : Out(stream.Signature(buffer_write(port_words)))
    done : Out(1)
        High for one cycle per transfer, in the cycle after its last word was taken from `write`.
    words : Out(range(port_words + 1))
        Words that came from memory for a transfer in this cycle.
    axi : Out(Axi4Signature(port_words))
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

    def __init__(self, outstanding: int = 16, port_words: int = 1):
        if not isinstance(outstanding, int) or not 2 <= outstanding <= 256:
            raise ValueError(f"ReadDma outstanding must be an integer in 2..256, not {outstanding!r}")
        self.outstanding = outstanding
        self.port_words = port_words
        super().__init__({
            "transfer": In(stream.Signature(ReadTransfer)),
            "write": Out(stream.Signature(buffer_write(port_words))),
            "done": Out(1),
            "words": Out(range(port_words + 1)),
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
        m.submodules.planner = planner = BurstPlanner(self.port_words)
        m.submodules.expected = expected = StreamFifo(_expected(self.port_words), self.outstanding)
        m.submodules.arrived = arrived = SkidBuffer(
            data.StructLayout({"data": self.port_words * axi.DATA_BITS, "resp": 2, "last": 1})
        )
        bus = self.axi
        write, ended, empty = self._word_port(m)
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
        place = planned.addr[3:]
        final = whole_beats(place, planned.words, self.port_words)
        request = planner.burst.valid & ~bus.arvalid & ~stopped
        requested = request & expected.i.ready & (planned.fault == ErrorCode.NONE)
        m.d.comb += [
            expected.i.valid.eq(request),
            expected.i.payload.final.eq(final),
            expected.i.payload.dest.eq(planned.dest),
            expected.i.payload.addr.eq(planned.buffer_addr),
            expected.i.payload.last.eq(planned.last),
            expected.i.payload.fault.eq(planned.fault),
            planner.burst.ready.eq(expected.i.ready & ~bus.arvalid & ~stopped),
            bus.arsize.eq(axi.SIZE_WORD + exact_log2(self.port_words)),
            bus.arburst.eq(axi.Burst.INCR),
        ]
        if self.port_words > 1:
            m.d.comb += expected.i.payload.lanes.eq(lanes_of_run(place, planned.words, self.port_words))
        address, length = Signal.like(bus.araddr, reset_less=True), Signal.like(bus.arlen, reset_less=True)
        m.d.comb += [bus.araddr.eq(address), bus.arlen.eq(length)]
        with m.If(requested):
            m.d.sync += [
                bus.arvalid.eq(1),
                address.eq(planned.addr),
                length.eq(final),
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
        mask = Const(1, 1)  # the beat's words that the burst asked for
        if self.port_words > 1:
            mask = run_mask(burst.lanes, index == 0, ends_burst, self.port_words)
        ends_transfer = Signal()  # with write: its word is the transfer's last
        write_free = ~write.valid | write.ready
        faulty = expected.o.valid & (burst.fault != ErrorCode.NONE)
        usable = expected.o.valid & ~faulty & ~stopped
        accept = arrived.o.valid & usable & write_free
        bad = beat.resp[1] | (beat.last != ends_burst)
        m.d.comb += [
            ends_burst.eq(index == burst.final),
            arrived.o.ready.eq(stopped | (usable & write_free)),
            expected.o.ready.eq(accept & ends_burst),
        ]
        offered = Signal.like(write.payload, reset_less=True)
        m.d.comb += write.payload.eq(offered)
        with m.If(write_free):
            m.d.sync += [write.valid.eq(accept & ~bad), ends_transfer.eq(burst.last & ends_burst)]
            m.d.sync += self._offer(offered, burst, index, ends_burst, mask, beat.data)
        with m.If(accept):
            m.d.sync += index.eq(index + 1)
            with m.If(ends_burst):
                m.d.sync += index.eq(0)
        m.d.sync += self.done.eq(ended(ends_transfer))

        m.d.comb += self.words.eq(Mux(accept, count_ones(list(mask)), 0))
        with m.If(accept & bad):
            m.d.sync += [self.error.eq(1), self.error_code.eq(ErrorCode.BUS_READ), stopped.eq(1)]
        # Everything before the fault has arrived; wait until it has been taken too, so that done comes first.
        with m.If(faulty & empty & ~stopped):
            m.d.sync += [self.error.eq(1), self.error_code.eq(burst.fault), stopped.eq(1)]

        # Bursts in flight are counted by the bus's own RLAST, so that idle is right whatever its data was.
        in_flight = Signal(range(self.outstanding + 2))
        arrived_last = arrived.o.valid & arrived.o.ready & beat.last
        with m.If(requested & ~arrived_last):
            m.d.sync += in_flight.eq(in_flight + 1)
        with m.Elif(arrived_last & ~requested):
            m.d.sync += in_flight.eq(in_flight - 1)
        m.d.comb += self.idle.eq(
            (in_flight == 0) & (stopped | ~(planner.busy | expected.o.valid | ~empty | self.done))
        )
        return m

    def _word_port(self, m: Module) -> tuple[Any, Callable[[Signal], Any], Any]:
        """Where beats go; whether a transfer's last word is taken, given that it is in the beat offered
        there; whether no word is on its way."""
        write = self.write
        if self.port_words == 1:
            return write, lambda ends: write.valid & write.ready & ends, ~write.valid
        tag = data.StructLayout({"dest": 2, "end": 1})
        m.submodules.aligner = aligner = WordAligner(self.port_words, tag)
        beat = aligner.o.payload.beat
        m.d.comb += [
            write.valid.eq(aligner.o.valid),
            aligner.o.ready.eq(write.ready),
            write.payload.dest.eq(beat.tag.dest),
            write.payload.addr.eq(beat.row << exact_log2(self.port_words)),
            write.payload.data.eq(beat.data),
            write.payload.mask.eq(beat.mask),
        ]
        offered = stream.Signature(aligner.i.payload.shape()).create(path=("offered",))
        wiring.connect(m, offered, aligner.i)
        taken = write.valid & write.ready & aligner.o.payload.last & beat.tag.end
        return offered, lambda ends: taken, ~offered.valid & aligner.empty

    def _offer(
        self, offered: Any, burst: Any, index: Any, ends_burst: Any, mask: Any, words: Any
    ) -> list[Any]:
        """Assigns beat `index` of a burst, `words` of which those in `mask` count, to the word port."""
        if self.port_words == 1:
            return [offered.dest.eq(burst.dest), offered.addr.eq(burst.addr + index), offered.data.eq(words)]
        bits = exact_log2(self.port_words)
        # Lane 0 of a burst's first beat belongs `first` words before the burst's place in the buffer.
        place = (burst.addr - burst.lanes.first)[:BUFFER_ADDRESS_BITS]
        return [
            offered.beat.data.eq(words),
            offered.beat.mask.eq(mask),
            offered.beat.row.eq(place[bits:] + index),
            offered.beat.tag.dest.eq(burst.dest),
            offered.beat.tag.end.eq(burst.last),
            offered.shift.eq(place[:bits]),
            offered.last.eq(ends_burst),
        ]
