"""What a VECTOR command does to the global buffer, in numpy, from the command's definition."""

import random

import numpy as np

from orris.golden.quantise import ROUNDINGS, requantise
from orris.golden.tensors import wrap
from orris_hw.commands import VECTOR, VECTOR_OPS
from orris_hw.config import AcceleratorConfig

SPACE = 1 << 20  # word addresses wrap there
HEADROOM = {8: 20, 16: 15}


def places(f):
    """(first tap's address, target address) of every place, in order."""
    for plane in range(f["planes"]):
        for row in range(f["rows"]):
            for column in range(f["columns"]):
                yield tuple(
                    f[base] + plane * f[f"{base}_plane_stride"] + row * f[f"{base}_row_stride"]
                    + column * f[f"{base}_column_stride"]
                    for base in ("source", "target")
                )  # fmt: skip


class VectorModel:
    """The vector unit of `config` on `buffer`, an array of 64-bit words."""

    def __init__(self, config: AcceleratorConfig, buffer: np.ndarray):
        self.config, self.buffer = config, buffer
        self.dtype = np.dtype(f"<i{config.data_width // 8}")
        self.held: np.ndarray | None = None  # a place that a command left unfinished
        self.read: list[int] = []
        self.written: list[int] = []

    def run(self, fields: dict[str, int]) -> None:
        """Raises IndexError at a word that the buffer does not have."""
        f = {field.name: 0 for field in VECTOR.fields} | fields
        everything = list(places(f))
        for number, (source, target) in enumerate(everything):
            taps = [
                self._load(source + r * f["source_tap_stride"] + s)
                for r in range(f["R"])
                for s in range(f["S"])
            ]
            if number == 0 and not f["first"] and self.held is not None:
                taps.insert(0, self.held)
            op = VECTOR_OPS[f["op"]]
            held = {"max": np.max, "sum": np.sum}.get(op, lambda t, axis: t[0])(np.array(taps), axis=0)
            if number == len(everything) - 1 and not f["last"]:
                self.held = held
            else:
                self._store(target, f, self._finish(op, f, held, taps[-1]))

    def _load(self, address: int) -> np.ndarray:
        word = self.buffer[address % SPACE : address % SPACE + 1]
        if not len(word):
            raise IndexError(f"word {address % SPACE}")
        self.read.append(address % SPACE)
        return word.view(self.dtype).astype(np.int64)

    def _store(self, address: int, f: dict[str, int], values: np.ndarray) -> None:
        lanes = np.roll(values.astype(self.dtype).view(np.uint8), f["rotate"])
        if address % SPACE >= len(self.buffer):
            raise IndexError(f"word {address % SPACE}")
        word = self.buffer[address % SPACE : address % SPACE + 1].view(np.uint8)
        enabled = [k for k in range(8) if f["mask"] >> k & 1]
        word[enabled] = lanes[enabled]
        self.written.append(address % SPACE)

    def _finish(self, op: str, f: dict[str, int], held: np.ndarray, last: np.ndarray) -> np.ndarray:
        if op == "add":
            total = self._operand(f, "a", held) + self._operand(f, "b", last)
        elif op == "sum":
            total = held + f["bias"]
        else:
            return np.clip(held, f["act_min"], f["act_max"])
        width = 32 if self.config.psum_width <= 32 and self.config.arithmetic == "integer" else 48
        scaled = requantise(
            wrap(total, width), f["multiplier"], f["shift"], ROUNDINGS[f["rounding"]], width
        )
        return np.clip(scaled + f["zp_out"], f["act_min"], f["act_max"])

    def _operand(self, f: dict[str, int], name: str, values: np.ndarray) -> np.ndarray:
        """The reference's two functions, step by step, on Python integers."""
        result = []
        for value in values.tolist():
            x = (value - f[f"zero_point_{name}"]) << HEADROOM[self.config.data_width]
            product = x * f[f"multiplier_{name}"]
            nudged = product + (1 << 30 if product >= 0 else 1 - (1 << 30))
            high = abs(nudged) // (1 << 31) * (1 if nudged >= 0 else -1)
            right = f[f"right_{name}"]
            mask = (1 << right) - 1
            result.append((high >> right) + ((high & mask) > (mask >> 1) + (high < 0)))
        return np.array(result, dtype=np.int64)


def random_vector(rng: random.Random, config: AcceleratorConfig, words: int) -> dict[str, int]:
    """A legal VECTOR whose sources are in the lower half of `words` words and its targets in the upper."""
    half, low, high = words // 2, -(1 << config.data_width - 1), (1 << config.data_width - 1) - 1
    op = rng.randrange(4)
    while True:
        R, S = (2, 1) if op == 2 else (rng.randint(1, 4), rng.randint(1, 4))
        f = {name: rng.randint(1, 4) for name in ("planes", "rows", "columns")} | {"R": R, "S": S}
        for base in ("source", "target"):
            for stride in ("column", "row", "plane"):
                f[f"{base}_{stride}_stride"] = rng.choice([0, 1, 2, 3, 7, SPACE - 1, SPACE - 5])
        f["source_tap_stride"] = rng.choice([1, 3, 9, SPACE - 2])
        f |= {"source": rng.randrange(half), "target": half + rng.randrange(half)}
        signed_places = list(places(f | {
            name: value - SPACE for name, value in f.items() if name.endswith("stride") and value > SPACE // 2
        }))  # fmt: skip
        tap = f["source_tap_stride"]
        tap -= SPACE if tap > SPACE // 2 else 0
        reads = [source + r * tap + s for source, _ in signed_places for r in range(R) for s in range(S)]
        writes = [target for _, target in signed_places]
        if min(reads) >= 0 and max(reads) < half and min(writes) >= half and max(writes) < words:
            break
    clamp = sorted((rng.randint(low, high), rng.randint(low, high))) if rng.random() < 0.3 else (low, high)
    wide = config.data_width == 8
    return f | {
        "op": op, "first": rng.random() < 0.8, "last": rng.random() < 0.8,
        "rotate": rng.choice([0, 0, rng.randrange(8)]), "mask": rng.choice([255, 255, rng.randrange(256)]),
        "zero_point_a": rng.randint(-128, 127) if wide else 0,
        "zero_point_b": rng.choice([-128, 127]) if wide else 0,
        "multiplier_a": rng.randrange(1 << 30, 1 << 31), "multiplier_b": rng.randrange(1 << 30, 1 << 31),
        "right_a": rng.choice([0, 1, 2, rng.randrange(32)]), "right_b": rng.choice([1, 4, rng.randrange(32)]),
        "bias": rng.randrange(-1000, 1000),
        "multiplier": rng.choice([rng.randrange(1 << 30, 1 << 31), (1 << 32) - 1]),
        "shift": rng.randint(-20, -12) if op == 2 else rng.randint(-5, 3),
        "rounding": rng.choice([1, 2]), "zp_out": rng.randint(-128, 127) if wide else 0,
        "act_min": clamp[0], "act_max": clamp[1],
    }  # fmt: skip
