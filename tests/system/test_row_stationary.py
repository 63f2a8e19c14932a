"""Row stationary: what moves, at every level, is what the dataflow and its closed formulas say.

Formulas marked [Eyeriss] are those of section 2 of the reference on the chip, which give its published
traffic; they hold where nothing is ragged: a layer without padding, cut into equal pieces of whole words.
"""

import random
from collections import defaultdict
from math import ceil

import numpy as np
import pytest

from orris.layers import ConvLayer, Padding
from orris.mapper import MappingError, expected_counts, map_layer
from orris_hw.config import preset
from orris_hw.gateware.pe import PE
from orris_hw.gateware.pe_array import PEArray
from orris_sim.layer_run import run_layer
from random_mappings import turn_taking
from run_model import random_run
from stream_bench import Bench, plain
from unit.test_pe_array import filter_payload, ifmap_payload

TINY = preset("tiny")
CONFIGS = {
    "3x4": TINY,
    "5x3": TINY.derive({"array": {"rows": 5, "columns": 3}, "networks": {"psum_bits": 64, "ifmap_bits": 32}}),
    # Its buffer is too small for tiles to stay that are used again: all are loaded for each use.
    "3x4, half the buffer": TINY.derive({"global_buffer": {"depth": TINY.global_buffer.depth // 2}}),
    "1x1": TINY.derive({"array": {"rows": 1, "columns": 1}, "post_processing": {"lanes": 1}}),
}
BLOCK = 8
"""Values of a 64-bit word: all configurations here are int8."""


def counters(layer, config, mapping, seed, **options):
    """The hardware's counters of a layer that it computes without an error."""
    report = run_layer(layer, config, mapping=mapping, seed=seed, **options).report
    assert report.bit_exact, (report.problem, mapping)
    got = report.counters
    predicted = expected_counts(mapping, got["commands"])
    return got | {"macs": got["mac_done"] + got["mac_gated"]}, predicted


def random_layer(rng):
    G = rng.choice((1, 1, 1, 2, 3))
    R, S = rng.randint(1, 5), rng.randint(1, 5)
    sides = [rng.randint(0, taps - 1) for taps in (R, S, R, S)]
    return ConvLayer(
        N=rng.randint(1, 2), G=G, M=G * rng.randint(1, 12), C=rng.randint(1, 20),
        H=R + rng.randint(0, 9), W=S + rng.randint(0, 9), R=R, S=S,
        U=rng.randint(1, 3), V=rng.randint(1, 3), padding=Padding(*sides),
    )  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_counters_are_foretold(name, seed):
    """Any shape: every counter that follows from the mapping is what the mapper says."""
    rng, config, done = random.Random(seed), CONFIGS[name], 0
    while done < 8:
        layer = random_layer(rng)
        try:
            mapping = map_layer(layer, config)
        except MappingError:  # too large for this array
            continue
        got, predicted = counters(layer, config, mapping, rng.getrandbits(32), zeros=rng.choice((0, 0.5)))
        assert {name: got[name] for name in predicted} == predicted, mapping
        done += 1


def test_counters_where_ifmap_tiles_take_turns(seed):
    rng = random.Random(seed)
    for _ in range(6):
        while (mapping := turn_taking(rng, TINY)).layer.macs > 100_000:
            pass
        got, predicted = counters(mapping.layer, TINY, mapping, rng.getrandbits(32))
        assert {name: got[name] for name in predicted} == predicted, mapping


# Layer, mapping, and how often all filters and all ifmaps (with their halos) are loaded from memory.
ONCE, EACH_STRIP, EACH_FILTERS = "once", "for each strip", "for each p t filters"
REGULAR = {
    "filters change fastest": (
        "3x4, half the buffer", dict(C=64, M=48, H=10, W=9, R=3, S=2),
        dict(p=6, q=8, e=4, t=1, positions=4, order="filters"), EACH_STRIP, ONCE,
    ),
    "two filter sets side by side": (
        "3x4", dict(N=2, C=64, M=48, H=6, W=9, R=3, S=2),
        dict(p=4, q=8, e=2, t=2, positions=8, order="filters"), EACH_STRIP, ONCE,
    ),
    "windows change fastest": (
        "3x4, half the buffer", dict(C=64, M=16, H=18, W=21, R=3, S=2),
        dict(p=4, q=8, e=2, t=2, positions=20, order="windows"), ONCE, EACH_FILTERS,
    ),
    "three channel groups above each other": (
        "3x4", dict(C=48, M=32, H=8, W=8, R=1, S=1),
        dict(p=8, q=8, e=2, t=2, positions=4), ONCE, ONCE,
    ),
    "vertical stride": (
        "5x3", dict(C=32, M=24, H=18, W=13, R=2, S=2, U=2, V=1),
        dict(p=4, q=8, e=3, t=1, positions=6), ONCE, ONCE,
    ),
    "five filter rows": (
        "5x3", dict(C=16, M=24, H=7, W=11, R=5, S=2),
        dict(p=4, q=8, e=1, t=2, positions=5), ONCE, ONCE,
    ),
    "one PE": (
        "1x1", dict(C=16, M=16, H=5, W=9, R=1, S=2),
        dict(p=4, q=8, e=1, t=1, positions=4), ONCE, ONCE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REGULAR)
def test_closed_formulas(name, seed):
    """The words at every level of the hierarchy, without a look at what the mapper foretells."""
    array, shape, given, filters_loaded, ifmaps_loaded = REGULAR[name]
    layer, config = ConvLayer(**shape), CONFIGS[array]
    mapping = map_layer(layer, config, **given)
    p, q, e, t, positions = (given[letter] for letter in ("p", "q", "e", "t", "positions"))
    r = config.array.rows // layer.R  # channel groups above each other
    assert layer.C % (q * r) == layer.M % (p * t) == layer.E % e == layer.F % positions == 0, "ragged"
    got, _ = counters(layer, config, mapping, seed, zeros=0.0)

    strips = layer.N * (layer.E // e) * (layer.F // positions)
    halo = ((e - 1) * layer.U + layer.R) * ((positions - 1) * layer.V + layer.S)
    ifmaps = layer.C * strips * halo
    weights, ofmaps, macs = layer.weights_values, layer.ofmap_values, layer.macs
    sweeps = ceil(layer.M / (p * t))  # of the ifmaps through the array
    passes = ceil(layer.C / (q * r))  # behind an ofmap value
    # A group of strips that fit the buffer together shares the filters that are loaded for it.
    loads = {ONCE: 1, EACH_STRIP: strips // mapping.group, EACH_FILTERS: sweeps}

    # [Eyeriss] GLB = ifmaps x ceil(M / (p t)) + 2 x ceil(C / (q r)) x ofmaps. Of the round trips of a psum
    # the last is that of the finished ofmap value. Filters come on top, once for each strip.
    assert got["glb_psum_read"] == got["glb_psum_write"] == (passes - 1) * ofmaps
    assert got["glb_ofmap_write"] == BLOCK * got["glb_ofmap_read"] == ofmaps
    psums = sum(got[f"glb_{what}"] for what in ("psum_read", "psum_write", "ofmap_write"))
    psums += BLOCK * got["glb_ofmap_read"]
    assert BLOCK * got["glb_ifmap_read"] + psums == ifmaps * sweeps + 2 * passes * ofmaps
    assert BLOCK * got["glb_filter_read"] == weights * strips

    # [Eyeriss] DRAM reads = weights x strips + ifmaps, with halo, x ceil(M / m); writes = ofmaps once.
    overhead = 8 * got["commands"] + 2 * layer.M  # the program; bias and scale of each filter
    loaded = BLOCK * (got["dram_read_words"] - overhead)
    assert loaded == weights * loads[filters_loaded] + ifmaps * loads[ifmaps_loaded]
    assert BLOCK * got["glb_load_write"] == loaded
    assert BLOCK * got["dram_write_words"] == ofmaps

    # Networks: a value goes once over its Y-bus, however many PEs take it; a psum up through every PE.
    lanes = min(BLOCK, config.networks.ifmap_bits // 8)
    assert lanes * got["net_ifmap_beats"] == ifmaps * sweeps
    assert BLOCK * got["net_filter_beats"] == weights * strips
    assert got["net_psum_values"] == passes * r * layer.R * ofmaps

    # Scratchpads: an ifmap value is written once for each PE of its diagonal and read once for p filters; a
    # filter value is written in the e columns of its set. The first tap reads no psum, the last writes none.
    row = q * ((positions - 1) * layer.V + layer.S)
    rows = sweeps * t * passes * r * layer.R * layer.N * layer.E * (layer.F // positions)
    assert got["spad_ifmap_write"] == row * rows
    assert got["spad_filter_write"] == weights * strips * e
    assert got["spad_ifmap_read"] * p == got["spad_filter_read"] == got["mac_done"] == macs
    assert got["spad_psum_read"] == got["spad_psum_write"] == macs - macs // (q * layer.S)


class WatchedPass:
    """A RUN of one pass that fills the array of `TINY`, and what every PE accepts and gives meanwhile.

    Every ifmap value is another one, so that it tells where it comes from. `seen[port][row, column]` are the
    payloads at a PE, `tops` those that leave the array.
    """

    def __init__(self, seed, monkeypatch):
        rng = random.Random(seed)
        while not self._suits(run := random_run(rng, TINY, most=5)):
            pass
        run.pad_left = run.pad_top = 0
        run.width, run.height = run.full_width, run.full_height
        self.run = run
        tile = self._tile(run)
        self.ifmap = np.array(rng.sample(range(-256, 256), int(np.prod(tile)))).reshape(tile)
        # [PE row][filter set][tap][filter]
        self.filters = np.random.default_rng(seed).integers(-128, 128, (run.R, run.sets, run.taps, run.p))
        self.ifmap_beats = list(run.ifmap_beats(
            lambda block, lane, y, x: int(self.ifmap[block * run.pixel_lanes + lane, y, x])
        ))  # fmt: skip
        self.filter_beats = list(run.filter_beats(
            lambda k, s, row, i: int(self.filters[row, s].reshape(-1)[i])
        ))  # fmt: skip
        self._simulate(rng, seed, monkeypatch)

    @staticmethod
    def _tile(run):
        """Channels, rows and columns of the ifmap tile."""
        return len(run.blocks(0)) * run.pixel_lanes, run.full_height, run.full_width

    def _suits(self, run):
        rows, columns = TINY.array.rows, TINY.array.columns
        fills = run.R == rows and run.e == run.sets == 2 and run.e * run.sets == columns
        several = run.p > 1 and run.positions > 2 and run.p * run.taps <= 48
        simple = run.passes == 1 and run.U == 1 and run.V <= run.S
        return fills and several and simple and np.prod(self._tile(run)) <= 512

    def _simulate(self, rng, seed, monkeypatch):
        run, pes, create = self.run, [], PE.__init__

        def remember(pe, config):
            create(pe, config)
            pes.append(pe)

        monkeypatch.setattr(PE, "__init__", remember)
        dut = PEArray(TINY)
        bench = Bench(dut, seed)  # elaborates: PEs come into being row by row
        assert len(pes) == TINY.pes
        self.seen = {port: defaultdict(list) for port in ("ifmap", "filter", "psum_out")}
        for number, pe in enumerate(pes):
            for port, seen in self.seen.items():
                bench.background(self._watch(getattr(pe, port), seen[divmod(number, TINY.array.columns)]))
        bench.source(dut.ifmap, [ifmap_payload(run, beat, rng) for beat in self.ifmap_beats])
        bench.source(dut.filter, [filter_payload(run, beat, rng) for beat in self.filter_beats])
        tops = [bench.sink(port) for port in dut.psum]
        bench.run(lambda: all(len(top) >= run.p * run.positions for top in tops), quiet=100)
        self.tops = [[payload for _, payload in top] for top in tops]

    @staticmethod
    def _watch(port, seen):
        async def observe(ctx):
            async for _, _, valid, ready, payload in ctx.tick().sample(port.valid, port.ready, port.payload):
                if valid and ready:
                    seen.append(plain(payload))

        return observe


def test_one_pass_at_every_pe(seed, monkeypatch):
    """Each ifmap value leaves once and reaches all PEs of its diagonal, each filter value those of its row
    and set; each psum goes up the column, grows by a filter row at every PE, and leaves once."""
    watched = WatchedPass(seed, monkeypatch)
    run, seen = watched.run, watched.seen
    sent = [value for kind, *_, values in watched.ifmap_beats if kind == "value" for value in values]
    assert sorted(sent) == sorted(watched.ifmap.reshape(-1).tolist())
    sent = [value for kind, *_, values in watched.filter_beats if kind == "value" for value in values]
    assert sorted(sent) == sorted(watched.filters.reshape(-1).tolist())

    _, first = run.place(0)  # lane of the first channel
    for column, top in enumerate(watched.tops):
        filter_set, ofmap_row = divmod(column, run.e)
        psums = np.zeros(run.positions * run.p, int)
        for row in reversed(range(run.R)):
            # Of this diagonal, [column][channel].
            line = watched.ifmap[first : first + run.q, ofmap_row + row].T
            filters = watched.filters[row, filter_set]
            assert seen["ifmap"][row, column] == line.reshape(-1).tolist()
            values = [beat["data"] for beat in seen["filter"][row, column] if not beat["parameter"]]
            assert values == (filters.reshape(-1) % 256).tolist()
            windows = [line[f * run.V : f * run.V + run.S].reshape(-1) for f in range(run.positions)]
            psums = psums + (np.array(windows) @ filters).reshape(-1)
            assert [beat["psum"] for beat in seen["psum_out"][row, column]] == psums.tolist()
        assert [beat["psum"] for beat in top] == psums.tolist()
