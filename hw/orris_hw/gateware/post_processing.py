"""Post-processing: from finished sums to ofmap words in the global buffer."""

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config.model import AcceleratorConfig
from ..emission.once import Once
from .buffers import SkidBuffer
from .finished_sums import SumOffer, queues_name, sum_queues
from .post_lane import ADDR_WIDTH, PostJob, PostLane, PostWord, column_start, lane_columns, slot_shape


def write_layout() -> data.StructLayout:
    """A byte-masked write to the global buffer."""
    return data.StructLayout({"addr": ADDR_WIDTH, "data": 64, "mask": 8})


class PostProcessing(wiring.Component):
    """Requantises an ofmap tile and writes it in the activation layout.

    Column j, channel c = (j div e)*p + m, position f go to place b % block, b = out_lane + c, of word
    `out_base + (b div block)*out_stride_block + (j mod e)*out_stride_row + f`, with the parameters of entry
    `param_base + c`. Lane l serves the columns j with j % lanes == l and j < e*sets.

    Two jobs can be under way: while one runs, the next one's columns are laid out in
    p div block + columns + 3 cycles, and each lane goes over to it without losing a cycle. Throughput: 1 sum
    per lane and cycle, 1 word per cycle in all. `done` follows a job's last
    sum by 18 cycles, and by up to one more for each further lane that ends in the same cycle.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    job : In(stream PostJob)
        Taken when there is a place for it. Its parameters must be in their memory when it is given, and stay
        until `done`.
    param_write : In(stream {addr, data: 64})
        Writes word addr = 2*entry + half of the parameter memory: half 0 is bias[47:0] | shift << 48, half 1
        the multiplier. Always ready.
    final : In(SumOffer()).array(columns)
    sums : In(signed(psum_width)).array(queues)
        What was taken last of each of the `sum_queues`.
    write : Out(stream {addr: 20, data: 64, mask: 8})
    done : Out(1)
        One cycle for each job, after the last of its words has been taken.
    idle : Out(1)
        No job is offered or under way.
    write_event : Out(range(block + 1))
        Values in the word taken one cycle ago, or 0.
    """

    def __init__(self, config: AcceleratorConfig):
        self._config = config
        channels = config.post_processing.channels
        super().__init__({
            "job": In(stream.Signature(PostJob)),
            "param_write": In(stream.Signature(data.StructLayout({"addr": range(2 * channels), "data": 64}))),
            "final": In(SumOffer()).array(config.array.columns),
            "sums": In(signed(config.psum_width)).array(len(sum_queues(config))),
            "write": Out(stream.Signature(write_layout())),
            "done": Out(1),
            "idle": Out(1, init=1),
            "write_event": Out(range(config.block + 1)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        columns = self._config.array.columns
        count = self._config.post_processing.lanes
        lanes = []
        for number in range(count):
            served = [(queue, fed) for queue, fed in enumerate(sum_queues(self._config))
                      if fed[0] % count == number]  # fmt: skip
            slots = tuple(tuple(column // count for column in fed) for _, fed in served)
            # Lanes are alike: a slot without a column has a queue of its own, from which nothing comes.
            for slot in range(sum(map(len, slots)), lane_columns(self._config)):
                slots = (*slots, (slot,))
            lane = PostLane(self._config, slots)
            lane.emission_key = (self._config.content_hash(), slots)
            m.submodules[f"lane_{number}"] = Once(lane, f"post_lane_{queues_name(slots)}")
            m.d.comb += [to.eq(self.sums[queue]) for to, (queue, _) in zip(lane.sums, served, strict=False)]
            lanes.append(lane)
        for column in range(columns):
            offer = lanes[column % count].final[column // count]
            wiring.connect(m, wiring.flipped(self.final[column]), offer)

        m.d.comb += self.param_write.ready.eq(1)
        params = Signal(lanes[0].params.shape(), reset_less=True)
        m.d.sync += [
            params.en.eq(self.param_write.valid),
            params.half.eq(self.param_write.payload.addr[0]),
            params.entry.eq(self.param_write.payload.addr[1:]),
            params.data.eq(self.param_write.payload.data),
        ]
        for lane in lanes:
            m.d.comb += lane.params.eq(params)

        # A job is `ready` from the cycle its columns are laid out until its last word is taken; jobs take
        # the two places in turn, so they are done in turn as well.
        ready, oldest = Signal(2), Signal()
        unwritten = Array(Signal(len(lanes), name=f"unwritten_{job}") for job in range(2))
        self._lay_out(m, lanes, ready, oldest, unwritten)
        self._write(m, lanes, unwritten)
        finished = ready.bit_select(oldest, 1) & ~unwritten[oldest].any()
        m.d.sync += self.done.eq(finished)
        with m.If(finished):
            m.d.sync += [ready.bit_select(oldest, 1).eq(0), oldest.eq(~oldest)]
        return m

    def _lay_out(
        self, m: Module, lanes: list[PostLane], ready: Signal, oldest: Signal, unwritten: Any,
    ) -> None:
        """Takes a job whenever a place for it is free, and tells the lanes where each column starts."""
        config = self._config
        jobs = Signal(data.ArrayLayout(PostJob, 2), reset_less=True)
        place = Signal()  # where the next job goes, or the one being laid out
        job: Any = Array([jobs[0], jobs[1]])[place]

        # Words from the first channel of a set to that of the next one: this far, and one block more where
        # the channels left over by whole blocks fill another one.
        blocks = Signal(8, reset_less=True)
        advance, advance_more = Signal(ADDR_WIDTH, reset_less=True), Signal(ADDR_WIDTH, reset_less=True)

        start, set_addr = Signal(column_start(config), reset_less=True), Signal(ADDR_WIDTH, reset_less=True)
        lane_number, slot = Signal(range(len(lanes) + 1)), Signal(slot_shape(config))
        columns_left, rows_left, sets_left = Signal(range(config.array.columns + 1)), Signal(5), Signal(5)
        place_bits = len(start.place)
        further = Signal(place_bits, reset_less=True)  # places from set to set, within a word
        overflow = (start.place + further)[place_bits]
        next_set = Signal(ADDR_WIDTH)
        m.d.comb += next_set.eq(set_addr + Mux(overflow, advance_more, advance))

        laying = Signal()
        for number, lane in enumerate(lanes):
            m.d.comb += [
                lane.jobs.eq(jobs), lane.ready.eq(ready), lane.oldest.eq(oldest),
                lane.column.en.eq(laying & (lane_number == number)),
                lane.column.job.eq(place), lane.column.slot.eq(slot), lane.column.start.eq(start),
            ]

        with m.FSM() as fsm:
            with m.State("FREE"):
                offered = self.job.payload
                with m.If(~ready.bit_select(place, 1) & self.job.valid):
                    m.d.comb += self.job.ready.eq(1)
                    m.d.sync += [
                        job.eq(offered),
                        blocks.eq(offered.p[place_bits:]), further.eq(offered.p[:place_bits]),
                        advance.eq(0), advance_more.eq(offered.out_stride_block),
                        start.addr.eq(offered.out_base), set_addr.eq(offered.out_base),
                        start.place.eq(offered.out_lane), start.entry.eq(offered.param_base),
                        lane_number.eq(0), slot.eq(0), columns_left.eq(config.array.columns),
                        rows_left.eq(offered.e), sets_left.eq(offered.sets),
                    ]
                    m.next = "BLOCKS"
            with m.State("BLOCKS"):
                with m.If(blocks == 0):
                    m.next = "COLUMNS"
                with m.Else():
                    m.d.sync += [
                        blocks.eq(blocks - 1),
                        advance.eq(advance_more), advance_more.eq(advance_more + job.out_stride_block),
                    ]
            with m.State("COLUMNS"):
                m.d.comb += laying.eq(1)
                m.d.sync += [
                    unwritten[place].eq(unwritten[place] | (1 << lane_number)),
                    columns_left.eq(columns_left - 1), rows_left.eq(rows_left - 1),
                    start.addr.eq(start.addr + job.out_stride_row),
                    lane_number.eq(lane_number + 1),
                ]
                with m.If(lane_number == len(lanes) - 1):
                    m.d.sync += [lane_number.eq(0), slot.eq(slot + 1)]
                with m.If(rows_left == 1):
                    m.d.sync += [
                        rows_left.eq(job.e), sets_left.eq(sets_left - 1),
                        start.addr.eq(next_set), set_addr.eq(next_set),
                        start.place.eq(start.place + further), start.entry.eq(start.entry + job.p),
                    ]
                with m.If((columns_left == 1) | ((rows_left == 1) & (sets_left == 1))):
                    m.d.sync += [ready.bit_select(place, 1).eq(1), place.eq(~place)]
                    m.next = "FREE"
            free = fsm.ongoing("FREE")
        m.d.sync += self.idle.eq(free & ~self.job.valid & ~ready.any())

    def _write(self, m: Module, lanes: list[PostLane], unwritten: Any) -> None:
        """Takes the lanes' words in turn; notes which lanes are through with a job."""
        layout = data.StructLayout({"word": PostWord, "lane": range(max(2, len(lanes)))})
        m.submodules.output = output = SkidBuffer(layout)
        chosen, turn = Signal.like(output.i.payload.lane), Signal.like(output.i.payload.lane)
        with m.Switch(turn):
            for last in range(len(lanes)):
                with m.Case(last):
                    for offset in reversed(range(1, len(lanes) + 1)):
                        number = (last + offset) % len(lanes)
                        with m.If(lanes[number].o.valid):
                            m.d.comb += chosen.eq(number)
        words = Array(lane.o.payload.as_value() for lane in lanes)
        m.d.comb += [
            output.i.valid.eq(Array(lane.o.valid for lane in lanes)[chosen]),
            output.i.payload.word.eq(words[chosen]),
            output.i.payload.lane.eq(chosen),
        ]
        for number, lane in enumerate(lanes):
            m.d.comb += lane.o.ready.eq(output.i.ready & (chosen == number))
        with m.If(output.i.valid & output.i.ready):
            m.d.sync += turn.eq(chosen)

        o = output.o
        m.d.comb += [
            self.write.valid.eq(o.valid),
            self.write.payload.addr.eq(o.payload.word.addr),
            self.write.payload.data.eq(o.payload.word.data),
            self.write.payload.mask.eq(o.payload.word.mask),
            o.ready.eq(self.write.ready),
        ]
        taken = o.valid & o.ready
        with m.If(taken & o.payload.word.end):
            ended = unwritten[o.payload.word.job]
            m.d.sync += ended.eq(ended & ~(1 << o.payload.lane))
        values = sum(o.payload.word.mask[::8 // self._config.block])
        m.d.sync += self.write_event.eq(Mux(taken, values, 0))
