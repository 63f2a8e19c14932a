"""The order in which a pass's ifmap values leave the global buffer."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..commands import RUN
from ..config import AcceleratorConfig
from .beats import CHUNK_BITS, COLUMN_TAG_BITS, ROW_TAG_BITS, ifmap_lanes
from .buffers import SkidBuffer, StreamFifo
from .command_layout import part_layout
from .semaphores import TokenSink

IFMAP_RUN = part_layout(
    RUN, "wait_ifmap", "signal_ifmap", "passes", "rows", "last_rows", "e", "sets", "R", "q", "group_lanes",
    "pixel_lanes", "first_lane", "stacks", "split", "keep_tags", "stride", "ifmap_base", "ifmap_row_stride",
    "ifmap_block_stride", "first_pixel", "pad_left", "width", "full_width", "period", "kept", "pad_top",
    "height", "full_height", "zero_point",
)  # fmt: skip

IDLE_CHUNK = (1 << CHUNK_BITS) - 1
"""The chunk a row without work listens to; no value has it."""


class Step(enum.Enum, shape=2):
    ROW = 0  # what a PE row listens to from now on
    ZEROS = 1  # a pixel outside the image
    WORD = 2  # a word of the image
    END = 3  # the RUN is through


STEP = data.StructLayout(
    {
        "kind": Step,
        "row": 4,  # ROW: which one
        "chunk": CHUNK_BITS,  # first chunk of the row, or of the word's channels
        "lane": 3,  # ROW: first lane within a chunk
        "phase": ROW_TAG_BITS,  # ifmap row modulo stride
        "tag": COLUMN_TAG_BITS,  # ifmap row div stride
        "first": 3,  # WORD: first and last pixel
        "last": 3,
    }
)


class IfmapWalk(wiring.Component):
    """Walks the passes of a RUN: which row listens to what, and every pixel of the ifmap tile.

    Per pass, for each PE row its logical row (channel group, filter row), unless it is what the row was
    told already; then for every column of the padded tile, every row and every channel block one step:
    the ifmap value of each position leaves the buffer once, in the order in which the PEs need it.
    Words are read ahead, their steps wait in a FIFO as deep as the buffer's latency. One step per cycle.

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
    steps : Out(stream of STEP)
    wait : Out(TokenSink())
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "run": In(IFMAP_RUN),
                "req": Out(stream.Signature(20)),
                "steps": Out(stream.Signature(STEP)),
                "wait": Out(TokenSink()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, run = self.config, self.run
        m.submodules.fifo = fifo = StreamFifo(STEP, 16)
        m.submodules.requests = requests = SkidBuffer(20)
        wiring.connect(m, fifo.o, wiring.flipped(self.steps))
        wiring.connect(m, requests.o, wiring.flipped(self.req))
        step = fifo.i.payload
        rows_total = config.array.rows
        lanes_per_chunk = ifmap_lanes(config)

        passes, rows = Signal(12), Signal(5)
        last_pass = passes + 1 == run.passes
        m.d.comb += rows.eq(Mux(last_pass, run.last_rows, run.rows))

        # -- logical rows ----------------------------------------------------------------------------
        # State of the logical row at hand: filter row, its phase and tag, its group's lane and block.
        logical = data.StructLayout(
            {"filter_row": 5, "phase": ROW_TAG_BITS, "tag": COLUMN_TAG_BITS, "lane": 4}
        )
        now, following = Signal(logical), Signal(logical)
        block_address, block = Signal(20), Signal(CHUNK_BITS)  # of the group's channel block
        next_lane = Signal(5)
        group_ends, block_ends = Signal(), Signal()
        m.d.comb += [
            group_ends.eq(now.filter_row + 1 == run.R),
            next_lane.eq(now.lane + run.group_lanes),
            block_ends.eq(group_ends & (next_lane >= run.pixel_lanes)),
            following.eq(now),
            following.filter_row.eq(now.filter_row + 1),
        ]
        with m.If(group_ends):
            m.d.comb += [following.filter_row.eq(0), following.phase.eq(0), following.tag.eq(0)]
            m.d.comb += following.lane.eq(Mux(block_ends, 0, next_lane))
        with m.Elif(now.phase + 1 == run.stride):
            m.d.comb += [following.phase.eq(0), following.tag.eq(now.tag + 1)]
        with m.Else():
            m.d.comb += following.phase.eq(now.phase + 1)
        # Chunks of a pixel: more than one only where the bus is narrower than a pixel.
        narrow = exact_log2(lanes_per_chunk)
        pixel_chunks = Signal(4)
        m.d.comb += pixel_chunks.eq(Mux(run.pixel_lanes > lanes_per_chunk, run.pixel_lanes >> narrow, 1))

        # A pass that begins like the one before, with as many rows, needs no new tags.
        told, told_rows, told_valid = Signal(logical), Signal(5), Signal()
        same = told_valid & (told == now) & (told_rows == rows)
        row = Signal(range(rows_total + 1))
        pass_address, last_block = Signal(20), Signal(CHUNK_BITS)

        # -- the tile --------------------------------------------------------------------------------
        column, column_phase, pixel = Signal(13), Signal(4), Signal(3)
        tile_row, row_phase, row_tag = Signal(8), Signal(ROW_TAG_BITS), Signal(COLUMN_TAG_BITS)
        chunk_block = Signal(CHUNK_BITS)
        column_address, row_address, address = Signal(20), Signal(20), Signal(20)
        right, bottom = Signal(14), Signal(9)
        m.d.sync += [right.eq(run.pad_left + run.width), bottom.eq(run.pad_top + run.height)]
        inside_column = (column >= run.pad_left) & (column < right)
        inside_row = (tile_row >= run.pad_top) & (tile_row < bottom)
        inside = Signal()
        pixels = Signal(4)  # in a word: config.block / pixel_lanes
        with m.Switch(run.pixel_lanes):
            for lanes in (1, 2, 4, 8):
                if lanes <= config.block:
                    with m.Case(lanes):
                        m.d.comb += pixels.eq(config.block // lanes)
        left_in_image = Signal(14)
        last_pixel = Signal(4)
        m.d.comb += [
            inside.eq(inside_column & inside_row),
            left_in_image.eq(right - column),
            last_pixel.eq(
                Mux(pixel + left_in_image >= pixels, pixels - 1, pixel + left_in_image - 1)
            ),
        ]
        taken = Signal(4)  # columns that a step of this column covers
        m.d.comb += taken.eq(Mux(inside_column, last_pixel - pixel + 1, 1))
        word_ends = inside_column & (last_pixel == pixels - 1)

        kept_row = row_phase < run.R
        kept_column = column_phase < run.kept
        advance, next_column = Signal(), Signal()
        last_block_here = chunk_block == last_block
        last_row_here = tile_row + 1 == run.full_height
        last_column_here = column + taken >= run.full_width

        m.d.comb += requests.i.payload.eq(address)
        with m.FSM(name="walk"):
            with m.State("IDLE"):
                m.d.sync += [
                    passes.eq(0), now.eq(0), now.lane.eq(run.first_lane), block_address.eq(run.ifmap_base),
                ]  # fmt: skip
                with m.If(self.start):
                    m.d.sync += told_valid.eq(told_valid & run.keep_tags)
                    m.next = "TOKEN"
            with m.State("TOKEN"):
                m.d.comb += [self.wait.want.eq(1), self.wait.id.eq(run.wait_ifmap)]
                with m.If(self.wait.granted):
                    m.next = "PASS"
            with m.State("PASS"):
                m.d.sync += [
                    row.eq(0), block.eq(0), pass_address.eq(block_address),
                    told.eq(now), told_rows.eq(rows), told_valid.eq(1),
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
                            step.chunk.eq(
                                Mux(active, block + (now.lane >> narrow), IDLE_CHUNK)
                            ),
                            step.lane.eq(now.lane & (lanes_per_chunk - 1)),
                            step.phase.eq(now.phase), step.tag.eq(now.tag),
                        ]  # fmt: skip
                    with m.If(go):
                        m.d.sync += row.eq(row + 1)
                        with m.If(active):
                            m.d.sync += [now.eq(following), last_block.eq(block)]
                            with m.If(block_ends):
                                m.d.sync += [
                                    block.eq(block + pixel_chunks),
                                    block_address.eq(block_address + run.ifmap_block_stride),
                                ]
                        with m.If(row == rows_total - 1):
                            m.next = "TILE"
            with m.State("TILE"):
                m.d.sync += [
                    column.eq(0), column_phase.eq(0), pixel.eq(run.first_pixel),
                    column_address.eq(pass_address), row_address.eq(pass_address), address.eq(pass_address),
                    tile_row.eq(0), row_phase.eq(0), row_tag.eq(0), chunk_block.eq(0),
                ]  # fmt: skip
                m.next = "STEPS"
            with m.State("STEPS"):
                m.d.comb += [
                    step.kind.eq(Mux(inside, Step.WORD, Step.ZEROS)),
                    step.chunk.eq(chunk_block), step.phase.eq(row_phase), step.tag.eq(row_tag),
                    step.first.eq(pixel), step.last.eq(last_pixel),
                ]  # fmt: skip
                # Beside the image a column is one pixel.
                with m.If(~inside_column):
                    m.d.comb += [step.first.eq(0), step.last.eq(0)]
                with m.If(~kept_column):
                    m.d.comb += next_column.eq(1)
                with m.Else():
                    m.d.comb += [
                        fifo.i.valid.eq(kept_row & (requests.i.ready | ~inside)),
                        requests.i.valid.eq(kept_row & inside & fifo.i.ready),
                        advance.eq(~kept_row | (fifo.i.ready & (requests.i.ready | ~inside))),
                    ]
                with m.If(advance):
                    m.d.sync += [
                        chunk_block.eq(chunk_block + pixel_chunks),
                        address.eq(address + run.ifmap_block_stride),
                    ]
                    with m.If(last_block_here | ~kept_row):
                        next_row_address = Mux(inside_row, row_address + run.ifmap_row_stride, row_address)
                        m.d.sync += [
                            chunk_block.eq(0),
                            row_address.eq(next_row_address),
                            address.eq(next_row_address),
                            tile_row.eq(tile_row + 1),
                            row_phase.eq(row_phase + 1),
                        ]
                        with m.If(row_phase + 1 == run.stride):
                            m.d.sync += [row_phase.eq(0), row_tag.eq(row_tag + 1)]
                        with m.If(last_row_here):
                            m.d.comb += next_column.eq(1)
                with m.If(next_column):
                    next_column_address = column_address + word_ends
                    m.d.sync += [
                        column.eq(column + taken),
                        column_phase.eq(Mux(column_phase + 1 == run.period, 0, column_phase + 1)),
                        column_address.eq(next_column_address),
                        row_address.eq(next_column_address),
                        address.eq(next_column_address),
                        tile_row.eq(0), row_phase.eq(0), row_tag.eq(0), chunk_block.eq(0),
                    ]  # fmt: skip
                    with m.If(inside_column):
                        m.d.sync += pixel.eq(Mux(word_ends, 0, last_pixel + 1))
                    with m.If(last_column_here):
                        m.d.sync += passes.eq(passes + 1)
                        m.next = "PASS"
                        with m.If(last_pass):
                            m.next = "END"
            with m.State("END"):
                m.d.comb += [fifo.i.valid.eq(1), step.kind.eq(Step.END)]
                with m.If(fifo.i.ready):
                    m.next = "IDLE"
        return m
