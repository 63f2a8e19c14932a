"""Verilog emission: one module a component, the same bytes, the same behaviour."""

import gc
import json
import random
import re
import shutil
import subprocess
import warnings
from typing import Any

import pytest
from amaranth.hdl import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal, Value, signed
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from orris_hw.emission import (
    EmissionError,
    Once,
    emit,
    emit_netlist,
    emit_to,
    emit_verilog,
    write_if_changed,
)

# Designs that end in an error leave components unused.
pytestmark = pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")

# Its fields depend on one another: assigned in parts, read as a whole and in other parts.
Report = data.StructLayout({"odd": 1, "next": 3, "pair": 4})
Beat = data.StructLayout({"value": signed(8), "last": 1})


class Multiplier(wiring.Component):
    """A registered product: a module boundary inside a module boundary."""

    def __init__(self, width: int = 8):
        self.emission_key = width
        super().__init__({"a": In(signed(width)), "b": In(signed(8)), "product": Out(signed(width + 8))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += self.product.eq(self.a * self.b)
        return m


class Cell(wiring.Component):
    """Weight from memory times west, plus north, to south; west goes on to east."""

    def __init__(self, depth: int = 8, bias: int = 0):
        self.depth, self.bias = depth, bias
        super().__init__({
            "west": In(stream.Signature(Beat)),
            "east": Out(stream.Signature(Beat)),
            "north": In(signed(24)),
            "south": Out(signed(24)),
            "level": Out(range(4)),
            "report": Out(Report),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        weights = memory.Memory(shape=signed(8), depth=self.depth, init=range(-7, self.depth - 7))
        m.submodules.weights = weights
        weight = weights.read_port()
        m.submodules.queue = queue = fifo.SyncFIFO(width=9, depth=2)
        m.submodules.multiplier = Once(multiplier := Multiplier(), "multiplier")
        beat = data.View(Beat, queue.r_data)
        m.d.comb += [
            queue.w_data.eq(Value.cast(self.west.payload)),
            queue.w_en.eq(self.west.valid),
            self.west.ready.eq(queue.w_rdy),
            self.east.payload.eq(beat),
            self.east.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.east.ready),
            self.level.eq(queue.level),
            self.report.next.eq(queue.level + beat.value[:2]),
            self.report.odd.eq(self.report.next[0] ^ beat.last),
            self.report.pair.eq(Value.cast(self.report)[:4] + 3),
            multiplier.a.eq(beat.value),
            multiplier.b.eq(weight.data),
        ]
        with m.If(self.east.valid & self.east.ready):
            m.d.sync += weight.addr.eq(weight.addr + 1)
        m.d.sync += self.south.eq(self.north + multiplier.product + Value.cast(self.report)[1:7] + self.bias)
        return m


class Array(wiring.Component):
    """Cells in a clock domain of their own, which `clear` resets."""

    def __init__(self, rows: int = 4, columns: int = 4, keyed: bool = True, odd_one_out: bool = False):
        self.cells = [[Cell() for _ in range(columns)] for _ in range(rows)]
        if odd_one_out:
            self.cells[-1][-1] = Cell(bias=1)
        if keyed:
            for cell in [cell for row in self.cells for cell in row]:
                cell.emission_key = (cell.depth, cell.bias)
        super().__init__({
            "west": In(stream.Signature(Beat)).array(rows),
            "south": Out(signed(24)).array(columns),
            "clear": In(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.datapath = datapath = ClockDomain("datapath", local=True)
        m.d.comb += [datapath.clk.eq(ClockSignal()), datapath.rst.eq(ResetSignal() | self.clear)]
        grid = Module()
        for r, row in enumerate(self.cells):
            for c, cell in enumerate(row):
                grid.submodules[f"cell_{r}_{c}"] = Once(cell, "mac_cell")
                if c == 0:
                    wiring.connect(grid, wiring.flipped(self.west[r]), cell.west)
                else:
                    wiring.connect(grid, row[c - 1].east, cell.west)
                if r > 0:
                    grid.d.comb += cell.north.eq(self.cells[r - 1][c].south)
        grid.d.comb += [row[-1].east.ready.eq(1) for row in self.cells]
        grid.d.comb += [self.south[c].eq(cell.south) for c, cell in enumerate(self.cells[-1])]
        m.submodules.grid = DomainRenamer("datapath")(grid)
        return m


def modules_of(verilog: str) -> list[str]:
    return re.findall(r"^module (\w+)", verilog, re.MULTILINE)


@pytest.mark.parametrize("keyed", [True, False])
def test_every_module_once(keyed: bool) -> None:
    verilog = emit_verilog(Array(keyed=keyed), "top")
    assert modules_of(verilog) == ["top", "top_grid", "mac_cell", "top_sync_fifo", "multiplier"]
    assert len(re.findall(r"^  mac_cell cell_\d_\d \(", verilog, re.MULTILINE)) == 16
    assert len(re.findall(r"^  multiplier multiplier \(", verilog, re.MULTILINE)) == 1
    assert len(re.findall(r"^    .datapath_rst\(|^    .rst\(datapath_rst\)", verilog, re.MULTILINE)) == 17


def test_components_emitted_before_are_not_reported_as_unused() -> None:
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        emit_verilog(Array(), "top")
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def test_equal_helpers_merge_from_the_bottom_up() -> None:
    class Twin(wiring.Component):
        def __init__(self, depth: int) -> None:
            self.depth = depth
            super().__init__({"i": In(4), "put": In(1), "get": In(1), "o": Out(4)})

        def elaborate(self, platform: Any) -> Module:
            m = Module()
            m.submodules.queue = queue = fifo.SyncFIFO(width=4, depth=self.depth)
            m.d.comb += [queue.w_data.eq(self.i), queue.w_en.eq(self.put), queue.r_en.eq(self.get)]
            m.d.sync += self.o.eq(queue.r_data)
            return m

    class Twins(wiring.Component):
        def __init__(self) -> None:
            super().__init__({"i": In(4), "put": In(1), "get": In(1), "o": Out(4).array(3)})

        def elaborate(self, platform: Any) -> Module:
            m = Module()
            for name, depth, o in zip(("first", "second", "third"), (2, 2, 3), self.o, strict=True):
                m.submodules[name] = twin = Twin(depth)
                m.d.comb += [twin.i.eq(self.i), twin.put.eq(self.put), twin.get.eq(self.get), o.eq(twin.o)]
            return m

    verilog = emit_verilog(Twins(), "top")
    assert modules_of(verilog) == ["top", "top_twin_0", "top_sync_fifo_0", "top_twin_1", "top_sync_fifo_1"]
    instances = re.findall(r"^  (top_\w+) (\w+) \(", verilog, re.MULTILINE)
    assert instances == [("top_twin_0", "first"), ("top_twin_0", "second"), ("top_twin_1", "third"),
                         ("top_sync_fifo_0", "queue"), ("top_sync_fifo_1", "queue")]


def test_border_cells_keep_every_port() -> None:
    cell = emit_verilog(Array(1, 1), "top").split("module mac_cell(")[1].split(");")[0]
    assert cell.split(",\n  ")[0].strip() == "clk"
    assert {"north", "level", "east_payload", "west_ready"} <= {name.strip() for name in cell.split(",")}


def test_same_bytes() -> None:
    first = emit_verilog(Array(), "top", ["made from: x"])
    assert first == emit_verilog(Array(), "top", ["made from: x"])
    assert "// made from: x\n" in first
    assert ".py" not in first and "(*" not in first and "/home" not in first


def test_ports_of_the_top() -> None:
    emitted = emit(Array(1, 2), "top")
    assert [tuple(port.as_dict().values()) for port in emitted.ports] == [
        ("clk", "input", 1, False), ("rst", "input", 1, False),
        ("west_0_payload", "input", 9, False), ("west_0_valid", "input", 1, False),
        ("west_0_ready", "output", 1, False),
        ("south_0", "output", 24, True), ("south_1", "output", 24, True), ("clear", "input", 1, False)]
    header = emitted.verilog.split("module top(")[1].split(");")[0]
    assert [name.strip() for name in header.split(",")] == [port.name for port in emitted.ports]


@pytest.mark.parametrize("keyed", [True, False])
def test_one_name_for_two_components(keyed: bool) -> None:
    with pytest.raises(EmissionError, match="two different components are named 'mac_cell'"):
        emit_verilog(Array(keyed=keyed, odd_one_out=True), "top")


def test_a_key_that_hides_a_difference_is_found() -> None:
    array = Array(odd_one_out=True)
    for cell in [cell for row in array.cells for cell in row]:
        cell.emission_key = "the same"
    with pytest.raises(EmissionError, match="do not elaborate to the same hardware"):
        emit(array, "top", check_keys=True)


def test_fields_that_depend_on_one_another_are_no_loop() -> None:
    cell = emit_verilog(Array(), "top").split("module mac_cell(")[1].split("endmodule")[0]
    assert "assign report = {" in cell and not re.search(r"assign [a-z]\w*\[", cell)


def test_sign_extension_is_no_loop() -> None:
    class Extend(wiring.Component):
        def __init__(self) -> None:
            super().__init__({"a": In(signed(4)), "b": In(signed(4)), "y": Out(signed(12))})

        def elaborate(self, platform: Any) -> Module:
            m = Module()
            narrow = Signal(signed(9))
            m.d.comb += [narrow.eq(self.a - self.b), self.y.eq(narrow * narrow)]
            return m

    assert not re.search(r"assign (\w+)\[.*\] = \1\[", emit_verilog(Extend(), "extend"))


def test_reserved_and_clashing_names() -> None:
    with pytest.raises(EmissionError, match="'cell' is a reserved word"):
        emit_verilog(Cell(), "cell")
    with pytest.raises(EmissionError, match="needed for two different modules|named 'mac_cell'"):
        emit_verilog(Array(), "mac_cell")
    with pytest.raises(ValueError, match="'9x'"):
        Once(Cell(), "9x")

    class Clash(wiring.Component):
        def __init__(self) -> None:
            super().__init__({"clk": Out(1)})

        def elaborate(self, platform: Any) -> Module:
            m = Module()
            m.d.sync += self.clk.eq(~self.clk)
            return m

    with pytest.raises(EmissionError, match="port 'clk' of Clash has the name of a clock"):
        emit_verilog(Clash(), "clash")


def test_files(tmp_path: Any) -> None:
    verilog, description = emit_to(tmp_path / "a" / "b", Array(1, 1), "top", ["x"], {"geometry": {"rows": 1}})
    content = json.loads(description.read_text())
    assert content["geometry"] == {"rows": 1} and content["name"] == "top"
    assert content["ports"][0] == {"name": "clk", "direction": "input", "width": 1, "signed": False}
    stamps = verilog.stat().st_mtime_ns, description.stat().st_mtime_ns
    emit_to(tmp_path / "a" / "b", Array(1, 1), "top", ["x"], {"geometry": {"rows": 1}})
    assert (verilog.stat().st_mtime_ns, description.stat().st_mtime_ns) == stamps
    assert write_if_changed(verilog, "other") and not write_if_changed(verilog, "other")
    assert sorted(file.name for file in (tmp_path / "a" / "b").iterdir()) == ["top.json", "top.v"]
    with pytest.raises(EmissionError, match="cannot write to"):
        emit_to(verilog, Array(1, 1), "top")


def stimulus(seed: int, cycles: int) -> list[tuple[list[int], list[int], int]]:
    print(f"seed {seed}")
    rng = random.Random(seed)
    return [([rng.getrandbits(9) for _ in range(4)], [int(rng.random() < 0.7) for _ in range(4)],
             int(rng.random() < 0.05)) for _ in range(cycles)]


def simulate_in_amaranth(steps: list[tuple[list[int], list[int], int]]) -> list[list[int]]:
    dut, results = Array(), []

    async def bench(ctx: Any) -> None:
        for payloads, valids, clear in steps:
            for west, payload, valid in zip(dut.west, payloads, valids, strict=True):
                ctx.set(Value.cast(west.payload), payload)
                ctx.set(west.valid, valid)
            ctx.set(dut.clear, clear)
            await ctx.tick()
            results.append([ctx.get(south) for south in dut.south])

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return results


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus is not installed")
def test_behaves_like_the_source(tmp_path: Any) -> None:
    steps = stimulus(seed=7, cycles=200)
    golden = simulate_in_amaranth(steps)
    assert len({value for row in golden for value in row}) > 100
    lines = []
    for payloads, valids, clear in steps:
        lines += [f"west_{r}_payload = {payload}; west_{r}_valid = {valid};"
                  for r, (payload, valid) in enumerate(zip(payloads, valids, strict=True))]
        lines.append(f"clear = {clear}; #1 clk = 1; #1 clk = 0;")
        lines.append('$display("%0d %0d %0d %0d", south_0, south_1, south_2, south_3);')
    ports = [f".west_{r}_payload(west_{r}_payload), .west_{r}_valid(west_{r}_valid)" for r in range(4)]
    ports += [f".south_{c}(south_{c})" for c in range(4)]
    (tmp_path / "top.v").write_text(emit_verilog(Array(), "top"))
    (tmp_path / "bench.v").write_text(
        "module bench;\n  reg clk = 0, clear = 0;\n"
        + "".join(f"  reg [8:0] west_{r}_payload = 0; reg west_{r}_valid = 0;\n" for r in range(4))
        + "".join(f"  wire signed [23:0] south_{c};\n" for c in range(4))
        + f"  top dut(.clk(clk), .rst(1'b0), .clear(clear), {', '.join(ports)});\n"
        + "  initial begin\n#1;" + "\n".join(lines) + "\n$finish;\nend\nendmodule\n")
    subprocess.run(["iverilog", "-g2001", "-Wall", "-o", "run", "top.v", "bench.v"], cwd=tmp_path, check=True)
    output = subprocess.run(["./run"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert [list(map(int, line.split())) for line in output.splitlines() if "finish" not in line] == golden


def test_repeated_signals_are_replicated():
    class Extend(wiring.Component):
        i: In(signed(8))
        o: Out(signed(64))

        def elaborate(self, platform: Any) -> Module:
            m = Module()
            m.d.sync += self.o.eq(self.i)
            return m

    assert "{ {56{i[7]}}, i }" in emit_verilog(Extend(), "extend")


def test_netlist_keeps_only_what_it_is_told_to():
    class Outer(wiring.Component):
        o: Out(16)

        def elaborate(self, platform: Any) -> Module:
            m = Module()
            for number in range(2):
                multiplier = Multiplier()
                m.submodules[f"multiplier_{number}"] = Once(multiplier, "multiplier")
                m.d.sync += self.o[8 * number :][:8].eq(multiplier.product)
            return m

    def modules(text: str) -> set[str]:
        return set(re.findall(r"^module \\(\w+)$", text, re.MULTILINE))

    kept = emit_netlist(Outer(), "outer", keep=("multiplier",))
    assert modules(kept) == {"outer", "multiplier"}
    assert kept.count("cell \\multiplier ") == 2 and "process" not in kept
    assert emit_netlist(Outer(), "outer").count("cell $mul ") > 0
