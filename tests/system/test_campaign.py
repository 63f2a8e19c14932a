"""Any layer, anywhere: random layers from the whole legal space on eight accelerators, bit-exact in RTL."""

from pathlib import Path

import pytest

from campaign import PLACES, bench, draw
from shape_coverage import Coverage

LAYERS = 420
LONG_LAYERS = 5_600
"""Of all configurations together, shared as `Place.share` says."""
REPORT = Path(__file__).parents[2] / "build" / "shape-coverage.yaml"


def campaign(name: str, seed: int, layers: int, coverage: Coverage | None = None) -> list[str]:
    """The problems of that configuration's share of the layers, each with the command that repeats it."""
    place = PLACES[name]
    count = round(layers * place.share / sum(each.share for each in PLACES.values()))
    problems = []
    with bench(place) as accelerator:
        for number in range(seed, seed + count):
            case = draw(place, number)
            if coverage:
                coverage.add(case, place)
            if problem := accelerator.problem(case):
                again = f"pytest '{__file__}::test_one_layer[{name}]' --seed {number}"
                problems.append(f"{case.layer}\n{case.mapping.as_dict()}\n{problem}\n{again}")
    return problems


def test_random_layers_everywhere(seed):
    coverage = Coverage(PLACES)
    problems = [problem for name in PLACES for problem in campaign(name, seed, LAYERS, coverage)]
    print(coverage.report())
    coverage.write(REPORT)
    assert not problems, "\n\n".join(problems)
    assert not coverage.holes


@pytest.mark.long
@pytest.mark.parametrize("name", PLACES)
def test_thousands_of_random_layers(name, seed):
    problems = campaign(name, seed, LONG_LAYERS)
    assert not problems, "\n\n".join(problems)


@pytest.mark.parametrize("name", PLACES)
def test_one_layer(name, seed):
    """A single case of the campaign; it is what a failing one names, with its seed."""
    place = PLACES[name]
    case = draw(place, seed)
    print(case.layer, case.mapping.as_dict(), case.memory)
    with bench(place) as accelerator:
        assert accelerator.problem(case) is None
