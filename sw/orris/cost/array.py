"""How long the parts of a pass take when nothing else holds them up, from what each block does in a cycle."""

from dataclasses import dataclass
from typing import Any

from orris_hw.config import AcceleratorConfig

_BUFFERS = 4  # beats held by the feeder's buffer and the one ahead of a row's FIFO
STOP = 2  # beats a stop of an X-bus holds
HOP = 3  # values held behind it: by its serialiser and ahead of the first PE
_COLUMNS = 2  # cycles from a word's columns to those of the next one
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
    walk = columns * (y_bus + height - sent) + run["full_width"] - columns
    walk = max(walk, run["full_width"] * _COLUMNS * run["pixel_lanes"] / config.block)
    values = min(values, lanes)
    behind = max(0, min(config.networks.fifo_depth * values, (x_bus - y_bus) * columns))
    row_beats = x_rows * max(1, run["q"] // lanes)
    places = config.networks.fifo_depth + HOP / values + _BUFFERS * min(1.0, row_beats / y_bus)
    words = sent * blocks * run["pixel_lanes"] / config.block
    column = max(y_bus, x_bus)
    return IfmapFeed(
        set_up, columns, words, y_bus, column, x_bus, walk, behind, places, x_rows, row_beats, values
    )


def _kept(size: int, period: int, kept: int) -> int:
    """How many of 0 to size - 1 are less than `kept` modulo `period`."""
    return size // period * min(kept, period) + min(size % period, kept)


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
