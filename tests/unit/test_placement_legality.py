"""An illegal placement is found, whatever is wrong with it; multipliers of a block share their controls."""

import pytest

from orris_fpga.errors import BoardError
from orris_fpga.placement.legality import check_legal
from orris_fpga.placement.multiplier_controls import share_controls
from packed_netlists import SMALL, Packed

TILE = "X3/Y3/SLICE"


def _placed():
    """Two flip-flops of a slice, one of another; a pair; a chain over two tiles; a RAM."""
    packed = Packed()
    a, b = packed.net(), packed.net()
    for name, enable in (("one", a), ("two", a), ("three", b)):
        packed.flip_flop(name, a, enable=enable, reset=b)
    packed.flip_flop("paired", packed.lut("lut", a), paired=True, enable=b, reset=b)
    packed.chain("chain", [a] * 10)
    packed.ram("ram", a, b)
    sites = {
        "one": "X3/Y3/SLICEA.FF0", "two": "X3/Y3/SLICEA.FF1", "three": "X3/Y3/SLICED.FF0",
        "lut": "X3/Y3/SLICEB.K1", "paired": "X3/Y3/SLICEB.FF1", "ram$RAMW_SLICE": "X4/Y4/SLICEC.RAMW",
        **{f"ram$DPRAM_COMB{i}": f"X4/Y4/SLICE{'AB'[i // 2]}.K{i % 2}" for i in range(4)},
        **{f"ram$RAMW_BLOCK{i}": f"X4/Y4/SLICEC.K{i}" for i in range(2)},
        **{f"chain.{i}": f"X{6 + i // 8}/Y3/SLICE{'ABCD'[i % 8 // 2]}.K{i % 2}" for i in range(10)},
    }  # fmt: skip
    for name, site in sites.items():
        packed.cells[name]["attributes"]["NEXTPNR_BEL"] = site
    return packed.module


def _move(**sites):
    def change(cells):
        for name, site in sites.items():
            cells[name]["attributes"]["NEXTPNR_BEL"] = site

    return change


def _connect(name, port, net):
    return lambda cells: cells[name]["connections"].update({port: [net]})


def _set(name, parameter, value):
    return lambda cells: cells[name]["parameters"].update({parameter: value})


def test_a_legal_placement():
    check_legal(_placed(), SMALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cells: cells["one"]["attributes"].clear(), "1 cells have no site"),
        (_move(one="X3/Y3/SLICEA.FF1"), r"X3/Y3/SLICEA.FF1 has 2 cells"),
        (_move(one="X3/Y3/SLICEA.K0"), r"one, a TRELLIS_FF, lies at"),
        (_move(one="X4/Y5/SLICEA.FF0"), r"X4/Y5 is no logic tile of an small ECP5"),
        (_connect("three", "CLK", 77), r"X3/Y3: its flip-flops have different clocks or resets"),
        (_connect("three", "LSR", 77), r"different clocks or resets"),
        (_set("three", "CLKMUX", "INV"), r"different clocks or resets"),
        (_set("three", "SRMODE", "ASYNC"), r"different clocks or resets"),
        (_connect("two", "CE", 77), r"the flip-flops of slice A have different enables"),
        (_set("two", "CEMUX", "INV"), r"slice A have different enables"),
        (_set("two", "GSR", "ENABLED"), r"slice A have different enables"),
        (_move(lut="X3/Y3/SLICEC.K1"), r"flip-flop 3 is not with the LUT that drives it"),
        (_connect("paired", "DI", 77), r"flip-flop 3 is not with the LUT that drives it"),
        (_move(lut="X4/Y4/SLICEC.K1", **{"ram$RAMW_BLOCK1": "X4/Y4/SLICED.K0"}), r"port and other LUTs"),
        (_move(**{"ram$RAMW_SLICE": "X2/Y4/SLICEC.RAMW"}), r"write port that is not there"),
        (_move(**{"ram$DPRAM_COMB0": "X4/Y4/SLICED.K0"}), r"a RAM lies above slice B"),
        (_set("ram$DPRAM_COMB0", "WCKMUX", "INV"), r"different polarity"),
        (_move(**{"chain.9": "X7/Y3/SLICEB.K0"}), r"chain.9 at \S+ is not behind"),
        (_move(lut="X7/Y3/SLICEA.K1", **{"chain.9": "X8/Y3/SLICEA.K0"}), r"slice A has a carry's LUT"),
        (_move(**{"chain.8": "X7/Y4/SLICEA.K0", "chain.9": "X7/Y4/SLICEA.K1"}), r"chain.8 at \S+ is not"),
    ],
)
def test_an_illegal_placement_is_found(change, message):
    module = _placed()
    change(module["cells"])
    with pytest.raises(BoardError, match=f"^the placement is not legal: .*{message}"):
        check_legal(module, SMALL)


def test_a_ram_and_flip_flops_of_different_polarity():
    module = _placed()
    cells = module["cells"]
    _move(one="X4/Y4/SLICED.FF0")(cells)
    check_legal(module, SMALL)
    cells["one"]["parameters"]["LSRMUX"] = "INV"
    with pytest.raises(BoardError, match="different polarity"):
        check_legal(module, SMALL)


def test_multipliers_of_a_block_share_their_controls():
    """The second's CE0 has to go elsewhere, the third's to where the first's is, another block's stays."""
    packed = Packed()
    one, two = packed.net(), packed.net()
    nets = [one, two, one, two]
    sites = ("X4/Y8/MULT18_0", "X5/Y8/MULT18_1", "X8/Y8/MULT18_4", "X13/Y8/MULT18_0")
    for number, (site, net) in enumerate(zip(sites, nets, strict=True)):
        packed.multiplier(f"m{number}", one, {"CE0": net, "CLK0": packed.clock}, site)
    cells = packed.cells
    cells["m2"]["parameters"]["REG_OUTPUT_CE"] = "CE0"
    assert share_controls(packed.module) == 1
    for number in range(3):
        nets = cells[f"m{number}"]["connections"]
        controls = [nets[port] for port in ("CE0", "CE1", "CE2", "CLK0", "RST0")]
        assert controls == [[one], [two], [], [packed.clock], []]
    registers = [cells[f"m{number}"]["parameters"]["REG_INPUTA_CE"] for number in range(4)]
    assert registers == ["CE0", "CE1", "CE0", "CE0"]
    assert cells["m1"]["parameters"]["REG_INPUTA_CLK"] == "CLK0"
    assert cells["m3"]["connections"]["CE0"] == [two]


def test_more_controls_than_a_block_has():
    packed = Packed()
    for number, site in enumerate(("X4/Y8/MULT18_0", "X5/Y8/MULT18_1")):
        controls = {f"CE{index}": packed.net() for index in range(3)}
        packed.multiplier(f"m{number}", packed.clock, controls, site)
    with pytest.raises(BoardError, match=r"at X4/Y8 have more than 4 different CE nets: try another --seed"):
        share_controls(packed.module)
