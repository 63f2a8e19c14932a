"""The named configurations."""

from .model import AcceleratorConfig

PRESETS: dict[str, AcceleratorConfig] = {
    c.name: c
    for c in (
        AcceleratorConfig.model_validate(
            dict(
                name="tiny",
                array=dict(rows=3, columns=4),
                scratchpads=dict(filter=96, ifmap=16, psum=16),
                global_buffer=dict(banks=8, depth=256),
                networks=dict(psum_bits=128),
                post_processing=dict(lanes=2, channels=64),
            )
        ),
        AcceleratorConfig.model_validate(
            dict(
                name="eyeriss-v1",
                array=dict(rows=12, columns=14),
                data_width=16,
                psum_width=16,
                arithmetic="fixed_point",
                scratchpads=dict(filter=224, ifmap=12, psum=24),
                global_buffer=dict(banks=27, depth=512),
                networks=dict(ifmap_bits=16, filter_bits=64, psum_bits=64),
                post_processing=dict(lanes=4, channels=512),
            )
        ),
        AcceleratorConfig.model_validate(
            dict(
                name="orris-168",
                array=dict(rows=12, columns=14),
                scratchpads=dict(filter=192, ifmap=24, psum=24),
                global_buffer=dict(banks=27, depth=512),
                networks=dict(psum_bits=14 * 32),
                post_processing=dict(lanes=7, channels=512),
            )
        ),
    )
}


def preset(name: str) -> AcceleratorConfig:
    return PRESETS[name]
