"""Fetches, checks and hands out commands."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..commands import (
    BARRIER,
    COMMAND_BITS,
    COMMAND_WORDS,
    END,
    FORMATS,
    LOAD,
    QUEUE_DEPTH,
    RUN,
    SIGNAL,
    STORE,
    VECTOR,
    VECTOR_OPS,
    Format,
)
from ..config import AcceleratorConfig
from ..register_map import ErrorCode
from .arithmetic import small_product
from .buffers import SkidBuffer, StreamFifo
from .command_layout import command_layout
from .command_store import CommandStore
from .glb_bank import WORD_BITS
from .read_dma import Destination, ReadTransfer
from .semaphores import TokenSource
from .transfer_units import INDEX_BITS, indexed

FETCH_COMMANDS = 4
"""Commands asked for at once."""
BUFFERED = 16
"""Commands that the fetch buffer holds."""


class CommandUnit(wiring.Component):
    """Fetches a program ahead, and gives each command to the queue of its unit.

    A command is checked before it is queued: its opcode, and with `control.checks` for RUN every limit of
    this configuration that the command's own fields can break, for the others that they come to an end.
    Throughput one command in 12 cycles; behind a SIGNAL of more than 11 tokens, one cycle more than tokens.
    Where it waits in block RAM (`control.commands`), its words go there as they come.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    start : In(1)
        Begins to fetch `count` commands from byte `address`.
    address, count : In(32)
        `count` holds still while the program runs.
    fetch : Out(stream of ReadTransfer)
    words : In(stream of 64 bits)
        What was fetched. Always ready, as only what there is room for is asked for.
    load, run, store : Out(stream of indexed(LOAD, RUN, STORE))
    vector : Out(stream of indexed(VECTOR))
        Only where the configuration has a vector unit.
    signal : Out(TokenSource())
        The tokens of a SIGNAL, one a cycle; the next command is handed out when all are given.
    clear_tokens : Out(1)
        A barrier has passed: all semaphores go back to 0, before the next command is handed out.
    units_idle : In(1)
        Everything handed out is done.
    idle : Out(1)
    finished : Out(1)
        END is reached, or the program is through.
    error : Out(1)
        Held until reset, with `error_code` and `index`.
    decoded : Out(1)
        For one cycle per command.
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "address": In(32),
                "count": In(32),
                "fetch": Out(stream.Signature(ReadTransfer)),
                "words": In(stream.Signature(64)),
                "load": Out(stream.Signature(indexed(command_layout(LOAD)))),
                "run": Out(stream.Signature(indexed(command_layout(RUN)))),
                "store": Out(stream.Signature(indexed(command_layout(STORE)))),
                **(
                    {"vector": Out(stream.Signature(indexed(command_layout(VECTOR))))}
                    if config.vector.lanes
                    else {}
                ),
                "signal": Out(TokenSource()),
                "clear_tokens": Out(1),
                "units_idle": In(1),
                "finished": Out(1),
                "error": Out(1),
                "error_code": Out(ErrorCode),
                "index": Out(INDEX_BITS),
                "decoded": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        buffer_words = BUFFERED * COMMAND_WORDS
        m.submodules.buffer = buffer = SyncFIFOBuffered(width=64, depth=buffer_words)
        m.d.comb += [
            buffer.w_data.eq(self.words.payload),
            buffer.w_en.eq(self.words.valid),
            self.words.ready.eq(1),
        ]
        self._fetch(m, buffer, buffer_words)
        self._decode(m, buffer)
        return m

    def _fetch(self, m: Module, buffer: Any, buffer_words: int) -> None:
        """Keeps the buffer filled; `room` counts words neither held nor on their way."""
        address, room = Signal(32), Signal(range(buffer_words + 1), init=buffer_words)
        # Commands still to be asked for: some times `FETCH_COMMANDS`, and a rest.
        rest_bits = exact_log2(FETCH_COMMANDS)
        times, some, rest = Signal(32 - rest_bits), Signal(), Signal(rest_bits)
        commands, words = Signal(range(FETCH_COMMANDS + 1)), FETCH_COMMANDS * COMMAND_WORDS
        m.submodules.request = request = SkidBuffer(ReadTransfer)
        wiring.connect(m, request.o, wiring.flipped(self.fetch))
        taken = buffer.r_en & buffer.r_rdy
        ask = Signal()
        m.d.comb += [
            commands.eq(Mux(some, FETCH_COMMANDS, rest)),
            request.i.valid.eq((some | (rest != 0)) & (room >= words)),
            request.i.payload.addr.eq(address),
            request.i.payload.row_words.eq(commands * COMMAND_WORDS),
            request.i.payload.rows.eq(1),
            request.i.payload.dest.eq(Destination.COMMANDS),
            ask.eq(request.i.valid & request.i.ready),
        ]
        m.d.sync += room.eq(room + taken - Mux(ask, words, 0))  # after the rest nothing needs room
        with m.If(ask):
            m.d.sync += address.eq(address + words * 8)
            with m.If(some):
                m.d.sync += [times.eq(times - 1), some.eq(times != 1)]
            with m.Else():
                m.d.sync += rest.eq(0)
        with m.If(self.start):
            m.d.sync += [
                address.eq(self.address), Cat(rest, times).eq(self.count),
                some.eq(self.count[rest_bits:].any()),
            ]  # fmt: skip

    def _decode(self, m: Module, buffer: Any) -> None:
        command, word = Signal(COMMAND_BITS, reset_less=True), Signal(range(COMMAND_WORDS))
        latest = command[-WORD_BITS:]
        first = Signal(command_layout(SIGNAL), reset_less=True)  # of the first word: what is read at once
        index, through = Signal(INDEX_BITS), Signal()
        m.d.sync += through.eq(index == self.count)

        # What the command is, from the second cycle after its first word on, and whether it breaks a limit.
        known = [format_ for format_ in FORMATS.values() if format_ is not VECTOR or self.config.vector.lanes]
        is_a = {format_: Signal(name=f"is_{format_.name.lower()}") for format_ in known}
        m.d.sync += [matches.eq(first.opcode == format_.opcode) for format_, matches in is_a.items()]
        bad = {
            format_: is_a[format_] & check(m, self.config, _fields(format_, command))
            for format_, check in _CHECKS.items()
            if format_ in known and self.config.control.checks
        }

        queued = {LOAD: self.load, RUN: self.run, STORE: self.store}
        units: dict[Format, Any] = {}  # the streams that commands go to as a whole
        commit = Signal(len(queued))  # the others, when they count
        waiting = Signal()  # commands that their units have not taken yet
        if self.config.control.commands == "block_ram":
            layouts = {format_.name.lower(): command_layout(format_) for format_ in queued}
            m.submodules.store = store = CommandStore(layouts)
            for name, port in zip(layouts, queued.values(), strict=True):
                wiring.connect(m, getattr(store, name), wiring.flipped(port))
            # A word is written in the cycle after it came, whatever the command is: it may not be committed.
            fresh = Signal()
            with m.Switch(first.opcode):
                for kind, format_ in enumerate(queued):
                    with m.Case(format_.opcode):
                        m.d.comb += store.kind.eq(kind)
            last = word == 0
            m.d.sync += fresh.eq(buffer.r_en & buffer.r_rdy)
            m.d.comb += [
                waiting.eq(store.busy),
                store.commit.eq(commit),
                store.push.eq(fresh),
                store.word.eq(Mux(last, Cat(latest[:INDEX_BITS], index), latest)),
            ]
            room = store.room
        else:
            for format_, port in queued.items():
                queue = StreamFifo(indexed(command_layout(format_)), QUEUE_DEPTH)
                m.submodules[f"{format_.name.lower()}_queue"] = queue
                wiring.connect(m, queue.o, wiring.flipped(port))
                units[format_] = queue.i
            m.d.comb += waiting.eq(Cat(port.valid for port in queued.values()).any())
            room = Const(0, len(queued))
        if self.config.vector.lanes:
            units[VECTOR] = self.vector
        for format_, to in units.items():
            m.d.comb += [to.payload.index.eq(index), to.payload.command.eq(_fields(format_, command))]
        empty = ~waiting
        m.d.comb += self.index.eq(index)
        # Tokens after the first one of a SIGNAL, while the next command is collected.
        tokens, semaphore = Signal.like(first.count), Signal.like(first.semaphore)
        m.d.comb += [self.signal.give.eq(tokens != 0), self.signal.id.eq(semaphore)]
        with m.If(tokens != 0):
            m.d.sync += tokens.eq(tokens - 1)

        # Tokens that the last commands give are still on their way when all is done.
        passed, on_their_way = Signal(), Signal(2)
        m.d.sync += on_their_way.eq(Cat(passed, on_their_way))
        m.d.comb += self.clear_tokens.eq(on_their_way[-1])

        def fail(code: ErrorCode) -> None:
            m.d.sync += [self.error.eq(1), self.error_code.eq(code)]
            m.next = "STOPPED"

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [index.eq(0), word.eq(0)]
                with m.If(self.start):
                    m.next = "COLLECT"
            with m.State("COLLECT"):
                # No more words come than the program has.
                m.d.comb += buffer.r_en.eq(1)
                with m.If(through):
                    m.next = "FINISH"
                with m.If(buffer.r_rdy):
                    m.d.sync += [command.eq(Cat(command[WORD_BITS:], buffer.r_data)), word.eq(word + 1)]
                    with m.If(word == 0):
                        m.d.sync += first.eq(buffer.r_data)
                    with m.If(word == COMMAND_WORDS - 1):
                        m.next = "CHECK"
            with m.State("CHECK"):  # products of fields are registered meanwhile
                m.next = "CHECKED"
            with m.State("CHECKED"):
                with m.If(tokens == 0):
                    m.next = "HAND_OUT"
            with m.State("HAND_OUT"):
                done = Signal()
                for format_, to in units.items():
                    m.d.comb += to.valid.eq(is_a[format_] & ~bad.get(format_, 0))
                for kind, format_ in enumerate(queued):
                    m.d.comb += commit[kind].eq(is_a[format_] & ~bad.get(format_, 0) & room[kind])
                m.d.comb += [
                    passed.eq(is_a[BARRIER] & empty & self.units_idle),
                    done.eq(
                        Cat(to.valid & to.ready for to in units.values()).any() | commit.any()
                        | is_a[SIGNAL] | passed
                    ),
                ]  # fmt: skip
                with m.If(is_a[SIGNAL]):
                    m.d.comb += [self.signal.give.eq(first.count != 0), self.signal.id.eq(first.semaphore)]
                    m.d.sync += [
                        tokens.eq(Mux(first.count == 0, 0, first.count - 1)),
                        semaphore.eq(first.semaphore),
                    ]
                with m.If(is_a[END]):
                    m.d.comb += self.decoded.eq(1)
                    m.next = "FINISH"
                with m.If(Cat(bad.values()).any()):
                    fail(ErrorCode.BAD_FIELD)
                with m.If(~Cat(is_a.values()).any()):
                    fail(ErrorCode.BAD_OPCODE)
                with m.If(done):
                    m.d.comb += self.decoded.eq(1)
                    m.d.sync += index.eq(index + 1)
                    m.next = "COLLECT"
            with m.State("FINISH"):
                m.d.comb += self.finished.eq(empty & self.units_idle & (tokens == 0))
            with m.State("STOPPED"):
                pass


def _fields(format_: Format, command: Signal) -> data.View:
    """The command, read as one of that kind."""
    layout = command_layout(format_)
    return data.View(layout, command[: layout.size])


def _bad_load(m: Module, config: AcceleratorConfig, load: Any) -> Signal:
    """Whether a LOAD never ends, or begins outside its ring; registered."""
    bad = Signal(name="bad_load")
    m.d.sync += bad.eq((load.planes == 0) | ((load.ring != 0) & (load.ring_start >= load.ring)))
    return bad


def _bad_store(m: Module, config: AcceleratorConfig, store: Any) -> Signal:
    """Whether a STORE never ends; registered."""
    bad = Signal(name="bad_store")
    m.d.sync += bad.eq(store.planes == 0)
    return bad


def _bad_vector(m: Module, config: AcceleratorConfig, vector: Any) -> Signal:
    """Whether a VECTOR has an empty loop, or an ADD other taps than two; registered."""
    bad = Signal(name="bad_vector")
    counts = [vector[name] == 0 for name in ("planes", "rows", "columns", "R", "S")]
    taps = (vector.op == VECTOR_OPS.index("add")) & ((vector.R != 2) | (vector.S != 1))
    m.d.sync += bad.eq(Cat(counts).any() | taps)
    return bad


def _bad_run(m: Module, config: AcceleratorConfig, run: Any) -> Any:
    """Whether a RUN breaks a limit of the configuration; registered, two cycles after its fields."""
    spads, array = config.scratchpads, config.array
    columns, weights = Signal(10), Signal(14)
    held, held_less = Signal(14), Signal(14)
    channels = Signal(12)
    m.d.sync += [
        columns.eq(small_product(run.e, run.sets)),
        channels.eq(small_product(run.p, run.sets)),
        weights.eq(small_product(run.p, run.taps)),
        held.eq(run.filter_words * config.block),
        held_less.eq((run.filter_words - 1) * config.block),
    ]
    lanes = [run.pixel_lanes == lanes for lanes in (1, 2, 4, 8) if lanes <= config.block]
    broken = [
        run.passes == 0,
        (run.rows == 0) | (run.rows > array.rows),
        (run.last_rows == 0) | (run.last_rows > array.rows),
        (run.e == 0) | (run.sets == 0) | (columns > array.columns),
        (run.p == 0) | (run.p > spads.psum),
        (run.taps == 0) | (run.taps > spads.ifmap),
        (run.step == 0) | (run.step > run.taps),
        run.positions == 0,
        (weights > spads.filter) | (run.filter_words == 0),
        (weights > held) | (weights <= held_less),
        (run.filter_slots == 0) | (run.filter_start >= run.filter_slots),
        (run.R == 0) | (run.q == 0) | (run.stride == 0),
        (run.group_lanes < run.q) | (run.group_lanes > run.pixel_lanes) | (run.first_lane >= run.pixel_lanes),
        ~Cat(lanes).any(),
        (run.full_width == 0) | (run.full_height == 0),
        (run.period == 0) | (run.kept == 0),
        (channels > config.post_processing.channels) & run.last,
        (run.parameter_base + channels > config.post_processing.channels) & run.last,
        (run.ofmap_lane >= config.block) if config.block < 8 else 0,
    ]
    flags = Signal(len(broken), name="broken_limits")
    m.d.sync += flags.eq(Cat(broken))
    return flags.any()


_CHECKS = {LOAD: _bad_load, RUN: _bad_run, STORE: _bad_store, VECTOR: _bad_vector}
"""Of the commands whose fields are checked: whether they break a limit, registered."""
