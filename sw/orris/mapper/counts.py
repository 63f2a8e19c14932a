"""Words and operations of a mapping at every level of the hierarchy, by closed formulas.

With w over windows (e rows, f columns each), u over filter runs (t sets of p), c over parts of the sum (R
rows and S columns of the filters, of some channels), L(c) the logical rows of a part, T(c) = q S, K = sum of
passes over c, and x(f) = (f - 1) min(V, S) + S ifmap columns sent::

    MACs                  sum_w e f       x sum_u t p  x sum_c T L       taps on padding, empty lanes too
    ifmap to PEs          sum_c sum_w e q x(f)         x L x sum_u t
    ifmap scratchpads     sum_w e f       x sum_u t    x sum_c T L       a value is read once per tap
    filters to PEs        sum_w e         x sum_u t p  x sum_c T L
    psums passed up       sum_w e f       x sum_u t p  x sum_c L
    psums, buffer         sum_w e f       x sum_u t p  x (K - 1)         each way
    ifmap words, buffer   sum_c sum_w words(w, c)      x sum_u sum_passes (channel blocks of the pass)
    filter words, buffer  number of w     x sum_u sum_c t ceil(p T / block) x L
    ofmap                 sum_w e f       x sum_u t p values written
                          sum_w e f       x ceil(M / block) words read to be stored; with a layer of the
                          vector unit fused, those of its result, and what `Fusion` says it moves
    ifmap beats           sum_c sum_w h(e) x(f)        x sum_u sum_passes (channel blocks) (beats of a pixel)
                          with h(e) = (e - 1) min(U, R) + R rows: each once, for all its PEs
    filter beats          number of w     x sum_u sum_c t ceil(p T / values of a beat) x L

Memory: ifmap words of a window for every time it is loaded; filters once if they stay, else once for every
group of windows; parameters two words an entry; 8 words a command.
"""

from collections.abc import Iterable

from orris_hw.commands import COMMAND_WORDS

from ..layers import ConvLayer
from .depthwise import DepthwiseMapping
from .limits import chunk_lanes
from .mapping import Area, Mapping
from .residency import epoch_loads
from .tiling import Part, Span, ceil_div, row_words


def sent_columns(layer: ConvLayer, part: Part, positions: int) -> int:
    """Ifmap columns, padding included, that a part needs for `positions`."""
    return (positions - 1) * min(layer.V, part.S) + part.S


def sent_rows(rows: Span, part: Part) -> int:
    """Ifmap rows, padding included, that a part needs for the ofmap rows of a span."""
    return (rows.count - 1) * min(rows.stride, part.R) + part.R


def read_words(mapping: Mapping, part: Part) -> int:
    """Ifmap words of one channel block that a pass reads from the buffer, in all windows of an image."""
    V = mapping.layer.V
    rows = sum(kept_positions(span, span.stride, part.R) for span in mapping.row_spans(part))
    return rows * sum(
        row_words(span, mapping.pixels) if part.S >= V else kept_positions(span, V, part.S)
        for span in mapping.column_spans(part)
    )


def kept_positions(span: Span, stride: int, taps: int) -> int:
    """Stored positions that some filter sees."""
    if stride <= taps:
        return span.stored
    return sum(at % stride < taps for at in range(span.pad, span.pad + span.stored))


def pass_blocks(mapping: Mapping, part: Part) -> int:
    """Channel blocks read, summed over all passes of a part in a window."""
    return sum(
        runs * passes * blocks
        for lane, runs in mapping.group_lanes_used.items()
        for (_, blocks), passes in mapping.pass_kinds(part, lane).items()
    )


def ifmap_load_words(mapping: Mapping) -> int:
    """Ifmap words loaded from memory."""
    if mapping.ifmap_stays:
        return _words(mapping, mapping.areas)
    words, latest = 0, None
    for areas, tiles in mapping.epochs:
        loads = epoch_loads(mapping, areas, tiles)
        if mapping.together == 1 and areas[0] == latest:
            loads[0, areas[0]] -= 1
        latest = mapping.area_sequences[tiles[-1]][-1]
        words += sum(
            count * (area.end_block - area.first_block) * mapping.group_words(number, area.part)
            for (number, area), count in loads.items()
        )
    return words


def _words(mapping: Mapping, areas: Iterable[Area]) -> int:
    """Ifmap words of these areas, in all windows."""
    return sum((area.end_block - area.first_block) * mapping.planes(area.part).total for area in areas)


def filter_sweep_words(mapping: Mapping) -> int:
    """Words of all filters."""
    return sum(
        count * sets * ceil_div(p * part.taps, mapping.block) * part.logical_rows
        for (sets, p), count in mapping.run_shapes.items()
        for part in mapping.parts
    )


def filter_load_words(mapping: Mapping) -> int:
    """Words of filters loaded from memory."""
    sweeps = 1 if mapping.filters_stay else len(mapping.windows) // mapping.together
    return sweeps * filter_sweep_words(mapping)


def repeated_load_words(mapping: Mapping) -> int:
    """Words of ifmaps and filters that are loaded more than once, each time but the first."""
    once = _words(mapping, mapping.areas) + filter_sweep_words(mapping)
    return ifmap_load_words(mapping) + filter_load_words(mapping) - once


def parameter_words(mapping: Mapping) -> int:
    """Words of post-processing parameters loaded."""
    ends = [max(run.end for run in tile) for tile in mapping.store_tiles]
    if mapping.needs.parameters == 0:
        return 2 * max(ends)
    entries = sum(end - tile[0].first for end, tile in zip(ends, mapping.store_tiles, strict=True))
    return 2 * entries * len(mapping.windows)


def memory_words(mapping: Mapping) -> int:
    """Words to and from memory but for parameters: tiles, filters, about as many commands as it takes."""
    return filter_load_words(mapping) + ifmap_load_words(mapping) + _others(mapping, mapping.together)


def least_memory_words(mapping: Mapping, group: int) -> int:
    """No fewer words than `memory_words` with filters shared by groups of so many windows."""
    sweeps = len(mapping.windows) // group
    return filter_sweep_words(mapping) * sweeps + _words(mapping, mapping.areas) + _others(mapping, group)


def might_share(mapping: Mapping, group: int) -> bool:
    """There may be room for half the ifmap tiles of so many windows, and for filters that all of them use."""
    needs, areas = mapping.needs, max(mapping.epochs, key=lambda epoch: len(epoch[0]))[0]
    tiles = sum((area.end_block - area.first_block) * mapping.planes(area.part).largest for area in areas)
    filters = needs.filters * max(mapping.slots_per_tile)
    others = needs.columns * needs.psums + needs.ofmap_blocks * needs.ofmap_plane
    return group * tiles // 2 + filters + others <= mapping.config.glb_words


def _others(mapping: Mapping, together: int) -> int:
    """Words of ofmaps and commands."""
    area = sum(w.rows.count * w.columns.count for w in mapping.windows)
    return area * ceil_div(mapping.layer.M, mapping.block) + COMMAND_WORDS * _commands(mapping, together)


def estimated_commands(mapping: Mapping | DepthwiseMapping) -> int:
    """About as many commands as the program has: its RUNs and STOREs, and the LOADs of filters."""
    return 0 if isinstance(mapping, DepthwiseMapping) else _commands(mapping, mapping.together)


def _commands(mapping: Mapping, together: int) -> int:
    windows, runs = len(mapping.windows), len(mapping.filter_runs) * len(mapping.parts)
    sweeps = 1 if mapping.filters_stay else windows // together
    return windows * (runs + len(mapping.store_tiles)) + sweeps * runs


def expected_counts(mapping: Mapping | DepthwiseMapping, commands: int = 0) -> dict[str, int]:
    """The performance counters that follow from the mapping alone, by the names of the register map.

    `macs` is the sum of `mac_done` and `mac_gated`, which depend on the data, as do psum and filter
    scratchpad accesses; counters of cycles are not here. `commands` is the length of the program, all of
    which is read from memory.
    """
    if isinstance(mapping, DepthwiseMapping):
        return mapping.expected_counts(commands)
    layer, windows, runs, parts = mapping.layer, mapping.windows, mapping.filter_runs, mapping.parts
    logical = sum(part.logical_rows for part in parts)
    taps = sum(part.logical_rows * part.taps for part in parts)
    rows = sum(w.rows.count for w in windows)
    area = sum(w.rows.count * w.columns.count for w in windows)
    sent = beats = read = 0
    for part in parts:
        blocks, spans = pass_blocks(mapping, part), mapping.row_spans(part)
        columns = sum(sent_columns(layer, part, span.count) for span in mapping.column_spans(part))
        sent += sum(span.count for span in spans) * columns * mapping.q * part.logical_rows
        beats += sum(sent_rows(span, part) for span in spans) * columns * blocks
        read += read_words(mapping, part) * blocks
    filter_lanes = mapping.config.networks.filter_bits // mapping.config.data_width
    sets = sum(run.sets for run in runs)
    filters = sum(run.sets * run.p for run in runs)

    loaded = ifmap_load_words(mapping) + filter_load_words(mapping)
    planes, fusion = layer.N * ceil_div(layer.M, mapping.block), mapping.fusion
    stored = planes * (fusion.places if fusion else layer.E * layer.F)
    operand = planes * fusion.loaded if fusion else 0
    counts = {
        "macs": area * filters * taps,
        "spad_ifmap_read": area * sets * taps,
        "spad_ifmap_write": layer.N * sent * sets,
        "spad_filter_write": rows * filters * taps,
        "net_ifmap_beats": layer.N * beats * (mapping.pixel_lanes // chunk_lanes(mapping)),
        "net_filter_beats": len(windows)
        * sum(
            count * sets * ceil_div(p * part.taps, filter_lanes) * part.logical_rows
            for (sets, p), count in mapping.run_shapes.items()
            for part in parts
        ),
        "net_psum_values": area * filters * logical,
        "glb_ifmap_read": layer.N * read,
        "glb_filter_read": filter_sweep_words(mapping) * len(windows),
        "glb_psum_read": area * filters * (mapping.passes - 1),
        "glb_psum_write": area * filters * (mapping.passes - 1),
        "glb_ofmap_write": area * filters,
        "glb_ofmap_read": stored,
        "glb_load_write": loaded + operand,
        "glb_vector_read": planes * fusion.read if fusion else 0,
        "glb_vector_write": planes * fusion.written if fusion else 0,
        "dram_read_words": loaded + operand + parameter_words(mapping) + COMMAND_WORDS * commands,
        "dram_write_words": stored,
    }
    return counts | ({"commands": commands} if commands else {})
