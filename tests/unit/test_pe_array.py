"""PEArray and PERow: whole RUNs, fed by `run_model`, against numpy convolution at the column tops."""

import random

import numpy as np
import pytest

from orris_hw.config import preset
from orris_hw.gateware.beats import Kind
from orris_hw.gateware.pe_array import PEArray
from run_model import random_run
from stream_bench import Bench, plain

SMALL = {"global_buffer": {"banks": 8}, "post_processing": {"lanes": 1}, "networks": {"psum_bits": 64}}


def small(rows, columns, **changes):
    array = {"array": {"rows": rows, "columns": columns}}
    networks = SMALL["networks"] | changes.pop("networks", {})
    return preset("tiny").derive(SMALL | array | {"networks": networks} | changes)


CONFIGS = {
    "1 x 1": small(1, 1),
    "1 x 4": small(1, 4, networks={"fifo_depth": 2}),
    "4 x 1": small(4, 1, scratchpads={"filter": 16, "ifmap": 4, "psum": 2}),
    "3 x 3": small(3, 3),
    "3 x 3, 8 bit buses": small(3, 3, networks={"ifmap_bits": 8, "filter_bits": 8, "fifo_depth": 2}),
    "2 x 4, 16 bit buses": small(2, 4, networks={"ifmap_bits": 16, "filter_bits": 16, "fifo_depth": 3}),
    "4 x 2, small scratchpads": small(4, 2, scratchpads={"filter": 8, "ifmap": 5, "psum": 1}),
    "5 x 3, two values a beat": small(5, 3, networks={"x_lanes": 2}),
    "3 x 5, two columns a stop": small(3, 5, networks={"stop_columns": 2}),
    "2 x 4, two values a beat, two columns a stop": small(2, 4, networks={"x_lanes": 2, "stop_columns": 2}),
    "3 x 8, two values a beat": small(3, 8, networks={"x_lanes": 2}),
    "3 x 2, 16 bit values": small(3, 2, data_width=16, networks={"ifmap_bits": 32, "filter_bits": 16}),
}  # fmt: skip


class Data:
    """Random operands (zero outside the stored tile) and weights of a RUN, and what follows from them."""

    def __init__(self, run, rng):
        self.run = run
        blocks = 1 + max(run.blocks(k)[-1] for k in range(run.passes))
        tile = (blocks * run.pixel_lanes + run.q, run.full_height, run.full_width)
        draw = np.random.default_rng(rng.getrandbits(32))
        # Small enough for any sum to fit the psum width.
        self.ifmap = draw.integers(-120, 120, tile) * (draw.random(tile) < rng.choice((0.3, 1)))
        rows = run.passes * run.rows
        self.weights = draw.integers(-128, 128, (rows, run.sets, run.taps, run.p))
        for y in range(run.full_height):
            for x in range(run.full_width):
                if not run.inside(y, x):
                    self.ifmap[:, y, x] = 0

    def operand(self, block, lane, y, x):
        return int(self.ifmap[block * self.run.pixel_lanes + lane, y, x])

    def weight(self, k, s, row, i):
        tap, m = divmod(i, self.run.p)
        return int(self.weights[k * self.run.rows + row, s, tap, m])

    def psums(self):
        """For each column, the psums of all passes in order, by direct convolution."""
        run = self.run
        columns = [[] for _ in range(run.config.array.columns)]
        for k in range(run.passes):
            for column in range(run.e * run.sets):
                s, j = divmod(column, run.e)
                # Sets with psums of their own follow each other from the top down, filter by filter.
                sums = np.zeros((run.positions, run.p, run.stacks + 1), np.int64)
                for row in range(run.active(k)):
                    group, r = run.logical(k, row)
                    block, lane = run.place(group)
                    channel = block * run.pixel_lanes + lane + run.split * s * (run.stacks + 1)
                    stack = group if run.stacks else 0
                    line = self.ifmap[channel : channel + run.q, j * run.U + r]
                    for f in range(run.positions):
                        window = line[:, f * run.V : f * run.V + run.S].T.reshape(-1)
                        sums[f, :, stack] += window @ self.weights[k * run.rows + row, s]
                first, last = run.first and k == 0, run.last and k == run.passes - 1
                values = sums.reshape(-1)
                columns[column] += [
                    {"psum": int(v), "first": int(first), "last": int(last), "end": int(i == len(values) - 1)}
                    for i, v in enumerate(values)
                ]
        return columns

    def counts(self):
        """Deliveries and work over all PEs: each value reaches every PE that needs it, once."""
        run = self.run
        pes = sum(run.active(k) for k in range(run.passes)) * run.e * run.sets
        values = run.q * ((run.positions - 1) * min(run.V, run.S) + run.S)
        return np.array([pes * values, pes * run.p * run.taps, pes * run.p * run.taps * run.positions])


def _pack(values, width):
    return sum((v & (1 << width) - 1) << width * i for i, v in enumerate(values))


def ifmap_payload(run, beat, rng):
    """A beat of the model for the gateware; what does not matter is random."""
    kind, width = beat[0], run.config.operand_width
    free = {"chunk": rng.randrange(64), "phase": rng.randrange(16), "tag": rng.randrange(64)}
    if kind == "field":
        value = rng.randrange(16) if beat[3] is None else beat[3]
        return free | {"kind": Kind.PARAMETER, "distance": beat[1], "tag": beat[2], "data": value}
    if kind == "clear":
        return free | {"kind": Kind.CLEAR, "distance": beat[1], "data": rng.randrange(256)}
    if kind == "assign":
        _, row, tag, last, half = beat
        data = last | half << 4
        return free | {"kind": Kind.ASSIGN, "distance": row, "tag": tag, "data": data}
    _, chunk, phase, tag, values = beat
    lanes = [*values, *(rng.randint(-100, 100) for _ in range(run.lanes - len(values)))]
    distance = rng.randrange(16)
    return {
        "kind": Kind.VALUE, "distance": distance, "chunk": chunk, "phase": phase, "tag": tag,
        "data": _pack(lanes, width),
    }  # fmt: skip


def filter_payload(run, beat, rng):
    kind = beat[0]
    free = {"last": 0, "count": 0}
    if kind == "field":
        return free | {"kind": Kind.PARAMETER, "distance": beat[1], "tag": beat[2], "data": beat[3]}
    if kind == "clear":
        return free | {"kind": Kind.CLEAR, "distance": beat[1], "tag": rng.randrange(16), "data": 0}
    if kind == "assign":
        _, row, tag, last = beat
        return free | {"kind": Kind.ASSIGN, "distance": row, "tag": tag, "data": last}
    _, row, tag, last, values = beat
    return {
        "kind": Kind.VALUE, "distance": row, "tag": tag, "last": int(last), "count": len(values) - 1,
        "data": _pack(values, run.config.data_width),
    }  # fmt: skip


def simulate(config, runs, rng, seed, limit=30_000):
    """Sends the RUNs one behind the other; checks psums and counts."""
    work = [Data(run, rng) for run in runs]
    dut = PEArray(config)
    bench = Bench(dut, seed)
    ifmaps = [(w.run, beat) for w in work for beat in w.run.ifmap_beats(w.operand)]
    filters = [(w.run, beat) for w in work for beat in w.run.filter_beats(w.weight)]
    bench.source(dut.ifmap, [ifmap_payload(*beat, rng) for beat in ifmaps])
    bench.source(dut.filter, [filter_payload(*beat, rng) for beat in filters])
    tops = [bench.sink(port) for port in dut.psum]
    events = []

    async def count(ctx):
        async for _, _, value in ctx.tick().sample(dut.events):
            value = plain(value)
            macs = value["mac_done"] + value["mac_gated"]
            events.append((value["spad_ifmap_write"], value["spad_filter_write"], macs))

    bench.background(count)
    expected = [[] for _ in tops]
    for w in work:
        for column, psums in zip(expected, w.psums(), strict=True):
            column += psums
    bench.run(lambda: all(len(g) >= len(e) for g, e in zip(tops, expected, strict=True)), limit)
    for column, (got, wanted) in enumerate(zip(tops, expected, strict=True)):
        assert [psum for _, psum in got] == wanted, f"column {column} of {runs}"
    assert np.array_equal(np.sum(events, axis=0), sum(w.counts() for w in work))


@pytest.mark.parametrize("name", CONFIGS)
def test_random_runs(name, seed):
    rng = random.Random(seed)
    config = CONFIGS[name]
    runs = []
    while len(runs) < 4:
        run = random_run(rng, config, most=4)
        need = run.passes * (run.p * run.taps * max(run.positions, run.sets * run.rows)) + sum(
            len(columns) * run.q for k in range(run.passes) for *_, columns in run.steps(k)
        )
        if need < 200:  # cycles, about
            runs.append(run)
    simulate(config, runs, rng, seed)


def test_full_scratchpads(seed):
    """p, q S and p q S all at their limits, over several passes."""
    config = small(2, 2, scratchpads={"filter": 16, "ifmap": 8, "psum": 2})
    rng = random.Random(seed)
    run = random_run(rng, config)
    full = (8, 2, 2, 2)
    while (run.taps, run.p, run.active(0), run.e * run.sets) != full or run.passes < 2:
        run = random_run(rng, config, most=4)
    simulate(config, [run], rng, seed)


def test_a_wrong_tag_shows(seed):
    """The counts and sums see a single ifmap beat that goes to the wrong diagonal."""
    config = small(3, 3)
    rng = random.Random(seed)
    run = random_run(rng, config, most=2)
    while run.e < 2 or run.R < 2 or run.active(0) < 2 or run.p * run.taps > 24 or run.positions > 3:
        run = random_run(rng, config, most=2)
    right = run.ifmap_beats

    def wrong(operand):
        for beat in right(operand):
            hit = beat[0] == "value" and beat[3] == 1
            yield (*beat[:3], 0, beat[4]) if hit else beat

    run.ifmap_beats = wrong
    with pytest.raises(AssertionError):
        simulate(config, [run], rng, seed, limit=1_500)
