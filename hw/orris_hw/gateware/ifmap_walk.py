"""The order in which a pass's ifmap values leave the global buffer."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..commands import RUN
from ..config import AcceleratorConfig
from .beats import COLUMN_TAG_BITS, IDLE_PHASE, ROW_TAG_BITS, chunk_bits, ifmap_lanes
from .buffers import SkidBuffer, StreamFifo
from .command_layout import part_layout
from .ifmap_columns import COLUMN, COLUMNS_RUN, IfmapColumns
from .semaphores import TokenSink

IFMAP_RUN = part_layout(
    RUN, "wait_ifmap", "signal_ifmap", "passes", "rows", "last_rows", "e", "sets", "R", "q", "group_lanes",
    "pixel_lanes", "first_lane", "stacks", "split", "keep_tags", "stride", "ifmap_base", "ifmap_row_stride",
    "ifmap_block_stride", "first_pixel", "pad_left", "width", "full_width", "period", "kept", "pad_top",
    "height", "full_height", "zero_point",
)  # fmt: skip


class Step(enum.Enum, shape=2):
    ROW = 0  # what a PE row listens to from now on
    ZEROS = 1  # a pixel outside the image
    WORD = 2  # a word of the image
    END = 3  # the RUN is through


def walk_step(config: AcceleratorConfig) -> data.StructLayout:
    return data.StructLayout(
        {
            "kind": Step,
            "row": 4,  # ROW: which one
            "chunk": chunk_bits(config),  # first chunk of the row, or of the word's channels
            "lane": 3,  # ROW: first lane within a chunk
            "phase": ROW_TAG_BITS,  # ifmap row modulo stride; IDLE_PHASE for a row without work
            "tag": COLUMN_TAG_BITS,  # ifmap row div stride
            "first": 3,  # WORD: first and last pixel
            "last": 3,
            "single": 1,  # they are the same
        }
    )


class IfmapWalk(wiring.Component):
    """Walks the passes of a RUN: which row listens to what, and every pixel of the ifmap tile.

    Per pass, for each PE row its logical row (channel group, filter row), unless it is what the row was
    told already; then for every column of the padded tile, every row and every channel block one step:
    the ifmap value of each position leaves the buffer once, in the order in which the PEs need it.
    Words are read ahead, their steps wait in a FIFO as deep as the buffer's latency. One step per cycle,
    where a column (a word's columns) has two steps or more.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    start : In(1)
        `run` holds a new RUN.
    run : In(IFMAP_RUN)
        Must not change until `steps` has given `END`.
    req : Out(stream of word addresses)
    steps : Out(stream of walk_step)
    wait : Out(TokenSink())
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "run": In(IFMAP_RUN),
                "req": Out(stream.Signature(20)),
                "steps": Out(stream.Signature(walk_step(config))),
                "wait": Out(TokenSink()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, run = self.config, self.run
        m.submodules.fifo = fifo = StreamFifo(walk_step(config), 16)
        m.submodules.requests = requests = SkidBuffer(20)
        wiring.connect(m, fifo.o, wiring.flipped(self.steps))
        wiring.connect(m, requests.o, wiring.flipped(self.req))
        step = fifo.i.payload
        rows_total = config.array.rows
        lanes_per_chunk = ifmap_lanes(config)

        # Passes left with this one, and what follows from it.
        passes, rows, last_pass = Signal(12), Signal(5), Signal()

        # -- logical rows ----------------------------------------------------------------------------
        # State of the logical row at hand: filter row, its phase and tag, its group's lane and block.
        logical = data.StructLayout(
            {"filter_row": 5, "phase": ROW_TAG_BITS, "tag": COLUMN_TAG_BITS, "lane": 4}
        )
        now, following = Signal(logical), Signal(logical)
        block_address, block = Signal(20), Signal(chunk_bits(config))  # of the group's channel block
        # Registers that go with `now`: it is its group's last row; its group is its block's last.
        group_ends, lanes_end = Signal(), Signal()
        last_filter_row, next_lane, lane_after_next = Signal(5), Signal(5), Signal(6)
        block_ends = group_ends & lanes_end
        m.d.sync += last_filter_row.eq(run.R - 1)
        m.d.comb += [
            next_lane.eq(now.lane + run.group_lanes),
            lane_after_next.eq(Mux(lanes_end, 0, next_lane) + run.group_lanes),
            following.eq(now),
            following.filter_row.eq(now.filter_row + 1),
        ]
        with m.If(group_ends):
            m.d.comb += [following.filter_row.eq(0), following.phase.eq(0), following.tag.eq(0)]
            m.d.comb += following.lane.eq(Mux(lanes_end, 0, next_lane))
        with m.Elif(now.phase + 1 == run.stride):
            m.d.comb += [following.phase.eq(0), following.tag.eq(now.tag + 1)]
        with m.Else():
            m.d.comb += following.phase.eq(now.phase + 1)
        # Chunks of a pixel: more than one only where the bus is narrower than a pixel.
        narrow = exact_log2(lanes_per_chunk)
        pixel_chunks = Signal(4)
        m.d.sync += pixel_chunks.eq(Mux(run.pixel_lanes > lanes_per_chunk, run.pixel_lanes >> narrow, 1))

        # A pass that begins like the one before, with as many rows, needs no new tags.
        told, told_rows, told_valid = Signal(logical), Signal(5), Signal()
        same = told_valid & (told == now) & (told_rows == rows)
        row = Signal(range(rows_total + 1))
        last_block = Signal(chunk_bits(config))

        # -- the tile --------------------------------------------------------------------------------
        m.submodules.columns = columns = IfmapColumns(config)
        # The column at hand; `live`: there is one, and some position needs it; `ends`: it is the tile's last.
        column, live, ends = Signal(COLUMN), Signal(), Signal()
        m.d.comb += [
            columns.base.eq(block_address),
            *(columns.run[name].eq(run[name]) for name, _ in COLUMNS_RUN),
        ]
        # Registers that go with the row at hand: the one after it, its place, what it is for; with
        # the step: it is its row's last.
        next_row, bottom, last_row_number = Signal(9), Signal(9), Signal(8)
        row_phase, row_tag = Signal(ROW_TAG_BITS), Signal(COLUMN_TAG_BITS)
        inside, kept_row, last_row, row_ends = Signal(), Signal(), Signal(), Signal()
        next_phase = Signal(ROW_TAG_BITS)
        m.d.sync += [bottom.eq(run.pad_top + run.height), last_row_number.eq(run.full_height - 1)]
        m.d.comb += next_phase.eq(Mux(row_phase + 1 == run.stride, 0, row_phase + 1))
        chunk_block, row_address, address = Signal(chunk_bits(config)), Signal(20), Signal(20)
        next_chunk = (chunk_block + pixel_chunks)[: len(chunk_block)]
        next_kept = next_phase < run.R
        one_chunk = last_block == 0
        next_address = Mux(row_ends, row_address, address) + Mux(
            row_ends, Mux(inside, run.ifmap_row_stride, 0), run.ifmap_block_stride
        )
        advance, next_column = Signal(), Signal()

        m.d.comb += [requests.i.payload.eq(address), self.wait.id.eq(run.wait_ifmap)]
        with m.FSM(name="walk"):
            with m.State("IDLE"):
                m.d.sync += [
                    passes.eq(run.passes), last_pass.eq(run.passes == 1),
                    rows.eq(Mux(run.passes == 1, run.last_rows, run.rows)),
                    now.eq(0), now.lane.eq(run.first_lane), block_address.eq(run.ifmap_base),
                ]  # fmt: skip
                with m.If(self.start):
                    m.d.sync += told_valid.eq(told_valid & run.keep_tags)
                    m.next = "TOKEN"
            with m.State("TOKEN"):
                m.d.comb += self.wait.want.eq(1)
                m.d.sync += [group_ends.eq(last_filter_row == 0), lanes_end.eq(next_lane >= run.pixel_lanes)]
                with m.If(self.wait.granted):
                    m.next = "PASS"
            with m.State("PASS"):
                m.d.comb += columns.start.eq(1)
                m.d.sync += [
                    row.eq(0), block.eq(0), told.eq(now), told_rows.eq(rows), told_valid.eq(1),
                ]  # fmt: skip
                with m.If(same):
                    m.next = "SAME_ROWS"
                with m.Else():
                    m.next = "ROWS"
            # Goes through the rows, telling each what it listens to; rows without work listen to nothing.
            for name in ("ROWS", "SAME_ROWS"):
                with m.State(name):
                    active = row < rows
                    go: Any = fifo.i.ready if name == "ROWS" else 1
                    if name == "ROWS":
                        m.d.comb += [
                            fifo.i.valid.eq(1), step.kind.eq(Step.ROW), step.row.eq(row),
                            step.chunk.eq(block + (now.lane >> narrow)),
                            step.lane.eq(now.lane & (lanes_per_chunk - 1)),
                            step.phase.eq(Mux(active, now.phase, IDLE_PHASE)), step.tag.eq(now.tag),
                        ]  # fmt: skip
                    with m.If(go):
                        m.d.sync += row.eq(row + 1)
                        with m.If(active):
                            m.d.sync += [
                                now.eq(following), last_block.eq(block),
                                group_ends.eq(following.filter_row == last_filter_row),
                            ]  # fmt: skip
                            with m.If(group_ends):
                                m.d.sync += lanes_end.eq(lane_after_next >= run.pixel_lanes)
                            with m.If(block_ends):
                                m.d.sync += [
                                    block.eq(block + pixel_chunks),
                                    block_address.eq(block_address + run.ifmap_block_stride),
                                ]
                        with m.If(row == rows_total - 1):
                            m.next = "TILE"
            with m.State("TILE"):
                m.d.comb += next_column.eq(1)
                m.next = "STEPS"
            with m.State("STEPS"):
                m.d.comb += [
                    step.kind.eq(Mux(inside, Step.WORD, Step.ZEROS)),
                    step.chunk.eq(chunk_block), step.phase.eq(row_phase), step.tag.eq(row_tag),
                    step.first.eq(column.first), step.last.eq(column.last), step.single.eq(column.single),
                ]  # fmt: skip
                with m.If(~live):
                    m.d.comb += next_column.eq(1)
                with m.Else():
                    m.d.comb += [
                        fifo.i.valid.eq(kept_row & (requests.i.ready | ~inside)),
                        requests.i.valid.eq(kept_row & inside & fifo.i.ready),
                        advance.eq(~kept_row | (fifo.i.ready & (requests.i.ready | ~inside))),
                    ]
                with m.If(advance):
                    m.d.sync += [
                        chunk_block.eq(next_chunk), row_ends.eq(next_chunk == last_block),
                        address.eq(next_address),
                    ]  # fmt: skip
                    with m.If(row_ends):
                        in_image = (next_row >= run.pad_top) & (next_row < bottom)
                        m.d.sync += [
                            chunk_block.eq(0),
                            row_address.eq(next_address),
                            next_row.eq(next_row + 1),
                            inside.eq(column.inside & in_image),
                            last_row.eq(next_row == last_row_number),
                            row_phase.eq(next_phase),
                            kept_row.eq(next_kept), row_ends.eq(one_chunk | ~next_kept),
                        ]  # fmt: skip
                        with m.If(next_phase == 0):
                            m.d.sync += row_tag.eq(row_tag + 1)
                        with m.If(last_row):
                            m.d.comb += next_column.eq(1)
                with m.If(next_column & ends):
                    m.d.sync += [
                        passes.eq(passes - 1), last_pass.eq(passes == 2),
                        rows.eq(Mux(passes == 2, run.last_rows, run.rows)),
                    ]  # fmt: skip
                    m.next = "PASS"
                    with m.If(last_pass):
                        m.next = "END"
            with m.State("END"):
                m.d.comb += [fifo.i.valid.eq(1), step.kind.eq(Step.END)]
                with m.If(fifo.i.ready):
                    m.next = "IDLE"

        offered = columns.columns
        taken = offered.valid & ~ends  # the next tile's columns wait for its turn
        m.d.comb += offered.ready.eq(next_column & ~ends)
        with m.If(next_column):
            m.d.sync += [
                column.eq(offered.payload),
                live.eq(taken & offered.payload.kept), ends.eq(taken & offered.payload.end),
                row_address.eq(offered.payload.address), address.eq(offered.payload.address),
                next_row.eq(1), row_phase.eq(0), row_tag.eq(0), chunk_block.eq(0),
                inside.eq(offered.payload.inside & (run.pad_top == 0) & (run.height != 0)),
                last_row.eq(last_row_number == 0), kept_row.eq(1), row_ends.eq(one_chunk),
            ]  # fmt: skip
        return m
