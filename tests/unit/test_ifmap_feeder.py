"""IfmapFeeder with IfmapWalk: the beat sequence of whole RUNs against `run_model`."""

import random
from dataclasses import replace

import pytest

from orris_hw.config import preset
from orris_hw.gateware.beats import Kind
from orris_hw.gateware.ifmap_feeder import IfmapFeeder
from orris_hw.gateware.ifmap_walk import IFMAP_RUN
from run_model import random_run
from stream_bench import Bench

CONFIGS = {
    "tiny": ("tiny", {}),
    "one PE": ("tiny", {"array": {"rows": 1, "columns": 1}, "networks": {"psum_bits": 32},
                        "post_processing": {"lanes": 1}}),
    "8 bit bus": ("tiny", {"networks": {"ifmap_bits": 8}, "array": {"rows": 5}}),
    "16 bit bus": ("tiny", {"networks": {"ifmap_bits": 16}}),
    "32 bit bus": ("tiny", {"networks": {"ifmap_bits": 32}, "array": {"rows": 7}}),
    "16 bit values": ("eyeriss-v1", {}),
    "16 bit values, wide": ("eyeriss-v1", {"networks": {"ifmap_bits": 64}, "array": {"rows": 16}}),
    "flagship": ("orris-168", {"array": {"rows": 16, "columns": 16}}),
}  # fmt: skip


def decoded(run, beat):
    """A beat of the gateware as the model writes it."""
    kind, lanes = beat["kind"], min(run.lanes, run.pixel_lanes)
    if kind == Kind.PARAMETER.value:
        return ("field", beat["distance"], beat["tag"], beat["data"] & 255)
    if kind == Kind.CLEAR.value:
        return ("clear", beat["distance"])
    if kind == Kind.ASSIGN.value:
        data = beat["data"]
        half = data >> 4 & run.config.networks.x_lanes - 1
        return ("assign", beat["distance"], beat["tag"], data & 15, half)
    width = run.config.operand_width
    values = [beat["data"] >> width * i & (1 << width) - 1 for i in range(lanes)]
    signed = tuple(v - (v >> width - 1 << width) for v in values)
    return ("value", beat["chunk"], beat["phase"], beat["tag"], signed)


def same(got, expected):
    return len(got) == len(expected) and all(e in (g, None) for g, e in zip(got, expected, strict=True))


@pytest.mark.parametrize("name", CONFIGS)
def test_beats_of_random_runs(name, seed):
    rng = random.Random(seed)
    base, changes = CONFIGS[name]
    config = preset(base).derive(changes)
    runs = []
    while len(runs) < 8:
        run = random_run(rng, config)
        if sum(1 for k in range(run.passes) for _ in run.steps(k)) < 300:
            runs += [replace(run) for _ in range(rng.choice((1, 1, 2)))]

    def word(address):
        return random.Random(f"{seed} word {address}").getrandbits(64)

    def operand_of(run):
        def operand(block, lane, y, x):
            address, pixel = run.address(block, y, x)
            width = config.data_width
            value = word(address) >> (pixel * run.pixel_lanes + lane) * width & (1 << width) - 1
            return value - (value >> width - 1 << width) - (run.zero_point if width == 8 else 0)

        return operand

    expected, told = [], None
    for before, run in zip([None, *runs], runs, strict=False):
        # A RUN that listens as the one before did need not be told again.
        if before is not None and before.row_setup(before.passes - 1) == run.row_setup(0):
            run.keep_tags = rng.randint(0, 1)
        told = run.row_setup(0) if run.keep_tags else None
        expected += [(run, beat) for beat in run.ifmap_beats(operand_of(run), told)]
    dut = IfmapFeeder(config)
    bench = Bench(dut, seed)
    names = {name for name, _ in IFMAP_RUN}
    taken = bench.source(dut.run, [{n: v for n, v in run.fields().items() if n in names} for run in runs])
    asked, beats = bench.memory(dut.read, word), bench.sink(dut.beats)
    grants, gifts = bench.grants(dut.wait), bench.gifts(dut.signal)
    bench.run(lambda: len(gifts) == len(runs), limit=200_000)

    for (_, beat), (run, wanted) in zip(beats, expected, strict=False):
        assert same(decoded(run, beat), wanted), run
    assert len(beats) == len(expected)
    assert [a for _, a in asked] == [a for run in runs for a in run.requests()]
    assert [s for _, s in grants] == [run.places["wait_ifmap"] for run in runs]
    assert [semaphore for _, semaphore in gifts] == [run.places["signal_ifmap"] for run in runs]
    # The token comes before the first word is asked for, and is given after the last was.
    counts = [len(list(run.requests())) for run in runs]
    for i in range(len(runs)):
        mine = [cycle for cycle, _ in asked[sum(counts[:i]) : sum(counts[: i + 1])]]
        assert all(taken[i] < grants[i][0] < cycle < gifts[i][0] for cycle in mine), runs[i]


def test_one_beat_per_cycle(seed):
    """Where words hold one pixel of all bus lanes, and columns two of them, values leave without a gap."""
    config = preset("tiny")
    rng = random.Random(seed)
    run = random_run(rng, config)
    while (
        run.pixel_lanes < 8
        or run.full_width < 8
        or len(list(run.steps(0))) < 2 * run.full_width
        or run.U > run.R
        or run.V > run.S
        or run.pad_top
    ):
        run = random_run(rng, config, most=12)
    run.pad_left, run.width, run.height = 0, run.full_width, run.full_height
    dut = IfmapFeeder(config)
    bench = Bench(dut, seed, stalls=(0.0,))
    names = {name for name, _ in IFMAP_RUN}
    bench.source(dut.run, [{n: v for n, v in run.fields().items() if n in names}])
    bench.memory(dut.read, lambda address: address)
    beats, gifts = bench.sink(dut.beats), bench.gifts(dut.signal)
    bench.grants(dut.wait)
    bench.run(lambda: gifts)
    first = [cycle for cycle, beat in beats if beat["kind"] == Kind.VALUE.value]
    per_pass = len(list(run.steps(0)))
    assert first[per_pass - 1] - first[0] == per_pass - 1
