"""Command formats: packing, limits, and that hardware sees the same fields."""

import random

import pytest

from orris_hw.commands import (
    COMMAND_BITS,
    FORMATS,
    LOAD,
    RUN,
    SEMAPHORE_MAX,
    SEMAPHORES,
    SIGNAL,
    Field,
    Format,
)
from orris_hw.gateware.command_layout import command_layout, part_layout

EACH = pytest.mark.parametrize("name", FORMATS)


def random_values(rng, format_):
    return {f.name: rng.choice((*f.limits, rng.randint(*f.limits))) for f in format_.fields}


def test_formats():
    assert {name: f.opcode for name, f in FORMATS.items()} == {
        "LOAD": 1, "STORE": 2, "RUN": 3, "SIGNAL": 4, "BARRIER": 5, "END": 6, "VECTOR": 7,
    }  # fmt: skip
    for name, format_ in FORMATS.items():
        assert format_.name == name
        assert len({field.name for field in format_.fields}) == len(format_.fields)
        assert 8 + sum(field.bits for field in format_.fields) <= COMMAND_BITS
        for field in format_.fields:
            if field.name.startswith(("wait", "signal", "semaphore")):
                assert field.limits == (0, SEMAPHORES)
    assert dict((f.name, f.limits) for f in SIGNAL.fields)["count"] == (0, SEMAPHORE_MAX)


def test_limits():
    assert Field("x", 5, "").limits == (0, 31)
    assert Field("x", 1, "").limits == (0, 1)
    assert Field("x", 8, "", signed=True).limits == (-128, 127)


@EACH
def test_round_trip(name, seed):
    rng = random.Random(seed)
    format_ = FORMATS[name]
    for _ in range(50):
        values = random_values(rng, format_)
        command = format_.pack(values)
        assert len(command) == 64
        assert format_.unpack(command) == values


@EACH
def test_bits(name, seed):
    """Fields lie side by side from bit 8 up, little-endian, two's complement, unused bits zero."""
    rng = random.Random(seed)
    format_ = FORMATS[name]
    values = random_values(rng, format_)
    text = f"{format_.opcode:08b}"
    for field in format_.fields:
        text = f"{values[field.name] % 2**field.bits:0{field.bits}b}" + text
    assert format_.pack(values) == int(text, 2).to_bytes(64, "little")


@EACH
def test_fields_default_to_zero(name):
    format_ = FORMATS[name]
    assert format_.pack({}) == format_.opcode.to_bytes(64, "little")


@EACH
def test_gateware_reads_the_same_fields(name, seed):
    rng = random.Random(seed)
    format_ = FORMATS[name]
    values = random_values(rng, format_)
    layout = command_layout(format_)
    bits = int.from_bytes(format_.pack(values), "little")
    view = layout.from_bits(bits & (1 << layout.size) - 1)
    assert view.opcode == format_.opcode
    assert {field.name: view[field.name] for field in format_.fields} == values


def test_part_layout():
    part = part_layout(RUN, "zero_point", "passes")
    assert [name for name, _ in part] == ["zero_point", "passes"]
    assert part.size == 8 + 12
    with pytest.raises(KeyError, match="'nonsense'"):
        part_layout(RUN, "nonsense")


@pytest.mark.parametrize(
    ("format_", "values", "message"),
    [
        (LOAD, {"adress": 1}, "command LOAD has no field 'adress'"),
        (SIGNAL, {"count": 256}, "SIGNAL.count = 256, but must be 0 to 255"),
        (SIGNAL, {"semaphore": -1}, "SIGNAL.semaphore = -1, but must be 0 to 15"),
        (RUN, {"zero_point": 128}, "RUN.zero_point = 128, but must be -128 to 127"),
        (RUN, {"act_min": -32769}, "RUN.act_min = -32769, but must be -32768 to 32767"),
        (RUN, {"passes": 4096}, "RUN.passes = 4096, but must be 0 to 4095"),
        (FORMATS["END"], {"index": 0}, "command END has no field 'index'"),
    ],
)
def test_messages(format_, values, message):
    with pytest.raises(ValueError) as error:
        format_.pack(values)
    assert str(error.value) == message


def test_too_many_bits():
    full = tuple(Field(f"f{i}", 8, "") for i in range(63))
    Format("FULL", 9, "", full)
    with pytest.raises(ValueError) as error:
        Format("OVER", 9, "", (*full, Field("one", 1, "")))
    assert str(error.value) == "command OVER takes 513 bits, more than 512"
