"""What all tests share: one seed per test, printed when the test fails, and set from the command line."""

import random
import zlib

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seed",
        default=None,
        help="seed of every test that draws random numbers: a number, or 'random' for new ones "
        "(default: from the test's name, the same each time)",
    )


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Seed for the test's random numbers; pytest shows it with a failure."""
    chosen = request.config.getoption("--seed")
    if chosen is None:
        value = zlib.crc32(request.node.nodeid.encode())
    elif chosen == "random":
        value = random.SystemRandom().getrandbits(32)
    else:
        value = int(chosen, 0)
    print(f"seed {value}: pytest '{request.node.nodeid}' --seed {value}")
    return value
