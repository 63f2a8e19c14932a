"""Where data moved: the counters of words, by level of the memory hierarchy."""

from collections.abc import Mapping
from typing import NamedTuple


class Movement(NamedTuple):
    """`number` of `what` at a level."""

    level: str
    what: str
    number: int


_MOVEMENTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("scratchpads", "ifmap values", ("spad_ifmap_read", "spad_ifmap_write")),
    ("scratchpads", "filter values", ("spad_filter_read", "spad_filter_write")),
    ("scratchpads", "psums", ("spad_psum_read", "spad_psum_write")),
    ("networks", "ifmap beats", ("net_ifmap_beats",)),
    ("networks", "filter beats", ("net_filter_beats",)),
    ("networks", "psums", ("net_psum_values",)),
    ("global buffer", "ifmap words to the array", ("glb_ifmap_read",)),
    ("global buffer", "filter words to the array", ("glb_filter_read",)),
    ("global buffer", "psums", ("glb_psum_read", "glb_psum_write")),
    ("global buffer", "ofmap values written", ("glb_ofmap_write",)),
    ("global buffer", "words of the vector unit", ("glb_vector_read", "glb_vector_write")),
    ("global buffer", "words from DRAM", ("glb_load_write",)),
    ("global buffer", "words to DRAM", ("glb_ofmap_read",)),
    ("DRAM", "words read", ("dram_read_words",)),
    ("DRAM", "words written", ("dram_write_words",)),
)

LEVELS = tuple(dict.fromkeys(level for level, _, _ in _MOVEMENTS))
"""From the PEs outwards."""


def movements(counters: Mapping[str, int]) -> list[Movement]:
    """Reads and writes at every level, where counted; words are 64 bits, values and psums single numbers."""
    return [
        Movement(level, what, sum(counters.get(name, 0) for name in names))
        for level, what, names in _MOVEMENTS
        if any(name in counters for name in names)
    ]


def counted_at(counters: Mapping[str, int], level: str) -> bool:
    """Whether anything at one of LEVELS is counted."""
    return any(movement.level == level for movement in movements(counters))


def words_at(counters: Mapping[str, int], level: str) -> int:
    """All accesses at one of LEVELS, whatever their width; 0 where they are not counted."""
    return sum(movement.number for movement in movements(counters) if movement.level == level)
