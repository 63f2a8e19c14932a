"""What a packed netlist of ECP5 computes is what it computed before."""

import copy
import random
from itertools import product

import pytest

from orris_fpga.block_ram_registers import absorb_read_registers
from orris_fpga.carry_operands import absorb_operands
from orris_fpga.constants import fold_constants
from orris_fpga.multiplier_operands import align_operands
from orris_fpga.multiplier_registers import absorb_registers

PINS = "ABCD"


def _lut(init, a, b, c, d):
    return init >> (a | b << 1 | c << 2 | d << 3) & 1


def _half(init, a, b, c, d, carry):
    """S and COUT of half a CCU2C, as the vendor's model says."""
    propagate, generate = _lut(init, a, b, c, d), _lut(init, a, b, 0, 0)
    return propagate ^ carry, carry if propagate else generate


def _carry_module(adder, carry_pins, lut, lut_pins):
    """A carry cell whose lower half has the LUT's output on one pin; pins are nets from 2 on or constants."""
    connections = {pin + "0": [net] for pin, net in zip(PINS, carry_pins, strict=True)}
    connections |= {pin + "1": ["1"] for pin in PINS} | {"CIN": [90], "COUT": [91], "S0": [92], "S1": [93]}
    outputs = ("COUT", "S0", "S1")
    carry = {
        "type": "CCU2C",
        "parameters": {"INIT0": adder, "INIT1": adder, "INJECT1_0": "NO", "INJECT1_1": "NO"},
        "connections": connections,
        "port_directions": {port: "output" if port in outputs else "input" for port in connections},
    }
    first = {
        "type": "LUT4",
        "parameters": {"INIT": lut},
        "connections": {pin: [net] for pin, net in zip(PINS, lut_pins, strict=True)} | {"Z": [80]},
        "port_directions": dict.fromkeys(PINS, "input") | {"Z": "output"},
    }
    return {"cells": {"carry": carry, "lut": first}, "ports": {}}


def _behaviour(module, nets):
    """S0 and the carry out of the lower half, for every value of the nets and the carry in."""
    cells, seen = module["cells"], []
    for values in product((0, 1), repeat=len(nets) + 1):
        value = dict(zip(nets, values[1:], strict=True)) | {"0": 0, "1": 1}
        if "lut" in cells:
            pins = [value[cells["lut"]["connections"][pin][0]] for pin in PINS]
            value[80] = _lut(int(cells["lut"]["parameters"]["INIT"], 2), *pins)
        pins = [value[cells["carry"]["connections"][pin + "0"][0]] for pin in PINS]
        seen.append(_half(int(cells["carry"]["parameters"]["INIT0"], 2), *pins, values[0]))
    return seen


ADD = "1001011010101010"  # A + B, or A - B with C = 1, as Yosys maps it, D = 1


def test_a_chosen_operand_goes_into_the_carry_cell():
    choose = f"{sum(((n >> (n >> 2 & 1)) & 1) << n for n in range(16)):016b}"  # C ? B : A
    module = _carry_module(ADD, [2, 80, "0", "1"], choose, [3, 4, 5, "0"])
    before = _behaviour(module, [2, 3, 4, 5])
    absorb_operands(module)
    assert list(module["cells"]) == ["carry"]
    assert _behaviour(module, [2, 3, 4, 5]) == before


def test_any_lut_before_a_carry_cell(seed):
    rng = random.Random(seed)
    absorbed = 0
    for _ in range(400):
        nets = [2, 3, 4, 5]
        lut_pins = [rng.choice([*nets, "0"]) for _ in PINS]
        lut = f"{rng.getrandbits(16):016b}"
        carry_pins = [2, 80, rng.choice("01"), "1"]
        module = _carry_module(ADD, carry_pins, lut, lut_pins)
        before = _behaviour(module, nets)
        absorb_operands(module)
        absorbed += "lut" not in module["cells"]
        assert _behaviour(module, nets) == before, (carry_pins, lut, lut_pins)
    assert 0 < absorbed < 400


def _product(block, value):
    """What a signed multiplier puts out, by net; `value` of each net at its inputs."""
    operands = []
    for side in "AB":
        nets = [block["connections"][f"{side}{i}"][0] for i in range(18)]
        bits = [int(value.get(net, net)) for net in nets]
        operands.append(sum(bit << i for i, bit in enumerate(bits)) - (bits[17] << 18))
    product = operands[0] * operands[1]
    ports = {i: block["connections"].get(f"P{i}", []) for i in range(36)}
    return {bits[0]: product >> i & 1 for i, bits in ports.items() if bits}


@pytest.mark.parametrize("width_a", [1, 9, 17, 18])
@pytest.mark.parametrize("width_b", [8, 18])
def test_operands_of_a_multiplier_move_up(seed, width_a, width_b):
    rng = random.Random(seed)
    widths = {"A": width_a, "B": width_b}
    connections = {
        f"{side}{i}": [100 * number + min(i, widths[side] - 1)]
        for number, side in enumerate("AB", 1)
        for i in range(18)
    }
    used = range(min(36, width_a + width_b))
    connections |= {f"P{i}": [1000 + i] for i in range(36)}
    directions = {port: "output" if port[0] == "P" else "input" for port in connections}
    block = {"type": "MULT18X18D", "connections": connections, "port_directions": directions}
    ports = {"p": {"direction": "output", "bits": [1000 + i for i in used]}}
    module = {"cells": {"block": block}, "ports": ports}
    wires = [100 + i for i in range(width_a)] + [200 + i for i in range(width_b)]
    values = [{wire: rng.getrandbits(1) for wire in wires} for _ in range(50)]
    before = [_product(block, value) for value in values]
    align_operands(module)
    pins = [connections[f"{side}{i}"][0] for side in "AB" for i in range(18)]
    assert sorted(pin for pin in pins if pin != "0") == wires  # each bit once
    for value, wanted in zip(values, before, strict=True):
        result = _product(block, value)
        assert all(result[1000 + i] == wanted[1000 + i] for i in used)


def test_a_multiplier_whose_whole_product_is_read_stays():
    connections = {f"{side}{i}": [100 + min(i, 5)] for side in "AB" for i in range(18)}
    connections |= {f"P{i}": [1000 + i] for i in range(36)}
    directions = {port: "output" if port[0] == "P" else "input" for port in connections}
    block = {"type": "MULT18X18D", "connections": dict(connections), "port_directions": directions}
    ports = {"p": {"direction": "output", "bits": [1035]}}
    align_operands({"cells": {"block": block}, "ports": ports})
    assert block["connections"] == connections


def _register(data, out, enable=70, reset="0"):
    return {
        "type": "TRELLIS_FF",
        "parameters": {"CLKMUX": "CLK", "CEMUX": "CE", "LSRMUX": "LSR", "REGSET": "RESET"},
        "connections": {"CLK": [1], "CE": [enable], "LSR": [reset], "DI": [data], "Q": [out]},
        "port_directions": {"CLK": "input", "CE": "input", "LSR": "input", "DI": "input", "Q": "output"},
    }


def _multiplier_module(**changes):
    """2 x 2 bits, signed, with registers before and after; `changes` replace a register by its name."""
    connections = {
        f"{side}{i}": [10 * number + min(i, 1)] for number, side in enumerate("AB", 2) for i in range(18)
    }
    connections |= {f"P{i}": [40 + i] for i in range(4)}
    block = {
        "type": "MULT18X18D",
        "parameters": {},
        "connections": connections,
        "port_directions": {port: "output" if port[0] == "P" else "input" for port in connections},
    }
    registers = {f"a{i}": _register(100 + i, 20 + i) for i in range(2)}
    registers |= {f"b{i}": _register(110 + i, 30 + i) for i in range(2)}
    registers |= {f"p{i}": _register(40 + i, 140 + i) for i in range(4)}
    return {"cells": {"block": block} | registers | changes, "ports": {}}


def test_operands_and_product_are_registered_in_the_multiplier():
    module = _multiplier_module()
    absorb_registers(module)
    assert list(module["cells"]) == ["block"]
    block = module["cells"]["block"]
    assert [block["connections"][port] for port in ("A0", "A1", "A17", "B0", "B17")] == [
        [100], [101], [101], [110], [111],
    ]  # fmt: skip
    assert [block["connections"][f"P{i}"] for i in range(4)] == [[140], [141], [142], [143]]
    assert block["connections"]["CE0"] == [70]
    assert all(block["parameters"][f"REG_{stage}_CLK"] == "CLK0" for stage in ("INPUTA", "INPUTB", "OUTPUT"))


@pytest.mark.parametrize(
    ("changes", "stay"),
    [
        ({"a0": _register(100, 20, reset=71)}, 8),  # a reset
        ({"b1": _register(111, 31, enable=72)}, 8),  # another enable
        ({"other": _register(20, 150)}, 9),  # another reader of an operand
        ({"p3": _register(43, 143, enable=72)}, 4),  # only the product stays
        ({"other": _register(40, 150)}, 5),
    ],
)
def test_registers_that_have_to_stay(changes, stay):
    module = _multiplier_module(**changes)
    absorb_registers(module)
    assert len(module["cells"]) == stay + 1


def _block_ram_module(width=18, **changes):
    """A block RAM of which port B gives three bits, each to a register; `changes` replace one by its name."""
    connections = {f"DOB{bit}": [40 + bit] for bit in range(3)}
    connections |= {"CLKA": [1], "CLKB": [1], "CEB": [60], "OCEB": ["1"], "RSTA": ["0"], "RSTB": ["0"]}
    parameters = {f"{name}_{port}": value for port in "AB"
                  for name, value in (("DATA_WIDTH", f"{width:032b}"), ("REGMODE", "NOREG"))}  # fmt: skip
    block = {
        "type": "DP16KD",
        "parameters": parameters | {"CLKAMUX": "CLKA", "CLKBMUX": "CLKB"},
        "connections": connections,
        "port_directions": {port: "output" if port[:2] == "DO" else "input" for port in connections},
    }
    registers = {f"r{bit}": _register(40 + bit, 140 + bit) for bit in range(3)}
    return {"cells": {"block": block} | registers | changes, "ports": {}}


def test_words_read_are_registered_in_the_block_ram():
    module = _block_ram_module()
    absorb_read_registers(module)
    assert list(module["cells"]) == ["block"]
    block = module["cells"]["block"]
    assert [block["connections"][f"DOB{bit}"] for bit in range(3)] == [[140], [141], [142]]
    assert (block["connections"]["OCEB"], block["connections"]["CEB"]) == ([70], [60])
    assert (block["parameters"]["REGMODE_A"], block["parameters"]["REGMODE_B"]) == ("NOREG", "OUTREG")


@pytest.mark.parametrize(
    ("width", "changes", "stay"),
    [
        (18, {"r0": _register(40, 140, reset=71)}, 3),
        (18, {"r1": _register(41, 141, enable=72)}, 3),
        (18, {"other": _register(42, 150)}, 4),  # another reader of a bit
        (36, {}, 3),
    ],
)
def test_registers_of_words_read_that_have_to_stay(width, changes, stay):
    module = _block_ram_module(width, **changes)
    absorb_read_registers(module)
    assert len(module["cells"]) == stay + 1
    assert module["cells"]["block"]["parameters"]["REGMODE_B"] == "NOREG"


def _cell(kind, parameters, output, **pins):
    """A cell with nets or constants on its pins."""
    connections = {pin: [net] for pin, net in pins.items()}
    directions = {pin: "output" if pin == output else "input" for pin in pins}
    return {"type": kind, "parameters": parameters, "connections": connections, "port_directions": directions}


def _flip_flop(data, output, start="RESET", **pins):
    return _cell("TRELLIS_FF", {"REGSET": start}, "Q", CLK=2, LSR=3, DI=data, Q=output, **pins)


def _gate(value, *pins):
    """A LUT of a function of A to D."""
    table = "".join(str(int(value(*bits[::-1]))) for bits in product((0, 1), repeat=4))[::-1]
    return _cell("LUT4", {"INIT": table}, "Z", **dict(zip("ABCDZ", pins, strict=True)))


def test_what_is_always_the_same_goes():
    """A register of zeros, the gate that lets it through, the register behind that, and what fed the gate."""
    cells = {
        "zeros": _flip_flop("0", 10, CE=4),
        "chosen": _gate(lambda a, b, c, d: a & b, 10, 11, "0", "0", 12),
        "choice": _flip_flop(5, 11),
        "behind": _flip_flop(12, 13),
        "kept": _gate(lambda a, b, c, d: a | b, 13, 5, "0", "0", 20),
    }
    module = {"cells": cells, "ports": {"out": {"direction": "output", "bits": [20]}}}
    fold_constants(module)
    assert list(module["cells"]) == ["kept"]
    assert module["cells"]["kept"]["connections"] == {"A": ["0"], "B": [5], "C": ["0"], "D": ["0"], "Z": [20]}


def test_what_may_change_stays():
    """A register that starts with another value, one that an enable or a port reads, a gate that may be 1."""
    cells = {
        "set": _flip_flop("0", 10, start="SET"),
        "enables": _flip_flop("0", 11),
        "port": _flip_flop("0", 12),
        "gate": _gate(lambda a, b, c, d: a & b | c, 10, 6, 5, "0", 13),
        "enabled": _flip_flop(13, 14, CE=11),
    }
    module = {"cells": cells, "ports": {"out": {"direction": "output", "bits": [12, 14]}}}
    before = copy.deepcopy(cells)
    fold_constants(module)
    assert module["cells"] == before
