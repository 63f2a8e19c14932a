"""AlexNet at batch 4 on `orris-168`: words to and from memory and the global buffer, beside the chip's."""

from dataclasses import replace

import numpy as np
import pytest

from orris.compiler import compile_layer
from orris.cost import best_mapping
from orris.golden import Requant
from orris.layers import find_layer
from orris_hw.config import preset
from orris_sim.layer_run import run_layer

ORRIS = preset("orris-168")
CHIP = {1: (6.08, 9.25), 2: (5.43, 38.8), 3: (5.05, 34.6), 4: (3.92, 18.7), 5: (2.61, 12.5)}
"""Of each layer, four images: MB to and from DRAM, uncompressed, and million words to and from its buffer."""


def mapped(number: int):
    return best_mapping(replace(find_layer(f"alexnet.conv{number}"), N=4), ORRIS)


def check(number: int, counts: dict[str, int]) -> None:
    memory = 8 * (counts["dram_read_words"] + counts["dram_write_words"])
    buffer = sum(words for name, words in counts.items() if name.startswith("glb_"))
    dram, glb = CHIP[number]
    print(f"conv{number}: {memory / 1e6:.2f} MB, chip {dram}; {buffer / 1e6:.1f} M words, chip {glb}")
    assert memory <= 0.7 * dram * 1e6
    assert buffer <= glb * 1e6


@pytest.mark.parametrize("number", CHIP)
def test_foretold(number):
    mapping = mapped(number)
    weights = np.zeros(mapping.layer.weights_shape, np.int64)
    requant = Requant.plain(np.zeros(mapping.layer.M, np.int64), np.dtype(np.int8))
    check(number, compile_layer(mapping.layer, mapping, ORRIS, weights, requant).expected_counts)


@pytest.mark.long
@pytest.mark.parametrize("number", CHIP)
def test_measured(number, seed):
    mapping = mapped(number)
    report = run_layer(mapping.layer, ORRIS, mapping=mapping, seed=seed).report
    assert report.problem is None and report.mismatches == 0 and report.surprises == {}
    check(number, report.counters)
