"""The mapping to use: the best few by a closed estimate, compared by the full cost model."""

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Table
from dataclasses import asdict, dataclass, field
from math import log

from orris_hw.config import AcceleratorConfig
from orris_hw.errors import OrrisError

from ..layers import ConvLayer
from ..mapper import FREE, AnyMapping, Given, Mapping, best_mappings
from ..mapper import cycles as estimated_cycles
from ..mapper.cost import compute_cycles
from ..mapper.counts import estimated_commands, repeated_load_words
from ..mapper.floor import LeastCounts
from ..mapper.fusion import Tail
from ..mapper.search import in_order
from .energy import Energy, EnergyTable, energy, energy_table
from .expected import Work, data_counters, expected_counters
from .kept import keep, kept, question
from .layer import layer_timing
from .memory import MemoryTiming
from .program import Timing

AIMS = {"time": 1.0, "energy": 0.0}
"""Named aims: the weight of time."""
_CONSIDERED = 16
_PASSES = 6_000  # that are timed in all, for one layer
_STEP = 0.005  # a difference in the aim that is none
_WORDS_STEP = 0.1  # likewise, of the logarithm of memory words


class AimError(OrrisError, ValueError):
    """An aim that is neither a name nor a weight."""


def parse_aim(text: str) -> float:
    """The weight of time, from 0 (least energy) to 1 (least time).

    Raises
    ------
    AimError
        `text` is none of AIMS and no number from 0 to 1.
    """
    try:
        weight = AIMS[text] if text in AIMS else float(text)
    except ValueError:
        weight = -1.0
    if not 0 <= weight <= 1:
        raise AimError(f"aim '{text}': expected time, energy, or the weight of time from 0 to 1")
    return weight


@dataclass(frozen=True)
class Candidate:
    """A mapping with all that it is expected to cost."""

    mapping: AnyMapping
    timing: Timing
    counters: Table[str, int] = field(repr=False)
    energy: Energy

    def score(self, weight: float) -> tuple[float, ...]:
        """As `orris.mapper.search.Aim.rank`: cycles^weight energy^(1 - weight), in steps of half a percent;
        then what that leaves out, words to and from memory (in steps of 10 %) or cycles; energy; cycles."""
        return _score(self.counters, self.energy.total, weight)


def _score(counters: Table[str, int], total: float, weight: float) -> tuple[float, ...]:
    cycles = counters["cycles"]
    value = weight * log(max(1, cycles)) + (1 - weight) * log(max(1.0, total))
    words = log(max(1, counters["dram_read_words"] + counters["dram_write_words"]))
    return value / _STEP, words // _WORDS_STEP if weight == 1 else cycles, total, cycles


@dataclass(frozen=True)
class Criteria:
    """What a mapping is chosen by, beside its layer and configuration.

    aim : weight of time, 1 for least cycles, 0 for least energy.
    memory : behind the accelerator. table : what accesses cost.
    pixel_lanes : layout of the ifmap, chosen if not given. after : a layer to fuse to this one.
    given : parameters of the mapping that are kept.
    """

    aim: float = 1.0
    memory: MemoryTiming = field(default_factory=MemoryTiming)
    table: EnergyTable = field(default_factory=energy_table)
    pixel_lanes: int | None = None
    after: Tail | None = None
    given: Given = FREE

    @property
    def lanes(self) -> int | None:
        """Lanes of a pixel, where they are not to be chosen."""
        return self.pixel_lanes or self.given.pixel_lanes


class _Estimate:
    """The aim of the search: the same score from estimated cycles."""

    def __init__(self, layer: ConvLayer, config: AcceleratorConfig, criteria: Criteria):
        self._layer, self._config = layer, config
        self._weight, self._table = criteria.aim, criteria.table
        self._known: tuple[AnyMapping, dict[str, int]] | None = None
        self._computed: tuple[AnyMapping, int] | None = None

    def rank(self, mapping: AnyMapping) -> tuple[float, ...]:
        counters = self._counters(mapping)
        memory_words = counters["dram_read_words"] + counters["dram_write_words"]
        compute = self._compute(mapping) if isinstance(mapping, Mapping) else None
        return self._score(counters | {"cycles": estimated_cycles(mapping, memory_words, compute)})

    def floor(self, mapping: Mapping) -> float:
        # Energy alone does not ask for cycles, unless waiting costs some.
        cycles = self._compute(mapping) if self._weight or self._table.idle else 0
        if self._weight == 1:
            return self.least(cycles, None)
        counters, repeated = self._counters(mapping), repeated_load_words(mapping)
        once = {name: counters[name] - repeated for name in ("glb_load_write", "dram_read_words")}
        return self._score(counters | once | {"cycles": cycles})[0]

    def _counters(self, mapping: AnyMapping) -> dict[str, int]:
        """All but cycles; those of the last mapping are kept."""
        if self._known is None or self._known[0] is not mapping:
            counters = expected_counters(mapping, Timing(0, {}), commands=estimated_commands(mapping))
            self._known = mapping, counters
        return self._known[1]

    def _compute(self, mapping: Mapping) -> int:
        """Cycles of all passes; those of the last mapping are kept."""
        if self._computed is None or self._computed[0] is not mapping:
            self._computed = mapping, compute_cycles(mapping)
        return self._computed[1]

    def _score(self, counters: Table[str, int]) -> tuple[float, ...]:
        return _score(counters, energy(counters, self._config, self._table).total, self._weight)

    def least(self, cycles: int, counted: Callable[[], LeastCounts] | None) -> float:
        nothing = {"cycles": cycles, "dram_read_words": 0, "dram_write_words": 0}
        if self._weight == 1 or counted is None:
            return self._score(nothing)[0]
        least = counted()
        work = Work(least.counts["macs"], least.taps, least.macs_per_output)
        return self._score(nothing | least.counts | data_counters(self._layer, self._config, work))[0]


def ranked_mappings(
    layer: ConvLayer, config: AcceleratorConfig, criteria: Criteria | None = None
) -> list[Candidate]:
    """The best few mappings of a layer, the best first. They are kept for later processes.

    Raises
    ------
    MappingError
        No mapping is legal, and which limit binds.
    """
    wish = criteria or Criteria()
    asked = question(
        layer,
        config,
        wish.after,
        aim=wish.aim,
        memory=asdict(wish.memory),
        table=asdict(wish.table),
        pixel_lanes=wish.lanes,
        given=asdict(wish.given),
    )
    fused = {"after": wish.after} if wish.after else {}
    if not (found := kept(asked, layer=layer, config=config, **fused)):
        estimate, given = _Estimate(layer, config, wish), wish.given
        wanted = best_mappings(
            layer, config, estimate, _CONSIDERED, given.sizes, given.order, wish.lanes, wish.after
        )
        timed = _timed(wanted, wish.memory)
        ranked = in_order((_candidate(*each, wish.table).score(wish.aim), each) for each in timed)
        found = [each for _, each in ranked]
        keep(asked, found)
    return [_candidate(*each, wish.table) for each in found]


def _timed(mappings: Sequence[AnyMapping], memory: MemoryTiming) -> list[tuple[AnyMapping, Timing]]:
    """As many of the mappings as are timed soon, each with what the cost model makes of it."""
    result: list[tuple[AnyMapping, Timing]] = []
    passes = 0
    for mapping in mappings:
        passes += mapping.all_passes
        if result and passes > _PASSES:
            break
        result.append((mapping, layer_timing(mapping, memory)))
    return result


def _candidate(mapping: AnyMapping, timing: Timing, table: EnergyTable) -> Candidate:
    counters = expected_counters(mapping, timing, commands=estimated_commands(mapping))
    return Candidate(mapping, timing, counters, energy(counters, mapping.config, table))


_found: dict[object, Candidate] = {}


def best_candidate(
    layer: ConvLayer, config: AcceleratorConfig, criteria: Criteria | None = None
) -> Candidate:
    """The first of `ranked_mappings`, whose parameters and errors these are. Kept once found."""
    key = layer, layer.ifmap_zeros, config, criteria or Criteria()
    if key not in _found:
        _found[key] = ranked_mappings(layer, config, criteria)[0]
    return _found[key]


def best_mapping(layer: ConvLayer, config: AcceleratorConfig, criteria: Criteria | None = None) -> AnyMapping:
    """The mapping of `best_candidate`."""
    return best_candidate(layer, config, criteria).mapping
