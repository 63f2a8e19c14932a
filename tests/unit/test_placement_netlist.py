"""What the placer makes of a packed netlist, and what it does not take."""

import pytest

from orris_fpga.errors import BoardError
from orris_fpga.placement.exchange import netlist_text
from orris_fpga.placement.packed_netlist import Kind, Pin, check_room, read_netlist
from packed_netlists import SMALL, Packed


def _example():
    packed = Packed()
    a = packed.pad("a", packed.net(), "X0/Y2/PIOA")
    first, second = packed.chain("row_1.pe_tile_2.pe.sum", [a, a])
    packed.flip_flop("held", second, paired=True, enable=a)
    packed.flip_flop("other", first, reset=a)
    packed.flip_flop("third", first, reset=a, enable=a)
    packed.ram("ram", a, first)
    packed.add("$PACKER_VCC", "TRELLIS_COMB", {}, {"F": packed.constant})
    packed.lut("reader", packed.constant, a)
    return packed


def test_what_belongs_together():
    netlist = read_netlist(_example().module)
    number = {cell.name: index for index, cell in enumerate(netlist.cells)}
    base = "row_1.pe_tile_2.pe.sum"
    assert netlist.chains == ((number[f"{base}.0"], number[f"{base}.1"]),)
    assert netlist.pairs == ((number[f"{base}.1"], number["held"]),)
    parts = [*(f"$DPRAM_COMB{i}" for i in range(4)), "$RAMW_BLOCK0", "$RAMW_BLOCK1"]
    assert netlist.rams == (tuple(number[f"ram{part}"] for part in ("$RAMW_SLICE", *parts)),)
    cells = {cell.name: cell for cell in netlist.cells}
    assert cells["a"].place == (0, 2) and cells["a"].kind is Kind.OTHER and "X0/Y2/PIOA" in netlist.taken
    assert cells[f"{base}.0"].group == cells[f"{base}.1"].group == 0 and cells["held"].group == -1
    assert cells["held"].control != cells["other"].control == cells["third"].control
    assert cells["held"].enable == cells["third"].enable != cells["other"].enable


def test_nets_that_count():
    """No constants, clocks, carries or wires within a RAM; each sink with what its signal meets there."""
    netlist = read_netlist(_example().module)
    names = [cell.name for cell in netlist.cells]
    nets = {names[net.driver]: sorted((names[cell], pin) for cell, pin in net.sinks) for net in netlist.nets}
    base = "row_1.pe_tile_2.pe.sum"
    assert set(nets) == {"a", f"{base}.0", f"{base}.1"}
    assert nets[f"{base}.1"] == [("held", Pin.REGISTER)]
    assert ("reader", Pin.DATA) in nets["a"] and ("ram$RAMW_SLICE", Pin.REGISTER) in nets["a"]


def test_a_ram_is_written_to_at_its_write_port():
    """The enable comes in at four LUTs, but a path ends once, in the cell that has address and data."""
    packed = Packed()
    a = packed.pad("a", packed.net(), "X0/Y2/PIOA")
    packed.ram("ram", packed.net(), packed.net(), write=a)
    netlist = read_netlist(packed.module)
    (net,) = netlist.nets
    names = [cell.name for cell in netlist.cells]
    assert {(names[cell], pin) for cell, pin in net.sinks} == {("ram$RAMW_SLICE", Pin.REGISTER)}
    luts = [(names.index(f"ram$DPRAM_COMB{index}"), "WRE") for index in range(4)]
    assert net.ports == ((names.index("a"), "O"), *luts)
    (line,) = netlist_text(netlist, SMALL).split("nets 1\n")[1].splitlines()[:1]
    assert line == f"1 {names.index('a')} {names.index('ram$RAMW_SLICE')} {Pin.REGISTER}"


def test_where_a_multiplier_has_registers():
    packed = Packed()
    packed.multiplier("no_product", packed.clock)
    packed.multiplier("none", packed.clock)
    packed.multiplier("all", packed.clock)
    packed.cells["no_product"]["parameters"]["REG_INPUTB_CLK"] = "CLK0"
    packed.cells["none"]["parameters"] = {}
    packed.cells["all"]["parameters"] |= {"REG_INPUTB_CLK": "CLK0", "REG_OUTPUT_CLK": "CLK0"}
    for name in ("no_product", "none", "all"):
        packed.cells[name]["attributes"]["BEL"] = ""
    modes = {cell.name: cell.mode for cell in read_netlist(packed.module).cells}
    assert (modes["no_product"], modes["none"], modes["all"]) == (2, 3, 0)


def test_constants_are_apart():
    netlist = read_netlist(_example().module)
    (net,) = netlist.constants
    names = [cell.name for cell in netlist.cells]
    assert names[net.driver] == "$PACKER_VCC" and net.sinks == ((names.index("reader"), Pin.UNTIMED),)


def test_a_placed_netlist():
    """Logic may have sites when all cells do, and must."""
    packed = Packed()
    packed.lut("lut", packed.clock)
    with pytest.raises(BoardError, match="^lut, a TRELLIS_COMB, is not placed$"):
        read_netlist(packed.module, placed=True)
    packed.cells["lut"]["attributes"]["NEXTPNR_BEL"] = "X3/Y4/SLICEA.K0"
    (lut,) = [cell for cell in read_netlist(packed.module, placed=True).cells if cell.name == "lut"]
    assert lut.place == (3, 4)


def test_the_text_has_every_section():
    text = netlist_text(read_netlist(_example().module), SMALL).splitlines()
    heads = [line.split() for line in text if line[0].isalpha()]
    names = ["cells", "chains", "rams", "pairs", "nets", "tiles", "sites", "sites"]
    assert [name for name, _ in heads] == names
    assert len(text) == sum(1 + int(count) for _, count in heads)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.add("pll", "EHXPLLL", {}, {}), r"knows no site for pll, a EHXPLLL"),
        (lambda p: p.add("lut", "TRELLIS_COMB", {}, {}, site="X2/Y2/SLICEA.K0"), r"cannot keep lut"),
        (lambda p: p.add("wide", "TRELLIS_COMB", {}, {"OFX": p.net()}), r"wide multiplexers such as wide"),
        (lambda p: p.flip_flop("down", p.clock, CLKMUX="INV"), r"inverted clocks.* such as down's"),
        (lambda p: p.flip_flop("alone", p.clock, paired=True), r"finds no LUT for .* alone"),
    ],
)
def test_what_it_does_not_take(change, message):
    packed = Packed()
    change(packed)
    with pytest.raises(BoardError, match=message):
        read_netlist(packed.module)


def test_larger_than_the_device():
    packed = Packed()
    for index in range(8 * len(SMALL.tiles) + 1):
        packed.flip_flop(f"flip_flop_{index}", packed.clock)
    message = "^the design takes 769 flip-flops, but an small ECP5 has 768: build a smaller configuration$"
    with pytest.raises(BoardError, match=message):
        check_room(read_netlist(packed.module), SMALL)
