"""Cuts two-dimensional transfers into AXI bursts."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..register_map import ErrorCode
from .axi import MAX_BEATS

BUFFER_ADDRESS_BITS = 20
"""Bits of a word address on the accelerator's side."""


class Transfer(data.Struct):
    """`rows` rows of `row_words` words; row i begins at byte `addr + i*row_stride` (modulo 2^32) of memory
    and at word `buffer_addr + i*buffer_stride` (modulo 2^20) of the buffer. `dest` is passed through."""

    addr: 32
    row_words: 16
    rows: 16
    row_stride: 32
    dest: 2
    buffer_addr: BUFFER_ADDRESS_BITS
    buffer_stride: BUFFER_ADDRESS_BITS


def planned_burst(port_words: int) -> data.StructLayout:
    """`words` consecutive words in 1 to 32 beats; `last` marks the transfer's last burst. With a `fault` it
    stands for a transfer that cannot go on: nothing is to be moved, and no burst follows it."""
    return data.StructLayout(
        {
            "addr": 32,
            "words": range(MAX_BEATS * port_words + 1),
            "dest": 2,
            "buffer_addr": BUFFER_ADDRESS_BITS,
            "last": 1,
            "fault": ErrorCode,
        }
    )


def whole_beats(start: Value, words: Value, lanes: int) -> Value:
    """Beats of `lanes` words that hold `words` consecutive ones from word `start` on, minus one."""
    bits = exact_log2(lanes)
    return (start[:bits] + words - 1)[bits:] if bits else words - 1


class BurstPlanner(wiring.Component):
    """Turns transfers into bursts that cross neither a row's end, 4 KiB, nor the window's bounds.

        words = min(words left in the row, those of 32 beats, words to the next 4 KiB boundary)

    A burst may begin at any word of a beat of `port_words` words; the next one begins with a whole beat.

    A transfer with no rows, no words, or an address or row stride that is not a multiple of 8 ends in the
    fault BAD_FIELD; a burst not within [window_base, window_limit) in MEMORY_RANGE. Faults are in order:
    every burst of earlier transfers and of earlier rows comes first.

    Latency 4 cycles from transfer to first burst; one burst every 2 cycles, one cycle more per transfer.
    Measuring, advancing the addresses and checking the window are steps of their own, so that no path holds
    more than one 32-bit carry chain.

    Parameters
    ----------
    port_words : int
        Words of a beat, a power of two up to 16.

    Members
    -------
    transfer : In(stream.Signature(Transfer))
    burst : Out(stream.Signature(planned_burst(port_words)))
    window_base, window_limit : In(32)
        Bytes; constant while busy.
    busy : Out(1)
        A transfer is being planned or a burst waits to be taken.
    """

    def __init__(self, port_words: int = 1):
        self.port_words = port_words
        super().__init__(
            {
                "transfer": In(stream.Signature(Transfer)),
                "burst": Out(stream.Signature(planned_burst(port_words))),
                "window_base": In(32),
                "window_limit": In(32),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        given = self.transfer.payload
        active, measured, malformed = Signal(), Signal(), Signal()
        # addr, buffer_addr: of the row; rows: those left, this one included
        row = Signal(Transfer, reset_less=True)
        addr = Signal(32, reset_less=True)
        buffer_addr = Signal(BUFFER_ADDRESS_BITS, reset_less=True)
        words_left = Signal(16, reset_less=True)

        # Step 1: how long is the burst, and does it end the row? Numbers of words, minus one.
        lane_bits, most = exact_log2(self.port_words), MAX_BEATS * self.port_words
        piece = 8 + lane_bits  # an address bit: 4 KiB are 2^(12 - piece) times 32 whole beats
        word_bits = piece - 3
        ends_page = addr[piece:12].all()
        longest = Cat(~addr[3 : 3 + lane_bits], ~addr[3 + lane_bits : piece] | ~ends_page.replicate(5))
        rest = (words_left - 1)[:word_bits]  # of the row, if that is no more than `most` words
        much = words_left[word_bits + 1 :].any() | (words_left[word_bits] & words_left[:word_bits].any())
        ends = ~much & (rest <= longest)
        words = Signal(range(most + 1), reset_less=True)
        ends_row, final_row = Signal(), Signal()
        # Step 2: where does it end, and where does the next one begin?
        end = Signal(33)
        candidate = Signal(self.burst.payload.shape(), reset_less=True)
        candidate_end = Signal(33, reset_less=True)
        candidate_valid, candidate_malformed = Signal(), Signal()
        # Step 3: is it within the window?
        faulted = Signal()
        burst = Signal(self.burst.payload.shape(), reset_less=True)
        taken = ~self.burst.valid | self.burst.ready
        advance = measured & (~candidate_valid | taken)

        m.d.comb += [
            self.transfer.ready.eq(~active),
            self.burst.payload.eq(burst),
            self.busy.eq(active | candidate_valid | self.burst.valid),
            end.eq(addr + Cat(0, 0, 0, words)),  # words of 8 bytes
        ]

        with m.If(~active):
            m.d.sync += [
                active.eq(self.transfer.valid),
                row.eq(given),
                addr.eq(given.addr),
                buffer_addr.eq(given.buffer_addr),
                words_left.eq(given.row_words),
            ]
        with m.Elif(~measured):
            m.d.sync += [
                measured.eq(1),
                words.eq(Mux(ends, words_left, longest + 1)),
                ends_row.eq(ends),
                final_row.eq(row.rows == 1),
                malformed.eq(
                    (words_left == 0) | (row.rows == 0) | addr[:3].any() | row.row_stride[:3].any()
                ),
            ]
        with m.Elif(advance):
            m.d.sync += [
                measured.eq(0),
                active.eq(~(malformed | (ends_row & final_row))),
                addr.eq(end),
                buffer_addr.eq(buffer_addr + words),
                words_left.eq(words_left - words),
            ]
            with m.If(ends_row):
                next_addr = Signal(32)
                next_buffer_addr = Signal(BUFFER_ADDRESS_BITS)
                m.d.comb += [
                    next_addr.eq(row.addr + row.row_stride),
                    next_buffer_addr.eq(row.buffer_addr + row.buffer_stride),
                ]
                m.d.sync += [
                    row.addr.eq(next_addr),
                    row.buffer_addr.eq(next_buffer_addr),
                    row.rows.eq(row.rows - 1),
                    addr.eq(next_addr),
                    buffer_addr.eq(next_buffer_addr),
                    words_left.eq(row.row_words),
                ]

        with m.If(~candidate_valid | taken):
            m.d.sync += [
                candidate_valid.eq(measured),
                candidate_malformed.eq(malformed),
                candidate_end.eq(end),
                candidate.addr.eq(addr),
                candidate.words.eq(words),
                candidate.dest.eq(row.dest),
                candidate.buffer_addr.eq(buffer_addr),
                candidate.last.eq(ends_row & final_row),
            ]
        with m.If(taken):
            outside = (candidate.addr < self.window_base) | (candidate_end > self.window_limit)
            fault = Mux(
                candidate_malformed, ErrorCode.BAD_FIELD, Mux(outside, ErrorCode.MEMORY_RANGE, ErrorCode.NONE)
            )
            m.d.sync += [
                self.burst.valid.eq(candidate_valid & ~faulted),
                burst.eq(candidate),
                burst.fault.eq(fault),
                faulted.eq(faulted | (candidate_valid & (fault != ErrorCode.NONE))),
            ]
        return m
