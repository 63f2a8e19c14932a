"""What the commands of a vector layer cost: cycles, and the counters that depend on the commands alone."""

from collections.abc import Sequence

from orris_hw.commands import COMMAND_WORDS, LOAD, STORE, VECTOR, VECTOR_OPS
from orris_hw.config import AcceleratorConfig

from .places import Command

MEMORY_LATENCY = 100
COMMAND_CYCLES = {"max": 21, "copy": 21, "sum": 35, "add": 41}
"""Of a VECTOR once it is handed out, beside those of its places: the states of the unit and its pipeline,
from the first tap's address to the last result in the buffer."""

_REQUANTISED = tuple(VECTOR_OPS.index(op) for op in ("sum", "add"))


def command_cycles(fields: dict[str, int], config: AcceleratorConfig) -> int:
    """Cycles of a VECTOR: those of its taps, and what the lanes need more than one for a word."""
    places = fields["planes"] * fields["rows"] * fields["columns"]
    lanes = config.block // config.vector.lanes - 1 if fields["op"] in _REQUANTISED else 0
    return places * (fields["R"] * fields["S"] + lanes) + _overhead(fields)


def _overhead(fields: dict[str, int]) -> int:
    return COMMAND_CYCLES[VECTOR_OPS[fields["op"]]]


def vector_cycles(commands: Sequence[Command], config: AcceleratorConfig) -> int:
    """Expected cycles of a vector layer's commands with a memory of 8 bytes per cycle behind them.

    Memory, vector unit and the read port that vector unit and STOREs share work side by side; beside the
    busiest of them there is the first transfer's way in and the last one's way out.
    """
    words = [_words(fields) for form, fields in commands if form is not VECTOR]
    works = [fields for form, fields in commands if form is VECTOR]
    unit = sum(command_cycles(fields, config) for fields in works)
    counts = vector_counts(commands)
    port = counts["glb_vector_read"] + counts["glb_ofmap_read"] + sum(map(_overhead, works))
    return words[0] + max(sum(words[1:-1]), unit, port) + words[-1] + 2 * MEMORY_LATENCY


def vector_counts(commands: Sequence[Command]) -> dict[str, int]:
    """Words at each port of the global buffer and of memory; of a whole program."""
    loaded = sum(_words(fields) for form, fields in commands if form is LOAD)
    stored = sum(_words(fields) for form, fields in commands if form is STORE)
    places = [
        (f["planes"] * f["rows"] * f["columns"], f["R"] * f["S"], f["last"])
        for form, f in commands
        if form is VECTOR
    ]
    return {
        "glb_load_write": loaded,
        "glb_vector_read": sum(number * taps for number, taps, _ in places),
        "glb_vector_write": sum(number - (not last) for number, _, last in places),
        "glb_ofmap_read": stored,
        "dram_read_words": loaded + COMMAND_WORDS * len(commands),
        "dram_write_words": stored,
        "commands": len(commands),
    }


def _words(fields: dict[str, int]) -> int:
    return fields["row_words"] * fields["rows"] * fields["planes"]
