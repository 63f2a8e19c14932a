"""The configuration: what it derives, what it refuses, and in which words."""

import pickle

import pytest

from orris_hw.config import PRESETS, AcceleratorConfig, ConfigError, preset
from orris_hw.errors import OrrisError

SMALLEST = dict(
    name="smallest",
    array=dict(rows=1, columns=1),
    scratchpads=dict(filter=8, ifmap=4, psum=1),
    global_buffer=dict(banks=2, depth=16),
    networks=dict(psum_bits=32),
)


def problems(changes: dict) -> tuple[str, ...]:
    """What `orris-168` with `changes` is refused for."""
    with pytest.raises(ConfigError) as caught:
        preset("orris-168").derive(changes)
    return caught.value.problems


# -- values ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "pes", "block", "operand", "per_word", "ports", "glb_bytes", "addr_width", "pad_bytes"),
    [
        ("tiny", 12, 8, 9, 2, 4, 16 * 1024, 11, 250),
        ("eyeriss-v1", 168, 4, 16, 4, 4, 108 * 1024, 14, 968),
        ("orris-168", 168, 8, 9, 2, 14, 108 * 1024, 14, 474),
    ],
)
def test_presets_derive(name, pes, block, operand, per_word, ports, glb_bytes, addr_width, pad_bytes):
    config = preset(name)
    assert config.name == name
    assert (config.pes, config.block, config.operand_width) == (pes, block, operand)
    assert (config.psums_per_word, config.psum_ports) == (per_word, ports)
    assert (config.glb_bytes, config.glb_addr_width) == (glb_bytes, addr_width)
    assert config.scratchpad_bytes == pad_bytes


def test_flagship_has_no_more_scratchpad_than_the_chip():
    assert preset("orris-168").scratchpad_bytes <= 520


def test_scratchpad_bytes_round_up():
    # 2*8*8 + 6*9 + 1*19 = 201 bits
    config = AcceleratorConfig(**SMALLEST | dict(scratchpads=dict(filter=8, ifmap=6, psum=1)))
    assert config.scratchpad_bytes == 26


@pytest.mark.parametrize(
    ("changes", "sum_width", "link_width"),
    [
        ({}, 21, 25),  # 24 products of at most 255 * 128, and 12 * 24 of them
        ({"array": {"rows": 1}}, 21, 21),
        ({"scratchpads": {"ifmap": 16}}, 20, 24),  # 16 * 255 * 128 is just less than 2^19
        ({"scratchpads": {"ifmap": 17}}, 21, 24),
        ({"psum_width": 22}, 21, 22),
        ({"data_width": 16, "psum_width": 48}, 36, 40),
        ({"data_width": 16, "psum_width": 16, "arithmetic": "fixed_point"}, 16, 16),
    ],
)
def test_widths_of_sums_in_the_array(changes, sum_width, link_width):
    config = preset("orris-168").derive(changes)
    assert (config.sum_width, config.link_width) == (sum_width, link_width)
    for width, products in ((sum_width, 1), (link_width, config.array.rows)):
        operand = 255 if config.data_width == 8 else 1 << 15
        most = products * config.scratchpads.ifmap * operand << (config.data_width - 1)
        assert width == config.psum_width or -(1 << (width - 1)) <= -most < most < 1 << (width - 1)


@pytest.mark.parametrize(("psum_width", "per_word"), [(17, 2), (32, 2), (33, 1), (48, 1)])
def test_psums_per_word(psum_width, per_word):
    config = AcceleratorConfig(**SMALLEST | dict(psum_width=psum_width, networks=dict(psum_bits=48)))
    assert config.psums_per_word == per_word
    assert config.psum_ports == 1


def test_smallest_and_largest():
    assert AcceleratorConfig(**SMALLEST).post_processing.lanes == 1  # the default, cut to the columns
    largest = AcceleratorConfig(
        name="largest",
        array=dict(rows=16, columns=16),
        data_width=16,
        psum_width=48,
        scratchpads=dict(filter=1024, ifmap=63, psum=64),
        global_buffer=dict(banks=64, depth=4096),
        networks=dict(psum_bits=768, fifo_depth=16),
        post_processing=dict(lanes=16, channels=4096),
    )
    assert largest.psum_ports == 16
    assert largest.glb_addr_width == 18


@pytest.mark.parametrize(("columns", "lanes"), [(1, 1), (3, 3), (4, 4), (16, 4)])
def test_default_lanes(columns, lanes):
    values = SMALLEST | dict(array=dict(rows=1, columns=columns), global_buffer=dict(banks=16, depth=16))
    assert AcceleratorConfig(**values).post_processing.lanes == lanes
    assert AcceleratorConfig(**values, post_processing=dict(channels=8)).post_processing.lanes == lanes


def test_immutable_hashable_picklable():
    config = preset("tiny")
    with pytest.raises(ValueError, match="frozen"):
        config.data_width = 16
    assert len({config, config.model_copy(), preset("orris-168")}) == 2
    assert pickle.loads(pickle.dumps(config)) == config


def test_model_validate_takes_mappings_and_itself():
    config = AcceleratorConfig.model_validate(SMALLEST)
    assert AcceleratorConfig.model_validate(config) is config
    with pytest.raises(ConfigError, match=r"^a configuration is a table of keys and values, not 3$"):
        AcceleratorConfig.model_validate(3)


def test_derive_keeps_the_rest():
    config = preset("orris-168").derive({"array": {"rows": 3}, "name": "short"})
    assert (config.array.rows, config.array.columns, config.name) == (3, 14, "short")
    assert config.scratchpads == preset("orris-168").scratchpads


def test_content_hash_is_of_the_hardware_not_the_name():
    tiny = preset("tiny")
    assert tiny.content_hash() == tiny.derive({"name": "other"}).content_hash()
    assert tiny.content_hash() != tiny.derive({"zero_gating": False}).content_hash()
    assert len({config.content_hash() for config in PRESETS.values()}) == len(PRESETS)
    # A key of caches on disk: changing it by accident throws them away.
    assert len(tiny.content_hash()) == 64 and int(tiny.content_hash(), 16)


# -- refusals ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"array": {"rows": 0}},
            "array.rows = 0: must be at least 1 (1 <= array.rows <= 16; PE rows)",
        ),
        (
            {"array": {"rows": 17}},
            "array.rows = 17: must be at most 16 (1 <= array.rows <= 16; PE rows)",
        ),
        (
            {"scratchpads": {"ifmap": 3}},
            "scratchpads.ifmap = 3: must be at least 4 "
            "(4 <= scratchpads.ifmap <= 63; ifmap values of the sliding window: q*S)",
        ),
        ({"array": {"rows": "12"}}, 'array.rows = "12": must be a whole number'),
        ({"array": {"rows": 12.0}}, "array.rows = 12.0: must be a whole number"),
        ({"array": {"rows": True}}, "array.rows = true: must be a whole number"),
        ({"array": 12}, "array = 12: must be a table of keys and values"),
        ({"zero_gating": 1}, "zero_gating = 1: must be true or false"),
        ({"data_width": 12}, "data_width = 12: must be 8 or 16"),
        ({"arithmetic": "float"}, 'arithmetic = "float": must be "integer" or "fixed_point"'),
        ({"name": 3}, "name = 3: must be a string"),
        (
            {"name": "../up"},
            "name = \"../up\": must be letters, digits, '_', '.' and '-', beginning with a letter or digit",
        ),
        ({"name": "x" * 65}, f'name = "{"x" * 65}": must be at most 64 characters long, not 65'),
        (
            {"scratchpads": {"ifmp": 24}},
            "scratchpads.ifmp: no such key; did you mean 'ifmap'? "
            "(known here: filter, ifmap, psum, psum_memory)",
        ),
        ({"array": {"depth_of_it": 3}}, "array.depth_of_it: no such key (known here: rows, columns)"),
        (
            {"scratchpad": {}},
            "scratchpad: no such key; did you mean 'scratchpads'? (known here: name, array, data_width, "
            "psum_width, arithmetic, scratchpads, global_buffer, memory, networks, post_processing, vector, "
            "control, zero_gating)",
        ),
        (
            {"global_buffer": {"depth": 500}},
            "global_buffer.depth = 500: must be a power of two, for example 256 or 512 "
            "(address = bank*depth + offset is split by bits)",
        ),
        (
            {"global_buffer": {"banks": 13}},
            "global_buffer.banks = 13: must be at least array.columns = 14 "
            "(bank j holds the psums of column j)",
        ),
        (
            {"networks": {"ifmap_bits": 24}},
            "networks.ifmap_bits = 24: must be 8, 16, 32 or 64 "
            "(data_width*2^k with data_width = 8, up to one 64-bit word)",
        ),
        (
            {"networks": {"psum_bits": 31}},
            "networks.psum_bits = 31: must be at least psum_width = 32 "
            "(psum ports = psum_bits div psum_width, at least 1)",
        ),
        (
            {"psum_width": 16},
            'psum_width = 16: must be at least 17 when arithmetic = "integer" '
            "(one product: operand_width + data_width = 9 + 8)",
        ),
        (
            {"arithmetic": "fixed_point"},
            'data_width = 8: must be 16 when arithmetic = "fixed_point"',
        ),
        (
            {"arithmetic": "fixed_point", "data_width": 16, "psum_width": 33},
            'psum_width = 33: must be at most 32 when arithmetic = "fixed_point" '
            "(psum_width <= 2*data_width, the width of a product)",
        ),
        (
            {"scratchpads": {"filter": 100}},
            "scratchpads.filter = 100: must be a multiple of 8, for example 104 "
            "(64/data_width: filters arrive in whole 64-bit words)",
        ),
        (
            {"scratchpads": {"filter": 32, "ifmap": 33}},
            "scratchpads.ifmap = 33: must be at most scratchpads.filter = 32 "
            "(q*S <= p*q*S <= scratchpads.filter: the words above could never be used)",
        ),
        (
            {"scratchpads": {"filter": 32, "psum": 33}},
            "scratchpads.psum = 33: must be at most scratchpads.filter = 32 "
            "(p <= p*q*S <= scratchpads.filter: the words above could never be used)",
        ),
        (
            {"post_processing": {"lanes": 15}},
            "post_processing.lanes = 15: must be at most array.columns = 14 "
            "(lane l serves the columns j with j mod lanes = l)",
        ),
        (
            {"memory": {"port_bits": 128}, "global_buffer": {"write_ports": 1}},
            "memory.port_bits = 128: must be 64 when global_buffer.read_ports = 3 and write_ports = 1 "
            "(rows of several words need ports of their own: 3 and 2)",
        ),
        ({"memory": {"port_bits": 96}}, "memory.port_bits = 96: must be 64 or 128 or 256"),
        (
            {"vector": {"lanes": 3}},
            "vector.lanes = 3: must be 0, 1, 2, 4 or 8 "
            "(0, or a power of two up to 64/data_width = 8: lanes share the values of a word)",
        ),
    ],
)
def test_refusals(changes, expected):
    assert problems(changes) == (expected,)


def test_sixteen_bit_networks_carry_whole_values():
    assert problems({"data_width": 16, "networks": {"filter_bits": 8}}) == (
        "networks.filter_bits = 8: must be 16, 32 or 64 "
        "(data_width*2^k with data_width = 16, up to one 64-bit word)",
    )


def test_missing_keys():
    values = SMALLEST | dict(array=dict(rows=1))
    del values["networks"]
    with pytest.raises(ConfigError) as caught:
        AcceleratorConfig(**values)
    assert caught.value.problems == (
        "array.columns: missing, and it has no default (PE columns)",
        "networks: missing, and it has no default",
    )


def test_all_problems_at_once_one_a_line():
    found = problems({"global_buffer": {"banks": 8, "depth": 100}, "networks": {"psum_bits": 16}})
    assert [problem.partition(" ")[0] for problem in found] == [
        "global_buffer.depth",
        "global_buffer.banks",
        "networks.psum_bits",
    ]
    error = ConfigError(found)
    assert str(error) == "\n".join(found)
    assert pickle.loads(pickle.dumps(error)).problems == found


def test_error_is_ours_and_a_value_error():
    assert issubclass(ConfigError, OrrisError) and issubclass(ConfigError, ValueError)


def test_every_parameter_is_documented():
    for key, field in AcceleratorConfig.model_fields.items():
        parts = getattr(field.annotation, "model_fields", None)
        if parts is None:
            assert field.description, key
        else:
            assert field.annotation.__doc__, key
            assert all(part.description for part in parts.values()), key


# -- microcontroller -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"array": {"rows": 2}}, "array.rows = 2: must be 1 when"),
        ({"array": {"columns": 2}}, "array.columns = 2: must be 1 when"),
        ({"data_width": 16}, "data_width = 16: must be 8 when"),
        ({"psum_width": 24}, "psum_width = 24: must be 32 when"),
        ({"memory": {"port_bits": 128}}, "memory.port_bits = 128: must be 64 when"),
        ({"vector": {"lanes": 1}}, "vector.lanes = 1: must be 0 when"),
        ({"control": {"checks": False}}, "control.checks = False: must be True when"),
        ({"control": {"counters": "all"}}, "control.counters = 'all': must be 'few' when"),
    ],
)
def test_what_a_microcontroller_cannot_drive(changes, problem):
    with pytest.raises(ConfigError) as caught:
        preset("icebreaker").derive(changes)
    (found,) = (text for text in caught.value.problems if "microcontroller" in text)
    assert found.startswith(f'{problem} control.kind = "microcontroller" (')
