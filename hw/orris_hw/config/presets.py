"""The named configurations."""

from typing import Any

from ..errors import ConfigError
from .messages import nearest
from .model import AcceleratorConfig

DEFAULT_PRESET = "orris-168"

_DEFINITIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "tiny": (
        "twelve PEs, int8: to learn with and to test",
        dict(
            array=dict(rows=3, columns=4),
            scratchpads=dict(filter=96, ifmap=16, psum=16),
            global_buffer=dict(banks=8, depth=256),
            networks=dict(psum_bits=128),
            post_processing=dict(lanes=2, channels=64),
            vector=dict(lanes=2),
        ),
    ),
    "eyeriss-v1": (
        "the chip's array, buffer, network widths and 16-bit fixed-point arithmetic",
        dict(
            array=dict(rows=12, columns=14),
            data_width=16,
            psum_width=16,
            arithmetic="fixed_point",
            scratchpads=dict(filter=224, ifmap=12, psum=24),
            global_buffer=dict(banks=27, depth=512),
            networks=dict(ifmap_bits=16, filter_bits=64, psum_bits=64),
            post_processing=dict(lanes=4, channels=512),
        ),
    ),
    "orris-168": (
        "the flagship: as many PEs and no more scratchpad than the chip, int8, wider networks",
        dict(
            array=dict(rows=12, columns=14),
            scratchpads=dict(filter=192, ifmap=24, psum=24),
            global_buffer=dict(banks=27, depth=512),
            networks=dict(psum_bits=14 * 32, x_lanes=2),
            post_processing=dict(lanes=7, channels=512),
            vector=dict(lanes=4),
        ),
    ),
    "ulx3s-85f": (
        "144 PEs for the ECP5 85F of a ULX3S: networks as narrow as keeps them busy",
        dict(
            array=dict(rows=12, columns=12),
            scratchpads=dict(filter=192, ifmap=16, psum=16),
            global_buffer=dict(banks=12, depth=1024, read_ports=1, write_ports=1),
            networks=dict(ifmap_bits=32, filter_bits=16, psum_bits=4 * 32, stop_columns=2, spare_sums=0),
            post_processing=dict(lanes=1, channels=512),
            vector=dict(lanes=0),
            zero_gating=False,
            control=dict(commands="block_ram", checks=False, counters="few"),
        ),
    ),
    "ecp5-25f": (
        "six PEs for an ECP5 25F and its 28 multipliers",
        dict(
            array=dict(rows=3, columns=2),
            scratchpads=dict(filter=96, ifmap=16, psum=8),
            global_buffer=dict(banks=4, depth=512, read_ports=1, write_ports=1),
            networks=dict(ifmap_bits=16, filter_bits=16, psum_bits=32),
            post_processing=dict(lanes=1, channels=128),
            vector=dict(lanes=0),
            control=dict(commands="block_ram", counters="few"),
        ),
    ),
    "icebreaker": (
        "one PE and firmware, for the iCE40UP5K of an iCEBreaker",
        dict(
            array=dict(rows=1, columns=1),
            scratchpads=dict(filter=512, ifmap=32, psum=32, psum_memory="block_ram"),
            global_buffer=dict(banks=4, depth=1024),
            networks=dict(psum_bits=32),
            post_processing=dict(channels=512),
            vector=dict(lanes=0),
            zero_gating=False,
            control=dict(kind="microcontroller", counters="few"),
        ),
    ),
    "tang-nano-9k": (
        "one PE and firmware, for the GW1NR-9C of a Tang Nano 9K",
        dict(
            array=dict(rows=1, columns=1),
            scratchpads=dict(filter=512, ifmap=32, psum=32, psum_memory="block_ram"),
            global_buffer=dict(banks=2, depth=512),
            networks=dict(psum_bits=32),
            post_processing=dict(channels=256),
            vector=dict(lanes=0),
            zero_gating=False,
            control=dict(kind="microcontroller", counters="few"),
        ),
    ),
}

PRESETS: dict[str, AcceleratorConfig] = {
    name: AcceleratorConfig(name=name, **values) for name, (_, values) in _DEFINITIONS.items()
}
PRESET_NOTES: dict[str, str] = {name: note for name, (note, _) in _DEFINITIONS.items()}
"""What each preset is for, in a line."""


def preset(name: str) -> AcceleratorConfig:
    """The configuration called `name`; `ConfigError` names the nearest and all others."""
    if name not in PRESETS:
        raise ConfigError(f"no preset {name!r}{nearest(name, PRESETS)} (presets: {', '.join(PRESETS)})")
    return PRESETS[name]
