"""Exchanging the inputs of a LUT changes no function: of logic, and of a carry cell with its LUT2."""

import random
from itertools import product

import pytest

from lut_functions import NETS, outputs
from orris_fpga.errors import BoardError
from orris_fpga.routing.lut_inputs import exchange_inputs


def random_lut(rng, mode):
    nets = [rng.choice([[], [rng.choice(NETS)], [rng.choice(NETS)]]) for _ in range(4)]
    return {
        "parameters": {"MODE": mode, "INITVAL": format(rng.randrange(1 << 16), "016b")},
        "connections": dict(zip("ABCD", nets, strict=True)),
    }


def random_exchange(rng, cell, groups):
    """A place for each input that has a net; inputs of one net may share it."""
    to = {}
    for group in groups:
        places = dict(zip(group, rng.sample(group, len(group)), strict=True))
        to |= {port: places[port] for port in group if cell["connections"][port]}
        for a, b in product(group, repeat=2):
            same = a in to and b in to and cell["connections"][a] == cell["connections"][b]
            if same and rng.random() < 0.3:
                to[a] = to[b]
    return to


@pytest.mark.parametrize(("mode", "groups"), [("LOGIC", ["ABCD"]), ("CCU2", ["AB", "CD"])])
def test_the_function_stays(mode, groups, seed):
    rng = random.Random(seed)
    shared = 0
    for _ in range(500):
        cell = random_lut(rng, mode)
        to = random_exchange(rng, cell, groups)
        nets = dict(cell["connections"])
        before = [outputs(cell, opened) for opened in (0, 1)]
        exchange_inputs(cell, to)
        assert [outputs(cell, opened) for opened in (0, 1)] == before
        for port, place in to.items():
            assert cell["connections"][place] == nets[port]
        taken = [port for port in "ABCD" if cell["connections"][port]]
        assert set(taken) == set(to.values())
        shared += len(taken) < len(to)
    assert shared > 20


def test_two_nets_at_one_input():
    cell = {"parameters": {"INITVAL": "1" * 16}, "connections": {"A": [10], "B": [11], "C": [], "D": []}}
    with pytest.raises(BoardError, match="^two nets at the input B of a LUT$"):
        exchange_inputs(cell, {"A": "B"})
    with pytest.raises(BoardError, match="^the open input C of a LUT cannot be moved$"):
        exchange_inputs(cell, {"C": "D"})


@pytest.mark.parametrize(("mode", "port", "to"), [("CCU2", "A", "C"), ("DPRAM", "A", "B")])
def test_what_a_mode_does_not_take(mode, port, to):
    cell = {
        "parameters": {"MODE": mode, "INITVAL": "0" * 16},
        "connections": {"A": [10], "B": [], "C": [], "D": []},
    }
    with pytest.raises(BoardError, match=f"^a LUT in mode {mode} does not take input {port} at {to}$"):
        exchange_inputs(cell, {port: to})
