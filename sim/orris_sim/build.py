"""Compiles a Verilog top level into a simulator library, once for each content."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from orris_hw.cache import cache_directory

from . import isolation
from .errors import SimulationError
from .lockstep import LANES_HEADER
from .toolchain import MAKE_SETTINGS, compiler, machine, verilator_environment, verilator_root, versions

HARNESS = Path(__file__).with_name("harness.cpp")
TOP = "orris"

VERILATOR_FLAGS = (
    "--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--inline-mult", "1", "--no-timing",
    *isolation.FLAGS, "-Wno-fatal", "-Wno-lint", "--top-module", TOP, "--prefix", "Vorris",
)  # fmt: skip
TRACE_FLAGS = ("--trace-vcd",)

# Nothing of the library is replaced by other libraries: calls inside it need no detour.
_INSIDE = "-fvisibility=hidden -fno-semantic-interposition"
# Lanes are vectors as written; what GCC joins beside them takes words apart again (2 %).
_LANES = f"{_INSIDE} -fno-tree-slp-vectorize -fno-ivopts"
OPTIMISE = (f"LANES={_LANES}", f"OPT_FAST=-O2 {_INSIDE}", "OPT_SLOW=-O0", f"OPT_GLOBAL=-O2 {_INSIDE}")

_MAKEFILE = """\
include Vorris.mk
OBJECTS = harness.o verilated.o verilated_threads.o $(if $(filter 1,$(VM_TRACE_VCD)),verilated_vcd_c.o)
OBJECTS += $(patsubst %.cpp,%.o,$(wildcard lockstep.cpp)) $(if $(wildcard lockstep.cpp),verilated_dpi.o)
libsim.so: $(OBJECTS) $(VM_PREFIX)__ALL.a
\t$(CXX) -shared -o $@ $(OBJECTS) $(VM_PREFIX)__ALL.a -lpthread
harness.o: harness.cpp
\t$(CXX) $(CPPFLAGS) $(CXXFLAGS) -O2 -c -o $@ $<
lockstep.o: lockstep.cpp lanes.h
\t$(CXX) -std=gnu++17 -fPIC -O2 $(LANES) $(MACHINE) -Wno-psabi -c -o $@ $<
"""

Progress = Callable[[str], None]


def build(
    verilog: str,
    *,
    trace: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
    program: str = "",
    sources: Sequence[Path] = (HARNESS,),
) -> Path:
    """The simulator library of a Verilog text whose top module is `orris`; built if it is not there yet.

    Safe to call from several processes: one builds, the others wait and use its result.

    Parameters
    ----------
    verilog : str
    trace : bool
        With waveforms (slower).
    jobs : int
        Compilers side by side; as many as there are cores by default.
    progress : callable
        Told in a few words what is going on.
    program : str
        C++ that the Verilog calls; see `lockstep`.
    sources : paths
        The C++ harness and the headers beside it.

    Raises
    ------
    SimulationError
        If a tool is missing or fails.
    """
    tell = progress or (lambda text: None)
    flags = (*VERILATOR_FLAGS, *(TRACE_FLAGS if trace else ()))
    control = isolation.isolation(verilog)
    texts = [source.read_text() for source in sources]
    identity = "\0".join([verilog, control, *texts, _MAKEFILE, *flags, *OPTIMISE, versions()])
    if program:
        identity += "\0".join(["", program, LANES_HEADER.read_text(), *machine()])
    place = cache_directory() / "simulators" / hashlib.sha256(identity.encode()).hexdigest()[:24]
    library = place / "libsim.so"
    if library.exists():
        return library
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.parent / f"{place.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if library.exists():
            return library
        work = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
        try:
            tell("translating the Verilog to C++")
            (work / "top.v").write_text(verilog)
            (work / "isolation.vlt").write_text(control)
            (work / "Makefile").write_text(_MAKEFILE)
            for source in sources:
                shutil.copy(source, work / ("harness.cpp" if source is sources[0] else source.name))
            if program:
                (work / "lockstep.cpp").write_text(program)
                shutil.copy(LANES_HEADER, work / "lanes.h")
            verilator = str(verilator_root() / "bin" / "verilator")
            _run([verilator, *flags, "-Mdir", ".", "isolation.vlt", "top.v"], work, "Verilator")
            tell("compiling the C++")
            make = ["make", "-s", f"-j{jobs or os.cpu_count() or 1}", "libsim.so", *MAKE_SETTINGS, *OPTIMISE]
            make += [f"CXX={compiler()}", f"LINK={compiler()}", "USER_CPPFLAGS=-fPIC"]
            make += [f"MACHINE={machine()[0]}"]
            _run(make, work, "the C++ compiler")
            result = work / "result"
            result.mkdir()
            (work / "libsim.so").rename(result / "libsim.so")
            shutil.rmtree(place, ignore_errors=True)
            result.rename(place)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return library


def _run(command: list[str], directory: Path, what: str) -> None:
    result = subprocess.run(
        command, cwd=directory, env=verilator_environment(), capture_output=True, text=True, check=False
    )
    if result.returncode:
        lines = (result.stderr + result.stdout).strip().splitlines()
        complaint = next((line for line in lines if "rror" in line), lines[-1] if lines else "no message")
        raise SimulationError(f"{what} failed on the simulator: {complaint}")
