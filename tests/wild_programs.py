"""Programs that no compiler would write: random bits, wild fields, real programs gone wrong.

Each is from a seed. `bound` is a number of cycles that no program takes longer for, if it moves at all: the
words, beats and multiply-accumulates that its commands name. Programs that could run for too long to be
simulated are drawn again.
"""

import random
from collections.abc import Callable

import numpy as np

from orris.compiler import compile_layer, compile_vector
from orris.golden import AddParameters, PoolParameters, random_layer_data
from orris.layers import AddLayer, ConcatLayer, ConvLayer, Padding, PoolLayer, UpsampleLayer
from orris.mapper import map_layer
from orris_hw.commands import COMMAND_BITS, END, FORMATS, SIGNAL, Field, Format
from orris_hw.config import AcceleratorConfig

COMMAND_BYTES = COMMAND_BITS // 8
OPCODES = {each.opcode: each for each in FORMATS.values()}
MOST_CYCLES = 60_000
"""Bound of a program that is worth simulating."""

Program = list[bytes]


def _layers() -> list[ConvLayer]:
    return [
        ConvLayer(name="plain", M=10, C=8, H=6, W=7, R=3, S=3, padding=Padding.all(1)),
        ConvLayer(name="strided", M=4, C=3, H=9, W=9, R=3, S=2, U=2, V=3),
        ConvLayer(name="grouped", G=2, M=6, C=5, H=5, W=5, R=2, S=3),
        ConvLayer(name="dilated", M=8, C=4, H=8, W=8, R=3, S=3, D=2, padding=Padding.all(2)),
        ConvLayer(name="dense", M=20, C=40, H=1, W=2, R=1, S=1),
    ]


def real_programs(config: AcceleratorConfig, base: int) -> list[Program]:
    """Programs of small layers of every kind, in memory from byte `base` on."""
    codes = []
    for number, layer in enumerate(_layers()):
        data = random_layer_data(layer, number)
        for wish in ({}, {"e": 1, "p": 1, "order": "windows"}):
            compiled = compile_layer(
                layer, map_layer(layer, config, **wish), config, data.weights, data.requant, base=base
            )
            codes.append(compiled.program)
    plain = PoolParameters.plain(np.int8)
    vector_layers = (
        (PoolLayer(kind="max", C=10, H=7, W=6, R=3, S=2, U=2, V=1, padding=Padding.all(1)), plain),
        (PoolLayer(kind="average", C=5, H=6, W=6), plain),
        (AddLayer(C=9, H=4, W=5), AddParameters.from_scales(np.int8, (0.1, 3), (0.2, -5), (0.3, 7))),
        (ConcatLayer(channels=(3, 9), H=3, W=5), None),
        (UpsampleLayer(C=8, H=3, W=4), None),
    )
    codes += [
        compile_vector(layer, config, parameters, base=base).program
        for layer, parameters in vector_layers
        if config.vector.lanes
    ]
    return [
        [code[at : at + COMMAND_BYTES] for at in range(0, len(code), COMMAND_BYTES)] for code in codes
    ]


def bound(program: Program) -> int:
    """Cycles that the program takes at most, but for standstill."""
    return sum(_bound(command) for command in program) + 1000


def _bound(command: bytes) -> int:
    format_ = OPCODES.get(command[0])
    if format_ is None:
        return 0
    f = format_.unpack(command)
    if format_.name in ("LOAD", "STORE"):
        return 8 * f["planes"] * (f["rows"] + 2) * (f["row_words"] + 40)
    if format_.name == "RUN":
        places = (f["full_width"] + 1) * (f["full_height"] + 1) * 64
        rows = max(f["rows"], f["last_rows"]) * max(1, f["stacks"])
        filters = f["sets"] * f["filter_words"] * rows * 8
        sums = f["positions"] * f["p"] * (f["taps"] + 32) * 4
        return f["passes"] * (places + filters + sums + 400)
    if format_.name == "VECTOR":
        loops = [f[name] + 1 for name in ("planes", "rows", "columns", "R", "S") if name in f]
        product = 1
        for count in loops:
            product *= count
        return 64 * product
    return 40


class Wild:
    """Draws programs for a configuration; addresses in memory are near [0, memory_bytes)."""

    def __init__(self, config: AcceleratorConfig, memory_bytes: int, base: int):
        self._config, self._memory = config, memory_bytes
        self._real = real_programs(config, base)
        self._seen: dict[tuple[str, str], list[int]] = {}
        for program in self._real:
            for command in program:
                format_ = OPCODES[command[0]]
                for name, value in format_.unpack(command).items():
                    self._seen.setdefault((format_.name, name), []).append(value)
        self._ways: list[Callable[[random.Random], Program]] = [
            self._bits, self._fields, self._fields, self._changed, self._changed, self._changed,
            self._shuffled, self._tokens, self._overlapping, self._bits_flipped,
        ]  # fmt: skip

    def draw(self, seed: int) -> tuple[str, Program]:
        """The program of a seed, and what kind it is."""
        rng = random.Random(seed)
        while True:
            way = rng.choice(self._ways)
            program = way(rng)
            if bound(program) <= MOST_CYCLES:
                return way.__name__.strip("_"), program

    # -- ways ----------------------------------------------------------------------------------------------
    def _bits(self, rng: random.Random) -> Program:
        """Random bits, most behind an opcode that exists."""
        return [
            bytes([rng.choice([*OPCODES, rng.randrange(256)])]) + rng.randbytes(COMMAND_BYTES - 1)
            for _ in range(rng.randint(1, 6))
        ]

    def _fields(self, rng: random.Random) -> Program:
        """Commands that exist, with fields at and beyond their limits, or as in a real program."""
        wildness = rng.choice((0.02, 0.1, 0.5))
        return [
            self._random_command(rng, rng.choice(list(FORMATS.values())), wildness)
            for _ in range(rng.randint(1, 12))
        ]

    def _changed(self, rng: random.Random) -> Program:
        """A real program with some fields changed."""
        program = list(rng.choice(self._real))
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(program))
            format_ = OPCODES[program[at][0]]
            if format_.fields:
                field = rng.choice(format_.fields)
                fields = format_.unpack(program[at]) | {field.name: self._value(rng, format_, field, 0.5)}
                program[at] = format_.pack(fields)
        return program

    def _shuffled(self, rng: random.Random) -> Program:
        """Commands of real programs left out, repeated, in another order, or of two programs mixed."""
        program = list(rng.choice(self._real))
        for _ in range(rng.randint(1, 4)):
            at, other = rng.randrange(len(program)), rng.randrange(len(program))
            match rng.randrange(4):
                case 0 if len(program) > 1:
                    del program[at]
                case 1:
                    program.insert(at, program[other])
                case 2:
                    program[at], program[other] = program[other], program[at]
                case _:
                    program[at] = rng.choice(rng.choice(self._real))
        return program

    def _tokens(self, rng: random.Random) -> Program:
        """A real program whose commands wait for and give other tokens."""
        program = list(rng.choice(self._real))
        for _ in range(rng.choice((0, 0, 1, 2))):
            tokens = {"semaphore": rng.randint(0, 8), "count": rng.choice((0, 1, 255))}
            program.insert(rng.randrange(len(program)), SIGNAL.pack(tokens))
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(program))
            format_ = OPCODES[program[at][0]]
            names = [f.name for f in format_.fields if f.name.startswith(("wait", "signal", "semaphore"))]
            names += [f.name for f in format_.fields if f.name in ("each", "count")]
            if names:
                name = rng.choice(names)
                limit = 1 if name == "each" else 255 if name == "count" else 15
                fields = format_.unpack(program[at]) | {name: rng.randint(0, limit)}
                program[at] = format_.pack(fields)
        return program

    def _overlapping(self, rng: random.Random) -> Program:
        """A real program whose areas in the buffer lie anywhere, one on top of the other."""
        program = []
        for command in rng.choice(self._real):
            format_ = OPCODES[command[0]]
            fields = format_.unpack(command)
            for name in ("buffer_address", "ifmap_base", "filter_base", "ofmap_base", "source", "target"):
                if name in fields and rng.random() < 0.5:
                    fields[name] = rng.randrange(self._config.glb_words)
            program.append(format_.pack(fields))
        return program

    def _bits_flipped(self, rng: random.Random) -> Program:
        """A real program with a few bits turned over."""
        code = bytearray(b"".join(rng.choice(self._real)))
        for _ in range(rng.randint(1, 8)):
            code[rng.randrange(len(code))] ^= 1 << rng.randrange(8)
        return [bytes(code[at : at + COMMAND_BYTES]) for at in range(0, len(code), COMMAND_BYTES)]

    # -- commands ------------------------------------------------------------------------------------------
    def _random_command(self, rng: random.Random, format_: Format, wildness: float) -> bytes:
        if format_ is END and rng.random() < 0.8:
            format_ = rng.choice(list(FORMATS.values()))
        return format_.pack({f.name: self._value(rng, format_, f, wildness) for f in format_.fields})

    def _value(self, rng: random.Random, format_: Format, field: Field, wildness: float) -> int:
        low, high = field.limits
        seen = self._seen.get((format_.name, field.name))
        if rng.random() > wildness and seen:
            return rng.choice(seen)
        if field.name == "address":
            return rng.choice((rng.randrange(0, self._memory, 8), rng.randrange(self._memory), high & ~7))
        near = rng.choice(seen) + rng.randint(-2, 2) if seen else 0
        value = rng.choice((0, 1, low, high, high - 1, rng.randint(0, 16), rng.randint(low, high), near))
        return max(low, min(high, value))
