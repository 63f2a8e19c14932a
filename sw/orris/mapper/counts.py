"""Words and operations of a mapping at every level of the hierarchy, by closed formulas.

With w over windows (e rows, f columns each), u over filter runs (t sets of p), c over chunks, L(c) the
logical rows of a chunk, K = sum of passes over c, T = q S, and x(f) = (f - 1) min(V, S) + S ifmap columns
sent::

    MACs                  sum_w e f       x sum_u t p  x T x sum_c L     taps on padding, empty lanes too
    ifmap to PEs          sum_w e q x(f)  x sum_u t    x sum_c L
    ifmap scratchpads     sum_w e f       x sum_u t    x T x sum_c L     a value is read once per tap
    filters to PEs        sum_w e         x sum_u t p  x T x sum_c L
    psums passed up       sum_w e f       x sum_u t p  x sum_c L
    psums, buffer         sum_w e f       x sum_u t p  x (K - 1)         each way
    ifmap words, buffer   sum_w words(w)  x sum_u sum_c sum_passes (channel blocks of the pass)
    filter words, buffer  number of w     x sum_u t ceil(p T / block) x sum_c L
    ofmap                 sum_w e f       x sum_u t p values written
                          sum_w e f       x ceil(M / block) words read to be stored
    ifmap beats           sum_w h(e) x(f) x sum_u sum_c sum_passes (channel blocks) x (beats of a pixel)
                          with h(e) = (e - 1) min(U, R) + R rows: each once, for all its PEs
    filter beats          number of w     x sum_u t ceil(p T / values of a beat) x sum_c L

Memory: ifmap words of a window for every time it is loaded; filters once if they stay or the order is
"windows", else once per window; parameters two words an entry; 8 words a command.
"""

from orris_hw.commands import COMMAND_WORDS

from .limits import chunk_lanes
from .mapping import Mapping
from .tiling import Span, Window, ceil_div


def sent_columns(mapping: Mapping, positions: int) -> int:
    """Ifmap columns, padding included, that a window of `positions` needs."""
    return (positions - 1) * min(mapping.layer.V, mapping.layer.S) + mapping.layer.S


def read_words(mapping: Mapping, window: Window) -> int:
    """Ifmap words of one channel block that a pass reads from the buffer."""
    layer = mapping.layer
    rows = _kept(window.rows, mapping.stride, layer.R)
    return rows * (window.words if layer.V <= layer.S else _kept(window.columns, layer.V, layer.S))


def _kept(span: Span, stride: int, taps: int) -> int:
    """Stored positions that some filter sees."""
    if stride <= taps:
        return span.stored
    return sum(at % stride < taps for at in range(span.pad, span.pad + span.stored))


def pass_blocks(mapping: Mapping) -> int:
    """Channel blocks read, summed over all passes of a window."""
    return sum(
        runs * passes * blocks
        for lane, runs in mapping.group_lanes_used.items()
        for (_, blocks), passes in mapping.pass_kinds(lane).items()
    )


def ifmap_load_words(mapping: Mapping) -> int:
    """Ifmap words loaded from memory."""
    planes = sum(window.plane_words for window in mapping.windows)
    if mapping.ifmap_stays:
        return planes * sum(end - first for first, end in mapping.distinct_ranges)
    sequences = mapping.range_sequences
    if mapping.order == "windows" and len(mapping.windows) > 1:
        return planes * sum(end - first for ranges in sequences for first, end in ranges)
    loaded: list[tuple[int, int]] = []
    for found in (found for ranges in sequences for found in ranges):
        if found not in loaded[-1:]:
            loaded.append(found)
    return planes * sum(end - first for first, end in loaded)


def filter_sweep_words(mapping: Mapping) -> int:
    """Words of all filters."""
    rows = sum(chunk.logical_rows for chunk in mapping.chunks)
    return rows * sum(run.sets * mapping.filter_words(run) for run in mapping.filter_runs)


def parameter_words(mapping: Mapping) -> int:
    """Words of post-processing parameters loaded."""
    ends = [max(run.end for run in tile) for tile in mapping.store_tiles]
    if mapping.needs.parameters == 0:
        return 2 * max(ends)
    entries = sum(end - tile[0].first for end, tile in zip(ends, mapping.store_tiles, strict=True))
    return 2 * entries * len(mapping.windows)


def expected_counts(mapping: Mapping, commands: int = 0) -> dict[str, int]:
    """The performance counters that follow from the mapping alone, by the names of the register map.

    `macs` is the sum of `mac_done` and `mac_gated`, which depend on the data, as do psum and filter
    scratchpad accesses; counters of cycles are not here. `commands` is the length of the program, all of
    which is read from memory.
    """
    layer, taps, windows, runs = mapping.layer, mapping.taps, mapping.windows, mapping.filter_runs
    logical = sum(chunk.logical_rows for chunk in mapping.chunks)
    rows = sum(w.rows.count for w in windows)
    area = sum(w.rows.count * w.columns.count for w in windows)
    sent = sum(w.rows.count * sent_columns(mapping, w.columns.count) for w in windows) * mapping.q
    sent_rows = {w: (w.rows.count - 1) * min(mapping.stride, layer.R) + layer.R for w in windows}
    tile = sum(sent_rows[w] * sent_columns(mapping, w.columns.count) for w in windows)
    filter_lanes = mapping.config.networks.filter_bits // mapping.config.data_width
    sets = sum(run.sets for run in runs)
    filters = sum(run.sets * run.p for run in runs)

    sweep = filter_sweep_words(mapping)
    sweeps = 1 if mapping.filters_stay or mapping.order == "windows" else len(windows)
    loaded = ifmap_load_words(mapping) + sweep * sweeps
    stored = area * ceil_div(layer.M, mapping.block)
    counts = {
        "macs": area * filters * taps * logical,
        "spad_ifmap_read": area * sets * taps * logical,
        "spad_ifmap_write": sent * sets * logical,
        "spad_filter_write": rows * filters * taps * logical,
        "net_ifmap_beats": tile * pass_blocks(mapping) * (mapping.pixel_lanes // chunk_lanes(mapping)),
        "net_filter_beats": sum(run.sets * ceil_div(run.p * taps, filter_lanes) for run in runs)
        * logical
        * len(windows),
        "net_psum_values": area * filters * logical,
        "glb_ifmap_read": sum(read_words(mapping, w) for w in windows) * pass_blocks(mapping),
        "glb_filter_read": sweep * len(windows),
        "glb_psum_read": area * filters * (mapping.passes - 1),
        "glb_psum_write": area * filters * (mapping.passes - 1),
        "glb_ofmap_write": area * filters,
        "glb_ofmap_read": stored,
        "glb_load_write": loaded,
        "dram_read_words": loaded + parameter_words(mapping) + COMMAND_WORDS * commands,
        "dram_write_words": stored,
    }
    return counts | ({"commands": commands} if commands else {})
