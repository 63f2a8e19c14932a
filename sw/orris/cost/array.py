"""How long the parts of a pass take when nothing else holds them up, from what each block does in a cycle."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from orris_hw.config import AcceleratorConfig

_SETTLED, _MEASURED = 12, 12  # positions until the pattern repeats, and over which it is measured
_SKIDS = 4  # beats between the feeder and a row's FIFO
_ROW_BEATS = 7  # that tell a PE row what it listens to, the feeder's step included, beside one per filter set

Run = dict[str, Any]
"""The fields of a RUN."""


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


@lru_cache(maxsize=4096)
def position_cycles(p: int, taps: int, sharing: int, skew: int) -> float:
    """Cycles from one ofmap position to the next, where `sharing` columns use one psum port.

    On the last tap a column hands over p psums, one a cycle; the port takes one a cycle, from its columns in
    turn. Between the PE's sum and the port a column holds five: one in the PE's register, two in its FIFO,
    two at the port. What finds no room holds up the PE. Found by going through a few positions cycle by
    cycle, each column `skew` cycles behind the one before it.
    """
    period = p * taps
    if sharing <= 1:
        return period
    begins = period - p  # of the last tap within a position
    at = [-skew * column for column in range(sharing)]  # multiply-accumulates made
    register, fifo, port = ([0] * sharing for _ in range(3))  # psums held
    ends: list[int] = []  # of positions in the last column
    turn, cycle = sharing - 1, 0
    while len(ends) <= _SETTLED + _MEASURED:
        granted = -1
        for offset in range(1, sharing + 1):
            if port[(turn + offset) % sharing]:
                granted = turn = (turn + offset) % sharing
                break
        for column in range(sharing):
            to_port = fifo[column] > 0 and port[column] < 2
            to_fifo = register[column] > 0 and fifo[column] < 2
            if to_fifo or not register[column]:  # the PE goes on
                register[column] = int(at[column] >= 0 and at[column] % period >= begins)
                at[column] += 1
                if column == sharing - 1 and at[column] > 0 and at[column] % period == 0:
                    ends.append(cycle)
            fifo[column] += to_fifo - to_port
            port[column] += to_port - (column == granted)
        cycle += 1
    return (ends[-1] - ends[_SETTLED]) / _MEASURED


@dataclass(frozen=True)
class IfmapFeed:
    """What the ifmap network does in a pass.

    set_up : cycles that tell every row what it listens to. columns : ifmap columns sent.
    column : cycles of each. skew : cycles between the values of neighbouring PE columns.
    ahead : cycles that the Y-bus is ahead of X-buses which take longer: what the FIFOs between them hold.
    """

    set_up: int
    columns: int
    column: int
    skew: int
    ahead: int


def ifmap_feed(config: AcceleratorConfig, run: Run, blocks: int, rows: int) -> IfmapFeed:
    """Of a pass on `rows` PE rows over `blocks` channel blocks of the ifmap tile."""
    lanes = config.networks.ifmap_bits // config.data_width
    beats = blocks * max(1, run["pixel_lanes"] // lanes)  # of a pixel
    height, stride = run["full_height"], run["stride"]
    sent = _kept(height, stride, run["R"])
    y_bus = sent * beats + height - sent  # a row that no filter sees takes the walk one cycle
    values = run["q"]  # that a PE row sends on of a pixel
    if run["split"]:
        values = ceil_div(run["sets"], config.networks.x_lanes)
    x_bus = values * ceil_div(height, stride)
    columns = _kept(run["full_width"], run["period"], run["kept"])
    skipped = ceil_div(run["full_width"] - columns, columns)
    set_up = rows * (_ROW_BEATS + run["sets"]) + _ROW_BEATS * (config.array.rows - rows)
    held = (config.networks.fifo_depth + _SKIDS) * values
    ahead = max(0, min(held, (x_bus - y_bus) * columns))
    return IfmapFeed(set_up, columns, max(y_bus + skipped, x_bus), beats * min(stride, run["R"]), ahead)


def _kept(size: int, period: int, kept: int) -> int:
    """How many of 0 to size - 1 are less than `kept` modulo `period`."""
    return size // period * min(kept, period) + min(size % period, kept)


def filter_beats(config: AcceleratorConfig, run: Run, rows: int) -> tuple[int, int]:
    """Cycles that a pass's filters take on the Y-bus, and on an X-bus."""
    lanes = config.networks.filter_bits // config.data_width
    values = run["p"] * run["taps"]
    return run["sets"] * rows * ceil_div(values, lanes), run["sets"] * values


def pass_fields(run: Run) -> int:
    """Beats that describe a pass to the PEs."""
    return 7 + 2 * run["stacks"]


def post_cycles(config: AcceleratorConfig, run: Run) -> int:
    """Cycles post-processing takes for an ofmap position: its busiest lane, or writing the words."""
    lanes, block, sets = config.post_processing.lanes, config.block, run["sets"]
    channels = run["p"] * (1 + run["stacks"])  # of a column
    if run["merge"]:
        words = run["e"] * ceil_div(run["ofmap_lane"] + sets * channels, block)
    else:
        starts = ((run["ofmap_lane"] + number * channels) % block for number in range(sets))
        words = run["e"] * sum(ceil_div(start + channels, block) for start in starts)
    return max(ceil_div(run["e"] * sets, lanes) * channels, words)


def channel_blocks(run: Run, number: int, rows: int) -> tuple[int, tuple[int, int]]:
    """Channel blocks that pass `number` reads, and where its first logical row begins: (filter row, lane)."""
    top, lanes = number * run["rows"], run["pixel_lanes"]
    first, last = top // run["R"], (top + rows - 1) // run["R"]
    low = run["first_lane"] + first * run["group_lanes"]
    high = run["first_lane"] + last * run["group_lanes"] + run["q"] - 1
    return high // lanes - low // lanes + 1, (top % run["R"], low % lanes)
