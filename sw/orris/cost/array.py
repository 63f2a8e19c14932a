"""How long the parts of a pass take when nothing else holds them up, from what each block does in a cycle."""

from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any

from orris_hw.config import AcceleratorConfig

_BUFFERS = 4  # beats held by the feeder's buffer and the one ahead of a row's FIFO
STOP = 2  # beats a stop of an X-bus holds
HOP = 3  # values held behind it: by its serialiser and ahead of the first PE
_COLUMNS = 2  # cycles from a word's columns to those of the next one
_STEPS = 16  # of the walk ahead of the beats
_ROW_BEATS = 7  # that tell a PE row what it listens to, the feeder's step included, beside one per filter set

Run = dict[str, Any]
"""The fields of a RUN."""


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def position_cycles(p: int, taps: int, sharing: int) -> int:
    """Cycles from one ofmap position to the next, where `sharing` columns use one psum port.

    A column hands over p psums on its last tap, one a cycle. The port takes one a cycle, and stays with a
    column until its burst is over: columns drift apart until no two bursts meet.
    """
    return p * max(taps, sharing)


@dataclass(frozen=True)
class IfmapFeed:
    """What the ifmap network does in a pass.

    set_up : cycles that tell every row what it listens to. columns : ifmap columns sent.
    words, beats : of each, read from the buffer and sent on the Y-bus. column : cycles of each.
    x_bus : beats of a column on an X-bus.
    visit : cycles of the walk in a column that is sent, rows that no filter sees included.
    walk : cycles of the walk through the tile, which goes ahead of the beats.
    behind : cycles that X-buses which take longer than the Y-bus are behind it.
    places : for beats of a row between the feeder and the first PE, when that has no room.
    rows : of a column, that a PE row hears of; row_beats : of them, each `values` beats on the X-bus.
    """

    set_up: int
    columns: int
    words: float
    beats: int
    column: float
    x_bus: int
    visit: int
    walk: float
    behind: int
    places: float
    rows: int
    row_beats: int
    values: int

    @property
    def beat(self) -> float:
        """Cycles from one beat of a row to the next."""
        return max(self.beats, self.x_bus) / self.row_beats

    def held(self, q: int) -> tuple[int, float]:
        """Values of a PE, q of a column, that wait between the feeder and the first PE when that has no room,
        and cycles that the beats of the next ones take which have no place there."""
        whole, part = divmod(self.places, self.row_beats)
        return q * int(whole), (self.row_beats - part) * self.beat

    def sent(self, run: Run, ahead: float) -> tuple[float, ...]:
        """When each column has been sent, where the first beat may leave in cycle 0, `ahead` cycles after
        the walk has come to the tile, if PEs have room for all."""
        if run["period"] == run["kept"] and self.visit == self.beats:  # the walk is ahead of the beats
            return tuple(self.column * (number + 1) for number in range(self.columns))
        width, period, kept = run["full_width"], run["period"], run["kept"]
        return _columns_sent(width, period, kept, self.visit, self.beats, self.column, ahead)


def ifmap_feed(config: AcceleratorConfig, run: Run, blocks: int, rows: int) -> IfmapFeed:
    """Of a pass on `rows` PE rows over `blocks` channel blocks of the ifmap tile."""
    lanes = config.networks.ifmap_bits // config.data_width
    beats = blocks * max(1, run["pixel_lanes"] // lanes)  # of a pixel
    height, stride = run["full_height"], run["stride"]
    sent = _kept(height, stride, run["R"])
    y_bus = sent * beats
    values = run["q"]  # that a PE row sends on of a pixel
    if run["split"]:
        values = ceil_div(run["sets"], config.networks.x_lanes)
    x_rows = ceil_div(height, stride)
    x_bus = values * x_rows
    columns = _kept(run["full_width"], run["period"], run["kept"])
    set_up = rows * (_ROW_BEATS + run["sets"]) + _ROW_BEATS * (config.array.rows - rows)
    # A row or a column that no filter sees takes the walk one cycle, and it finds columns word by word.
    visit = y_bus + height - sent
    walk = columns * visit + run["full_width"] - columns
    walk = max(walk, run["full_width"] * _COLUMNS * run["pixel_lanes"] / config.block)
    values = min(values, lanes)
    behind = max(0, min(config.networks.fifo_depth * values, (x_bus - y_bus) * columns))
    row_beats = x_rows * max(1, run["q"] // lanes)
    places = config.networks.fifo_depth + HOP / values + _BUFFERS * min(1.0, row_beats / y_bus)
    words = sent * blocks * run["pixel_lanes"] / config.block
    words *= run["width"] * run["height"] / (run["full_width"] * height)  # padding needs none
    column = max(y_bus, x_bus)
    return IfmapFeed(
        set_up, columns, words, y_bus, column, x_bus, visit, walk, behind, places, x_rows, row_beats, values
    )


def _kept(size: int, period: int, kept: int) -> int:
    """How many of 0 to size - 1 are less than `kept` modulo `period`."""
    return size // period * min(kept, period) + min(size % period, kept)


@lru_cache(4096)
def _columns_sent(
    width: int, period: int, kept: int, visit: int, beats: float, column: float, ahead: float
) -> tuple[float, ...]:
    """As `IfmapFeed.sent`, where the walk passes over columns or rows: it takes a cycle for each, but finds a
    column only every other cycle, some of them ahead, and waits where so many of its steps do."""
    sent: list[float] = []
    # When the last column was found, when the walk took the last two, and when it is free for another.
    found, taken, before, free = -inf, -inf, -inf, -ahead - 1
    for number in range(width):
        found = max(found + _COLUMNS, before + 1)  # once the column two before it has been taken
        before, taken = taken, max(found + 1, free)
        if number % period >= kept:
            free = taken + 1
            continue
        free = taken + visit
        # Its last step finds a place when all but so many have left.
        left = len(sent) + 1 - _STEPS / beats
        if left > 0:
            free = max(free, (sent[int(left) - 1] if left >= 1 else 0.0) + left % 1 * column)
        sent.append(max((sent[-1] if sent else 0.0) + column, free + 1))
    return tuple(sent)


def filter_beats(config: AcceleratorConfig, run: Run, rows: int) -> tuple[int, int]:
    """Cycles that a pass's filters take on the Y-bus, and on an X-bus."""
    lanes = config.networks.filter_bits // config.data_width
    values = run["p"] * run["taps"]
    return run["sets"] * rows * ceil_div(values, lanes), run["sets"] * values


def filter_words(run: Run, rows: int) -> int:
    """Words of a pass's filters."""
    return run["sets"] * rows * run["filter_words"]


def pass_fields(run: Run) -> int:
    """Beats that describe a pass to the PEs."""
    return 7 + 2 * run["stacks"]


def post_cycles(config: AcceleratorConfig, run: Run) -> int:
    """Cycles post-processing takes for an ofmap position: its busiest lane, or writing the words."""
    sums = ceil_div(run["e"] * run["sets"], config.post_processing.lanes) * run["p"] * (1 + run["stacks"])
    return max(sums, post_words(config, run))


def post_words(config: AcceleratorConfig, run: Run) -> int:
    """Words that post-processing writes for an ofmap position."""
    block, sets, channels = config.block, run["sets"], run["p"] * (1 + run["stacks"])
    if run["merge"]:
        return run["e"] * ceil_div(run["ofmap_lane"] + sets * channels, block)
    starts = ((run["ofmap_lane"] + number * channels) % block for number in range(sets))
    return run["e"] * sum(ceil_div(start + channels, block) for start in starts)


def ofmap_writes(config: AcceleratorConfig, run: Run, rate: float) -> dict[int, float]:
    """Words a cycle that post-processing writes to each bank, of `rate` in all to the ofmap tile."""
    blocks = ceil_div(run["ofmap_lane"] + run["p"] * (1 + run["stacks"]) * run["sets"], config.block)
    words = (blocks - 1) * run["ofmap_block_stride"] + (run["e"] - 1) * run["ofmap_row_stride"]
    start, depth = run["ofmap_base"], config.global_buffer.depth
    end = start + words + run["positions"]
    return {
        bank: rate * (min(end, (bank + 1) * depth) - max(start, bank * depth)) / (end - start)
        for bank in range(start // depth, (end - 1) // depth + 1)
    }


def channel_blocks(run: Run, number: int, rows: int) -> tuple[int, tuple[int, int]]:
    """Channel blocks that pass `number` reads, and where its first logical row begins: (filter row, lane)."""
    top, lanes = number * run["rows"], run["pixel_lanes"]
    first, last = top // run["R"], (top + rows - 1) // run["R"]
    low = run["first_lane"] + first * run["group_lanes"]
    high = run["first_lane"] + last * run["group_lanes"] + run["q"] - 1
    return high // lanes - low // lanes + 1, (top % run["R"], low % lanes)
