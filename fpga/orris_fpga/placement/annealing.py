"""Runs the annealer: compiled with the user's C++ compiler on first use."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..compiled import program_sources, run_program

SOURCES = program_sources(Path(__file__).with_name("annealer"))


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
    phases: list[Phase] = []

    def of_phase(words: list[str]) -> None:
        done, of, wirelength, slowest = words
        phases.append(Phase(int(done), int(of), int(wirelength), float(slowest)))
        if progress:
            progress(phases[-1])

    run_program(SOURCES, "placer", "the placer", [str(netlist), str(placement), *arguments], of_phase)
    return phases
