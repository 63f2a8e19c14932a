"""WordAligner and WordSerialiser: runs of words moved from one set of lanes to another, and taken apart."""

import random

import pytest

from orris_hw.gateware.word_aligner import WordAligner, WordSerialiser
from stream_bench import Bench

WORD = (1 << 64) - 1


def beat(words, row, tag):
    """Beat of {lane: word}."""
    return {
        "data": sum(word << 64 * lane for lane, word in words.items()),
        "mask": sum(1 << lane for lane in words), "row": row, "tag": tag,
    }


def run(rng, count, lanes, start, shift, tag):
    """(beats coming, rows leaving) of random words from word `start` on, `shift` lanes further up."""
    words = [rng.getrandbits(64) for _ in range(count)]
    coming, leaving = {}, {}
    for at, word in enumerate(words, start):
        coming.setdefault(at // lanes, {})[at % lanes] = word
        leaving.setdefault((at + shift) // lanes, {})[(at + shift) % lanes] = word
    beats = [{"beat": beat(each, row, tag), "shift": shift, "last": row == max(coming)}
             for row, each in coming.items()]
    rows = [(row, each, tag, row == max(leaving)) for row, each in leaving.items()]
    return beats, rows


@pytest.mark.parametrize("lanes", [2, 4, 8])
def test_runs(lanes, seed):
    rng = random.Random(seed)
    dut = WordAligner(lanes, 3)
    bench = Bench(dut, seed)
    coming, leaving = [], []
    for _ in range(60):
        count = rng.choice([1, 2, 3, lanes, 4 * lanes, rng.randint(1, 40)])
        beats, rows = run(rng, count, lanes, rng.randrange(1 << 10), rng.randrange(lanes), rng.randrange(8))
        coming += beats
        leaving += rows
    bench.source(dut.i, coming)
    got = bench.sink(dut.o)
    bench.run(lambda: len(got) == len(leaving))
    for (_, out), (row, words, tag, last) in zip(got, leaving, strict=True):
        given = out["beat"]
        used = [lane for lane in range(lanes) if given["mask"] >> lane & 1]
        found = {lane: given["data"] >> 64 * lane & WORD for lane in used}
        assert (given["row"], found, given["tag"], out["last"]) == (row, words, tag, last)


def test_a_beat_a_cycle():
    dut = WordAligner(4, 1)
    bench = Bench(dut, 1, stalls=(0.0,))
    coming, leaving = run(random.Random(1), 100, 4, 1, 2, 0)
    bench.source(dut.i, coming)
    got = bench.sink(dut.o)
    bench.run(lambda: len(got) == len(leaving))
    assert got[-1][0] - got[0][0] + 1 == len(leaving)


@pytest.mark.parametrize("lanes", [2, 4])
def test_word_by_word(lanes, seed):
    rng = random.Random(seed)
    dut = WordSerialiser(lanes)
    bench = Bench(dut, seed)
    beats = [{lane: rng.getrandbits(64) for lane in range(lanes) if rng.random() < 0.6} for _ in range(80)]
    beats = [each for each in beats if each]
    bench.source(dut.i, [{name: beat(each, 0, 0)[name] for name in ("data", "mask")} for each in beats])
    got = bench.sink(dut.o)
    expected = [word for each in beats for _, word in sorted(each.items())]
    bench.run(lambda: len(got) == len(expected))
    assert [word for _, word in got] == expected
