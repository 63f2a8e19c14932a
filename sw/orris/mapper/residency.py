"""Which ifmap tiles stay in the buffer while filters pass, and which take turns.

A group of windows uses the same tiles for each of its store tiles, always in the same order. If there are
fewer slots than tiles, as many as possible stay all the time; the others are loaded for each use, into one
slot where a tile that stays is used between any two of them (so that there is time to load), else into two.
"""

from collections import Counter
from itertools import groupby, product

from .mapping import Area, Mapping

Use = tuple[int, Area]
"""A window, by its number in its group, and what of it is in the buffer."""


def taking_turns(mapping: Mapping, areas: list[Area]) -> frozenset[Use]:
    """Those of the tiles used in an epoch, in this order window by window, that do not stay."""
    count, slots = mapping.together * len(areas), mapping.buffer.ifmap.slots
    if slots >= count:
        return frozenset()
    number = count - slots + 1
    if slots > 1 and 2 * number > count:
        number += 1
    uses = list(product(range(mapping.together), areas))
    return frozenset(uses[count * (n + 1) // number - 1] for n in range(number))


def epoch_loads(mapping: Mapping, areas: list[Area], tiles: range) -> Counter[Use]:
    """How often each tile is loaded while a group of windows goes through an epoch."""
    loads = Counter(product(range(mapping.together), areas))
    turns = taking_turns(mapping, areas)
    for use in turns:
        loads[use] = 0
    for sequence, same in groupby(mapping.area_sequences[tile] for tile in tiles if turns):
        uses = [use for use in product(range(mapping.together), sequence) if use in turns]
        times = len(list(same))
        for use, _ in groupby(uses):  # two at least: no store tile begins with the last of the one before
            loads[use] += times
    return loads
