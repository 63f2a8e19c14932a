"""Modules simulated in lockstep, against Amaranth's own simulator, cycle by cycle."""

import ctypes
import random
import shutil
import subprocess

import pytest
from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from orris_hw.emission import Once, emit_netlist, emit_verilog
from orris_sim.lockstep import LANES_HEADER, LockstepError, lockstep_program, with_lockstep
from orris_sim.toolchain import compiler, machine

WIDTH = 40


class Everything(wiring.Component):
    """Registers behind each kind of operation, on signals within and beyond 32 bits."""

    def __init__(self):
        super().__init__({
            "a": In(signed(WIDTH)), "b": In(signed(WIDTH)), "c": In(7), "go": In(1),
            "x": Out(signed(WIDTH)), "y": Out(signed(WIDTH)), "flags": Out(16), "ready": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        a, b, c, go = self.a, self.b, self.c, self.go
        short = a[:20].as_signed()
        words = {
            "sum": a + b, "difference": a - b, "negative": -b,
            "product": a[:16].as_signed() * b[3:19].as_signed(),
            "unsigned_product": a[:9] * c, "left": b[:20] << c[:3], "right": a[:24] >> c[:5],
            "arithmetic": a[:32].as_signed() >> c, "logical": b[:30] >> c, "narrow_sum": short + c,
            "choice": Mux(go, a, b), "invert": ~a, "and": a & b, "or": a | c, "xor": a ^ short,
            "slices": Cat(a[35:], b[:3], c, a[30:34], go, b[10:33]), "one_bit_sum": c[:1] + c[1:2],
        }  # fmt: skip
        bits = [
            a < b, a <= b, a > b, a >= b, a[:8] < b[:8], a == b, c != 5, c == 0, a.any(), a[:3].all(),
            b[:33].all(), a.as_unsigned() > b.as_unsigned(), short < c, ~go, Cat(go, c[:2]).any(),
            a.bool() & go,
        ]  # fmt: skip
        m.d.sync += self.flags.eq(Cat(bits))
        total = Signal(signed(WIDTH))
        for name, word in words.items():
            held = Signal(signed(WIDTH), name=name, reset_less=name < "l", init=0 if name < "l" else -3)
            with m.If(b[2] ^ go):
                m.d.sync += held.eq(word)
            with m.If(c == 3):
                m.d.sync += held.eq(7)
            total = (total ^ held) + 1

        beyond = Signal(33)  # its second part has a single bit
        m.d.sync += beyond.eq(Cat(a, b)[7:40])
        total = total ^ beyond

        # Words that decide, with other bits, whether they are kept: of a half and of two parts.
        for bits in (7, 40):
            word, kept = Signal(bits), Signal(bits, name=f"kept_{bits}")
            m.d.comb += word.eq(c + b)
            with m.If((word > 9) & word[3] & go):
                m.d.sync += kept.eq(word)
            total = total ^ kept

        m.submodules.spad = spad = memory.Memory(shape=signed(WIDTH), depth=32, init=[])
        m.submodules.fifo = fifo = memory.Memory(shape=9, depth=4, init=[])
        spad_write, spad_read = spad.write_port(), spad.read_port()
        fifo_write, fifo_read = fifo.write_port(), fifo.read_port(domain="comb")
        first = Signal(4)
        m.d.sync += first.eq(c)
        m.d.comb += [
            spad_write.addr.eq(c), spad_write.data.eq(a), spad_write.en.eq(go),
            spad_read.addr.eq(b), spad_read.en.eq(c[0]),
            fifo_write.addr.eq(c), fifo_write.data.eq(b), fifo_write.en.eq(c[4]), fifo_read.addr.eq(first),
        ]  # fmt: skip
        m.d.sync += [self.x.eq(total), self.ready.eq(fifo_read.data[0])]
        m.d.comb += self.y.eq(Cat(spad_read.data[:39], fifo_read.data[0]))
        return m


class Row(wiring.Component):
    """Two in a chain."""

    def __init__(self, cell=Everything):
        self._cell = cell
        super().__init__({name: member for name, member in Everything().signature.members.items()})

    def elaborate(self, platform):
        m = Module()
        cells = [self._cell() for _ in range(2)]
        for number, cell in enumerate(cells):
            m.submodules[f"cell_{number}"] = Once(cell, "everything")
        first, second = cells
        m.d.comb += [first.a.eq(self.a), first.b.eq(self.b), first.c.eq(self.c), first.go.eq(self.go)]
        m.d.comb += [second.a.eq(first.x), second.b.eq(first.y), second.c.eq(first.flags)]
        m.d.comb += [second.go.eq(first.ready), self.ready.eq(first.ready)]
        m.d.comb += [self.x.eq(second.x), self.y.eq(second.y), self.flags.eq(second.flags)]
        return m


class Rows(wiring.Component):
    """Rows side by side, and a unit of another kind beside each.

    What leaves one is what its neighbours get: all of it, or a part; from beside, above or below.
    """

    def __init__(self, rows):
        self._rows = rows
        members = Everything().signature.members
        super().__init__({
            **{f"{name}_{row}": member for name, member in members.items() for row in range(rows)},
            "count": Out(20), "sum": Out(40),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        rows = [Row() for _ in range(self._rows)]
        others = [Everything() for _ in range(self._rows)]
        for number, (row, other) in enumerate(zip(rows, others, strict=True)):
            m.submodules[f"row_{number}"] = Once(row, "row")
            m.submodules[f"other_{number}"] = Once(other, "everything")
            given = {name: getattr(self, f"{name}_{number}") for name in ("a", "b", "c", "go")}
            if number:
                given["a"] = given["a"] ^ rows[number - 1].x
                given["b"] = rows[number - 1].y
            for name, value in given.items():
                m.d.comb += getattr(row, name).eq(value)
            last = number == self._rows - 1
            m.d.comb += [
                other.a.eq(row.y), other.b.eq(self.b_0 if last else rows[number + 1].x),
                other.c.eq(given["c"]), other.go.eq(given["go"] if last else others[number + 1].ready),
            ]
            for name in ("x", "y", "flags", "ready"):
                m.d.comb += getattr(self, f"{name}_{number}").eq(getattr(row, name))
        m.d.sync += [
            self.count.eq(self.count + rows[-1].flags),
            self.sum.eq(sum((other.x ^ other.y for other in others), self.sum)),
        ]
        return m


def compiled(program, directory, flag):
    """The program as a library."""
    (directory / "lockstep.cpp").write_text(program)
    shutil.copy(LANES_HEADER, directory / "lanes.h")
    command = [*compiler().split(), "-std=gnu++17", "-O1", "-Wno-psabi", "-Wall", "-Wno-unused", "-Werror"]
    command += ["-fPIC", "-shared", *([flag] if flag else []), "lockstep.cpp", "-o", "lockstep.so"]
    subprocess.run(command, cwd=directory, check=True)
    library = ctypes.CDLL(str(directory / "lockstep.so"))
    library.lockstep_new.restype = ctypes.c_void_p
    return library


class Ports:
    """Values of ports in arrays of 32-bit words, as the program takes them."""

    def __init__(self, names, widths):
        self.names = names
        self._widths = widths
        self._words = {name: (ctypes.c_uint32 * ((widths[name] + 31) // 32))() for name in names}

    @property
    def arguments(self):
        return list(self._words.values())

    def set(self, name, value):
        value &= (1 << self._widths[name]) - 1
        for k in range(len(self._words[name])):
            self._words[name][k] = value >> (32 * k) & 0xFFFFFFFF

    def get(self, name):
        return sum(word << (32 * k) for k, word in enumerate(self._words[name]))


@pytest.fixture(scope="module")
def replaced(request):
    rows = request.param
    netlist = emit_netlist(Rows(rows), "rows", keep=("row", "everything"))
    return rows, with_lockstep(emit_verilog(Rows(rows), "rows"), netlist, "rows")


@pytest.mark.parametrize("flag", ["", machine()[0]], ids=["any machine", "this machine"])
@pytest.mark.parametrize("replaced", [1, 5, 18], indirect=True)
def test_all_operations(replaced, flag, seed, tmp_path):
    numbers = random.Random(seed)
    rows, replaced = replaced
    for move in ("beside", "preceding", "following"):
        assert (f" {move}(each_" in replaced.program) == (rows > 2), move
    library = compiled(replaced.program, tmp_path, flag)
    handle = ctypes.c_void_p(library.lockstep_new())

    dut = Rows(rows)
    members = dut.signature.members
    widths = {name: len(getattr(dut, name)) for name in members} | {"rst": 1}
    # The shell's ports: name order as in the netlist.
    header = replaced.verilog[replaced.verilog.index("module rows(") :].split(");")[0].split("(")[1]
    names = [name.strip() for name in header.split(",")]
    given = {name for name in members if members[name].flow is In} | {"rst"}
    inputs = Ports([name for name in names if name in given], widths)
    outputs = Ports([name for name in names if name not in given and name != "clk"], widths)
    assert {*inputs.names, *outputs.names, "clk"} == {*members, "rst", "clk"}

    async def bench(ctx):
        for cycle in range(300):
            library.lockstep_outputs(handle, *outputs.arguments)
            for name in outputs.names:
                expected = ctx.get(getattr(dut, name)) & ((1 << widths[name]) - 1)
                assert outputs.get(name) == expected, f"{name} in cycle {cycle}"
            for name in inputs.names:
                value = numbers.choice([0, 1, -1, numbers.getrandbits(WIDTH), numbers.getrandbits(3)])
                inputs.set(name, value if name != "rst" else 0)
                if name != "rst":
                    ctx.set(getattr(dut, name), inputs.get(name))
            library.lockstep_cycle(handle, *inputs.arguments)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    library.lockstep_delete(handle)


def program_of(cell):
    return lockstep_program(emit_netlist(Row(cell), "row", keep=("everything",)), "row")


def variant(change):
    """`Everything` with something added."""

    class Variant(Everything):
        def elaborate(self, platform):
            m = super().elaborate(platform)
            change(self, m)
            return m

    return Variant


def test_what_cannot_run_in_lockstep():
    def two_reads(cell, m):
        spad = m.submodules.spad
        port = spad.read_port()
        m.d.comb += port.addr.eq(cell.c)
        m.d.sync += cell.flags[0].eq(port.data[0])

    def wide_product(cell, m):
        m.d.sync += cell.x.eq(cell.a * cell.b)

    with pytest.raises(LockstepError, match="has several read ports"):
        program_of(variant(two_reads))
    with pytest.raises(LockstepError, match=r"\$mul of more than 32 bits"):
        program_of(variant(wide_product))


def test_an_output_that_follows_an_input():
    class Follows(Everything):
        def elaborate(self, platform):
            m = Module()
            m.d.comb += self.ready.eq(self.go)
            return m

    with pytest.raises(LockstepError, match="an output of everything follows its input go within a cycle"):
        program_of(Follows)


def test_no_such_module():
    with pytest.raises(LockstepError, match="the Verilog has no module row"):
        with_lockstep("module other; endmodule\n", emit_netlist(Row(), "row", keep=("everything",)), "row")
