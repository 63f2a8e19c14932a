"""The compiled simulation's memory model and register access, on a small AXI master."""

import ctypes
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from copy_engine import CopyEngine, Misdeed
from orris_hw.emission import emit_verilog
from orris_sim import SimulationError
from orris_sim.build import TOP, build
from orris_sim.isolation import isolation
from orris_sim.simulator import _bind

SIZE = 1 << 16
SOURCE, DESTINATION, WORDS, MISDEED, RESPONSES = 0, 4, 8, 12, 16
SLVERR, DECERR = 2, 3


@pytest.fixture(scope="module")
def verilog():
    return emit_verilog(CopyEngine(), TOP)


class Machine:
    def __init__(self, path, latency=20, bandwidth=8.0, seed=0, stalls=0.0):
        self.library = _bind(path)
        self.handle = self.library.orris_new(SIZE, latency, bandwidth, seed, stalls)
        self.memory = np.ctypeslib.as_array(self.library.orris_memory(self.handle), (SIZE,))
        self.library.orris_reset(self.handle)

    def write(self, register, value):
        return self.library.orris_write(self.handle, register, value)

    def read(self, register):
        value = ctypes.c_uint32()
        assert self.library.orris_read(self.handle, register, ctypes.byref(value)) == 0
        return value.value

    def copy(self, source, destination, words):
        """Cycles that a copy took."""
        for register, value in (SOURCE, source), (DESTINATION, destination), (WORDS, words):
            assert self.write(register, value) == 0
        cycles = self.library.orris_run(self.handle, 20_000, 1)
        assert self.library.orris_irq(self.handle)
        return cycles

    @property
    def violation(self):
        return self.library.orris_violation(self.handle).decode()

    @property
    def statistics(self):
        values = (ctypes.c_uint64 * 5)()
        self.library.orris_statistics(self.handle, values)
        return list(values)[1:]


@pytest.fixture
def machine(verilog):
    machines = []

    def make(**settings):
        machines.append(Machine(build(verilog), **settings))
        return machines[-1]

    yield make
    for each in machines:
        each.library.orris_delete(each.handle)


@pytest.mark.parametrize("stalls", [0.0, 0.5])
def test_copies(machine, seed, stalls):
    rng = np.random.default_rng(seed)
    m = machine(seed=seed, stalls=stalls)
    golden = rng.integers(0, 256, SIZE, np.uint8)
    m.memory[:] = golden
    random.seed(seed)
    moved = 0
    for _ in range(30):
        words = random.randint(1, 32)
        source, destination = (4096 * random.randrange(16) + 8 * random.randint(0, 512 - words) for _ in "sd")
        m.copy(source, destination, words)
        values = golden[source : source + 8 * words].view(np.uint64) + np.uint64(1)
        golden[destination : destination + 8 * words] = values.view(np.uint8)
        moved += words
        assert m.read(RESPONSES) == 0 and m.violation == ""
    assert np.array_equal(m.memory, golden)
    assert m.statistics == [8 * moved, 8 * moved, 30, 30]


@pytest.mark.parametrize("latency", [5, 100, 333])
def test_latency(machine, latency):
    base, slower = machine(latency=latency), machine(latency=latency + 50)
    assert slower.copy(0, 4096, 8) - base.copy(0, 4096, 8) == 100  # once for data, once for the response
    assert base.copy(0, 4096, 9) - base.copy(0, 4096, 8) == 2


@pytest.mark.parametrize("bandwidth", [0.5, 2.0, 3.2, 8.0])
def test_bandwidth(machine, bandwidth):
    m = machine(bandwidth=bandwidth)
    more = m.copy(0, 4096, 32) - m.copy(0, 4096, 8)
    assert abs(more - 2 * 24 * 8 / bandwidth) <= 4 * 8 / bandwidth + 2


def test_same_seed_same_cycles(machine):
    runs = [machine(seed=seed, stalls=0.3).copy(0, 4096, 32) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_errors_of_the_memory(machine):
    m = machine()
    m.library.orris_fault(m.handle, 0, 256, 264)
    m.copy(248, 4096, 1)
    assert m.read(RESPONSES) == 0
    m.copy(248, 4096, 2)
    assert m.read(RESPONSES) == SLVERR
    m.library.orris_fault(m.handle, 1, 8192, 8200)
    m.memory[8192:8208] = 7
    m.copy(0, 8192, 2)
    assert m.read(RESPONSES) == SLVERR and set(m.memory[8192:8208]) == {7}
    m.copy(0, SIZE, 4)
    assert m.read(RESPONSES) == DECERR
    m.copy(SIZE + 4096, 0, 4)
    assert m.read(RESPONSES) == DECERR
    assert m.violation == ""


@pytest.mark.parametrize(("misdeed", "complaint"), [
    (Misdeed.EARLY_WLAST, "WLAST is not on the last beat"),
    (Misdeed.CHANGED_WDATA, "WVALID or its data changed before WREADY"),
    (Misdeed.DROPPED_AWVALID, "AWVALID or its address changed before AWREADY"),
])  # fmt: skip
def test_broken_rules_are_told(machine, misdeed, complaint):
    m = machine(stalls=0.5, bandwidth=1.0, seed=1)
    assert m.write(MISDEED, misdeed.value) == 0
    for register, value in (SOURCE, 0), (DESTINATION, 4096), (WORDS, 32):
        m.write(register, value)
    m.library.orris_run(m.handle, 2000, 1)
    for _ in range(10):
        m.write(WORDS, 32)
        m.library.orris_run(m.handle, 2000, 1)
    assert complaint in m.violation


@pytest.mark.parametrize(("source", "words", "complaint"), [
    (4096 - 8, 2, "a burst crosses a 4 KiB boundary"),
    (4, 2, "an address is not a multiple of 8"),
])  # fmt: skip
def test_impossible_bursts_are_told(machine, source, words, complaint):
    m = machine()
    m.copy(source, 8192, words)
    assert complaint in m.violation


def test_registers_refused(machine):
    m = machine()
    assert m.write(64, 0) == SLVERR
    assert m.library.orris_read(m.handle, 64, ctypes.byref(ctypes.c_uint32())) == SLVERR
    m.write(SOURCE, 0xDEADBEEF)
    assert m.read(SOURCE) == 0xDEADBEEF


def test_one_of_several_builds(tmp_path, monkeypatch, verilog):
    monkeypatch.setenv("ORRIS_CACHE", str(tmp_path))
    told: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: build(verilog, progress=told.append), range(2))
    assert first == second and told.count("compiling the C++") == 1
    assert [path.name for path in first.parent.iterdir()] == ["libsim.so"]


def test_missing_and_failing_tools(tmp_path, monkeypatch, verilog):
    monkeypatch.setenv("ORRIS_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SimulationError, match="no C\\+\\+ compiler 'no-such-compiler'"):
        build(verilog)
    monkeypatch.delenv("CXX")
    with pytest.raises(SimulationError, match="Verilator failed"):
        build(f"module {TOP}(clk); nonsense endmodule")
    assert not list(Path(tmp_path).rglob("libsim.so"))
    assert not [path for path in Path(tmp_path).rglob("*") if path.suffix != ".lock" and path.is_file()]


def test_waveform(tmp_path, verilog):
    m = Machine(build(verilog, trace=True))
    path = tmp_path / "wave.vcd"
    assert m.library.orris_trace(m.handle, os.fsencode(path))
    m.copy(0, 4096, 4)
    m.library.orris_delete(m.handle)
    text = path.read_text()
    assert "$enddefinitions" in text and "m_axi_wdata" in text


def test_isolation_names_data_inputs_of_repeated_modules():
    text = """\
module top(
  clk
);
  input clk;
  pair a (
    .clk(clk)
  );
  pair b (
    .clk(clk)
  );
  single c (
    .clk(clk)
  );
endmodule
module pair(
  clk
);
  input clk;
  input [7:0] data;
  input core_rst;
  cell_x x (
    .clk(clk)
  );
endmodule
module cell_x(
  clk
);
  input clk;
  input go;
  output [3:0] done;
endmodule
module single(
  clk
);
  input one;
endmodule
"""
    assert isolation(text).splitlines() == [
        "`verilator_config",
        'public_flat_rd -module "pair" -var "data"',
    ]
