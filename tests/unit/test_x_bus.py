"""Stops of the X-buses against a model of the columns of one row."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

from orris_hw.config import preset
from orris_hw.gateware.beats import Kind, filter_x_beat, ifmap_x_beat
from orris_hw.gateware.x_bus import FilterStop, IfmapStop

COLUMNS = 5
CONFIG = preset("orris-168")

NETWORKS = pytest.mark.parametrize(
    ("together", "ifmap"),
    [(together, ifmap) for together in (1, 2) for ifmap in (True, False)],
    ids=[f"{together} columns a stop, {name}" for together in (1, 2) for name in ("ifmap", "filter")],
)


def random_beats(rng, ifmap, count):
    """Beats with set-up in between: clears, then assignments up to some column."""
    bits = CONFIG.networks.x_lanes * CONFIG.operand_width if ifmap else CONFIG.data_width - 1
    last = (lambda: {}) if ifmap else (lambda: {"last": rng.randint(0, 1)})
    beats = []
    while len(beats) < count:
        if rng.random() < 0.1:
            beats.append({"kind": Kind.CLEAR, "tag": 0, "data": 0, **last()})
        elif rng.random() < 0.2:
            half = rng.randint(0, 1) << 4 if ifmap else 0
            data = rng.randrange(COLUMNS) | half
            beats.append({"kind": Kind.ASSIGN, "tag": rng.randrange(8), "data": data, **last()})
        else:
            kind = Kind.VALUE if ifmap else rng.choice((Kind.VALUE, Kind.VALUE, Kind.PARAMETER))
            value = rng.getrandbits(bits)
            beats.append({"kind": kind, "tag": rng.randrange(8), "data": value, **last()})
    return beats


def expected(beats, ifmap):
    """What every column's PE receives."""
    ids, received = [None] * COLUMNS, [[] for _ in range(COLUMNS)]
    halves = [0] * COLUMNS
    for beat in beats:
        if beat["kind"] == Kind.CLEAR:
            ids = [None] * COLUMNS
        elif beat["kind"] == Kind.ASSIGN:
            last, half = beat["data"] & 15, beat["data"] >> 4
            for n in range(last + 1):
                if ids[n] is None:
                    ids[n] = beat["tag"] + (n if ifmap else 0)
                    halves[n] = half
        else:
            for column, own in enumerate(ids):
                parameter = beat["kind"] == Kind.PARAMETER
                if own is None or not (parameter or own == beat["tag"]):
                    continue
                if ifmap:
                    width = CONFIG.operand_width
                    value = beat["data"] >> halves[column] * width & (1 << width) - 1
                    received[column].append(value - (value >> (width - 1) << width))
                else:
                    received[column].append((int(parameter), beat["tag"], beat["last"], beat["data"]))
    return received


def simulate(together, beats, ifmap, *, stall=0.0, seed=0, blocked=()):
    """Send beats along stops of so many columns; return what columns receive and the cycles that took."""
    m = Module()
    config = CONFIG.derive({"networks": {"stop_columns": together}})
    stops = [
        (IfmapStop if ifmap else FilterStop)(config, min(together, COLUMNS - first))
        for first in range(0, COLUMNS, together)
    ]
    for n, stop in enumerate(stops):
        m.submodules[f"stop_{n}"] = stop
        m.d.comb += stop.stop.eq(n)
        if n:
            wiring.connect(m, stops[n - 1].o, stop.i)
    m.d.comb += stops[-1].o.ready.eq(1)
    ports = [port for stop in stops for port in stop.deliver]
    received, cycles = [[] for _ in range(COLUMNS)], [0]
    sim = Simulator(m)
    sim.add_clock(1e-6)

    async def source(ctx):
        rng = random.Random(f"{seed} source")
        for beat in beats:
            while rng.random() < stall:
                await ctx.tick()
            ctx.set(stops[0].i.payload, beat)
            ctx.set(stops[0].i.valid, 1)
            await ctx.tick().until(stops[0].i.ready)
            ctx.set(stops[0].i.valid, 0)
            cycles[0] += 1

    def sink(column):
        async def bench(ctx):
            rng, port, held = random.Random(f"{seed} sink {column}"), ports[column], None
            while True:
                ready = column not in blocked and rng.random() >= stall
                ctx.set(port.ready, ready)
                _, _, valid, payload = await ctx.tick().sample(port.valid, port.payload)
                if not ifmap:
                    payload = (payload.parameter, payload.field, payload.last, payload.data)
                assert held is None or (valid and payload == held), "a waiting payload changed"
                held = payload if valid and not ready else None
                if valid and ready:
                    received[column].append(payload)

        return bench

    async def clock(ctx):
        for cycle in range(20 * len(beats) + 100):
            await ctx.tick()
            if [len(r) for r in received] == wanted and sent_all():
                finish.append(cycle)
                for _ in range(3 * COLUMNS):  # nothing may follow
                    await ctx.tick()
                return

    def sent_all():
        return cycles[0] == len(beats)

    wanted, finish = [len(r) for r in expected(beats, ifmap)], []
    sim.add_testbench(source, background=True)
    for column in range(COLUMNS):
        sim.add_testbench(sink(column), background=True)
    sim.add_testbench(clock)
    sim.run()
    return received, finish[0] if finish else None


def test_beats_have_the_widths_the_model_uses():
    assert ifmap_x_beat(CONFIG)["data"].width == CONFIG.networks.x_lanes * CONFIG.operand_width
    assert filter_x_beat(CONFIG)["data"].width == CONFIG.data_width


@pytest.mark.parametrize("stall", [0.0, 0.3, 0.7])
@NETWORKS
def test_multicast_by_tag(together, ifmap, stall):
    """Every column gets the beats with its ID, in order, however source and PEs stall."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    beats = random_beats(random.Random(seed), ifmap, 300)
    received, _ = simulate(together, beats, ifmap, stall=stall, seed=seed)
    assert received == expected(beats, ifmap)


@NETWORKS
def test_one_beat_every_cycle(together, ifmap):
    beats = random_beats(random.Random(5), ifmap, 200)
    received, cycles = simulate(together, beats, ifmap)
    assert received == expected(beats, ifmap)
    assert cycles is not None and cycles <= len(beats) + -(-COLUMNS // together) + 2


@NETWORKS
def test_a_full_pe_holds_up_only_what_is_behind(together, ifmap):
    """Column 2 takes nothing: its beat still goes on to the columns after it, later beats wait."""
    last = {} if ifmap else {"last": 0}
    assign = {"kind": Kind.ASSIGN, "tag": 3, "data": COLUMNS - 1, **last}
    beats = [assign, *({"kind": Kind.VALUE, "tag": 5 if ifmap else 3, "data": n, **last} for n in range(6))]
    if ifmap:  # one ID for every column: each is assigned alone
        beats[0:1] = [{"kind": Kind.ASSIGN, "tag": 5 - n, "data": n} for n in range(COLUMNS)]
    received, _ = simulate(together, beats, ifmap, blocked={2})
    counts = [len(r) for r in received]
    assert counts[2] == 0 and counts[3] == counts[4] == 1
    assert 1 <= counts[1] <= 3 and counts[1] <= counts[0] <= 6
    assert together == 1 or counts[0] == counts[1]  # at a stop of two, both wait behind the same beat
