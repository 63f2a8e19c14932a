"""The SDRAM controller."""

from enum import Enum
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..sdram.chips import SdramChip
from .sdram_pins import BANK_BITS, DATA_BITS, SdramSignature
from .words import WordSignature

BEATS = 4
"""Half-words of a 64-bit word: the burst length."""
BEAT_BITS = 2
ALL_BANKS = 10
"""Address bit that makes PRECHARGE close all banks."""
MODE_BURST_4 = 0b010

class Command(Enum):
    """ras, cas, we, from bit 0, active high."""

    NOP = 0b000
    ACTIVATE = 0b001
    READ = 0b010
    REFRESH = 0b011
    WRITE = 0b110
    PRECHARGE = 0b101
    MODE = 0b111


class SdramController(wiring.Component):
    """Reads and writes 64-bit words as bursts of four half-words in an SDR SDRAM.

    Rows stay open until another row of their bank is asked for, or a refresh. A word's address is
    row | bank | column / 4, from the top: consecutive words pass through the four banks' rows.
    Throughput: a word in 4 cycles in open rows. Latency of a read in an open row: cas_latency + 7 cycles.
    A closed bank costs t_rcd more, another open row t_rp + t_rcd (and t_ras, t_wr).

    Between `pins` and the chip there is one more register each way, the pads' own; the chip's clock has to
    lag this clock by about a quarter period.

    Parameters
    ----------
    chip : SdramChip
    clock_hz : float

    Members
    -------
    port : In(WordSignature(row_bits + column_bits))
    pins : Out(SdramSignature(row_bits))

    Raises
    ------
    BoardError
        If the clock is too fast for the chip.
    """

    def __init__(self, chip: SdramChip, clock_hz: float):
        chip.check(clock_hz)
        self._chip, self._clock_hz = chip, clock_hz
        super().__init__({
            "port": In(WordSignature(chip.row_bits + chip.column_bits + BANK_BITS - BEAT_BITS)),
            "pins": Out(SdramSignature(chip.row_bits)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        chip, pins, request = self._chip, self.pins, self.port.request

        def cycles(nanoseconds: float) -> int:
            return max(1, chip.cycles(nanoseconds, self._clock_hz))

        power_up = chip.cycles(chip.t_power_up, self._clock_hz)
        interval = chip.refresh_interval(self._clock_hz)
        t_rcd, t_rp, t_ras, t_rfc = (cycles(t) for t in (chip.t_rcd, chip.t_rp, chip.t_ras, chip.t_rfc))
        # One timer serves all banks: ACTIVATEs are t_rc apart whatever their banks.
        t_rc = max(cycles(chip.t_rc), cycles(chip.t_rrd), t_ras + t_rp)
        # From WRITE: its four data, of which the last is written one cycle before the time starts.
        write_recovery = BEATS - 1 + cycles(chip.t_wr)
        # From READ to WRITE: the last data, and a cycle in which nobody drives the bus.
        turn = chip.cas_latency + BEATS + 1

        def timer(name: str, most: int) -> Signal:
            """Cycles until a kind of command may be issued."""
            left = Signal(range(most + 1), name=f"until_{name}")
            with m.If(left != 0):
                m.d.sync += left.eq(left - 1)
            return left

        def at_least(timer: Signal, cycles: int) -> None:
            with m.If(timer < cycles):
                m.d.sync += timer.eq(cycles - 1)

        until_activate = timer("activate", max(t_rc, t_rp, t_rfc, chip.t_mrd))
        until_precharge = timer("precharge", max(t_ras, write_recovery, BEATS))
        until_column = timer("column", max(t_rcd, BEATS))
        until_write = timer("write", turn)

        def issue(command: Command, bank: Any = 0, address: Any = 0) -> None:
            m.d.sync += [
                Cat(pins.ras, pins.cas, pins.we).eq(command.value), pins.ba.eq(bank), pins.a.eq(address),
            ]

        m.d.sync += [pins.clk_en.eq(1), pins.cs.eq(1), Cat(pins.ras, pins.cas, pins.we).eq(0)]

        # -- the word that is worked on -------------------------------------------------------------
        column_words = chip.column_bits - BEAT_BITS
        word = request.payload
        column = Cat(Const(0, BEAT_BITS), word.address[:column_words])
        bank = word.address[column_words : column_words + BANK_BITS]
        row = word.address[column_words + BANK_BITS :]
        is_open = Signal(1 << BANK_BITS)
        rows = [Signal(chip.row_bits, name=f"row_{number}") for number in range(1 << BANK_BITS)]
        # Compared a cycle ahead of use: an address that is offered stays.
        hit, busy, known = Signal(), Signal(), Signal()
        open_row = Signal(chip.row_bits)
        with m.Switch(bank):
            for number in range(1 << BANK_BITS):
                with m.Case(number):
                    m.d.comb += open_row.eq(rows[number])
        m.d.sync += [
            hit.eq((open_row == row) & is_open.bit_select(bank, 1)),
            busy.eq(is_open.bit_select(bank, 1)),
            known.eq(request.valid & ~request.ready),
        ]

        # -- refresh --------------------------------------------------------------------------------
        # A refresh may come late by as long as the work in hand takes, and the next one still comes in time.
        refresh_count = Signal(range(max(interval, power_up) + 1), init=power_up)
        refresh_due = Signal()
        m.d.sync += refresh_count.eq(refresh_count - 1)
        with m.If(refresh_count == 0):
            m.d.sync += [refresh_count.eq(interval - 1), refresh_due.eq(1)]

        # -- data on the bus ------------------------------------------------------------------------
        writing, masks = Signal(64), Signal(8)
        beats_left = Signal(range(BEATS + 1))
        m.d.sync += [
            pins.dq_o.eq(writing[:DATA_BITS]), pins.dqm.eq(0), pins.dq_oe.eq(beats_left != 0),
            writing.eq(writing >> DATA_BITS), masks.eq(masks >> 2),
        ]  # fmt: skip
        with m.If(beats_left != 0):
            m.d.sync += [beats_left.eq(beats_left - 1), pins.dqm.eq(~masks[:2])]
        # A bit for each READ under way: two registers out, the chip's latency, one register in, four data.
        arriving = Signal(chip.cas_latency + BEATS + 1)
        m.d.sync += [
            arriving.eq(arriving << 1),
            self.port.read_data.eq(Cat(self.port.read_data[DATA_BITS:], pins.dq_i)),
            self.port.read_valid.eq(arriving[-1]),
        ]

        started = Signal(range(chip.power_up_refreshes + 1))
        with m.FSM():
            with m.State("POWER UP"):
                with m.If(refresh_due):
                    m.next = "CLOSE"
            with m.State("CLOSE"):  # all banks, before a refresh
                with m.If(until_precharge == 0):
                    issue(Command.PRECHARGE, address=1 << ALL_BANKS)
                    m.d.sync += [is_open.eq(0), known.eq(0), until_activate.eq(t_rp - 1)]
                    m.next = "REFRESH"
            with m.State("REFRESH"):
                with m.If(until_activate == 0):
                    issue(Command.REFRESH)
                    m.d.sync += [refresh_due.eq(0), until_activate.eq(t_rfc - 1)]
                    m.next = "WORK"
                    with m.If(started != chip.power_up_refreshes):
                        m.d.sync += started.eq(started + 1)
                        m.next = "REFRESH"
                        with m.If(started == chip.power_up_refreshes - 1):
                            m.next = "MODE"
            with m.State("MODE"):
                with m.If(until_activate == 0):
                    issue(Command.MODE, address=chip.cas_latency << 4 | MODE_BURST_4)
                    m.d.sync += until_activate.eq(chip.t_mrd - 1)
                    m.next = "WORK"
            with m.State("WORK"):
                with m.If(refresh_due):
                    m.next = "CLOSE"
                with m.Elif(known & request.valid):
                    with m.If(hit):
                        with m.If((until_column == 0) & (~word.write | (until_write == 0))):
                            m.d.comb += request.ready.eq(1)
                            m.d.sync += until_column.eq(BEATS - 1)
                            with m.If(word.write):
                                issue(Command.WRITE, bank, column)
                                m.d.sync += [
                                    pins.dq_o.eq(word.data[:DATA_BITS]), pins.dqm.eq(~word.mask[:2]),
                                    pins.dq_oe.eq(1), writing.eq(word.data[DATA_BITS:]),
                                    masks.eq(word.mask[2:]), beats_left.eq(BEATS - 1),
                                ]  # fmt: skip
                                at_least(until_precharge, write_recovery)
                            with m.Else():
                                issue(Command.READ, bank, column)
                                m.d.sync += [arriving[0].eq(1), until_write.eq(turn - 1)]
                                at_least(until_precharge, BEATS)
                    with m.Elif(busy):
                        with m.If(until_precharge == 0):
                            issue(Command.PRECHARGE, bank)
                            m.d.sync += [is_open.bit_select(bank, 1).eq(0), known.eq(0)]
                            at_least(until_activate, t_rp)
                    with m.Elif(until_activate == 0):
                        issue(Command.ACTIVATE, bank, row)
                        m.d.sync += [
                            is_open.bit_select(bank, 1).eq(1), known.eq(0),
                            until_activate.eq(t_rc - 1), until_column.eq(t_rcd - 1),
                        ]  # fmt: skip
                        at_least(until_precharge, t_ras)
                        with m.Switch(bank):
                            for number in range(1 << BANK_BITS):
                                with m.Case(number):
                                    m.d.sync += rows[number].eq(row)
        return m
