"""The mapper: searches the legal mappings of a layer for the best ones."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, Protocol, TypeVar

from orris_hw.config import AcceleratorConfig

from ..layers import ConvLayer
from .cost import compute_cycles, rank, steps
from .counts import least_memory_words, memory_words, might_share
from .depthwise import DepthwiseMapping, map_depthwise
from .errors import MappingError
from .floor import GROUP, Floor, LeastCounts
from .fusion import Tail
from .limits import PASSES, POSITIONS, WORD_COLUMNS, broken_limit
from .mapping import Held, Mapping, Order
from .tiling import Part, ceil_div, part_columns, part_rows, parts, row_step

AnyMapping = Mapping | DepthwiseMapping

_CHOICES = 6  # sizes of a kind that are tried, from the largest down
_SHAPES = 1500  # shapes that are looked at, from the one that could be best on


class Aim(Protocol):
    """What makes one mapping better than another."""

    def rank(self, mapping: AnyMapping) -> tuple[float, ...]:
        """Smaller is better, one number before the next; of the first, less than one more than the least of
        all is no difference, less than two are the next class, and so on."""
        ...

    def least(self, cycles: int, counted: Callable[[], LeastCounts] | None) -> float:
        """What the first number of `rank` cannot be below for a mapping of at least so many cycles; what is
        `counted` at least is worked out when asked for (None: nothing is known of it)."""
        ...

    def floor(self, mapping: Mapping) -> float:
        """As `least`, for this mapping and those that differ from it in how tiles come into the buffer."""
        ...


class LeastTime:
    """Cycles; of mappings within half a percent of the fastest the one that moves fewer words."""

    def rank(self, mapping: AnyMapping) -> tuple[float, ...]:
        return rank(mapping)

    def least(self, cycles: int, counted: Callable[[], LeastCounts] | None) -> float:
        return steps(cycles)

    def floor(self, mapping: Mapping) -> float:
        return steps(compute_cycles(mapping))


T = TypeVar("T")
Ranked = tuple[tuple[float, ...], T]
"""By a rank of `Aim.rank`."""


def in_order(found: Iterable[Ranked[T]]) -> list[Ranked[T]]:
    """From the best on."""
    found = list(found)
    least = min((ranked[0] for ranked, _ in found), default=0)
    return sorted(found, key=lambda each: (int(each[0][0] - least), *each[0][1:]))


def map_layer(
    layer: ConvLayer,
    config: AcceleratorConfig,
    *,
    p: int | None = None,
    q: int | None = None,
    e: int | None = None,
    t: int | None = None,
    positions: int | None = None,
    rows: int | None = None,
    chunk: int | None = None,
    order: Order | None = None,
    pixel_lanes: int | None = None,
    after: Tail | None = None,
) -> AnyMapping:
    """The mapping of fewest cycles by a closed estimate; `orris.cost.best_mapping` looks more closely.

    Given parameters are kept, the others are searched. `pixel_lanes` is the layout of the ifmap: by default
    whole words of one pixel, fewer lanes for an ifmap of few channels. `after` is fused to the layer.

    Raises
    ------
    MappingError
        No mapping is legal, and which limit binds.
    """
    given = dict(p=p, q=q, e=e, t=t, positions=positions, rows=rows, chunk=chunk)
    return best_mappings(layer, config, LeastTime(), 1, given, order, pixel_lanes, after)[0]


def best_mappings(
    layer: ConvLayer,
    config: AcceleratorConfig,
    aim: Aim,
    count: int,
    given: dict[str, int | None] | None = None,
    order: Order | None = None,
    pixel_lanes: int | None = None,
    after: Tail | None = None,
) -> list[AnyMapping]:
    """Up to `count` mappings, the best by `aim` first; otherwise as `map_layer`."""
    given = given or {}
    search = _Search(layer, config, aim, given, order, after)
    choices = [[pixel_lanes]] if pixel_lanes is not None else _pixel_lanes(layer, config)
    attempts = ((choice, thorough) for thorough in (False, True) for choice in choices)
    layouts = ([*chain(*(search.best(each, count, slow) for each in lanes))] for lanes, slow in attempts)
    found = next((found for found in layouts if found), [])
    result: list[AnyMapping] = list(found)
    free = order is None and after is None and not any(given.values())
    if free and pixel_lanes in (None, config.block):
        if (stacked := map_depthwise(layer, config)) is not None:
            result.append(stacked)
    if not result:
        raise MappingError(search.reason)
    return [mapping for _, mapping in in_order((aim.rank(mapping), mapping) for mapping in result)[:count]]


def _pixel_lanes(layer: ConvLayer, config: AcceleratorConfig) -> list[list[int]]:
    """Layouts to try, those of a list together: the smallest power of two that holds the channels, and fewer
    where the ifmap network brings a pixel in several beats, some of no use; then whole words."""
    smallest, bus = 1 << (layer.channels - 1).bit_length(), config.networks.ifmap_bits // config.data_width
    if smallest > config.block:
        return [[config.block]]
    fewer = [1 << k for k in range(smallest.bit_length() - 1)] if bus < smallest else []
    return [[smallest, *fewer], *([config.block] for _ in range(smallest < config.block))]


def _even_parts(size: int, most: int) -> Iterator[int]:
    """Sizes of at most `most` that cut `size` into as few, nearly equal, parts; largest first."""
    parts = ceil_div(size, max(1, most))
    while True:
        part = ceil_div(size, parts)
        yield part
        if part == 1:
            return
        parts = ceil_div(size, part - 1)


def _halves(size: int) -> list[int]:
    """`size` and about half of it again and again, down to 1."""
    return [size] + (_halves(ceil_div(size, 2)) if size > 1 else [])


class _Search:
    """One layer's candidates, in order of what they cannot beat."""

    def __init__(
        self,
        layer: ConvLayer,
        config: AcceleratorConfig,
        aim: Aim,
        given: dict[str, int | None],
        order: Order | None,
        after: Tail | None,
    ):
        self._layer, self._config, self._aim, self._after = layer, config, aim, after
        self._given = {name: value for name, value in given.items() if value is not None}
        self._orders: tuple[Order, ...] = (order,) if order is not None else ("filters", "windows")
        self._thorough = False
        self.reason = f"{layer.name}: no mapping found on {config.name}"

    def best(self, pixel_lanes: int, count: int, thorough: bool = False) -> list[Mapping]:
        """The best mappings; `thorough` looks at small tiles, too, for buffers that hold no others."""
        self._thorough = thorough
        floor = Floor(self._layer, self._config, pixel_lanes, self._after is not None)
        candidates = sorted(self._bounded(pixel_lanes, floor), key=lambda found: found[0])
        best: list[Ranked[Mapping]] = []
        for least, shape in candidates[:_SHAPES]:
            if self._beyond(least, best, count):
                break
            for mapping in self._mappings(shape, pixel_lanes):
                if self._beyond(self._aim.floor(mapping), best, count):
                    break
                best = in_order([*best, (self._aim.rank(mapping), mapping)])[:count]
        return [mapping for _, mapping in best]

    def _bounded(self, pixel_lanes: int, floor: Floor) -> Iterator[tuple[float, dict[str, int]]]:
        """As `_candidates`, with the least that the aim's rank can begin with."""
        for cycles, shape in self._candidates(pixel_lanes):
            counted = partial(floor.counts, **shape) if min(shape.values()) > 0 else None
            yield self._aim.least(cycles, counted), shape

    def _beyond(self, least: float, best: list[Ranked[Mapping]], count: int) -> bool:
        """A mapping whose rank does not begin with less is not among the best."""
        return len(best) == count and least > max(ranked[0] for ranked, _ in best) + 1

    def _choice(self, name: str, values: Iterable[int]) -> list[int]:
        return [self._given[name]] if name in self._given else list(values)

    def _candidates(self, pixel_lanes: int) -> Iterator[tuple[int, dict[str, int]]]:
        """(cycles that no schedule can beat, parameters but chunk, order and residency)."""
        layer, config = self._layer, self._config
        pads = config.scratchpads
        powers = [1 << k for k in range(pixel_lanes.bit_length()) if 1 << k < 2 * layer.C]
        wide = [layer.C] if layer.C <= pixel_lanes else []
        # From the widest down, so that the reason left in the end is that of the narrowest.
        for q in self._choice("q", sorted({*powers, *wide}, reverse=True)):
            R, S = part_rows(layer), self._part_columns(q, pixel_lanes)
            for rows in self._rows(ceil_div(layer.C, q) * R, R):
                probe = dict(q=q, rows=rows, p=1, e=1, t=1, positions=1)
                if not self._legal(probe, pixel_lanes):
                    continue
                pieces = parts(layer, layer.C, q, rows, R, S)
                most_p = min(pads.filter // (q * S), pads.psum, layer.filters_per_group)
                columns = config.array.columns
                for e in self._choice("e", self._extents(layer.E, columns, columns)):
                    most_t = min(columns // e, layer.filters_per_group) if e else 1
                    for t in self._choice("t", range(max(1, most_t), 0, -1)):
                        share = ceil_div(layer.filters_per_group, max(1, t))
                        for p in self._choice("p", self._filters(share, most_p, t)):
                            bound = self._bound(pieces, e, t, p)
                            for positions in self._choice("positions", self._positions(p, pieces)):
                                yield bound, dict(q=q, rows=rows, p=p, e=e, t=t, positions=positions)

    def _part_columns(self, q: int, pixel_lanes: int) -> int:
        """Filter columns of a RUN."""
        pixels = self._config.block // pixel_lanes
        return part_columns(self._layer, self._config.scratchpads.ifmap // max(1, q) - (pixels - 1))

    def _rows(self, logical: int, R: int) -> list[int]:
        """PE rows in use."""
        if "rows" in self._given:
            return [self._given["rows"]]
        rows = fold(logical, R, self._config.array.rows)
        return _halves(rows) if self._thorough else [rows]

    def _extents(self, size: int, most: int, count: int) -> list[int]:
        """Even parts of `size`, of at most `most`: the `count` largest, or some down to 1."""
        if self._thorough:
            return _halves(min(size, max(1, most)))
        return [part for part, _ in zip(_even_parts(size, most), range(count), strict=False)]

    def _filters(self, share: int, most: int, t: int) -> list[int]:
        """Sizes of p: even parts of a set's share, and multiples of a word."""
        even = self._extents(share, most, _CHOICES)
        block = self._config.block
        return sorted({*even, *(p for p in range(most, 0, -1) if p * t % block == 0 and p >= most // 4)})

    def _positions(self, p: int, pieces: list[Part]) -> list[int]:
        passes, config = sum(part.passes for part in pieces), self._config
        most = POSITIONS if passes == 1 else config.global_buffer.depth * config.psums_per_word // p
        most = min(most, (WORD_COLUMNS - pieces[0].S) // self._layer.V + 1)
        return self._extents(self._layer.F, min(most, self._layer.F), _CHOICES)

    def _bound(self, pieces: list[Part], e: int, t: int, p: int) -> int:
        """Cycles of the multiply-accumulates, or of every channel once over the ifmap network."""
        layer, networks = self._layer, self._config.networks
        if min(e, t, p) < 1:
            return 0  # not legal, which is found later
        runs, rest = divmod(layer.filters_per_group, p * t)
        filters = runs * p + (ceil_div(rest, min(t, ceil_div(rest, p))) if rest else 0)
        compute = ceil_div(layer.E, e) * filters * sum(part.passes * part.taps for part in pieces)
        tiles, last = divmod(layer.E, e)
        chunks = max(1, layer.C * self._config.data_width // networks.ifmap_bits)
        columns = 0
        for part in pieces:
            stride = min(layer.U // row_step(layer, part.R), part.R)
            rows = layer.E * stride + (tiles + min(1, last)) * (part.R - stride)
            columns += rows * min(layer.V, part.S)
        beats = columns * chunks * (runs + min(1, rest))
        return layer.N * layer.G * layer.F * max(compute, beats)

    def _legal(self, probe: dict[str, int], pixel_lanes: int) -> bool:
        """Whether the least mapping with the given parameters keeps the limits; keeps the reason if not."""
        # As many channels as one command takes: more come in chunks.
        most = PASSES * probe["rows"] // part_rows(self._layer) * probe["q"]
        values = probe | {"chunk": min(self._layer.C, most)} | self._given
        unchecked = object.__new__(Mapping)
        values |= {"pixel_lanes": pixel_lanes, "order": "filters", "held": "channels"}
        for name, value in values.items():
            object.__setattr__(unchecked, name, value)
        object.__setattr__(unchecked, "layer", self._layer)
        object.__setattr__(unchecked, "config", self._config)
        if problem := broken_limit(unchecked):
            self.reason = problem
            return False
        return True

    def _mappings(self, shape: dict[str, int], pixel_lanes: int) -> Iterator[Mapping]:
        residencies = list(self._residencies(shape, pixel_lanes))
        alone = None
        for order in self._orders:
            if order == "windows" and alone is not None and not might_share(alone, 0):
                continue
            for residency in residencies:
                try:
                    mapping = Mapping(
                        self._layer, self._config, **self._sizes(shape, *residency), pixel_lanes=pixel_lanes,
                        order=order, after=self._after,
                    )  # fmt: skip
                except MappingError as error:
                    self.reason = str(error)
                    continue
                yield mapping
                alone = mapping
                if mapping.buffer.ifmap.slots >= min(2, mapping.needs.contents):
                    if order == "filters" and not mapping.filters_stay:
                        yield from self._groups(mapping, shape, residencies)
                    break

    def _sizes(self, shape: dict[str, int], chunk: int, held: Held) -> dict[str, Any]:
        """Those of a shape, with as many PE rows as so many channels need."""
        R = part_rows(self._layer)
        rows = fold(ceil_div(chunk, shape["q"]) * R, R, self._config.array.rows)
        return shape | {"rows": min(shape["rows"], rows), "chunk": chunk, "held": held}

    def _groups(
        self, alone: Mapping, shape: dict[str, int], residencies: list[tuple[int, Held]]
    ) -> Iterator[Mapping]:
        """The same with filters loaded once for several windows, at least half of whose ifmaps stay."""
        count, least = len(alone.windows), memory_words(alone)
        for group in range(2, min(count, GROUP) + 1):
            # Not if all ifmaps stayed, or the filters alone took so much of the buffer, would it be of use.
            if count % group or least_memory_words(alone, group) >= least:
                continue
            if not might_share(alone, group):
                return
            for residency in residencies:
                try:
                    grouped = replace(alone, group=group, **self._sizes(shape, *residency))
                except MappingError:
                    continue
                if 2 * grouped.buffer.ifmap.slots >= grouped.needs.resident:
                    least = min(least, memory_words(grouped))
                    yield grouped
                if grouped.resident:
                    break

    def _residencies(self, shape: dict[str, int], pixel_lanes: int) -> Iterator[tuple[int, Held]]:
        """(channels of a RUN, what the buffer holds), from most to least in the buffer."""
        layer = self._layer
        R, S = part_rows(layer), self._part_columns(shape["q"], pixel_lanes)
        chunks = [self._given["chunk"]] if "chunk" in self._given else self._chunks(shape, pixel_lanes, R)
        for chunk in chunks:
            if chunk == layer.C:
                yield chunk, "channels"
            if chunk < layer.C or layer.G > 1 or "chunk" in self._given:
                yield chunk, "chunk"
        if (R, S) != (layer.R, layer.S):
            for chunk in chunks:
                yield chunk, "part"

    def _chunks(self, shape: dict[str, int], pixel_lanes: int, R: int) -> list[int]:
        """All channels, then chunks of whole words whose logical rows fill the PE rows."""
        layer, q, rows = self._layer, shape["q"], self._config.array.rows
        unit = q
        while unit % pixel_lanes or unit // q * R % rows:
            unit += q
            if unit >= layer.C:
                unit = max(q, pixel_lanes)
                break
        pieces, chunks = 2, [layer.C]
        while pieces <= ceil_div(layer.C, unit):
            chunk = ceil_div(ceil_div(layer.C, pieces), unit) * unit
            if chunk < chunks[-1]:
                chunks.append(chunk)
            pieces = pieces * 3 // 2 if pieces > 2 else pieces + 1
        return chunks if unit >= chunks[-1] else [*chunks, unit]


def fold(logical: int, R: int, rows: int) -> int:
    """PE rows in use: all, unless whole sets of R rows need no more passes."""
    rows = min(rows, logical)
    unfolded = rows - rows % R
    if unfolded and ceil_div(logical, unfolded) == ceil_div(logical, rows):
        return unfolded
    return rows
