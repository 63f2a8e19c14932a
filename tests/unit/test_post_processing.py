"""PostProcessing against a plain model of the buffer's bytes: layout, order, stalls, throughput, events."""

import random

import pytest
from amaranth.sim import Simulator

from orris_hw.config.model import AcceleratorConfig
from orris_hw.gateware.finished_sums import sum_queues
from orris_hw.gateware.post_processing import PostProcessing

CANARY = 0xA5
SINGLE, DOUBLE = 1, 2


def make_config(columns, lanes, data_width=8, psum_width=32, channels=64, arithmetic="integer"):
    return AcceleratorConfig(
        name="test", array=dict(rows=1, columns=columns), data_width=data_width, psum_width=psum_width,
        arithmetic=arithmetic, scratchpads=dict(filter=64, ifmap=4, psum=64),
        global_buffer=dict(banks=16, depth=16), networks=dict(psum_bits=64),
        post_processing=dict(lanes=lanes, channels=channels),
    )


def requantise(config, psum, bias, multiplier, shift, job):
    acc = psum + bias
    if job["rounding"] == SINGLE:
        acc = (acc * multiplier + (1 << (30 - shift))) >> (31 - shift)
    elif job["rounding"] == DOUBLE:
        acc = ((acc << max(shift, 0)) * multiplier + (1 << 30)) >> 31
        step = 1 << max(-shift, 0)
        acc = (abs(acc) + step // 2) // step * (1 if acc >= 0 else -1)
    return min(max(acc + job["zp_out"], job["act_min"]), job["act_max"])


def make_parameters(rng, channels):
    return [
        (rng.randrange(-500, 500), rng.randrange(1 << 30, 1 << 31), rng.randrange(-9, -4))
        if rng.random() < 0.9 else (rng.randrange(-500, 500), 0, 0)
        for _ in range(channels)
    ]


def make_job(rng, config, base, e, sets, p, positions, rounding):
    """A job whose ofmap lies in rows and planes a little apart, and the first word after it."""
    limit = 1 << config.data_width - 1
    low, high = sorted((rng.randrange(-limit, limit), rng.randrange(-limit, limit)))
    low, high = rng.choice([(low, high), (-limit, limit - 1)])
    channels = sets * p
    row = positions + rng.randrange(3)
    plane = e * row + rng.randrange(3)
    job = dict(
        out_base=base + rng.randrange(1, 4), out_stride_row=row, out_stride_block=plane,
        param_base=rng.randrange(config.post_processing.channels - channels + 1),
        e=e, sets=sets, p=p, last_position=positions - 1, zp_out=rng.randrange(-9, 9),
        act_min=low, act_max=high, rounding=rounding,
    )
    return job, job["out_base"] + -(-channels // config.block) * plane


def random_jobs(rng, config, count):
    jobs, base = [], 0
    channels = config.post_processing.channels
    for _ in range(count):
        e = rng.randint(1, config.array.columns)
        sets = rng.randint(1, config.array.columns // e)
        most = min(64, channels // sets)
        p = rng.choice([1, rng.randint(1, most), rng.randint(1, min(9, most))])
        positions = rng.randint(1, 1 + 60 // (e * sets * p))
        job, base = make_job(rng, config, base, e, sets, p, positions, rng.randrange(3))
        jobs.append(job)
    return jobs, base + 4


def golden(config, jobs, psums, parameters, words):
    """The buffer's bytes after all jobs; which job wrote each, from 1, or 0; each lane's order of columns."""
    size = config.data_width // 8
    content, owner = bytearray([CANARY] * 8 * words), bytearray(8 * words)
    taken = [0] * config.array.columns
    lanes = config.post_processing.lanes
    order = [[] for _ in range(lanes)]
    for number, job in enumerate(jobs, start=1):
        for position in range(job["last_position"] + 1):
            for column in range(job["e"] * job["sets"]):
                filter_set, row = divmod(column, job["e"])
                for m in range(job["p"]):
                    order[column % lanes].append(column)
                    channel = filter_set * job["p"] + m
                    psum = psums[column][taken[column]]
                    taken[column] += 1
                    y = requantise(config, psum, *parameters[job["param_base"] + channel], job)
                    block, lane = divmod(channel, config.block)
                    word = (
                        job["out_base"] + block * job["out_stride_block"] + row * job["out_stride_row"]
                        + position
                    )
                    at = 8 * word + size * lane
                    content[at:at + size] = y.to_bytes(size, "little", signed=True)
                    assert not any(owner[at:at + size]), "the test's own areas overlap"
                    owner[at:at + size] = bytes([number] * size)
    assert taken == [len(column) for column in psums]
    return content, owner, order


def run(config, jobs, words, seed, p_psum=1.0, p_write=1.0, p_job=1.0):
    """Run `jobs`; check every byte, canaries, events and `done`; return the cycles of each job's `done`."""
    dut = PostProcessing(config)
    rng = random.Random(seed)
    parameters = make_parameters(rng, config.post_processing.channels)
    reach = 1 << min(config.psum_width - 1, 16)
    psums = [
        [rng.randrange(-reach, reach)
         for job in jobs if column < job["e"] * job["sets"]
         for _ in range((job["last_position"] + 1) * job["p"])]
        for column in range(config.array.columns)
    ]
    content, owner, order = golden(config, jobs, psums, parameters, words)
    unwritten = [owner.count(number) for number in range(len(jobs) + 1)]
    values = sum(unwritten[1:]) * 8 // config.data_width
    buffer, marks = bytearray([CANARY] * 8 * words), bytearray(8 * words)
    log = dict(cycle=0, done=[], first=None, order=[[] for _ in order])

    async def write_parameters(ctx):
        ctx.set(dut.param_write.valid, 1)
        for entry, (bias, multiplier, shift) in enumerate(parameters):
            for half, data in enumerate(((bias % (1 << 48)) | (shift % 256) << 48, multiplier)):
                ctx.set(dut.param_write.payload, dict(addr=2 * entry + half, data=data))
                await ctx.tick().until(dut.param_write.ready)
        ctx.set(dut.param_write.valid, 0)
        assert ctx.get(dut.idle)
        for job in jobs:
            while rng.random() >= p_job:
                await ctx.tick()
            ctx.set(dut.job.payload, job)
            ctx.set(dut.job.valid, 1)
            await ctx.tick().until(dut.job.ready)
            ctx.set(dut.job.valid, 0)

    def feeder(column):
        async def feed(ctx):
            offer = dut.final[column]
            queue = next(n for n, columns in enumerate(sum_queues(config)) if column in columns)
            for psum in psums[column]:
                while rng.random() >= p_psum:
                    await ctx.tick()
                ctx.set(offer.valid, 1)
                await ctx.tick().until(offer.ready)
                ctx.set(dut.sums[queue], psum)
                log["order"][column % len(order)].append(column)
                if log["first"] is None:
                    log["first"] = log["cycle"]
                ctx.set(offer.valid, 0)
        return feed

    async def take(ctx):
        held, just_written, counted = None, 0, 0
        while len(log["done"]) < len(jobs) or not ctx.get(dut.idle):
            ready = rng.random() < p_write
            ctx.set(dut.write.ready, ready)
            _, _, valid, word, event, done, idle = await ctx.tick().sample(
                dut.write.valid, dut.write.payload, dut.write_event, dut.done, dut.idle)
            log["cycle"] += 1
            assert log["cycle"] < 2000 + 40 * values / min(p_psum, p_write), "post-processing stopped"
            assert event == just_written, "write_event is the values of the word taken one cycle ago"
            counted += event
            if done:
                log["done"].append(log["cycle"])
                assert unwritten[len(log["done"])] == 0, "done too early"
            assert not (valid and idle), "writes while idle"
            now = (word.addr, word.data, word.mask)
            if held is not None:
                assert valid and now == held, "payload not held until taken"
            held = now if valid and not ready else None
            just_written = 0
            if valid and ready:
                just_written = word.mask.bit_count() * 8 // config.data_width
                for lane in range(8):
                    if word.mask >> lane & 1:
                        at = 8 * word.addr + lane
                        assert owner[at], f"byte {at} is not part of any job"
                        assert not marks[at], f"byte {at} written twice"
                        buffer[at], marks[at] = word.data >> 8 * lane & 255, 1
                        unwritten[owner[at]] -= 1
        assert counted == values
        for _ in range(40):
            _, _, valid, done, idle = await ctx.tick().sample(dut.write.valid, dut.done, dut.idle)
            assert (valid, done, idle) == (0, 0, 1)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(write_parameters)
    for column in range(config.array.columns):
        simulator.add_testbench(feeder(column))
    simulator.add_testbench(take)
    simulator.run()
    assert not any(unwritten[1:])
    assert log["order"] == order
    assert buffer == content
    return [done - log["first"] for done in log["done"]]


GEOMETRIES = [  # columns, lanes, data and psum width, arithmetic
    (1, 1, 8, 32, "integer"), (4, 2, 8, 32, "integer"), (5, 5, 8, 24, "integer"), (14, 7, 8, 32, "integer"),
    (14, 4, 16, 16, "fixed_point"), (7, 3, 16, 48, "integer"), (10, 1, 16, 40, "integer"),
]
RATES = {"free": (1, 1, 1), "few psums": (0.3, 1, 1), "slow buffer": (1, 0.3, 1), "all": (0.5, 0.6, 0.1)}


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("rates", ["free", "all"])
def test_random_jobs(geometry, rates):
    seed = 10 * GEOMETRIES.index(geometry) + list(RATES).index(rates)
    print("seed", seed)
    columns, lanes, data_width, psum_width, arithmetic = geometry
    config = make_config(columns, lanes, data_width, psum_width, 96, arithmetic)
    jobs, words = random_jobs(random.Random(seed), config, 5)
    run(config, jobs, words, seed, *RATES[rates])


@pytest.mark.parametrize("rates", RATES)
def test_rates(rates):
    seed = 100 + list(RATES).index(rates)
    print("seed", seed)
    config = make_config(5, 2, channels=96)
    jobs, words = random_jobs(random.Random(seed), config, 10)
    run(config, jobs, words, seed, *RATES[rates])


def test_many_tiny_jobs():
    """Jobs shorter than the pipeline, for some of which most lanes have nothing to do."""
    seed = 77
    rng, config = random.Random(seed), make_config(6, 4)
    jobs, base = [], 0
    for _ in range(40):
        e, sets = rng.choice([(1, 1), (1, 2), (3, 1), (6, 1), (2, 3)])
        job, base = make_job(rng, config, base, e, sets, rng.randint(1, 2), 1, rng.randrange(3))
        jobs.append(job)
    run(config, jobs, base + 4, seed, p_write=0.7)


@pytest.mark.parametrize("columns,lanes,e,sets,p,positions", [
    (4, 2, 4, 1, 16, 9), (14, 7, 7, 2, 24, 4), (3, 3, 3, 1, 5, 40), (6, 2, 2, 3, 8, 20), (2, 1, 2, 1, 1, 150),
])
def test_one_sum_per_lane_and_cycle(columns, lanes, e, sets, p, positions):
    """A job takes as many cycles as its busiest lane has sums, and the depth of the pipeline."""
    config = make_config(columns, lanes, channels=128)
    job, words = make_job(random.Random(1), config, 0, e, sets, p, positions, DOUBLE)
    cycles = run(config, [job], words + 4, 1)[0]
    sums = -(-e * sets // lanes) * p * positions
    # Lanes end at the same time, so the last words wait for each other.
    assert cycles == sums + 17 + lanes


def test_no_cycle_lost_between_jobs():
    config = make_config(4, 2)
    rng, jobs, base = random.Random(2), [], 0
    for _ in range(6):
        job, base = make_job(rng, config, base, 2, 2, 8, 5, SINGLE)
        jobs.append(job)
    done = run(config, jobs, base + 4, 2)
    assert [after - before for before, after in zip(done, done[1:], strict=False)] == [2 * 8 * 5] * 5


def test_one_write_per_cycle():
    """Depthwise: words of one value each, so the write port is the limit."""
    config = make_config(4, 4)
    job, words = make_job(random.Random(3), config, 0, 4, 1, 1, 50, SINGLE)
    assert run(config, [job], words + 4, 3)[0] <= 4 * 50 + 18


@pytest.mark.parametrize("columns,lanes,sets,p,rate", [(14, 7, 2, 4, 1), (4, 2, 2, 4, 0.4), (8, 1, 8, 1, 1)])
def test_sets_fill_words_together(columns, lanes, sets, p, rate):
    """Where the columns of a lane go on with its word (e = lanes), the word is written once."""
    config = make_config(columns, lanes)
    job, words = make_job(random.Random(4), config, 0, lanes, sets, p, 30, SINGLE)
    cycles = run(config, [job | {"merge": 1}], words + 4, 4, p_psum=rate)[0]
    if rate == 1:  # else as many writes as columns, and the write port is the limit
        assert cycles <= 30 * max(lanes, sets * p) + 17 + lanes
