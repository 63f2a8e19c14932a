"""Fetches, checks and hands out commands."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from ..commands import (
    BARRIER,
    COMMAND_BITS,
    COMMAND_WORDS,
    END,
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
    Throughput one command in 12 cycles. Where it waits in block RAM (`control.commands`), its words go there
    as they come.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    start : In(1)
        Begins to fetch `count` commands from byte `address`.
    fetch : Out(stream of ReadTransfer)
    words : In(stream of 64 bits)
        What was fetched. Always ready, as only what there is room for is asked for.
    load, run, store : Out(stream of indexed(LOAD, RUN, STORE))
    vector : Out(stream of indexed(VECTOR))
        Only where the configuration has a vector unit.
    signal : Out(TokenSource(counted=True))
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
                "signal": Out(TokenSource(counted=True)),
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
        address, left = Signal(32), Signal(32)
        room = Signal(range(buffer_words + 1), init=buffer_words)
        commands = Signal(range(FETCH_COMMANDS + 1))
        words = Signal(range(FETCH_COMMANDS * COMMAND_WORDS + 1))
        m.submodules.request = request = SkidBuffer(ReadTransfer)
        wiring.connect(m, request.o, wiring.flipped(self.fetch))
        taken = buffer.r_en & buffer.r_rdy
        ask = Signal()
        m.d.comb += [
            commands.eq(Mux(left < FETCH_COMMANDS, left, FETCH_COMMANDS)),
            words.eq(commands * COMMAND_WORDS),
            request.i.valid.eq((left != 0) & (room >= FETCH_COMMANDS * COMMAND_WORDS)),
            request.i.payload.addr.eq(address),
            request.i.payload.row_words.eq(words),
            request.i.payload.rows.eq(1),
            request.i.payload.dest.eq(Destination.COMMANDS),
            ask.eq(request.i.valid & request.i.ready),
        ]
        m.d.sync += room.eq(room + taken - Mux(ask, words, 0))
        with m.If(ask):
            m.d.sync += [left.eq(left - commands), address.eq(address + words * 8)]
        with m.If(self.start):
            m.d.sync += [address.eq(self.address), left.eq(self.count)]

    def _decode(self, m: Module, buffer: Any) -> None:
        command, word = Signal(COMMAND_BITS, reset_less=True), Signal(range(COMMAND_WORDS))
        latest = command[-WORD_BITS:]
        first = Signal(command_layout(SIGNAL), reset_less=True)  # of the first word: what is read at once
        left, index = Signal(32), Signal(INDEX_BITS)

        def check(format_: Format, bad_field: Any) -> Any:
            fields = _fields(format_, command)
            return bad_field(m, self.config, fields) if self.config.control.checks else Const(0)

        queued = (
            (LOAD, self.load, _bad_load), (RUN, self.run, _bad_run), (STORE, self.store, _bad_store),
        )  # fmt: skip
        units: list[tuple[Format, Any, Any]] = []  # command, the stream it goes to, whether it breaks a limit
        stored: list[tuple[Format, Any]] = []  # command, whether it breaks a limit; in the order of the store
        waiting = Signal()  # commands that their units have not taken yet
        blocked: Any = Const(0)  # there is no room for the command
        commit = Signal()
        if self.config.control.commands == "block_ram":
            layouts = {format_.name.lower(): command_layout(format_) for format_, _, _ in queued}
            m.submodules.store = store = CommandStore(layouts)
            for name, (format_, port, bad_field) in zip(layouts, queued, strict=True):
                wiring.connect(m, getattr(store, name), wiring.flipped(port))
                stored.append((format_, check(format_, bad_field)))
            # A word is written in the cycle after it came, the first one as soon as the whole has room.
            fresh, kept = Signal(), Signal()
            with m.Switch(first.opcode):
                for kind, (format_, _) in enumerate(stored):
                    with m.Case(format_.opcode):
                        m.d.comb += [store.kind.eq(kind), kept.eq(1)]
            blocked = kept & (word == 1) & ~store.room.bit_select(store.kind, 1)
            last = word == 0
            m.d.sync += fresh.eq((buffer.r_en & buffer.r_rdy) | (fresh & blocked))
            m.d.comb += [
                waiting.eq(store.busy),
                store.commit.eq(commit),
                store.push.eq(fresh & kept & ~blocked),
                store.word.eq(Mux(last, Cat(latest[:INDEX_BITS], index), latest)),
            ]
        else:
            for format_, port, bad_field in queued:
                queue = StreamFifo(indexed(command_layout(format_)), QUEUE_DEPTH)
                m.submodules[f"{format_.name.lower()}_queue"] = queue
                wiring.connect(m, queue.o, wiring.flipped(port))
                units.append((format_, queue.i, check(format_, bad_field)))
            m.d.comb += waiting.eq(Cat(port.valid for _, port, _ in queued).any())
        if self.config.vector.lanes:
            units.append((VECTOR, self.vector, check(VECTOR, _bad_vector)))
        for format_, to, _ in units:
            m.d.comb += [to.payload.index.eq(index), to.payload.command.eq(_fields(format_, command))]
        empty = ~waiting
        m.d.comb += [self.signal.id.eq(first.semaphore), self.signal.count.eq(first.count)]
        m.d.comb += self.index.eq(index)

        # Tokens that the last commands give are still on their way when all is done.
        passed, on_their_way = Signal(), Signal(2)
        m.d.sync += on_their_way.eq(Cat(passed, on_their_way))
        m.d.comb += self.clear_tokens.eq(on_their_way[-1])

        def fail(code: ErrorCode) -> None:
            m.d.sync += [self.error.eq(1), self.error_code.eq(code)]
            m.next = "STOPPED"

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [left.eq(self.count), index.eq(0), word.eq(0)]
                with m.If(self.start):
                    m.next = "COLLECT"
            with m.State("COLLECT"):
                m.d.comb += buffer.r_en.eq((left != 0) & ~blocked)
                with m.If(left == 0):
                    m.next = "FINISH"
                with m.Elif(buffer.r_rdy & ~blocked):
                    m.d.sync += [command.eq(Cat(command[WORD_BITS:], buffer.r_data)), word.eq(word + 1)]
                    with m.If(word == 0):
                        m.d.sync += first.eq(buffer.r_data)
                    with m.If(word == COMMAND_WORDS - 1):
                        m.next = "CHECK"
            with m.State("CHECK"):  # products of fields are registered meanwhile
                m.next = "CHECKED"
            with m.State("CHECKED"):
                m.next = "HAND_OUT"
            with m.State("HAND_OUT"):
                done = Signal()
                with m.Switch(first.opcode):
                    for format_, to, bad_field in units:
                        with m.Case(format_.opcode):
                            m.d.comb += [to.valid.eq(~bad_field), done.eq(to.valid & to.ready)]
                            with m.If(bad_field):
                                fail(ErrorCode.BAD_FIELD)
                    for format_, bad_field in stored:
                        with m.Case(format_.opcode):
                            m.d.comb += [done.eq(~bad_field), commit.eq(done)]
                            with m.If(bad_field):
                                fail(ErrorCode.BAD_FIELD)
                    with m.Case(SIGNAL.opcode):
                        m.d.comb += [self.signal.give.eq(1), done.eq(1)]
                    with m.Case(BARRIER.opcode):
                        m.d.comb += [done.eq(empty & self.units_idle), passed.eq(done)]
                    with m.Case(END.opcode):
                        m.d.comb += self.decoded.eq(1)
                        m.next = "FINISH"
                    with m.Default():
                        fail(ErrorCode.BAD_OPCODE)
                with m.If(done):
                    m.d.comb += self.decoded.eq(1)
                    m.d.sync += [left.eq(left - 1), index.eq(index + 1)]
                    m.next = "COLLECT"
            with m.State("FINISH"):
                m.d.comb += self.finished.eq(empty & self.units_idle)
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
