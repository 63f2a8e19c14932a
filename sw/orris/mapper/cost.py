"""Cycles a mapping is expected to take.

A pass takes as long as the busiest of: a PE's multiply-accumulates (p q S f), the two Y-buses with their
set-up, the X-buses, the psum ports, and in the last pass the lanes of post-processing. Passes follow each
other without a gap if the set-up of the next one and its first window come over the networks between the last
ifmap value of this one and its end. Memory moves a word per cycle behind all this, except where there is only
one ifmap area, or one filter slot: then compute waits for each load.
"""

from collections import Counter
from math import ceil, log

from .counts import (
    estimated_commands,
    expected_counts,
    filter_load_words,
    ifmap_load_words,
    sent_columns,
    sent_rows,
)
from .depthwise import DepthwiseMapping
from .limits import chunk_lanes
from .mapping import MEMORY_LATENCY, Mapping
from .tiling import FilterRun, Part, Window, ceil_div

_ROW_FIELDS = 6  # beats that set up a row of the ifmap network, beside one for each filter set
_UP = 2  # cycles that a PE is behind the one below
_PASS_FIELDS = 7  # beats that describe a pass to the PEs


def run_cycles(mapping: Mapping, window: Window, run: FilterRun) -> int:
    """Cycles of all passes behind one ofmap tile."""
    layer, config = mapping.layer, mapping.config
    e, f = window.rows.count, window.columns.count
    columns = e * run.sets
    shared = ceil_div(config.array.columns, config.psum_ports)
    psums = min(shared, columns) * run.p * f
    word_beats = max(1, 64 // config.networks.filter_bits)
    per_block = mapping.pixel_lanes // chunk_lanes(mapping)
    begins = run.group * layer.C % mapping.pixel_lanes
    cycles = compute = 0
    for part in mapping.parts:
        rows_seen = mapping.tile(window, part).rows
        sent, height = sent_columns(layer, part, f), sent_rows(rows_seen, part)
        taps = part.taps
        compute = run.p * taps * f
        # A row's X-bus also carries the ifmap rows of its phase that only other rows of the diagonal take.
        column_x = mapping.q * ceil_div(rows_seen.full, rows_seen.stride)
        filter_x = run.sets * run.p * taps
        ahead = _fed_ahead(mapping, part, run.p, f)
        for (rows, blocks), count in mapping.pass_kinds(part, begins).items():
            set_up = rows * (_ROW_FIELDS + run.sets)
            column = max(column_x, height * blocks * per_block)
            ifmap = set_up + column * sent
            filter_y = mapping.slot_words(run, part, rows) * word_beats + _PASS_FIELDS
            busiest = max(compute, psums, ifmap, filter_x, filter_y)
            # The first column of a window has to be there, and others by the time it is through with it.
            first = column + (part.S - 1) * max(0, column - mapping.q * run.p)
            gap = max(0, set_up + first - ahead) if busiest == compute else 0
            cycles += count * (busiest + gap)
    lanes = ceil_div(columns, config.post_processing.lanes) * run.p * f
    return cycles + max(0, lanes - max(compute, psums))


def _fed_ahead(mapping: Mapping, part: Part, p: int, positions: int) -> int:
    """Cycles from a pass's last ifmap value to its end: scratchpads take it as soon as all have room."""
    taps, step = part.taps, mapping.step(part)
    freed = taps + (positions - 1) * step - mapping.config.scratchpads.ifmap
    if freed <= 0:
        return p * taps * positions
    position = min((freed - 1) // step, positions - 1)
    skew = _UP * (part.rows - 1)
    return p * (taps * (positions - position) - (freed - position * step)) - skew


def compute_cycles(mapping: Mapping) -> int:
    """Cycles of all passes."""
    windows = {(w.rows.count, w.columns.count): w for w in mapping.windows}
    often = Counter((w.rows.count, w.columns.count) for w in mapping.windows)
    # Groups differ only in the lane they begin with, which moves a pass by a chunk at most.
    runs = Counter((run.sets, run.p) for run in mapping.filter_runs)
    first = {(run.sets, run.p): run for run in reversed(mapping.filter_runs)}
    return sum(
        count * often[kind] * run_cycles(mapping, window, first[shape])
        for kind, window in windows.items()
        for shape, count in runs.items()
    )


def cycles(
    mapping: Mapping | DepthwiseMapping, memory_words: int | None = None, compute: int | None = None
) -> int:
    """Expected cycles of the layer; `memory_words` are those read and written, `compute` the cycles of all
    passes, if they are known."""
    if isinstance(mapping, DepthwiseMapping):
        return mapping.expected_cycles(MEMORY_LATENCY)
    if memory_words is None:
        memory_words = _memory_words(expected_counts(mapping))
    compute = compute if compute is not None else compute_cycles(mapping)
    loads = ifmap_load_words(mapping)
    areas = 1 if mapping.held == "channels" else sum(map(len, mapping.area_sequences))
    contents = len(mapping.windows) * areas
    first = ceil(loads / contents) + MEMORY_LATENCY
    start = first + mapping.needs.filters + MEMORY_LATENCY
    end = mapping.needs.ofmap_blocks * mapping.needs.ofmap_plane + MEMORY_LATENCY
    waiting = 0
    if mapping.buffer.ifmap.slots == 1 and not mapping.ifmap_stays:
        waiting = loads + contents * MEMORY_LATENCY - first
    port = mapping.config.port_words
    if mapping.buffer.filters.slots == 1 and not mapping.filters_stay:
        waiting += ceil_div(filter_load_words(mapping), port) + mapping.all_passes * MEMORY_LATENCY
    return start + max(compute + waiting, ceil_div(memory_words, port)) + end


def _memory_words(counts: dict[str, int]) -> int:
    return counts["dram_read_words"] + counts["dram_write_words"]


def utilisation(mapping: Mapping) -> float:
    """Expected MACs of the layer per PE and cycle."""
    return mapping.layer.macs / (mapping.config.pes * cycles(mapping))


def rank(mapping: Mapping | DepthwiseMapping) -> tuple[float, ...]:
    """Smaller is better: cycles (in steps), memory words, buffer words, cycles."""
    counts = expected_counts(mapping, estimated_commands(mapping))
    memory = _memory_words(counts)
    buffer = sum(value for name, value in counts.items() if name.startswith("glb"))
    total = cycles(mapping, memory)
    return steps(total), memory, buffer, total


def steps(total: int) -> float:
    """`total` cycles in steps of half a percent."""
    return log(max(1, total)) / log(1.005)
