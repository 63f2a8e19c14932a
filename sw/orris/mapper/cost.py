"""Cycles a mapping is expected to take.

A pass takes as long as the busiest of: a PE's multiply-accumulates (p q S f), the two Y-buses with their
set-up, the X-buses, the psum ports, and in the last pass the lanes of post-processing. Passes follow each
other without a gap. Memory moves a word per cycle behind all this, except where there is only one ifmap area:
then compute waits for each load.
"""

from collections import Counter
from math import ceil, log

from .counts import expected_counts, ifmap_load_words, sent_columns
from .limits import chunk_lanes
from .mapping import Mapping
from .tiling import Chunk, FilterRun, Window, ceil_div

MEMORY_LATENCY = 100
_ROW_FIELDS = 6  # beats that set up a row of the ifmap network, beside one for each filter set
_PASS_FIELDS = 7  # beats that describe a pass to the PEs


def _pass_kinds(mapping: Mapping, chunk: Chunk, lane: int) -> Counter[tuple[int, int]]:
    """(PE rows, chunks of channels) of the passes, and how often each occurs."""
    lanes, per_block = mapping.pixel_lanes, mapping.pixel_lanes // chunk_lanes(mapping)
    kinds: Counter[tuple[int, int]] = Counter()
    for rows, first, last in chunk.pass_groups():
        low = (lane + first * mapping.group_lanes) // lanes
        high = (lane + last * mapping.group_lanes + mapping.q - 1) // lanes
        kinds[rows, (high - low + 1) * per_block] += 1
    return kinds


def run_cycles(mapping: Mapping, window: Window, run: FilterRun) -> int:
    """Cycles of all passes behind one ofmap tile."""
    layer, config = mapping.layer, mapping.config
    e, f = window.rows.count, window.columns.count
    sent_rows = (e - 1) * min(mapping.stride, layer.R) + layer.R
    sent, columns = sent_columns(mapping, f), e * run.sets
    compute = run.p * mapping.taps * f
    shared = ceil_div(config.array.columns, config.psum_ports)
    psums = min(shared, columns) * run.p * f
    # A row's X-bus also carries the ifmap rows of its phase that only other rows of the diagonal take.
    ifmap_x = mapping.q * ceil_div(window.rows.full, mapping.stride) * sent
    filter_x = run.sets * run.p * mapping.taps
    word_beats = max(1, 64 // config.networks.filter_bits)
    cycles = 0
    for chunk in mapping.chunks:
        lane = (run.group * layer.C + chunk.first) % mapping.pixel_lanes
        for (rows, beats), count in _pass_kinds(mapping, chunk, lane).items():
            ifmap_y = sent_rows * sent * beats + rows * (_ROW_FIELDS + run.sets)
            filter_y = run.sets * mapping.filter_words(run) * rows * word_beats + _PASS_FIELDS
            cycles += count * max(compute, psums, ifmap_x, filter_x, ifmap_y, filter_y)
    lanes = ceil_div(columns, config.post_processing.lanes) * run.p * f
    return cycles + max(0, lanes - max(compute, psums))


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


def cycles(mapping: Mapping) -> int:
    """Expected cycles of the layer."""
    counts = expected_counts(mapping)
    compute = compute_cycles(mapping)
    loads = ifmap_load_words(mapping)
    contents = len(mapping.windows) * max(1, sum(map(len, mapping.range_sequences)) if not mapping.whole else 1)
    first = ceil(loads / contents) + MEMORY_LATENCY
    start = first + mapping.needs.filters + MEMORY_LATENCY
    end = mapping.needs.ofmap_blocks * mapping.needs.ofmap_plane + MEMORY_LATENCY
    waiting = 0
    if mapping.buffer.ifmap.slots == 1 and not mapping.ifmap_stays:
        waiting = loads + contents * MEMORY_LATENCY - first
    memory = counts["dram_read_words"] + counts["dram_write_words"]
    return start + max(compute + waiting, memory) + end


def utilisation(mapping: Mapping) -> float:
    """Expected MACs of the layer per PE and cycle."""
    return mapping.layer.macs / (mapping.config.pes * cycles(mapping))


def rank(mapping: Mapping) -> tuple[int, int, int, int]:
    """Smaller is better: cycles (half a percent is no difference), memory words, buffer words, cycles."""
    counts, total = expected_counts(mapping), cycles(mapping)
    buffer = sum(value for name, value in counts.items() if name.startswith("glb"))
    return (
        bucket(total),
        counts["dram_read_words"] + counts["dram_write_words"],
        buffer,
        total,
    )


def bucket(total: int) -> int:
    """Index of the half-percent step that `total` cycles are in."""
    return int(log(max(1, total)) / log(1.005))
