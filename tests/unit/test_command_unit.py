"""CommandUnit: fetching, order, checks, barriers and back-pressure, against the program read in Python."""

import random
from collections import deque

import pytest

from orris_hw.commands import BARRIER, END, FORMATS, LOAD, QUEUE_DEPTH, RUN, SIGNAL, STORE, VECTOR, VECTOR_OPS
from orris_hw.config import preset
from orris_hw.gateware.command_unit import CommandUnit
from orris_hw.gateware.read_dma import Destination
from orris_hw.register_map import ErrorCode
from run_model import random_run
from stream_bench import Bench

BASE = 0x12340
TINY = preset("tiny")
STORED = TINY.derive({"control": {"commands": "block_ram"}})
PORTS = {"LOAD": "load", "RUN": "run", "STORE": "store", "VECTOR": "vector"}


def good_run(rng, config=TINY):
    """The fields of a legal RUN, those of post-processing included."""
    run = random_run(rng, config)
    channels = run.p * run.sets
    spare = config.post_processing.channels - channels
    if spare < 0 and run.last:
        return good_run(rng, config)
    return run.fields() | {
        "parameter_base": rng.randint(0, max(0, spare)), "ofmap_lane": rng.randrange(config.block),
        "zp_out": rng.randint(-128, 127), "rounding": rng.randrange(3), "shift": rng.randrange(32),
    }  # fmt: skip


def random_fields(rng, format_):
    fields = {field.name: rng.randint(*field.limits) for field in format_.fields}
    for name in ("planes", "rows", "row_words", "columns", "R", "S"):
        if name in fields:
            fields[name] = max(1, fields[name])
    if format_ is VECTOR and fields["op"] == VECTOR_OPS.index("add"):
        fields |= {"R": 2, "S": 1}
    if "ring" in fields:
        fields["ring_start"] = rng.randrange(fields["ring"]) if fields["ring"] else fields["ring_start"]
    return fields


class Machine:
    """A command unit, the memory that holds its program, and the units that it feeds.

    `busy(cycle)` tells whether a unit is still at work. Handed out commands go to `got[name]` as (cycle,
    index, fields); the program's end to `ends`.
    """

    def __init__(self, program, seed, config=TINY, accept=None, busy=lambda cycle: False, **options):
        self.dut = dut = CommandUnit(config)
        self.bench = bench = Bench(dut, seed, **options)
        content = b"".join(program)
        self.words = [int.from_bytes(content[i : i + 8], "little") for i in range(0, len(content), 8)]
        self.count = len(program)
        accept = accept or {}
        self.got = {
            name: bench.sink(getattr(dut, port), ready=accept.get(name, lambda: True))
            for name, port in PORTS.items()
            if port in dut.signature.members
        }
        self.gifts = bench.gifts(dut.signal)
        self.decoded, self.ends, self.idle_seen, self.fetched = [], [], [], 0
        self.cleared = []
        self._rng = random.Random(f"{seed} memory")
        self._asked = bench.sink(dut.fetch)
        bench.background(self._start)
        bench.background(self._memory)
        bench.background(self._watch(busy))

    async def _start(self, ctx):
        await ctx.tick().repeat(3)
        ctx.set(self.dut.address, BASE)
        ctx.set(self.dut.count, self.count)
        ctx.set(self.dut.start, 1)
        await ctx.tick()
        for port in (self.dut.start, self.dut.address):
            ctx.set(port, 0)

    async def _memory(self, ctx):
        answered, pending = 0, deque()
        pause = self._rng.choice((0.0, 0.3, 0.8))
        while True:
            for _, transfer in self._asked[answered:]:
                assert (transfer["rows"], transfer["dest"]) == (1, Destination.COMMANDS)
                assert transfer["addr"] == BASE + 8 * (self.fetched + len(pending))
                first = self.fetched + len(pending)
                assert transfer["row_words"] > 0 and first + transfer["row_words"] <= len(self.words)
                pending.extend(self.words[first : first + transfer["row_words"]])
                answered += 1
            send = bool(pending) and self._rng.random() >= pause
            ctx.set(self.dut.words.valid, send)
            if send:
                ctx.set(self.dut.words.payload, pending[0])
                assert ctx.get(self.dut.words.ready), "there is room for what was asked for"
            await ctx.tick()
            if send:
                pending.popleft()
                self.fetched += 1

    def _watch(self, busy):
        async def watch(ctx):
            dut = self.dut
            while True:
                idle = not busy(self.bench.cycle)
                ctx.set(dut.units_idle, idle)
                _, _, decoded, finished, error, code, index, clear = await ctx.tick().sample(
                    dut.decoded, dut.finished, dut.error, dut.error_code, dut.index, dut.clear_tokens
                )
                if clear:
                    self.cleared.append(self.bench.cycle)
                if idle:
                    self.idle_seen.append(self.bench.cycle)
                if decoded:
                    self.decoded.append((self.bench.cycle, index))
                if finished:
                    self.ends.append(("finished", self.bench.cycle))
                if error:
                    self.ends.append((ErrorCode(code), index))

        return watch

    def run(self, done=None, **options):
        self.bench.run(done or (lambda: bool(self.ends)), **options)
        return self

    def handed_out(self):
        """All that left, by kind, as (index, fields)."""
        result = {}
        for name, port in self.got.items():
            fields = [(c["index"], {k: v for k, v in c["command"].items() if k != "opcode"}) for _, c in port]
            result[name] = fields
        return result


def split(program):
    """(index, fields) of each kind in order of the program."""
    result = {name: [] for name in FORMATS}
    for index, (format_, fields) in enumerate(program):
        full = dict.fromkeys((field.name for field in format_.fields), 0) | fields
        result[format_.name].append((index, full))
    return result


def packed(program):
    return [format_.pack(fields) for format_, fields in program]


def random_program(rng, length, config=TINY, kinds=(LOAD, LOAD, STORE, RUN, VECTOR, SIGNAL, BARRIER)):
    program = []
    for _ in range(length):
        format_ = rng.choice(kinds)
        program.append((format_, good_run(rng, config) if format_ is RUN else random_fields(rng, format_)))
    return program


@pytest.mark.parametrize("config", (TINY, STORED), ids=("lut_ram", "block_ram"))
@pytest.mark.parametrize("case", range(6))
def test_random_programs(case, config, seed):
    rng = random.Random(seed)
    program = random_program(rng, rng.randint(1, 40))
    if case % 2:  # END is not the last command: what follows is never seen
        tail = random_program(rng, rng.randint(0, 9))
    else:
        tail = None
    commands = program + ([(END, {}), *tail] if tail is not None else [])
    machine = Machine(packed(commands), seed, config, busy=lambda cycle: cycle // 50 % 3 == 1).run()

    expected = split(program)
    got = machine.handed_out()
    assert got == {name: expected[name] for name in PORTS}
    tokens = [f["semaphore"] for _, f in expected["SIGNAL"] for _ in range(f["count"])]
    assert [semaphore for _, semaphore in machine.gifts] == tokens
    counted = len(program) + (tail is not None)  # END counts, what follows it does not
    assert [index for _, index in machine.decoded] == list(range(counted))
    assert {end for end, _ in machine.ends} == {"finished"}
    # A command is handed out after it was decoded; one behind a barrier when all was idle in between.
    decoded = {index: cycle for cycle, index in machine.decoded}
    handed = {c["index"]: cycle for port in machine.got.values() for cycle, c in port}
    for index, (format_, _) in enumerate(program):
        if format_ is BARRIER:
            assert all(handed[i] < decoded[index] for i in handed if i < index)
            assert all(handed[i] > decoded[index] for i in handed if i > index)
            assert decoded[index] in machine.idle_seen
    first_end = machine.ends[0][1]
    assert first_end in machine.idle_seen and all(cycle < first_end for cycle in handed.values())


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 17, 33])
def test_fetches_the_program_once(count, seed):
    program = [(SIGNAL, {"semaphore": i % 16, "count": i}) for i in range(count)]
    machine = Machine(packed(program), seed).run()
    assert machine.fetched == 8 * count
    assert [semaphore for _, semaphore in machine.gifts] == [i % 16 for i in range(count) for _ in range(i)]
    assert machine.ends[0][0] == "finished"


def test_fetch_stops_when_the_buffer_is_full(seed):
    """A barrier that does not end: commands behind it are asked for only as far as there is room."""
    program = [(BARRIER, {})] * 60
    machine = Machine(packed(program), seed, busy=lambda cycle: cycle < 1000, stalls=(0.0,))
    machine.run(done=lambda: machine.bench.cycle == 900)
    assert 8 * 12 < machine.fetched <= 8 * 17 and not machine.decoded
    machine = Machine(packed(program), seed, busy=lambda cycle: cycle < 1000).run()
    assert len(machine.decoded) == 60


@pytest.mark.parametrize("config", (TINY, STORED), ids=("lut_ram", "block_ram"))
@pytest.mark.parametrize("held", ["LOAD", "RUN", "STORE"])
def test_queues_take_in_while_a_unit_is_busy(held, config, seed):
    """`QUEUE_DEPTH` commands of one kind wait without holding up the others; one more does."""
    rng = random.Random(seed)
    kind = FORMATS[held]
    other = STORE if kind is LOAD else LOAD

    def fields():
        return good_run(rng) if kind is RUN else random_fields(rng, kind)

    for ahead, passes in ((QUEUE_DEPTH, True), (QUEUE_DEPTH + 1, False)):
        program = [(kind, fields()) for _ in range(ahead)] + [(other, random_fields(rng, other))]
        machine = Machine(packed(program), seed, config, accept={held: lambda: False})
        machine.run(done=lambda machine=machine: machine.bench.cycle == 900)
        got = machine.handed_out()
        assert got[held] == [] and len(got[other.name]) == passes and not machine.ends


def test_a_command_that_has_no_room_overwrites_none(seed):
    """All units take a command at once: the last kind's is still to be read as more of its kind come."""
    rng = random.Random(seed)
    kinds = [kind for kind in (LOAD, RUN, STORE) for _ in range(QUEUE_DEPTH)] + [STORE] * 3
    program = [(kind, good_run(rng) if kind is RUN else random_fields(rng, kind)) for kind in kinds]
    start, turn = 600, 100  # cycles until all wait, and from one command to the next

    def takes():
        return machine.bench.cycle >= start and machine.bench.cycle % turn == 0

    machine = Machine(packed(program), seed, STORED, accept=dict.fromkeys(PORTS, takes), stalls=(0.0,))
    got = machine.run(limit=4000).handed_out()
    assert got == {name: split(program)[name] for name in PORTS}


@pytest.mark.parametrize("opcode", [0, 8, 9, 19, 128, 131, 255])
def test_unknown_opcode(opcode, seed):
    rng = random.Random(seed)
    program = random_program(rng, 5, kinds=(LOAD, STORE, SIGNAL))
    bad = bytes([opcode]) + rng.randbytes(63)
    machine = Machine([*packed(program), bad, *packed(program)], seed).run(quiet=300)
    assert set(machine.ends) == {(ErrorCode.BAD_OPCODE, 5)}
    assert machine.handed_out() == {name: split(program)[name] for name in PORTS}


@pytest.mark.parametrize("name", ["tiny", "eyeriss-v1", "orris-168"])
def test_legal_runs_pass(name, seed):
    rng = random.Random(seed)
    config = preset(name)
    program = random_program(rng, 30, config, kinds=(RUN,))
    machine = Machine(packed(program), seed, config).run()
    assert {end for end, _ in machine.ends} == {"finished"}
    assert machine.handed_out()["RUN"] == split(program)["RUN"]


def break_run(run, rng, config):
    """Every way to break a limit, by name: the fields to change."""
    spads, array, channels = config.scratchpads, config.array, config.post_processing.channels
    lanes = [n for n in range(16) if n not in (1, 2, 4, 8) or n > config.block]
    weights = run["p"] * run["taps"]
    zeros = (
        "passes", "rows", "last_rows", "e", "sets", "p", "taps", "step", "positions", "filter_words",
        "filter_slots", "R", "q", "stride", "full_width", "full_height", "period", "kept",
    )  # fmt: skip
    ways = {f"{name} = 0": {name: 0} for name in zeros} | {
        "rows": {"rows": array.rows + 1}, "last_rows": {"last_rows": array.rows + 1},
        "columns": {"e": array.columns // run["sets"] + 1}, "sets": {"sets": array.columns // run["e"] + 1},
        "many sets": {"e": 31, "sets": 31},
        "p": {"p": (p := spads.psum + 1), "taps": 1, "step": 1, "filter_words": -(-p // config.block)},
        "taps": {"taps": spads.ifmap + 1, "p": 1, "filter_words": -(-(spads.ifmap + 1) // config.block)},
        "step": {"step": run["taps"] + 1},
        "words short": {"filter_words": -(-weights // config.block) - 1},
        "words long": {"filter_words": -(-weights // config.block) + 1},
        "filter_start": {"filter_start": run["filter_slots"]},
        "group_lanes < q": {"group_lanes": run["q"] - 1},
        "group_lanes": {"group_lanes": run["pixel_lanes"] + 1},
        "first_lane": {"first_lane": run["pixel_lanes"]},
        "pixel_lanes": {"pixel_lanes": rng.choice(lanes), "q": 1, "group_lanes": 1, "first_lane": 0},
        "parameters": {"last": 1, "parameter_base": channels - run["p"] * run["sets"] + 1},
    }  # fmt: skip
    if spads.psum * spads.ifmap > spads.filter:
        taps = spads.ifmap
        p = spads.filter // taps + 1
        ways["weights"] = {"p": p, "taps": taps, "filter_words": -(-p * taps // config.block)}
    if config.block < 8:
        ways["ofmap_lane"] = {"ofmap_lane": config.block}
    return ways


WAYS = sorted(break_run(good_run(random.Random(1)), random.Random(1), TINY))


@pytest.mark.parametrize("way", [*WAYS, "ofmap_lane"])
def test_broken_limits(way, seed):
    rng = random.Random(seed)
    config = preset("eyeriss-v1") if way == "ofmap_lane" else TINY
    ahead = random_program(rng, rng.randint(0, 3), config, kinds=(RUN, STORE))
    fields = good_run(rng, config)
    broken = fields | break_run(fields, rng, config)[way]
    limits = {field.name: field.limits for field in RUN.fields}
    for name, value in broken.items():
        assert limits[name][0] <= value <= limits[name][1], name
    program = [*ahead, (RUN, broken), *ahead]
    machine = Machine(packed(program), seed, config).run(quiet=200)
    assert set(machine.ends) == {(ErrorCode.BAD_FIELD, len(ahead))}
    assert machine.handed_out() == {name: split(ahead)[name] for name in PORTS}


@pytest.mark.parametrize(
    ("format_", "change"),
    [
        (LOAD, {"planes": 0}), (STORE, {"planes": 0}), (LOAD, {"ring": 3, "ring_start": 3}),
        (LOAD, {"ring": 1, "ring_start": 255}),
        *((VECTOR, {name: 0}) for name in ("planes", "rows", "columns", "R", "S")),
        (VECTOR, {"op": 2, "R": 1, "S": 1}), (VECTOR, {"op": 2, "R": 2, "S": 2}),
        (VECTOR, {"op": 2, "R": 3, "S": 1}),
    ],
)  # fmt: skip
def test_commands_without_an_end(format_, change, seed):
    """No planes would be 65536 of them and more; a ring entered beyond its end would never start again."""
    rng = random.Random(seed)
    ahead = random_program(rng, 2, kinds=(LOAD, STORE))
    program = [*ahead, (format_, random_fields(rng, format_) | change), *ahead]
    machine = Machine(packed(program), seed).run(quiet=200)
    assert set(machine.ends) == {(ErrorCode.BAD_FIELD, 2)}
    assert machine.handed_out() == {name: split(ahead)[name] for name in PORTS}


def test_vector_commands_are_not_queued(seed):
    """One goes to the unit; while it is there, the next one and all behind it wait."""
    rng = random.Random(seed)
    program = [(kind, random_fields(rng, kind)) for kind in (VECTOR, LOAD, VECTOR, STORE)]
    machine = Machine(packed(program), seed, accept={"VECTOR": lambda: len(machine.got["VECTOR"]) < 1})
    machine.run(done=lambda: machine.bench.cycle == 900)
    assert {name: len(port) for name, port in machine.got.items()} == {
        "LOAD": 1, "RUN": 0, "STORE": 0, "VECTOR": 1,
    }  # fmt: skip


def test_without_a_vector_unit_its_opcode_is_unknown(seed):
    program = [(SIGNAL, {"semaphore": 1}), (VECTOR, random_fields(random.Random(seed), VECTOR))]
    config = TINY.derive({"vector": {"lanes": 0}})
    dut = CommandUnit(config)
    assert "vector" not in dut.signature.members
    machine = Machine(packed(program), seed, config).run(quiet=100)
    assert set(machine.ends) == {(ErrorCode.BAD_OPCODE, 1)}


@pytest.mark.parametrize("count", (0, 1, 11, 12, 255))
def test_tokens_come_one_a_cycle(count, seed):
    """From the cycle in which the command is handed out; the next command comes behind the last of them."""
    program = [(SIGNAL, {"semaphore": 5, "count": count}), (SIGNAL, {"semaphore": 6, "count": 1}), (END, {})]
    machine = Machine(packed(program), seed, stalls=(0.0,)).run()
    decoded = dict((index, cycle) for cycle, index in machine.decoded)
    given = [(decoded[0] + k, 5) for k in range(count)]
    assert machine.gifts == [*given, (decoded[1], 6)]
    assert decoded[1] - decoded[0] >= max(11, count + 1)
    assert decoded[1] - decoded[0] == count + 1 or count < 20  # while the next command is collected


def test_a_barrier_clears_the_tokens(seed):
    """Once per barrier, behind whatever the commands before it give, ahead of the next command."""
    gift = SIGNAL, {"semaphore": 1}
    program = [gift, (BARRIER, {}), gift, (BARRIER, {}), (END, {})]
    machine = Machine(packed(program), seed, stalls=(0.0,)).run()
    decoded = dict((index, cycle) for cycle, index in machine.decoded)
    assert machine.cleared == [decoded[1] + 2, decoded[3] + 2]
    assert decoded[2] > decoded[1] + 4
