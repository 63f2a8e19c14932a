"""All performance counters as they are expected, those included that depend on data and time."""

from functools import cache
from typing import NamedTuple

from orris_hw.config import AcceleratorConfig

from ..layers import ConvLayer
from ..mapper import AnyMapping, expected_counts
from .program import Timing


def expected_counters(
    mapping: AnyMapping, timing: Timing, zeros: float | None = None, commands: int = 0
) -> dict[str, int]:
    """Counters of a mapped layer by name, and `macs`: those made and those gated together.

    Words are exact. What a zero stills is expected from `zeros`, the fraction of ifmap values equal to the
    zero point (None: the layer's own), from padding and from channels that fill up a group. A zero spares
    the MAC, its filter value, and reading and writing the psum on all taps but the first and the last.
    """
    counts = expected_counts(mapping, commands)
    work = Work(counts["macs"], mapping.taps, mapping.macs_per_output)
    data = data_counters(mapping.layer, mapping.config, work, zeros)
    return counts | {"cycles": timing.cycles, **timing.stalls, **data}


class Work(NamedTuple):
    """Of a mapping: MACs, made and gated together; taps of a PE and filter; MACs behind an ofmap value."""

    macs: int
    taps: int
    macs_per_output: int


def data_counters(
    layer: ConvLayer, config: AcceleratorConfig, work: Work, zeros: float | None = None
) -> dict[str, int]:
    """The counters of `expected_counters` that depend on data."""
    macs, taps = work.macs, max(1, work.taps)
    zeros = layer.ifmap_zeros if zeros is None else zeros
    busy = min(1.0, layer.taps / work.macs_per_output) * _inside(layer) * (1 - zeros)
    if not config.zero_gating:
        busy = 1.0
    done = round(macs * busy)
    chains = macs // taps  # positions x filters x logical rows
    psums = round(chains * (1 + (taps - 2) * busy)) if taps > 1 else 0
    return {
        "mac_done": done,
        "mac_gated": macs - done,
        "spad_filter_read": done,
        "spad_psum_read": psums,
        "spad_psum_write": psums,
    }


@cache
def _inside(layer: ConvLayer) -> float:
    """The part of all taps that does not fall on padding."""
    inside = 1.0
    for positions, stride, taps, pad, size in (
        (layer.E, layer.U, layer.R, layer.padding.top, layer.H),
        (layer.F, layer.V, layer.S, layer.padding.left, layer.W),
    ):
        places = [f * stride + s * layer.D - pad for f in range(positions) for s in range(taps)]
        inside *= sum(0 <= place < size for place in places) / len(places)
    return inside
