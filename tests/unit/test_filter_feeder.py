"""FilterFeeder: set-up, pass descriptions and filter values of whole RUNs against `run_model`."""

import random

import pytest

from orris_hw.config import preset
from orris_hw.gateware.beats import Kind
from orris_hw.gateware.filter_feeder import FILTER_RUN, FilterFeeder
from run_model import random_run
from stream_bench import Bench

ONE = {"array": {"rows": 1, "columns": 1}, "networks": {"psum_bits": 32}, "post_processing": {"lanes": 1}}
CONFIGS = {
    "tiny": ("tiny", {}),
    "one PE": ("tiny", ONE),
    "8 bit bus": ("tiny", {"networks": {"filter_bits": 8}, "array": {"rows": 5}}),
    "16 bit bus": ("tiny", {"networks": {"filter_bits": 16}}),
    "32 bit bus": ("tiny", {"networks": {"filter_bits": 32}}),
    "16 bit values": ("eyeriss-v1", {}),
    "16 bit values, narrow": ("eyeriss-v1", {"networks": {"filter_bits": 16}}),
    "small scratchpads": ("tiny", {"scratchpads": {"filter": 8, "ifmap": 4, "psum": 1}}),
    "flagship": ("orris-168", {"array": {"rows": 16, "columns": 16}}),
}


def decoded(config, beat):
    """A beat of the gateware as the model writes it."""
    kind, width = beat["kind"], config.data_width
    if kind == Kind.PARAMETER.value:
        return ("field", beat["distance"], beat["tag"], beat["data"] & 255)
    if kind == Kind.CLEAR.value:
        return ("clear", beat["distance"])
    if kind == Kind.ASSIGN.value:
        return ("assign", beat["distance"], beat["tag"], beat["data"] & 15)
    values = tuple(beat["data"] >> width * i & (1 << width) - 1 for i in range(beat["count"] + 1))
    return ("value", beat["distance"], beat["tag"], bool(beat["last"]), values)


@pytest.mark.parametrize("name", CONFIGS)
def test_beats_of_random_runs(name, seed):
    rng = random.Random(seed)
    base, changes = CONFIGS[name]
    config = preset(base).derive(changes)
    runs = []
    while len(runs) < 8:
        run = random_run(rng, config)
        if len(list(run.filter_word_places())) < 250:
            runs.append(run)
    shifts = [rng.randrange(32) for _ in runs]

    def word(address):
        return random.Random(f"{seed} word {address}").getrandbits(64)

    def weight_of(run):
        where = dict(run.filter_word_places())

        def weight(k, s, row, i):
            index, lane = divmod(i, config.block)
            return word(where[k, s, index, row]) >> lane * config.data_width & (1 << config.data_width) - 1

        return weight

    expected = []
    for run, shift in zip(runs, shifts, strict=True):
        for beat in run.filter_beats(weight_of(run)):
            if beat[0] == "field" and beat[2] == 6:
                beat = (*beat[:3], beat[3] | shift << 3)
            expected.append((run, beat))
    dut = FilterFeeder(config)
    bench = Bench(dut, seed)
    names = {name for name, _ in FILTER_RUN}
    commands = [
        {n: v for n, v in (run.fields() | {"shift": shift}).items() if n in names}
        for run, shift in zip(runs, shifts, strict=True)
    ]
    taken = bench.source(dut.run, commands)
    asked, beats = bench.memory(dut.read, word), bench.sink(dut.beats)
    grants, gifts = bench.grants(dut.wait), bench.gifts(dut.signal)
    passes = [(run, index, k) for index, run in enumerate(runs) for k in range(run.passes)]
    bench.run(lambda: len(gifts) == len(passes), limit=200_000)

    for (_, beat), (run, wanted) in zip(beats, expected, strict=False):
        assert decoded(config, beat) == wanted, run
    assert len(beats) == len(expected)
    places = [(index, *at) for index, run in enumerate(runs) for at in run.filter_word_places()]
    assert [a for _, a in asked] == [address for _, _, address in places]
    assert [s for _, s in grants] == [run.places["wait_filter"] for run, _, _ in passes]
    assert [semaphore for _, semaphore in gifts] == [run.places["signal_filter"] for run, _, _ in passes]
    # A pass's token comes before its first word is asked for, and is given when its last one has arrived.
    when = {}
    for (cycle, _), (index, (k, *_), _) in zip(asked, places, strict=True):
        when.setdefault((index, k), []).append(cycle)
    for number, (_, index, k) in enumerate(passes):
        first, last = when[index, k][0], when[index, k][-1]
        assert taken[index] <= grants[number][0] < first <= last < gifts[number][0]


def test_reads_ahead_of_a_stalled_array(seed):
    """The next pass's words are asked for as soon as its token is there, also while no beat moves."""
    config = preset("tiny")
    rng = random.Random(seed)
    run = random_run(rng, config)
    while run.passes < 2 or len(list(run.filter_word_places())) > 14 or not run.places["wait_filter"]:
        run = random_run(rng, config)
    dut = FilterFeeder(config)
    bench = Bench(dut, seed)
    names = {name for name, _ in FILTER_RUN}
    bench.source(dut.run, [{n: v for n, v in run.fields().items() if n in names}])
    asked = bench.memory(dut.read, lambda address: 0, depth=16)
    bench.sink(dut.beats, ready=lambda: False)
    bench.grants(dut.wait)
    bench.run(lambda: len(asked) == len(list(run.filter_word_places())))
