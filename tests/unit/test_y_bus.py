"""Row heads of the Y-buses against a model of the rows."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

from orris_hw.config import preset
from orris_hw.gateware.beats import (
    Kind,
    PassField,
    RowField,
    chunks_of_block,
    filter_lanes,
    ifmap_lanes,
)
from orris_hw.gateware.y_bus import FilterRow, IfmapRow

ROWS = 4
CONFIG = preset("orris-168")
# Networks by name: a word in 1, 2 or 8 chunks.
CONFIGS = {
    "filter": CONFIG,
    "ifmap": CONFIG,
    "ifmap, 32 bits": preset("ulx3s-85f"),
    "ifmap, 8 bits": preset("tiny").derive({"networks": {"ifmap_bits": 8}}),
}
FILTER_LANES = filter_lanes(CONFIG)
Beat = dict[str, Any]


def pack(values, width):
    return sum((value % (1 << width)) << (width * n) for n, value in enumerate(values))


def width_of(network):
    return CONFIG.data_width if network == "filter" else CONFIG.operand_width


def filter_beats(rng, count, config):
    for _ in range(count):
        kind = rng.choice((Kind.VALUE, Kind.VALUE, Kind.CLEAR, Kind.ASSIGN, Kind.PARAMETER))
        value = kind == Kind.VALUE
        yield {
            "kind": kind, "distance": rng.randrange(ROWS), "tag": rng.randrange(7),
            "last": rng.randint(0, 1) if value else 0, "count": rng.randrange(FILTER_LANES),
            "data": rng.getrandbits(FILTER_LANES * config.data_width) if value else rng.getrandbits(8),
        }  # fmt: skip


def filter_expected(beats, config):
    """(kind, tag, last, data) on each row's X-bus."""
    rows: list[list[Any]] = [[] for _ in range(ROWS)]
    width = config.data_width
    for beat in beats:
        kind, data = beat["kind"], beat["data"]
        for row in range(beat["distance"] + 1):
            bottom = row == beat["distance"]
            if kind != Kind.VALUE:
                flags = kind == Kind.PARAMETER and beat["tag"] == PassField.FLAGS
                own = data & ~1 if flags and bottom else data  # the bottom of the chain joins nothing
                rows[row].append((kind.value, beat["tag"], 0, own))
            elif bottom:
                for n in range(beat["count"] + 1):
                    last = beat["last"] and n == beat["count"]
                    rows[row].append((0, beat["tag"], int(last), data >> (width * n) & ((1 << width) - 1)))
    return rows


def ifmap_beats(rng, count, config):
    """First every row is told what it takes; then values, with changes in between."""
    most, bus_lanes = chunks_of_block(config), ifmap_lanes(config)
    begins = rng.randrange(most)  # within a block, at the latest: what a row takes is of one block

    def parameter(row, field, value):
        tags = {"distance": row, "chunk": 0, "phase": 0, "tag": field.value}
        return {"kind": Kind.PARAMETER, **tags, "data": value}

    values = {
        RowField.CHUNK: lambda: most * rng.randrange(3) + rng.randint(0, begins),
        RowField.CHUNKS: lambda: rng.randrange(most - begins),
        RowField.PHASE: lambda: rng.randrange(3),
    }
    for row in range(ROWS):
        for field, value in values.items():
            yield parameter(row, field, value())
        lanes = rng.randrange(1, bus_lanes + 1)
        first = rng.randrange(bus_lanes - lanes + 1)
        if row % 2:  # one lane after the other, to all filter sets
            yield parameter(row, RowField.LANES, first | (lanes - 1) << 3)
            yield parameter(row, RowField.SPLIT, 1)
        else:  # to each filter set its own, `step` lanes apart
            step = rng.randrange(1, lanes + 1)
            beats = -(-lanes // step // config.networks.x_lanes)
            yield parameter(row, RowField.LANES, first | (beats - 1) << 3)
            yield parameter(row, RowField.SPLIT, step * config.networks.x_lanes | (step & 7) << 4 | 1 << 7)
    for _ in range(count):
        kind = rng.choice((Kind.VALUE,) * 6 + (Kind.CLEAR, Kind.ASSIGN, Kind.PARAMETER))
        if kind == Kind.PARAMETER:
            field = rng.choice(list(values))
            yield parameter(rng.randrange(ROWS), field, values[field]())
        else:
            bits = bus_lanes * config.operand_width if kind == Kind.VALUE else 8
            yield {
                "kind": kind, "distance": rng.randrange(ROWS), "chunk": rng.randrange(3 * most),
                "phase": rng.randrange(3), "tag": rng.randrange(64), "data": rng.getrandbits(bits),
            }  # fmt: skip


def ifmap_expected(beats, config):
    """(kind, tag, data) on each row's X-bus."""
    rows: list[list[Any]] = [[] for _ in range(ROWS)]
    state = [dict.fromkeys(RowField, 0) for _ in range(ROWS)]
    width, bus_lanes = config.operand_width, ifmap_lanes(config)
    for beat in beats:
        kind, data = beat["kind"], beat["data"]
        if kind == Kind.PARAMETER:
            state[beat["distance"]][RowField(beat["tag"])] = data
        elif kind != Kind.VALUE:
            rows[beat["distance"]].append((kind.value, beat["tag"], data))
        else:
            for row, own in zip(rows, state, strict=True):
                first, phase = own[RowField.CHUNK], own[RowField.PHASE]
                if beat["phase"] == phase and first <= beat["chunk"] <= first + own[RowField.CHUNKS]:
                    lane, beats = own[RowField.LANES] & 7, (own[RowField.LANES] >> 3) + 1
                    advance, second = own[RowField.SPLIT] & 15, own[RowField.SPLIT] >> 4 & 7
                    split = own[RowField.SPLIT] >> 7
                    for n in range(beats):
                        at = lane + n * advance
                        places = [at, at + second][: config.networks.x_lanes]
                        values = [data >> width * (at % bus_lanes) & (1 << width) - 1 for at in places]
                        row.append((0, (beat["tag"] + 16 * n * split) % 64, pack(values, width)))
    return rows


NETWORKS = {
    "filter": (FilterRow, filter_beats, filter_expected),
    **{name: (IfmapRow, ifmap_beats, ifmap_expected) for name in CONFIGS if name != "filter"},
}


def simulate(network, beats, lengths, *, stall=0.0, seed=0):
    """Send beats down a chain of row heads; return what each X-bus carried and when it had `lengths`."""
    heads: list[Any] = [NETWORKS[network][0](CONFIGS[network]) for _ in range(ROWS)]
    m = Module()
    for n, head in enumerate(heads):
        m.submodules[f"row_{n}"] = head
        if n:
            wiring.connect(m, heads[n - 1].o, head.i)
    m.d.comb += heads[-1].o.ready.eq(1)
    carried: list[list[Any]] = [[] for _ in range(ROWS)]
    sim = Simulator(m)
    sim.add_clock(1e-6)
    cycles = []

    async def source(ctx):
        rng = random.Random(f"{seed} source")
        for beat in beats:
            while rng.random() < stall:
                await ctx.tick()
            ctx.set(heads[0].i.payload, beat)
            ctx.set(heads[0].i.valid, 1)
            await ctx.tick().until(heads[0].i.ready)
            ctx.set(heads[0].i.valid, 0)

    def sink(row):
        async def bench(ctx):
            rng, port, held = random.Random(f"{seed} sink {row}"), heads[row].x, None
            while True:
                ready = rng.random() >= stall
                ctx.set(port.ready, ready)
                _, _, valid, payload = await ctx.tick().sample(port.valid, port.payload)
                x_lanes = 1 if network == "filter" else CONFIGS[network].networks.x_lanes
                mask = (1 << width_of(network) * x_lanes) - 1
                item = (payload.kind.value, payload.tag, payload.data & mask)
                if network == "filter":
                    item = (*item[:2], payload.last, item[2])
                assert held is None or (valid and item == held), "a waiting beat changed"
                held = item if valid and not ready else None
                if valid and ready:
                    carried[row].append(item)

        return bench

    async def watch(ctx):
        for cycle in range(40 * len(beats) + 200):
            await ctx.tick()
            if [len(row) for row in carried] == lengths:
                cycles.append(cycle)
                break
        for _ in range(40):  # nothing may follow
            await ctx.tick()

    sim.add_testbench(source, background=True)
    for row in range(ROWS):
        sim.add_testbench(sink(row), background=True)
    sim.add_testbench(watch)
    sim.run()
    return carried, cycles[0] if cycles else None


@pytest.mark.parametrize("stall", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("network", NETWORKS)
def test_multicast_to_rows(network, stall):
    """Every X-bus carries what its row takes, in order, however source and X-buses stall."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    _, make, model = NETWORKS[network]
    beats = list(make(random.Random(seed), 150, CONFIGS[network]))
    expected = model(beats, CONFIGS[network])
    carried, _ = simulate(network, beats, [len(row) for row in expected], stall=stall, seed=seed)
    assert carried == expected


def test_one_filter_value_every_cycle():
    beats: list[Beat] = [
        {"kind": Kind.VALUE, "distance": 0, "tag": 1, "last": 0, "count": 7, "data": n} for n in range(20)
    ]
    expected = filter_expected(beats, CONFIG)
    carried, cycles = simulate("filter", beats, [len(row) for row in expected])
    assert carried == expected
    assert cycles is not None and cycles <= 20 * 8 + 6


def test_one_ifmap_beat_every_cycle_down_the_rows():
    """Beats of one value each, taken by every row: the Y-bus and all X-buses move every cycle."""
    beats: list[Beat] = [
        {"kind": Kind.VALUE, "distance": 0, "chunk": 0, "phase": 0, "tag": n % 64, "data": n}
        for n in range(100)
    ]
    expected = ifmap_expected(beats, CONFIG)
    carried, cycles = simulate("ifmap", beats, [len(row) for row in expected])
    assert carried == expected
    assert cycles is not None and cycles <= 100 + ROWS + 6


FORK_BEATS: dict[type, Beat] = {  # a beat for row 0 and for the rows below
    FilterRow: {"kind": Kind.CLEAR, "distance": ROWS - 1, "tag": 0, "last": 0, "count": 0},
    IfmapRow: {"kind": Kind.VALUE, "distance": 0, "chunk": 0, "phase": 0, "tag": 0},
}


@pytest.mark.parametrize("network", NETWORKS)
def test_each_side_takes_a_beat_once_while_the_other_is_full(network):
    """X-bus blocked and FIFO full while the next row takes now and then; the other way round; then both."""
    head: Any = NETWORKS[network][0](CONFIGS[network])
    phase = 4 * (CONFIGS[network].networks.fifo_depth + 8)  # long enough to fill FIFO and buffers
    beats = [dict(FORK_BEATS[type(head)], data=n) for n in range(phase // 4)]
    taken: dict[str, list[int]] = {"x": [], "o": []}
    sim = Simulator(head)
    sim.add_clock(1e-6)

    async def source(ctx):
        for beat in beats:
            ctx.set(head.i.payload, beat)
            ctx.set(head.i.valid, 1)
            await ctx.tick().until(head.i.ready)
        ctx.set(head.i.valid, 0)

    def sink(port, got, open_in):
        async def bench(ctx):
            for cycle in range(4 * phase):
                ready = cycle // phase >= 2 or (cycle // phase == open_in and cycle % 4 == 0)
                ctx.set(port.ready, ready)
                _, _, valid, payload = await ctx.tick().sample(port.valid, port.payload)
                if valid and ready:
                    got.append(payload.data & (1 << width_of(network)) - 1)

        return bench

    sim.add_testbench(source, background=True)
    sim.add_testbench(sink(head.o, taken["o"], open_in=0))
    sim.add_testbench(sink(head.x, taken["x"], open_in=1))
    sim.run()
    assert taken == {"x": list(range(len(beats))), "o": list(range(len(beats)))}
