"""Executes programs as docs/design.md and the command formats define them, in numpy, without gateware.

Written from the contract, not from the compiler. The three units take turns in a random order, so that a
program that lacks a token computes wrong results; buffer words that nobody has written are garbage.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Generator

import numpy as np

from orris.golden.quantise import ROUNDINGS, requantise
from orris.golden.tensors import saturate, wrap
from orris_hw.commands import COMMAND_WORDS, END, FORMATS, QUEUE_DEPTH, SEMAPHORE_MAX, VECTOR
from orris_hw.config import AcceleratorConfig
from vector_model import VectorModel

WORD = 8
OPCODES = {f.opcode: f for f in FORMATS.values()}


class ProgramError(Exception):
    """A program that breaks a rule of the contract."""


def check(condition, message: str) -> None:
    if not condition:
        raise ProgramError(message)


class CommandModel:
    """An accelerator of `config` with `memory`, a numpy array of bytes."""

    def __init__(self, config: AcceleratorConfig, memory: np.ndarray, seed: int = 0):
        self.config, self.memory = config, memory
        self.random = random.Random(seed)
        rng = np.random.default_rng(seed)
        self.buffer = rng.integers(-(1 << 62), 1 << 62, config.glb_words, dtype=np.int64)
        entries = config.post_processing.channels
        self.parameters = rng.integers(-(1 << 62), 1 << 62, 2 * entries, dtype=np.int64)
        self.tokens = [0] * 16
        self.counts: Counter[str] = Counter()
        self.psum_words: set[int] = set()
        self.pool_words: set[int] = set()
        self.read_window = self.write_window = (0, len(memory))
        self.dtype = np.dtype(f"<i{config.data_width // 8}")
        self._vector_unit = VectorModel(config, self.buffer)
        self.ifmap_lanes = config.networks.ifmap_bits // config.data_width
        self.filter_lanes = config.networks.filter_bits // config.data_width

    # -- running -------------------------------------------------------------------------------------------
    def run(self, address: int, commands: int) -> None:
        """Execute a program; ProgramError if it breaks a rule or can not go on."""
        self.counts = Counter(commands=commands, dram_read_words=commands * COMMAND_WORDS)
        queues: dict[str, deque] = {name: deque() for name in ("LOAD", "RUN", "STORE", "VECTOR")}
        at = 0
        units = {
            "LOAD": self._unit(queues["LOAD"], self._load),
            "RUN": self._unit(queues["RUN"], self._run),
            "STORE": self._unit(queues["STORE"], self._store),
            "VECTOR": self._unit(queues["VECTOR"], self._vector),
        }
        ended = False
        idle = set(units)
        while True:
            progress = False
            while not ended and at < commands:  # the sequencer goes on until a queue is full
                raw = self.memory[address + at * 64 : address + at * 64 + 64].tobytes()
                check(raw[0] in OPCODES, f"command {at}: opcode {raw[0]}")
                form = OPCODES[raw[0]]
                fields = form.unpack(raw)
                if form is END:
                    ended = True
                elif form.name == "SIGNAL":
                    self._give(fields["semaphore"], fields["count"])
                else:
                    check(form.name in queues, f"command {at}: {form.name} in a layer")
                    if len(queues[form.name]) >= QUEUE_DEPTH:
                        break
                    if form is VECTOR and (queues["VECTOR"] or "VECTOR" not in idle):
                        break  # it has no queue
                    queues[form.name].append((at, fields))
                at += 1
                progress = True
            order = list(units)
            self.random.shuffle(order)
            before = list(self.tokens)
            for name in order:
                for _ in range(self.random.choice((1, 1, 2, 5))):
                    state = next(units[name])
                    progress |= state == "moved"
                    if state == "idle":
                        progress |= name not in idle
                        idle.add(name)
                    else:
                        idle.discard(name)
            if ended and len(idle) == len(units) and not any(queues.values()) and not progress:
                break
            progress |= self.tokens != before
            check(progress, f"deadlock at command {at} of {commands}: tokens {self.tokens}")
        check(ended and at == commands, f"the program ends at command {at} of {commands}")
        overlap = self.psum_words & self.pool_words
        check(not overlap, f"{len(overlap)} words are both psums and pool, from {min(overlap, default=0)}")

    @staticmethod
    def _unit(queue: deque, execute: Callable) -> Generator[str, None, None]:
        while True:
            if not queue:
                yield "idle"
                continue
            index, fields = queue.popleft()
            yield "moved"
            try:
                yield from execute(fields)
            except ProgramError as error:
                raise ProgramError(f"command {index}: {error}") from None
            yield "moved"  # its last token has been given

    def _give(self, semaphore: int, count: int = 1) -> None:
        if semaphore:
            self.tokens[semaphore] += count
            check(self.tokens[semaphore] <= SEMAPHORE_MAX, f"semaphore {semaphore} overflows")

    def _take(self, semaphore: int) -> Generator[str, None, None]:
        while semaphore and not self.tokens[semaphore]:
            yield "waiting"
        if semaphore:
            self.tokens[semaphore] -= 1
        yield "moved"

    # -- load and store ------------------------------------------------------------------------------------
    def _rows(self, f, plane: int) -> list[tuple[int, int]]:
        """(memory address, buffer address) of the rows of a plane."""
        place = (f["ring_start"] + plane) % f["ring"] if f.get("ring") else plane
        return [
            (
                f["address"] + plane * f["plane_stride"] + row * f["row_stride"],
                f["buffer_address"] + place * f["buffer_plane_stride"] + row * f["buffer_row_stride"],
            )
            for row in range(f["rows"])
        ]

    def _pool(self, address: int, words: int = 1) -> range:
        check(0 <= address and address + words <= len(self.buffer), f"buffer word {address + words - 1}")
        touched = range(address, address + words)
        self.pool_words.update(touched)
        return touched

    def _memory(self, address: int, words: int, window: tuple[int, int], verb: str) -> np.ndarray:
        end = address + words * WORD
        check(address % 8 == 0 and window[0] <= address and end <= window[1], f"{verb} {address}")
        return self.memory[address:end].view("<i8")

    def _load(self, f) -> Generator[str, None, None]:
        words, parameters = f["row_words"], f["parameters"]
        check(words and f["rows"] and f["planes"], "an empty LOAD")
        check(not parameters or (f["rows"] == f["planes"] == 1), "parameters take single rows")
        if not f["each"]:
            yield from self._take(f["wait"])
        for plane in range(f["planes"]):
            if f["each"]:
                yield from self._take(f["wait"])
            for address, to in self._rows(f, plane):
                data = self._memory(address, words, self.read_window, "reads")
                if parameters:
                    check(to + words <= len(self.parameters), f"parameter word {to + words - 1}")
                    self.parameters[to : to + words] = data
                else:
                    self._pool(to, words)
                    self.buffer[to : to + words] = data
                    self.counts["glb_load_write"] += words
                self.counts["dram_read_words"] += words
            yield "moved"
            if f["each"]:
                self._give(f["signal"])
        if not f["each"]:
            self._give(f["signal"])

    def _store(self, f) -> Generator[str, None, None]:
        words = f["row_words"]
        check(words and f["rows"] and f["planes"], "an empty STORE")
        yield from self._take(f["wait"])
        for plane in range(f["planes"]):
            for address, source in self._rows(f, plane):
                self._pool(source, words)
                target = self._memory(address, words, self.write_window, "writes")
                target[:] = self.buffer[source : source + words]
                self.counts["glb_ofmap_read"] += words
                self.counts["dram_write_words"] += words
            yield "moved"
        self._give(f["signal"])

    # -- vector --------------------------------------------------------------------------------------------
    def _vector(self, f) -> Generator[str, None, None]:
        for name in ("a", "b", "out"):
            yield from self._take(f[f"wait_{name}"])
        unit = self._vector_unit
        reads, writes = len(unit.read), len(unit.written)
        try:
            unit.run(f)
        except IndexError as error:
            raise ProgramError(str(error)) from None
        yield "moved"
        self.counts["glb_vector_read"] += len(unit.read) - reads
        self.counts["glb_vector_write"] += len(unit.written) - writes
        self.pool_words.update(unit.read[reads:], unit.written[writes:])
        for name in ("a", "b", "out"):
            self._give(f[f"signal_{name}"])

    # -- run -----------------------------------------------------------------------------------------------
    def _check_run(self, f) -> None:
        config, pads = self.config, self.config.scratchpads
        pixels = config.block // f["pixel_lanes"]
        check(1 <= f["passes"] and 1 <= f["rows"] <= config.array.rows, "rows")
        check(1 <= f["last_rows"] <= config.array.rows and f["e"] >= 1 and f["sets"] >= 1, "rows, e, sets")
        check(f["e"] * f["sets"] <= config.array.columns, "e sets exceeds the columns")
        check(f["p"] <= pads.psum and f["taps"] <= pads.ifmap, "psum, ifmap scratchpad")
        check(f["p"] * f["taps"] <= pads.filter, "filter scratchpad")
        check(pixels == 1 or f["taps"] + (pixels - 1) * f["q"] <= pads.ifmap, "room for a word's pixels")
        check(f["sets"] * f["p"] <= config.post_processing.channels, "channels")
        check(f["filter_words"] == -(-f["p"] * f["taps"] // config.block), "filter_words")
        lanes = config.networks.ifmap_bits // config.data_width
        check(lanes >= f["q"] or f["q"] % lanes == 0, "q and the ifmap network")
        check(f["full_height"] >= (f["e"] - 1) * f["stride"] + f["R"], "full_height")
        check(f["pad_top"] + f["height"] <= f["full_height"], "height")
        check(f["pad_left"] + f["width"] <= f["full_width"], "width")
        check(f["kept"] <= f["period"] and (f["period"] == 1 or pixels == 1), "period")
        check(f["filter_start"] < f["filter_slots"], "filter_start")
        if f["stacks"] or f["split"]:
            stacks, apart = f["stacks"] + 1, f["split"] * (f["stacks"] + 1)
            check(f["rows"] == f["last_rows"] == stacks * f["R"] and f["passes"] == 1, "stacked rows")
            last = f["first_lane"] % lanes + f["stacks"] + (f["sets"] - 1) * apart
            check(f["q"] == 1 and last < min(lanes, f["pixel_lanes"]), "lanes of stacked sets")
            pairs = -(-f["sets"] // config.networks.x_lanes)
            check(pairs == 1 or -(-f["full_height"] // f["stride"]) <= 16, "diagonals of a pair of sets")
        q, group_lanes = f["q"], f["group_lanes"]
        check(group_lanes in (q, f["pixel_lanes"]) and f["first_lane"] + q <= f["pixel_lanes"], "lanes")
        check(f["pixel_lanes"] & (f["pixel_lanes"] - 1) == 0, "pixel_lanes")

    def _columns(self, f) -> np.ndarray:
        """Padded columns that are sent."""
        columns = np.arange(f["full_width"])
        return columns[columns % f["period"] < f["kept"]] if f["period"] > 1 else columns

    def _block(self, f, block: int) -> np.ndarray:
        """Operands (pixel_lanes, full_height, columns sent) of a channel block."""
        pixels = self.config.block // f["pixel_lanes"]
        columns = self._columns(f)
        stored = columns - f["pad_left"]
        inside = (stored >= 0) & (stored < f["width"])
        at = stored[inside] + f["first_pixel"]
        result = np.zeros((f["pixel_lanes"], f["full_height"], len(columns)), np.int64)
        words = np.unique(at // pixels)
        if not len(words):
            return result
        for row in range(f["height"]):
            if (row + f["pad_top"]) % f["stride"] >= f["R"]:
                continue  # no filter sees it
            base = f["ifmap_base"] + block * f["ifmap_block_stride"] + row * f["ifmap_row_stride"]
            self._pool(base + int(words[0]))
            self._pool(base + int(words[-1]))
            values = self.buffer[base + at // pixels].view(self.dtype).reshape(-1, pixels, f["pixel_lanes"])
            result[:, f["pad_top"] + row, inside] = (
                values[np.arange(len(at)), at % pixels].T.astype(np.int64) - f["zero_point"]
            )
            self.counts["glb_ifmap_read"] += len(words)
        return result

    def _slot(self, f, k: int, rows: int) -> np.ndarray:
        """Weights (sets, rows, taps, p) of a pass."""
        slot = (f["filter_start"] + k) % f["filter_slots"]
        words = f["sets"] * f["filter_words"] * rows
        base = f["filter_base"] + slot * f["filter_stride"]
        self._pool(base, words)
        self.counts["glb_filter_read"] += words
        values = self.buffer[base : base + words].view(self.dtype)
        lists = values.reshape(f["sets"], f["filter_words"], rows, -1).transpose(0, 2, 1, 3)
        lists = lists.reshape(f["sets"], rows, -1)[:, :, : f["taps"] * f["p"]]
        return lists.reshape(f["sets"], rows, f["taps"], f["p"]).astype(np.int64)

    def _run(self, f) -> Generator[str, None, None]:
        self._check_run(f)
        e, sets, positions, p = f["e"], f["sets"], f["positions"], f["p"]
        columns = self._columns(f)
        check(len(columns) * f["q"] >= (positions - 1) * f["step"] + f["taps"], "full_width")
        starts = np.arange(positions)[:, None] * f["step"] + np.arange(f["taps"])
        yield from self._take(f["wait_ifmap"])
        psums = np.zeros(0)
        for k in range(f["passes"]):
            last_pass = k == f["passes"] - 1
            rows = f["last_rows"] if last_pass else f["rows"]
            yield from self._take(f["wait_filter"])
            weights = self._slot(f, k, rows)
            if not (last_pass and f["last"]):
                yield "moved"
            blocks: dict[int, np.ndarray] = {}
            # Stacked sets of rows have psums of their own, which leave a column from the top set down.
            stacks = f["stacks"] + 1
            joined = np.zeros((sets, e, positions, p, stacks), np.int64)
            for i in range(rows - 1, -1, -1):
                logical = k * f["rows"] + i
                group, r = divmod(logical, f["R"])
                lane = f["first_lane"] + group * f["group_lanes"]
                block, lane = divmod(lane, f["pixel_lanes"])
                if block not in blocks:
                    blocks[block] = self._block(f, block)
                stack = group if f["stacks"] else 0
                for s in range(sets):
                    first = lane + f["split"] * s * stacks
                    rows_of_r = slice(r, r + (e - 1) * f["stride"] + 1, f["stride"])
                    ifmap = blocks[block][first : first + f["q"], rows_of_r]
                    stream = ifmap.transpose(1, 2, 0).reshape(e, -1)  # x-major, channel minor
                    own = self._row(stream[:, starts], weights[s : s + 1, i], f["shift"])
                    joined[s, ..., stack] = self._limit(own[0] + joined[s, ..., stack])
                    self._count_row(f, stream, below=f["stacks"] - stack)
            sent = sum(row % f["stride"] < f["R"] for row in range(f["full_height"])) * len(columns)
            beats = max(1, f["pixel_lanes"] // self.ifmap_lanes)
            self.counts["net_ifmap_beats"] += sent * len(blocks) * beats
            self._give(f["signal_filter"])
            yield "moved"
            joined = joined.reshape(sets, e, positions, p * stacks)
            leaving = f | {"p": p * stacks}
            psums = joined if k == 0 and f["first"] else self._limit(self._read_psums(leaving) + joined)
            if not (last_pass and f["last"]):
                self._write_psums(leaving, psums)
        self._give(f["signal_ifmap"])
        if f["last"]:
            yield from self._take(f["wait_ofmap"])
            self._post_process(f | {"p": p * (f["stacks"] + 1)}, psums)
            yield "moved"
            self._give(f["signal_ofmap"])

    def _row(self, taps: np.ndarray, weights: np.ndarray, shift: int) -> np.ndarray:
        """One PE row: taps (e, positions, taps), weights (sets, taps, p) to psums (sets, e, positions, p)."""
        if self.config.arithmetic == "integer":
            return np.einsum("efj,sjm->sefm", taps, weights)
        psum = np.zeros((weights.shape[0], *taps.shape[:2], weights.shape[2]), np.int64)
        for j in range(taps.shape[2]):
            psum = self._limit(psum + (taps[None, :, :, j, None] * weights[:, None, None, j] >> shift))
        return psum

    def _limit(self, psums: np.ndarray) -> np.ndarray:
        width = self.config.psum_width
        return wrap(psums, width) if self.config.arithmetic == "integer" else saturate(psums, width)

    def _count_row(self, f, stream: np.ndarray, below: int) -> None:
        """The PEs of one row and filter set; `below` are the stacked sets whose psums it passes on."""
        pes, filters = f["e"], f["p"] * f["taps"]
        self.counts["macs"] += pes * filters * f["positions"]
        self.counts["net_filter_beats"] += -(-filters // self.filter_lanes)
        self.counts["spad_filter_write"] += pes * filters
        self.counts["spad_ifmap_write"] += stream.size
        self.counts["spad_ifmap_read"] += pes * f["taps"] * f["positions"]
        self.counts["net_psum_values"] += pes * f["p"] * f["positions"] * (1 + below)

    # -- psums ---------------------------------------------------------------------------------------------
    def _psum_slots(self, f, column: int) -> np.ndarray:
        """Bank words of a column as an array of slots."""
        per_word = self.config.psums_per_word
        count = f["positions"] * f["p"]
        depth = self.config.global_buffer.depth
        check(count <= depth * per_word, "psums exceed the bank")
        base = column * depth
        self.psum_words.update(range(base, base - (-count // per_word)))
        return self.buffer[base : base + depth].view(f"<i{8 // per_word}")[:count]

    def _read_psums(self, f) -> np.ndarray:
        slots = [self._psum_slots(f, j).astype(np.int64) for j in range(f["e"] * f["sets"])]
        self.counts["glb_psum_read"] += sum(map(len, slots))
        return np.stack(slots).reshape(f["sets"], f["e"], f["positions"], f["p"])

    def _write_psums(self, f, psums: np.ndarray) -> None:
        for j, column in enumerate(psums.reshape(f["sets"] * f["e"], -1)):
            self._psum_slots(f, j)[:] = column
            self.counts["glb_psum_write"] += len(column)

    # -- post-processing -----------------------------------------------------------------------------------
    def _post_process(self, f, psums: np.ndarray) -> None:
        config, block = self.config, self.config.block
        first, count = 2 * f["parameter_base"], 2 * f["sets"] * f["p"]
        check(first + count <= len(self.parameters), "parameters")
        entries = self.parameters[first : first + count].reshape(-1, 2)
        bias = wrap(entries[:, 0], 48)
        shift = wrap(entries[:, 0] >> 48, 8)
        shape = (f["sets"], 1, 1, f["p"])
        exact = config.arithmetic == "fixed_point" or config.psum_width > 32
        width = 48 if exact else 32
        sums = wrap(psums + bias.reshape(shape), width)
        rounding = ROUNDINGS[f["rounding"]]
        scaled = requantise(sums, entries[:, 1].reshape(shape), shift.reshape(shape), rounding, width)
        values = np.clip(scaled + f["zp_out"], f["act_min"], f["act_max"]).astype(self.dtype)
        rows, positions = np.arange(f["e"])[:, None], np.arange(f["positions"])
        check(f["ofmap_lane"] < block, "ofmap_lane")
        lanes = self.buffer.view(self.dtype).reshape(-1, block)
        for s in range(f["sets"]):
            for m in range(f["p"]):
                offset, lane = divmod(f["ofmap_lane"] + s * f["p"] + m, block)
                at = f["ofmap_base"] + offset * f["ofmap_block_stride"]
                address = at + rows * f["ofmap_row_stride"] + positions
                for row in address:
                    self._pool(int(row[0]), len(row))
                lanes[address, lane] = values[s, :, :, m]
            self.counts["glb_ofmap_write"] += f["p"] * f["e"] * f["positions"]
