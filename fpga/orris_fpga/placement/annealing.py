"""Runs the annealer: compiled with the user's C++ compiler on first use."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..compiled import SAME_ARITHMETIC, compile_cached, program_sources
from ..errors import BoardError

_DIRECTORY = Path(__file__).with_name("annealer")
SOURCES = program_sources(_DIRECTORY)


@dataclass(frozen=True)
class Phase:
    """How far the annealer is.

    done, phases : the phase that ended, 0 for the legal start, of how many.
    wirelength : half perimeters of all nets, in tiles.
    slowest_ns : the slowest path from register to register, on estimated wires.
    """

    done: int
    phases: int
    wirelength: int
    slowest_ns: float


def anneal(
    netlist: Path, placement: Path, arguments: list[str], progress: Callable[[Phase], None] | None = None
) -> list[Phase]:
    """Places a netlist.

    Parameters
    ----------
    netlist : text of `exchange.netlist_text`.
    placement : written, for `exchange.read_placement`.
    arguments : of `AnnealerSettings.arguments`; the same ones give the same placement.
    progress : told of each phase.

    Returns
    -------
    list of Phase
        The first is the start.

    Raises
    ------
    OrrisError
        There is no C++ compiler, or the design finds no legal place.
    """
    program = compile_cached(SOURCES, SAME_ARITHMETIC, "placer", "the placer")
    phases = []
    with subprocess.Popen(
        [str(program), str(netlist), str(placement), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        try:
            for line in process.stdout:
                _, done, of, wirelength, slowest = line.split()
                phases.append(Phase(int(done), int(of), int(wirelength), float(slowest)))
                if progress:
                    progress(phases[-1])
            complaint = process.stderr.read().strip()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise BoardError(complaint or f"the placer ended with status {process.returncode}")
    return phases
