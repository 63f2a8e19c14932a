"""Random mappings of layers in many pieces, on a small array with a buffer of any size."""

import random
from dataclasses import replace

from orris.layers import ConvLayer, Padding
from orris.mapper import Mapping, MappingError
from orris.mapper.residency import taking_turns
from orris_hw.config import PRESETS, AcceleratorConfig

TINY = PRESETS["tiny"]


def random_mapping(rng: random.Random, config: AcceleratorConfig | None = None) -> Mapping:
    """Of any such layer; on `config`, or with a buffer of any size if that is None."""
    given = config
    while True:
        depth = rng.choice((64, 128, 256))
        config = given or TINY.derive({"global_buffer": {"banks": rng.randint(4, 12), "depth": depth}})
        G, K = rng.choice((1, 1, 2)), rng.choice((1, 2, 3))
        layer = ConvLayer(
            name="pieces", N=rng.randint(1, 4), G=G, M=G * rng.randint(1, 24), C=8 * rng.randint(1, 8),
            H=rng.randint(5, 12), W=rng.randint(5, 12), R=K, S=K, D=rng.choice((1, 1, 1, 2)),
            padding=Padding.all(rng.randint(0, K - 1)),
        )  # fmt: skip
        q = rng.choice((2, 4, 8))
        try:
            mapping = Mapping(
                layer, config, p=rng.randint(1, 8), q=q, e=rng.randint(1, 4), t=rng.randint(1, 2),
                positions=rng.randint(1, layer.F), rows=rng.randint(1, 3), pixel_lanes=8,
                chunk=min(layer.C, 8 * rng.randint(1, 4)), held=rng.choice(("channels", "chunk", "part")),
                order=rng.choice(("filters", "filters", "windows")),
            )  # fmt: skip
            groups = [n for n in range(1, len(mapping.windows) + 1) if len(mapping.windows) % n == 0]
            return replace(mapping, group=rng.choice(groups)) if mapping.order == "filters" else mapping
        except MappingError:
            continue


def turn_taking(rng: random.Random, config: AcceleratorConfig | None = None) -> Mapping:
    """One of which some ifmap tiles stay and others take turns."""
    while True:
        mapping = random_mapping(rng, config)
        counts = [
            (len(taking_turns(mapping, areas)), mapping.together * len(areas)) for areas, _ in mapping.epochs
        ]
        if any(0 < turns < count for turns, count in counts):
            return mapping
