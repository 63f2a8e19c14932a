"""Runs cocotb benches on emitted Verilog, with Verilator or Icarus."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from amaranth.lib import wiring
from cocotb_tools.runner import Icarus, Runner

from orris_hw.emission import emit

from .bench_build import TIMESCALE, PackageVerilator, build_bench
from .errors import SimulationError

SIMULATORS = ("verilator", "icarus")
TOP = "dut"
"""The Verilog module that benches run on."""

_LOG_LINES = 40


class BenchFailure(AssertionError):
    """A bench found something wrong, or did not run to its end."""


def is_installed(simulator: str) -> bool:
    """Whether the simulator can be used: Verilator comes with the packages, Icarus may be missing."""
    return simulator == "verilator" or shutil.which("iverilog") is not None


def run_bench(
    design: wiring.Component,
    module: str,
    simulator: str,
    *,
    seed: int,
    settings: Mapping[str, Any] | None = None,
    directory: Path | None = None,
    verilog: str | None = None,
) -> None:
    """Runs all cocotb tests of a module on the Verilog of a design.

    Parameters
    ----------
    design : wiring.Component
        The top level, not elaborated before.
    module : str
        Python module with the tests, such as `orris_sim.benches.pe`.
    simulator : str
        One of `SIMULATORS`.
    seed : int
        Of the bench's random numbers: the same seed, the same run.
    settings : mapping
        What the bench has to know, such as the configuration: plain data that JSON holds. It gets at it
        with `benches.bench.settings()`.
    directory : path
        Where the log, `bench.log`, is left; by default it is not kept.
    verilog : str
        What to run on in the place of the design's own Verilog: module `TOP` with the design's ports, such as
        its netlist.

    Raises
    ------
    BenchFailure
        With the messages of the tests that failed, and the end of the log.
    SimulationError
        If the simulator is missing or cannot be built.
    """
    if simulator not in SIMULATORS:
        raise ValueError(f"simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    if not is_installed(simulator):
        raise SimulationError("Icarus Verilog is not installed: there is no 'iverilog'")
    emitted = emit(design, TOP)
    built = build_bench(emitted if verilog is None else replace(emitted, verilog=verilog), simulator)
    with tempfile.TemporaryDirectory() as temporary:
        place = (directory or Path(temporary)).absolute()
        log, results = place / "bench.log", place / "results.xml"
        runner: Runner = PackageVerilator() if simulator == "verilator" else Icarus()
        try:
            runner.test(
                test_module=module,
                hdl_toplevel=TOP,
                hdl_toplevel_lang="verilog",
                build_dir=built,
                test_dir=place,
                results_xml=str(results),
                seed=seed,
                extra_env={"ORRIS_BENCH": json.dumps(settings or {})},
                timescale=TIMESCALE,
                log_file=log,
            )
        except (RuntimeError, SystemExit):
            pass  # the results tell what went wrong, or are missing
        if problems := _problems(results):
            what = f"{module} on {simulator}, seed {seed}: {'; '.join(problems)}"
            lines = log.read_text(errors="replace").splitlines() if log.exists() else []
            raise BenchFailure("\n".join([what, *lines[-_LOG_LINES:]]))


def _problems(results: Path) -> list[str]:
    """Why the run does not count as passed, test by test."""
    if not results.exists():
        return ["the simulation ended without results"]
    cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    if not cases:
        return ["there are no tests"]
    return [
        f"{case.get('name')}: {found.get('message') or found.text or found.tag}"
        for case in cases
        for kind in ("failure", "error", "skipped")
        if (found := case.find(kind)) is not None
    ]
