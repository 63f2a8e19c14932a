"""One lane of post-processing: takes the finished sums of its columns and makes words of outputs."""

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config.model import AcceleratorConfig
from .arithmetic import chosen
from .buffers import StreamFifo
from .finished_sums import SumOffer
from .requantiser import BIAS_WIDTH, OUTPUT_WIDTH, Requantiser, Rounding, accumulator_width

ADDR_WIDTH = 20
"""Bits of a global buffer address in jobs and writes."""
_WORDS = 4
"""Finished words a lane keeps while other lanes, or other users of the buffer, write theirs."""


class PostJob(data.Struct):
    """An ofmap tile to be post-processed, as in docs/design.md; e, sets and p are at least 1."""

    out_base: ADDR_WIDTH
    out_stride_row: 16
    out_stride_block: ADDR_WIDTH
    out_lane: 3
    merge: 1  # the columns of a lane fill words together
    param_base: 12
    e: 5
    sets: 5
    p: 8
    last_position: 12  # positions minus one
    zp_out: signed(OUTPUT_WIDTH)
    act_min: signed(OUTPUT_WIDTH)
    act_max: signed(OUTPUT_WIDTH)
    rounding: Rounding


class PostWord(data.Struct):
    """A word of outputs on its way to the global buffer."""

    addr: ADDR_WIDTH
    data: 64
    mask: 8
    end: 1  # the lane's last word of the job
    job: 1


def lane_columns(config: AcceleratorConfig) -> int:
    """Columns the busiest lane serves; every lane is built for that many."""
    return -(-config.array.columns // config.post_processing.lanes)


def column_start(config: AcceleratorConfig) -> data.StructLayout:
    """Where the values of a column start: its word for position 0, its first channel's place and entry."""
    return data.StructLayout({
        "addr": unsigned(ADDR_WIDTH),
        "place": range(config.block),
        "entry": unsigned(12),
    })


def slot_shape(config: AcceleratorConfig) -> Any:
    """Number of a column within its lane."""
    return unsigned(max(1, (lane_columns(config) - 1).bit_length()))


class PostLane(wiring.Component):
    """Requantises the sums of up to `lane_columns` columns and packs consecutive channels into words.

    For each position, each of its columns taking part (ascending) and each m in p it takes one sum, reads
    the parameters of entry + m, and puts the value at place (place + m) % block of word
    addr + position + ((place + m) div block) * out_stride_block. A word is given at its last place, or at
    the column's last channel unless the lane's next column goes on with it (`merge`).

    Latency 15 cycles from a sum to its word, throughput 1 sum per cycle, also from column to column,
    position to position and job to job.

    Parameters
    ----------
    config : AcceleratorConfig
    queues : tuple of tuples of int
        The slots (columns of the lane) whose sums share a queue.

    Members
    -------
    jobs : In(ArrayLayout(PostJob, 2))
        The two jobs that can be under way; a job stands still until all its words have been taken.
    ready : In(2)
        Which of them may be worked on: all its columns have been told.
    oldest : In(1)
        The one to work on first.
    column : In({en, job, slot, start: column_start(config)})
        Tells that a column takes part in a job not yet ready, and where it starts. Slots ascend from 0.
    final : In(SumOffer()).array(slots)
    sums : In(signed(psum_width)).array(queues)
        What was taken last of each queue.
    params : In({en, half, entry, data})
        Writes half an entry of the parameter memory: 0 is bias | shift << 48, 1 is the multiplier. It can be
        read from the next cycle on.
    o : Out(stream PostWord)
    """

    def __init__(self, config: AcceleratorConfig, queues: tuple[tuple[int, ...], ...]):
        self._config = config
        self._queues = queues
        super().__init__({
            "jobs": In(data.ArrayLayout(PostJob, 2)),
            "ready": In(2),
            "oldest": In(1),
            "column": In(data.StructLayout({
                "en": 1, "job": 1, "slot": slot_shape(config), "start": column_start(config),
            })),
            "final": In(SumOffer()).array(lane_columns(config)),
            "sums": In(signed(config.psum_width)).array(len(queues)),
            "params": In(data.StructLayout({
                "en": 1, "half": 1, "entry": range(config.post_processing.channels), "data": 64,
            })),
            "o": Out(stream.Signature(PostWord)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        visit = self._visit_columns(m)
        self._walk_channels(m, visit)
        self._pack(m)
        return m

    def _visit_columns(self, m: Module) -> Any:
        """A stream of the columns in the order they are served, once per position."""
        start = column_start(self._config)
        m.submodules.starts = starts = memory.Memory(shape=start, depth=2 << len(self.column.slot), init=[])
        write, read = starts.write_port(), starts.read_port(domain="comb")
        pending = Signal(2)
        last_slot = Array(Signal.like(self.column.slot, name=f"last_slot_{job}") for job in range(2))
        m.d.comb += [
            write.en.eq(self.column.en),
            write.addr.eq(Cat(self.column.slot, self.column.job)),
            write.data.eq(self.column.start),
        ]
        with m.If(self.column.en):
            m.d.sync += [
                pending.bit_select(self.column.job, 1).eq(1),
                last_slot[self.column.job].eq(self.column.slot),
            ]

        # Which job, column and position come next.
        jobs = Array(self.jobs)
        work = pending & self.ready
        job, slot, position = Signal(), Signal.like(self.column.slot), Signal(12)
        m.d.comb += job.eq(self.oldest ^ ~work.bit_select(self.oldest, 1))
        last_column = slot == last_slot[job]
        last_position = Cat(position == jobs[number].last_position for number in range(2))
        end = last_column & last_position.bit_select(job, 1)

        visit = stream.Signature(data.StructLayout({
            "job": 1, "slot": self.column.slot.shape(), "start": start, "end": 1,
        })).create(path=("visit",))
        visited = Signal(visit.payload.shape(), reset_less=True)
        m.d.comb += visit.payload.eq(visited)
        with m.If(~visit.valid | visit.ready):
            m.d.sync += [
                visit.valid.eq(work.any()),
                visited.job.eq(job),
                visited.slot.eq(slot),
                visited.end.eq(end),
                visited.start.eq(read.data),
                visited.start.addr.eq(read.data.addr + position),
            ]
            with m.If(work.any()):
                m.d.sync += slot.eq(Mux(last_column, 0, slot + 1))
                with m.If(last_column):
                    m.d.sync += position.eq(Mux(end, 0, position + 1))
                with m.If(end):
                    m.d.sync += pending.bit_select(job, 1).eq(0)
        m.d.comb += read.addr.eq(Cat(slot, job))
        # Whether a column's sum is there comes late in the cycle: it ends at `aside`, which takes the visit
        # that came meanwhile.
        taken = stream.Signature(visit.payload.shape()).create(path=("taken",))
        aside, full = Signal.like(visit.payload, reset_less=True), Signal()
        m.d.comb += [
            visit.ready.eq(~full),
            taken.valid.eq(visit.valid | full),
            taken.payload.eq(Mux(full, aside, visit.payload)),
        ]
        m.d.sync += full.eq(taken.valid & ~taken.ready)
        with m.If(~full):
            m.d.sync += aside.eq(visit.payload)
        return taken

    def _walk_channels(self, m: Module, visit: Any) -> None:
        """Takes the p sums of each column visited, and sends them with their parameters to be requantised."""
        tag = data.StructLayout({
            "addr": ADDR_WIDTH, "place": range(self._config.block), "flush": 1, "end": 1, "job": 1,
        })
        m.submodules.requantiser = requantiser = Requantiser(self._config, tag)
        for job in range(2):
            m.d.comb += [
                requantiser.settings[job][name].eq(self.jobs[job][name])
                for name in ("zp_out", "act_min", "act_max", "rounding")
            ]

        # The sum expected next.
        valid = Signal()
        now = Signal(visit.payload.shape(), reset_less=True)
        left = Signal(8, reset_less=True)  # of the column's channels, with this one
        jobs = Array(self.jobs)
        job = jobs[now.job]
        last, full = left == 1, now.start.place == self._config.block - 1
        there = Array(port.valid for port in self.final)

        i = requantiser.i
        room = ~i.valid | i.ready
        take = valid & there[now.slot] & room
        for slot, port in enumerate(self.final):
            m.d.comb += port.ready.eq(valid & (now.slot == slot) & room)
        with m.If(take):
            m.d.sync += [
                left.eq(left - 1),
                now.start.entry.eq(now.start.entry + 1),
                now.start.place.eq(now.start.place + 1),
            ]
            with m.If(full):
                m.d.sync += now.start.addr.eq(now.start.addr + job.out_stride_block)
        m.d.comb += visit.ready.eq(~valid | (take & last))
        with m.If(visit.ready):
            m.d.sync += [
                valid.eq(visit.valid), now.eq(visit.payload), left.eq(jobs[visit.payload.job].p),
            ]

        # Its parameters are read while the sum is registered.
        first, second = self._parameters(m, now.start.entry, take)
        with m.If(room):
            m.d.sync += i.valid.eq(take)
        # So is the sum itself.
        queue, of_sum = Signal(len(self._queues), reset_less=True), Signal(tag, reset_less=True)
        with m.If(take):
            m.d.sync += [
                *(queue[number].eq(reduce(or_, (now.slot == slot for slot in slots)))
                  for number, slots in enumerate(self._queues)),
                of_sum.addr.eq(now.start.addr),
                of_sum.place.eq(now.start.place),
                of_sum.flush.eq(full | (last & ~job.merge)),
                of_sum.end.eq(now.end & last),
                of_sum.job.eq(now.job),
            ]
        m.d.comb += [
            i.payload.acc.eq(chosen(queue, list(self.sums))),
            i.payload.job.eq(of_sum.job),
            i.payload.tag.eq(of_sum),
            i.payload.bias.eq(first.bias),
            i.payload.shift.eq(first.shift),
            i.payload.multiplier.eq(second),
        ]

    def _parameters(self, m: Module, entry: Any, en: Any) -> tuple[Any, Any]:
        """What the two halves of the parameter memory hold at `entry`, from the next cycle on."""
        depth = self._config.post_processing.channels
        # Bits of the bias beyond those the requantiser's sum has cannot matter.
        bias_width = accumulator_width(self._config)
        first = data.StructLayout({"bias": signed(bias_width), "shift": signed(8)})
        m.submodules.biases = biases = memory.Memory(shape=first, depth=depth, init=[])
        m.submodules.multipliers = multipliers = memory.Memory(shape=unsigned(32), depth=depth, init=[])
        values = []
        for half, half_memory in enumerate((biases, multipliers)):
            write, read = half_memory.write_port(), half_memory.read_port()
            m.d.comb += [
                write.en.eq(self.params.en & (self.params.half == half)),
                write.addr.eq(self.params.entry),
                read.en.eq(en),
                read.addr.eq(entry),
            ]
            values.append((write.data, read.data))
        m.d.comb += [
            values[0][0].bias.eq(self.params.data[:bias_width]),
            values[0][0].shift.eq(self.params.data[BIAS_WIDTH:]),
            values[1][0].eq(self.params.data),
        ]
        return values[0][1], values[1][1]

    def _pack(self, m: Module) -> None:
        """Collects values into a word until its last."""
        m.submodules.words = words = StreamFifo(PostWord, _WORDS)
        wiring.connect(m, words.o, wiring.flipped(self.o))
        i = m.submodules.requantiser.o
        tag = i.payload.tag

        block, width = self._config.block, self._config.data_width
        values = Signal(data.ArrayLayout(unsigned(width), block), reset_less=True)
        mask = Signal(data.ArrayLayout(unsigned(8 // block), block))
        with_value = Signal.like(values)
        with_mask = Signal.like(mask)
        m.d.comb += [
            with_value.eq(values),
            with_value[tag.place].eq(i.payload.y),
            with_mask.eq(mask),
            with_mask[tag.place].eq(-1),
            i.ready.eq(~tag.flush | words.i.ready),
            words.i.valid.eq(i.valid & tag.flush),
            words.i.payload.addr.eq(tag.addr),
            words.i.payload.data.eq(with_value),
            words.i.payload.mask.eq(with_mask),
            words.i.payload.end.eq(tag.end),
            words.i.payload.job.eq(tag.job),
        ]
        with m.If(i.valid & i.ready):
            m.d.sync += [values.eq(with_value), mask.eq(Mux(tag.flush, 0, with_mask))]
