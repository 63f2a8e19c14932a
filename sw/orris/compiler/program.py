"""The commands of a layer.

The load, compute and store units meet through these semaphores. `full` tokens say that data is there, `free`
tokens that room is::

    LOAD ifmap   --IFMAP_FULL-->   RUN --IFMAP_FREE-->   the LOAD that takes the area next
    LOAD filters --FILTER_FULL-->  RUN --FILTER_FREE-->  LOAD filters, slot by slot
    RUN          --OFMAP_FULL-->   STORE --OFMAP_FREE--> the RUN that takes the area next

Of a fused layer see `fused`: its commands take the place of STORE, one ofmap tile late, so that what they
wait for has been handed out before them.

Where post-processing does not hold all parameters, they come with each ofmap tile: OFMAP_FREE goes to the
LOAD of its parameters, and that gives the RUN its OFMAP_READY.

The order of commands is the order of data, but for two things. A RUN is ahead of the LOAD of its filters,
which fills the ring while the RUN empties it. And the next ifmap tile is loaded between the filters of the
present one, in pieces, so that neither keeps the other waiting. Every command
then waits only for earlier ones, or (a RUN) for LOADs right behind it: no program can stop.
"""

from collections.abc import Iterator

from orris_hw.commands import LOAD, RUN, SIGNAL, STORE

from ..golden import ROUNDINGS, AddParameters, PoolParameters, Requant
from ..mapper import Mapping, RunItem
from ..mapper.tiling import Tile
from .constants import FilterStream
from .fused import FusedLayer
from .layout import WORD_BYTES
from .places import Addresses, Command, rectangle
from .residency import FilterUse, IfmapLoad, filter_uses, ifmap_loads

IFMAP_FULL, IFMAP_FREE, FILTER_FULL, FILTER_FREE, OFMAP_FULL, OFMAP_FREE, OFMAP_READY = range(1, 8)

_PIECES = 8  # commands that an ifmap tile is loaded with


def program_commands(
    mapping: Mapping,
    requant: Requant,
    filters: FilterStream,
    at: Addresses,
    product_shift: int = 0,
    after: AddParameters | PoolParameters | None = None,
) -> list[Command]:
    """All commands of a layer but `END`; all semaphores are zero before them. `after`: of the fused layer."""
    return list(_Program(mapping, requant, product_shift, filters, at, after).commands())


class _Program:
    def __init__(
        self,
        mapping: Mapping,
        requant: Requant,
        product_shift: int,
        filters: FilterStream,
        at: Addresses,
        after: AddParameters | PoolParameters | None,
    ):
        self._mapping, self._buffer, self._layer = mapping, mapping.buffer, mapping.layer
        self._requant, self._shift = requant, product_shift
        self._filters, self._at = filters, at
        self._items = list(mapping.schedule())
        self._ifmaps, self._ifmap_of = ifmap_loads(mapping, self._items)
        self._filter_uses = filter_uses(mapping, self._items)
        self._tile_filters = [
            (tile[0].first, tile[-1].first + tile[-1].count, max(run.end for run in tile))
            for tile in mapping.store_tiles
        ]
        self._parameters_stay = mapping.needs.parameters == 0
        self._fused = None
        if mapping.fusion is not None and after is not None:
            tokens = OFMAP_FULL, OFMAP_FREE
            self._fused = FusedLayer(mapping, after, self._items, at, tokens)
        # Parameters that wait for the only ofmap area wait for the fused layer.
        self._late = self._parameters_stay or self._buffer.ofmap.slots > 1

    def commands(self) -> Iterator[Command]:
        """All commands but `END`."""
        buffer, mapping = self._buffer, self._mapping
        if not mapping.filters_stay:
            yield SIGNAL, {"semaphore": FILTER_FREE, "count": buffer.filters.slots}
        if self._parameters_stay:
            yield self._load_parameters(0, self._tile_filters[-1][2], 0, {})
        tile = -1  # ofmap tiles, over all windows
        if self._ifmaps:
            yield from self._load_ifmap(0, 1)
        starts = [self._room(number) for number in range(len(self._ifmaps))]
        ahead = {starts[n]: n for n in range(1, len(starts)) if starts[n] < self._ifmaps[n].begin}
        pieces: dict[tuple[int, int], list[Command]] = {}  # commands ahead of a filter slot of a RUN
        for index, item in enumerate(self._items):
            load = self._ifmap_of[index]
            begins = load is not None and index == self._ifmaps[load].begin
            if load and begins and starts[load] == index:
                yield from self._load_ifmap(load, 1)
            if item.first:
                tile += 1
                if tile and not self._late:
                    yield from self._finish(tile - 1)
                if not self._parameters_stay:
                    yield self._tile_parameters(item, tile)
            yield RUN, self._run(index, item, tile)
            if item.last and self._fused is None:
                yield STORE, self._store(item, tile)
            if index in ahead:
                pieces = self._spread(ahead[index], index)
            yield from self._filter_loads(index, item, pieces)
            if item.first and self._fused is not None:
                yield from self._fused.load(tile)
            if item.first and tile and self._late:
                yield from self._finish(tile - 1)
        yield from self._finish(tile)

    def _finish(self, tile: int) -> Iterator[Command]:
        """What a fused layer does with an ofmap tile."""
        if self._fused is not None:
            yield from self._fused.finish(tile)

    # -- ifmap ---------------------------------------------------------------------------------------------
    def _load_ifmap(self, number: int, pieces: int) -> Iterator[Command]:
        """Load `number`, in up to `pieces` commands of whole channel blocks, or rows of a single block."""
        load = self._ifmaps[number]
        tile, layout = load.tile, self._at.ifmap.layout
        base, block_stride = self._ifmap_place(load)
        blocks, rows = load.end_block - load.first_block, tile.rows.stored
        cuts = _cuts(blocks if blocks > 1 else rows, pieces)
        for first, end in cuts:
            block, row = (first, 0) if blocks > 1 else (0, first)
            fields = {
                "wait": IFMAP_FREE if first == 0 and load.after is not None else 0,
                "signal": IFMAP_FULL if end == cuts[-1][1] else 0,
            }
            yield LOAD, fields | rectangle(
                self._at.ifmap.address
                + layout.offset(
                    tile.image,
                    load.first_block + block,
                    tile.rows.start + row * tile.rows.step,
                    tile.word,
                ),
                (tile.words, rows if blocks > 1 else end - first, end - first if blocks > 1 else 1),
                (
                    tile.rows.step * layout.row_words * WORD_BYTES,
                    layout.plane_words * WORD_BYTES,
                ),
                base + block * block_stride + row * tile.words,
                (tile.words, block_stride),
            )

    def _ifmap_place(self, load: IfmapLoad) -> tuple[int, int]:
        """Address of a load's first word, and words from channel block to channel block."""
        places = self._buffer.ifmap
        return places.bases[load.slot], places.block_strides[load.slot] or load.tile.plane_words

    def _room(self, number: int) -> int:
        """The first RUN that load `number` can go on beside: the last one before it is in use, and its area's
        last user is through."""
        begin, after = self._ifmaps[max(0, number - 1)].begin, self._ifmaps[number].after
        return begin if after is None else max(begin, self._ifmaps[after].end + 1)

    def _spread(self, number: int, begin: int) -> dict[tuple[int, int], list[Command]]:
        """Commands of load `number`, each by the RUN from `begin` on, and the filter slot, it comes after.

        Not before the ring has gone round once: by then the area's last user has released it.
        """
        end = self._ifmaps[number].begin
        slots = [
            (index, k)
            for index in range(begin, end)
            if self._filter_uses[index].load
            for k in range(1, self._items[index].part.passes + 1)
        ]
        if not slots:
            return {(begin, 0): list(self._load_ifmap(number, 1))}
        lead = max(1, min(self._buffer.filters.slots, len(slots) // 2)) - 1
        places = slots[lead:]
        commands = list(self._load_ifmap(number, min(_PIECES, len(places))))
        result: dict[tuple[int, int], list[Command]] = {}
        for at, command in enumerate(commands):
            result.setdefault(places[at * len(places) // len(commands)], []).append(command)
        return result

    # -- filters -------------------------------------------------------------------------------------------
    def _filter_loads(
        self, index: int, item: RunItem, pieces: dict[tuple[int, int], list[Command]]
    ) -> Iterator[Command]:
        """The filters of a RUN, and between them the pieces that come after one of its slots."""
        yield from pieces.get((index, 0), [])
        use, part = self._filter_uses[index], item.part
        if not use.load:
            return
        cuts = {k for at, k in pieces if at == index} | {part.passes, part.passes - 1}
        first = 0
        for end in sorted(cuts - {0}):
            if end == part.passes - 1 and part.last_rows == part.rows and (index, end) not in pieces:
                continue  # the last slot is like the others
            yield self._load_filters(item, use, first, end)
            yield from pieces.get((index, end), [])
            first = end

    def _load_filters(self, item: RunItem, use: FilterUse, first: int, end: int) -> Command:
        """Slots first to end - 1 of a RUN, all of the same size."""
        part = item.part
        base, stride, slots, start = self._filter_ring(use)
        slot = self._mapping.slot_words(item.filters, part, part.rows)
        last = self._mapping.slot_words(item.filters, part, part.last_rows)
        offset = self._filters.offsets[item.filters, part] + first * slot * WORD_BYTES
        return LOAD, {
            "wait": 0 if self._mapping.filters_stay else FILTER_FREE,
            "signal": FILTER_FULL,
            "each": 1,
            "ring": slots,
            "ring_start": (start + first) % slots,
            "address": self._at.filters + offset,
            "row_words": last if first == part.passes - 1 else slot,
            "rows": 1,
            "planes": end - first,
            "plane_stride": slot * WORD_BYTES,
            "buffer_address": base,
            "buffer_plane_stride": stride,
        }

    def _filter_ring(self, use: FilterUse) -> tuple[int, int, int, int]:
        """Of a RUN's filters: base address, words from slot to slot, slots and the first one."""
        ring = self._buffer.filters
        if ring.unit == 1:
            return ring.base, ring.stride, ring.slots, use.start
        return ring.address(use.start), ring.words, ring.unit, 0

    # -- parameters ----------------------------------------------------------------------------------------
    def _load_parameters(self, first: int, end: int, entry: int, tokens: dict[str, int]) -> Command:
        return LOAD, tokens | {
            "parameters": 1,
            "address": self._at.parameters + 2 * first * WORD_BYTES,
            "row_words": 2 * (end - first),
            "rows": 1,
            "planes": 1,
            "buffer_address": 2 * entry,
        }

    def _tile_parameters(self, item: RunItem, tile: int) -> Command:
        slots = self._buffer.ofmap.slots
        first, _, end = self._tile_filters[item.tile]
        tokens = {"wait": OFMAP_FREE if tile >= slots else 0, "signal": OFMAP_READY}
        return self._load_parameters(first, end, tile % slots * self._mapping.needs.parameters, tokens)

    # -- ofmap ---------------------------------------------------------------------------------------------
    def _ofmap_strides(self, item: RunItem) -> tuple[int, int, int]:
        """Of the tile in the buffer: words ahead of its first place, from row to row, from block to block."""
        rows, columns = item.window.rows, item.window.columns
        height, width, ahead = rows.count, columns.count, 0
        if fusion := self._mapping.fusion:
            row, column = fusion.rows[rows.first], fusion.columns[columns.first]
            height, width = row.held, column.held
            ahead = row.before * width + column.before
        return ahead, width, self._buffer.ofmap_block_stride or height * width

    def _store(self, item: RunItem, tile: int) -> dict[str, int]:
        window, layout, ring = item.window, self._at.ofmap.layout, self._buffer.ofmap
        first, end, _ = self._tile_filters[item.tile]
        block = self._mapping.block
        following = tile + ring.slots < self._mapping.needs.ofmap_tiles
        return {"wait": OFMAP_FULL, "signal": OFMAP_FREE if following else 0} | rectangle(
            self._at.ofmap.address
            + layout.offset(window.image, first // block, window.rows.first, window.columns.first),
            (window.columns.count, window.rows.count, -(-(end - first) // block)),
            (layout.row_words * WORD_BYTES, layout.plane_words * WORD_BYTES),
            ring.address(tile % ring.slots),
            self._ofmap_strides(item)[1:],
        )

    # -- compute -------------------------------------------------------------------------------------------
    def _run(self, index: int, item: RunItem, tile_number: int) -> dict[str, int]:
        mapping, layer, part, run = self._mapping, self._layer, item.part, item.filters
        window, use = item.window, self._filter_uses[index]
        tile = mapping.tile(window, part)
        rows, columns = tile.rows, tile.columns
        sparse = layer.V > part.S
        base, stride, slots, start = self._filter_ring(use)
        fields = {
            "wait_filter": FILTER_FULL if use.load else 0,
            "signal_filter": FILTER_FREE if use.free else 0,
            "passes": part.passes,
            "first": int(part == mapping.parts[0]),
            "last": int(part == mapping.parts[-1]),
            "rows": part.rows if part.passes > 1 else part.last_rows,
            "last_rows": part.last_rows,
            "e": rows.count,
            "sets": run.sets,
            "p": run.p,
            "taps": part.taps,
            "step": mapping.step(part),
            "positions": columns.count,
            "shift": self._shift,
            "filter_base": base,
            "filter_stride": stride,
            "filter_slots": slots,
            "filter_start": start,
            "filter_words": mapping.filter_words(run, part),
            "R": part.R,
            "q": mapping.q,
            "group_lanes": mapping.group_lanes,
            "pixel_lanes": mapping.pixel_lanes,
            "stride": rows.stride,
            "full_width": columns.full,
            "full_height": rows.full,
            "period": layer.V if sparse else 1,
            "kept": part.S if sparse else 1,
            "zero_point": self._requant.zp_in,
        }
        return fields | self._run_ifmap(index, item, tile) | self._run_ofmap(item, tile_number)

    def _run_ifmap(self, index: int, item: RunItem, tile: Tile) -> dict[str, int]:
        """Where the tile of the RUN's taps lies within the tile that is in the buffer."""
        mapping, number = self._mapping, self._ifmap_of[index]
        channel = item.filters.group * self._layer.C + item.part.first
        fields = {"first_lane": channel % mapping.pixel_lanes}
        if number is None:  # nothing but padding: no stored rows and columns
            return fields
        load = self._ifmaps[number]
        fields |= {
            "wait_ifmap": IFMAP_FULL if index == load.begin else 0,
            "signal_ifmap": IFMAP_FREE if index == load.end and load.followed else 0,
        }
        if tile.plane_words == 0:
            return fields
        held = load.tile
        block, _ = mapping.run_blocks(item.filters, item.part)
        row = (tile.rows.start - held.rows.start) // held.rows.step
        base, block_stride = self._ifmap_place(load)
        offset = (block - load.first_block) * block_stride + row * held.words + tile.word - held.word
        return fields | {
            "ifmap_base": base + offset,
            "ifmap_row_stride": held.words * tile.rows.step // held.rows.step,
            "ifmap_block_stride": block_stride,
            "first_pixel": tile.first_pixel,
            "pad_left": tile.columns.pad,
            "width": tile.columns.stored,
            "pad_top": tile.rows.pad,
            "height": tile.rows.stored,
        }

    def _run_ofmap(self, item: RunItem, tile: int) -> dict[str, int]:
        mapping, requant, run, ring = self._mapping, self._requant, item.filters, self._buffer.ofmap
        runs, last = mapping.store_tiles[item.tile], item.part == mapping.parts[-1]
        lane, entry = run.first - runs[0].first, run.first
        wait = OFMAP_FREE if tile >= ring.slots else 0
        if not self._parameters_stay:
            wait, entry = OFMAP_READY, tile % ring.slots * mapping.needs.parameters + lane
        ahead, row_stride, stride = self._ofmap_strides(item)
        return {
            "wait_ofmap": wait if last and run is runs[0] else 0,
            "signal_ofmap": OFMAP_FULL if last and run is runs[-1] else 0,
            "ofmap_base": ring.address(tile % ring.slots) + ahead + lane // mapping.block * stride,
            "ofmap_lane": lane % mapping.block,
            "ofmap_row_stride": row_stride,
            "ofmap_block_stride": stride,
            "parameter_base": entry,
            "zp_out": requant.zp_out,
            "act_min": requant.act_min,
            "act_max": requant.act_max,
            "rounding": ROUNDINGS.index(requant.rounding),
        }


def _cuts(size: int, pieces: int) -> list[tuple[int, int]]:
    """[0, size) in up to `pieces` nearly equal ranges."""
    pieces = min(size, pieces)
    return [(size * n // pieces, size * (n + 1) // pieces) for n in range(pieces)]
