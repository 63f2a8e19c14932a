"""The cost model's parts: events, memory, the array's steady state, energy, roofline, choice of mappings."""

import random
from dataclasses import replace

import pytest

from orris.cost import (
    Criteria,
    EnergyError,
    MemoryTiming,
    Timing,
    best_mapping,
    energy,
    energy_table,
    expected_counters,
    layer_timing,
    parse_aim,
    program_timing,
    ranked_mappings,
    roofline,
    table_names,
)
from orris.cost.array import ifmap_feed, ofmap_writes, position_cycles, post_cycles
from orris.cost.backlog import Backlog, ColumnTimes, beats_behind, filters_held
from orris.cost.choice import AimError
from orris.cost.columns import Columns, Work
from orris.cost.events import Ahead, Kernel, Tokens
from orris.cost.memory import Dma, Memory
from orris.layers import ConvLayer, Padding, find_layer
from orris.mapper import MappingError
from orris.mapper.search import in_order
from orris_hw.commands import END, LOAD
from orris_hw.config import preset

TINY, ORRIS, EYERISS = preset("tiny"), preset("orris-168"), preset("eyeriss-v1")
SMALL = ConvLayer(name="small", M=16, C=16, H=32, W=32, R=3, S=3, padding=Padding.all(1))


# -- events ----------------------------------------------------------------------------------------------
def test_tokens_are_taken_in_order_and_know_when_they_came():
    kernel, tokens, seen = Kernel(), Tokens(1), []

    def taker(name):
        came = yield tokens
        seen.append((name, came, kernel.now))

    def late():
        yield 40
        came = yield tokens
        seen.append(("late", came, kernel.now))

    for process in (taker("a"), taker("b"), late()):
        kernel.start(process)
    kernel.give(tokens, 30)
    kernel.give(tokens, 10)
    kernel.run()
    assert seen == [("a", 0, 0), ("b", 10, 10), ("late", 30, 40)]


def test_tokens_wanted_ahead_of_others():
    kernel, tokens, seen = Kernel(), Tokens(), []

    def taker(name, wish):
        yield wish
        seen.append(name)

    for process in (taker("first", tokens), taker("second", tokens), taker("ahead", Ahead(tokens))):
        kernel.start(process)
    for cycle in (10, 20, 30):
        kernel.give(tokens, cycle)
    kernel.run()
    assert seen == ["ahead", "first", "second"]


# -- memory ----------------------------------------------------------------------------------------------
def ends(timing: MemoryTiming, *transfers: tuple[bool, int, int]) -> list[int]:
    """When transfers (writes, words of a row, rows) end that are all offered in cycle 0."""
    kernel, memory = Kernel(), Memory(timing)
    engines = {writes: Dma(kernel, memory, writes) for writes in (False, True)}
    found = [0] * len(transfers)

    def offer():
        for number, (writes, row_words, rows) in enumerate(transfers):
            yield engines[writes].free
            engines[writes].start(row_words, rows, lambda end, number=number: record(number, end))

    def record(number: int, end: int) -> None:
        found[number] = end

    for engine in engines.values():
        kernel.start(engine.move())
    kernel.start(offer())
    kernel.run()
    return found


def test_long_rows_come_at_the_memorys_rate():
    assert ends(MemoryTiming(latency=100), (False, 3200, 1)) == [5 + 100 + 3200 + 3]


def test_short_rows_are_limited_by_the_bursts_under_way():
    # Sixteen bursts of one word in each round trip of a little over 100 cycles.
    (end,) = ends(MemoryTiming(latency=100), (False, 1, 1600))
    assert 1600 / 16 * 100 < end < 1600 / 16 * 105


def test_half_the_rate_takes_twice_as_long():
    (fast,), (slow,) = (ends(MemoryTiming(100, rate), (False, 640, 1)) for rate in (1.0, 0.5))
    assert slow - fast == 640


def test_reads_and_writes_take_turns():
    alone = ends(MemoryTiming(latency=100), (False, 3200, 1))
    long, short = ends(MemoryTiming(latency=100), (True, 3200, 1), (False, 640, 1))
    # The read has half of the memory until it is through, then the write has all of it.
    assert abs(short - 100 - 2 * 640) < 100
    assert abs(long - alone[0] - 640) < 10


def test_short_bursts_have_as_many_words_as_long_ones():
    # Rows of 8 words against rows of 32: both engines have half of the memory for as long as both move.
    long, short = ends(MemoryTiming(latency=100), (True, 32, 100), (False, 8, 200))
    assert abs(short - 100 - 2 * 1600) < 110
    assert abs(long - 100 - 3200 - 1600) < 110


def test_a_transfer_is_taken_while_bursts_of_the_one_before_wait():
    # Of 40 bursts, moved by four, 16 are under way and two more planned when the next transfer is taken.
    kernel, taken = Kernel(), []
    engine = Dma(kernel, Memory(MemoryTiming(latency=100)), False)

    def offer():
        for words in (40 * 32, 32):
            yield engine.free
            taken.append(kernel.now)
            engine.start(words, 1, lambda end: None)

    for process in (engine.move(), offer()):
        kernel.start(process)
    kernel.run()
    assert 100 + (40 - 2 - 16 - 4) * 32 < taken[1] < 100 + (40 - 2 - 16 + 4) * 32


# -- the array -------------------------------------------------------------------------------------------
def watched_ends(starts: list[int], p: int, taps: int, positions: int) -> list[list[int]]:
    """Cycles in which columns that begin at `starts` are through with each position, cycle by cycle: a column
    holds one psum in its top PE's register and two in each of two buffers; the port stays with a column while
    that one has a psum."""
    sharing, ends = len(starts), [[] for _ in starts]
    made = [0] * sharing
    register, buffer, port = ([0] * sharing for _ in range(3))
    turn = cycle = 0
    while any(len(each) < positions for each in ends):
        turn = next((c for k in range(sharing) if port[c := (turn + k) % sharing]), turn)
        for column in range(sharing):
            taken = int(column == turn and port[column] > 0)
            onward = int(buffer[column] > 0 and port[column] < 2)
            leaves = int(register[column] > 0 and buffer[column] < 2)
            if cycle >= starts[column] and (leaves or not register[column]):
                register[column] = int(made[column] % (p * taps) >= p * (taps - 1))
                made[column] += 1
                if made[column] % (p * taps) == 0:
                    ends[column].append(cycle)
            buffer[column] += leaves - onward
            port[column] += onward - taken
        cycle += 1
    return ends


def watched_period(p: int, taps: int, sharing: int, positions: int = 40) -> float:
    """Cycles a position in the last column."""
    ends = watched_ends([0] * sharing, p, taps, positions)[-1]
    return (ends[positions - 1] - ends[positions // 2 - 1]) / (positions // 2)


@pytest.mark.parametrize(
    "p, taps, sharing", [(1, 1, 1), (4, 3, 1), (16, 6, 4), (24, 6, 4), (16, 12, 3), (8, 2, 4), (5, 3, 3)]
)
def test_the_pace_of_columns_that_share_a_port(p, taps, sharing):
    assert position_cycles(p, taps, sharing) == watched_period(p, taps, sharing)


def work(p: int = 8, taps: int = 6, positions: int = 9, capacity: int = 1000, step: int = 2) -> Work:
    return Work(positions, p * taps, p, p, step, taps, step, capacity, 4 * step)


@pytest.mark.parametrize("starts", [[0, 1, 2, 3], [0, 40, 10, 5], [3, 3, 90, 3], [0, 500, 7, 14]])
@pytest.mark.parametrize("p, taps", [(16, 6), (24, 4), (22, 9)])
def test_bursts_of_columns_that_share_a_port(starts, p, taps):
    begins, ends = Columns(4, 4).begin(starts, work(p, taps), [()] * 4)
    watched = [each[8] + 1 for each in watched_ends(starts, p, taps, 9)]
    assert begins == starts
    # A column that waits in its last position is through before its psums are.
    assert all(0 <= end - seen <= 3 * p for end, seen in zip(ends, watched, strict=True)), (ends, watched)


def test_no_column_gets_further_ahead_than_its_scratchpads_hold():
    columns = Columns(2, 2)
    (first, late), _ = columns.begin([0, 5000], work(capacity=10), [((1, 0),), ()])
    # Ten values are there for three positions; the fourth one's come once the late column has room.
    begins, ends = columns.begin([0, 0], work(capacity=10), [((1, 0),), ()])
    assert (first, late) == (0, 5000)
    assert 5000 < ends[0] < ends[1] and begins[0] < begins[1]


def test_columns_go_on_alike_from_a_state_seen_before():
    numbers = random.Random(4)
    passes = [[numbers.choice([0, 30, 200, 900]) for _ in range(6)] for _ in range(4)]
    always, never = Columns(6, 4), Columns(6, 4)
    for number in range(40):
        bounds = [number * 1000 + late for late in passes[number % 4]]
        never._follows.clear()
        late = number % 3
        waits = [((late, 2 * (column - late)),) if column != late else () for column in range(6)]
        args = bounds, work(capacity=12), waits
        assert always.begin(*args) == never.begin(*args)
    assert len(always._follows) < 40


def run_fields(**changes):
    fields = dict(
        R=3, q=4, stride=1, pixel_lanes=8, height=9, full_height=9, width=34, full_width=34, period=1, kept=1,
        split=0, sets=2, e=7, p=8, taps=12, ofmap_lane=0, stacks=0, merge=0,
    )  # fmt: skip
    return fields | changes


def test_ifmap_feed_counts_rows_columns_and_set_up():
    feed = ifmap_feed(ORRIS, run_fields(), blocks=2, rows=12)
    # Twelve rows of 6 + 2 beats and a step; 9 ifmap rows x 2 blocks on the Y-bus, 9 x 4 values on an X-bus.
    assert (feed.set_up, feed.columns, feed.column) == (12 * 9, 34, 36)
    assert feed.behind == 4 * 4  # X-buses are slower: what a FIFO of four beats holds


def test_beats_wait_behind_a_column_without_room():
    run = run_fields(pixel_lanes=4, sets=1)
    feed = ifmap_feed(EYERISS, run, blocks=4, rows=12)
    backlog = Backlog(EYERISS, run, feed)
    # Nine ifmap rows of sixteen beats, four of them for a PE row, where eight have a place.
    assert (feed.beats, feed.row_beats, feed.places) == (144, 36, pytest.approx(8, abs=0.5))

    def sent(waits: int) -> float:
        return backlog.sent(lambda column, value: 1000.0 * (column == waits), 1, [0])

    # Column 0 takes row 0 late, so that rows 0 to 2 have come when it does, and six are yet to be sent.
    assert sent(0) == pytest.approx(1000 - 13 + 6 * 16, abs=3)
    # Behind the stops on the way to column 6 there is a place for each of its beats, and those after them.
    assert sent(6) < 1000
    assert backlog.early(0) == 6 * 16 and backlog.early(6) == 0


def test_places_are_freed_as_positions_pass():
    times = ColumnTimes(work(p=8, taps=6, positions=9, step=2), [432.0, 532.0], 48)
    assert [times.freed(0, value) for value in (1, 2, 3)] == [8, 16, 48 + 8]
    assert times.freed(1, 22) == 100 + 8 * 48 + 6 * 8  # the last position frees all that is left
    assert times.freed_back(0, 0) == times.freed(0, 22)


def test_filters_wait_in_the_stops_ahead_of_a_late_column():
    # Two beats a stop and two ahead of them, less the seven of the description; then four words in the FIFO.
    assert filters_held(EYERISS, 11, 7) == (2 * 13 - 7) // 4 + 4
    assert filters_held(EYERISS, 0, 7) == 1
    assert [beats_behind(EYERISS, run_fields(e=2), 9, other) for other in (10, 11)] == [4 - 2, -4]


def test_filters_wait_in_the_stops_of_two_columns_ahead_of_a_late_one():
    config = EYERISS.derive({"networks": {"stop_columns": 2}})
    assert filters_held(config, 11, 7) == filters_held(config, 10, 7) == (2 * 7 - 7) // 4 + 4
    # One stop between columns 9 and 11, as between 9 and 10; none between 8 and 9.
    behind = [beats_behind(config, run_fields(e=2), *columns) for columns in ((9, 11), (9, 10), (8, 9))]
    assert behind == [-2, 4 - 2, -4]


def test_ofmap_words_go_to_the_banks_that_hold_the_tile():
    run = run_fields(
        e=2, sets=2, p=16, positions=28, ofmap_base=512 * 3 - 56, ofmap_row_stride=28, ofmap_block_stride=56
    )
    # Four blocks of 56 words: one below the border of two banks, three above.
    assert ofmap_writes(ORRIS, run, 0.8) == pytest.approx({2: 0.2, 3: 0.6})


def test_a_column_waits_for_all_later_ones():
    begins, ends = Columns(3, 3).begin([0, 0, 4000], work(capacity=10), [((1, 0), (2, 0)), (), ()])
    assert begins == [0, 0, 4000] and ends[0] > 4000 > ends[1]


def test_rows_and_columns_that_no_filter_sees_are_not_sent():
    feed = ifmap_feed(ORRIS, run_fields(R=1, stride=4, full_height=9, period=4, kept=1, q=1), 1, 12)
    # Of nine rows three; of four columns one.
    assert (feed.columns, feed.column) == (9, 3)
    assert feed.walk == 9 * (3 + 6) + 34 - 9


def test_columns_are_found_word_by_word():
    # Of seven columns one is sent, in two cycles; each takes two to be found.
    few = run_fields(R=1, full_height=2, full_width=29, period=7, kept=1, q=1, e=2, sets=1)
    assert ifmap_feed(ORRIS, few, 1, 12).walk == 2 * 29
    assert ifmap_feed(ORRIS, few | {"pixel_lanes": 4}, 1, 12).walk == 5 * 2 + 24


def test_passing_over_columns_takes_longer_than_finding_those_ahead():
    apart = run_fields(R=10, stride=11, full_height=10, period=11, kept=1, e=1, sets=1)
    sent = ifmap_feed(ORRIS, apart, 1, 12).sent(apart, 0)
    # Ten rows of a column. Three columns have been found when the last of them is read, and are taken in as
    # many cycles; from then on two each: the seven others, and the next one to send.
    assert sent == (10, 10 + 28, 10 + 2 * 28, 10 + 3 * 28)
    # Where sixteen steps have gone ahead, six are of the next column, and the walk goes on from there.
    assert ifmap_feed(ORRIS, apart, 1, 12).sent(apart, 40)[:2] == (10, 20)
    assert ifmap_feed(ORRIS, run_fields(), 1, 12).sent(run_fields(), 0)[:3] == (36, 72, 108)


def test_padding_takes_no_words():
    assert ifmap_feed(ORRIS, run_fields(width=0, height=0), 1, 12).words == 0
    assert ifmap_feed(ORRIS, run_fields(), 1, 12).words == 9


def test_post_processing_writes_a_word_a_cycle():
    assert post_cycles(ORRIS, run_fields(p=8)) == 16  # two columns a lane, eight sums each
    assert post_cycles(ORRIS, run_fields(p=1)) == 14  # every column a word of its own
    assert post_cycles(ORRIS, run_fields(p=1, merge=1)) == 7  # both sets in one word


# -- programs and layers ---------------------------------------------------------------------------------
def test_an_empty_program_takes_its_fetch():
    cycles = program_timing(TINY, [(END, {})]).cycles
    assert cycles == program_timing(TINY, [(END, {})], MemoryTiming(latency=40)).cycles + 60


def test_a_load_takes_its_words():
    def load(words):
        fields = dict(wait=0, signal=0, row_words=words, rows=1, planes=1)
        return program_timing(TINY, [(LOAD, fields), (END, {})]).cycles

    assert load(1024) - load(512) == 512


def test_no_layer_beats_its_roofline():
    numbers = random.Random(4)
    for _ in range(10):
        sizes = (1, 3, 16, 40), (4, 24, 48), (7, 20), (1, 3, 5)
        C, M, H, R = map(numbers.choice, sizes)
        layer = ConvLayer(name="any", C=C, M=M, H=H, W=H, R=R, S=R, padding=Padding.all(R // 2))
        for config in (TINY, ORRIS):
            cycles = layer_timing(best_mapping(layer, config)).cycles
            assert roofline(layer, config, 8).share(layer.macs, cycles) < 1


def test_more_memory_never_costs_cycles():
    mapping = best_mapping(find_layer("mobilenetv1.pw1"), ORRIS)
    slow, fast = (layer_timing(mapping, MemoryTiming(100, rate)).cycles for rate in (0.5, 1.0))
    assert fast < slow


def test_expected_counters_add_up():
    mapping = best_mapping(SMALL, TINY)
    counters = expected_counters(mapping, Timing(1000, {"stall_psum": 3}), zeros=0.25)
    assert counters["mac_done"] + counters["mac_gated"] == counters["macs"]
    assert counters["mac_done"] == pytest.approx(0.75 * (94 / 96) ** 2 * counters["macs"], rel=1e-6)
    assert (counters["cycles"], counters["stall_psum"]) == (1000, 3)


# -- roofline --------------------------------------------------------------------------------------------
def test_roofline_of_a_layer_bound_by_the_memory():
    roof = roofline(ConvLayer(M=32, C=1, G=32, H=64, W=64, R=3, S=3, padding=Padding.all(1)), ORRIS, 8)
    assert roof.bound == "memory"
    assert roof.least_bytes == 2 * 32 * 64 * 64 + 32 * 9
    assert roof.macs_per_cycle == pytest.approx(36, rel=0.01)  # nine MACs for a byte in and a byte out


def test_roofline_leaves_out_what_no_filter_sees():
    layer = ConvLayer(M=8, C=8, H=64, W=64, R=1, S=1, U=2)
    assert roofline(layer, ORRIS, 8).least_bytes == 8 * 32 * 32 + 8 * 8 + 8 * 32 * 32


def test_roofline_of_a_layer_bound_by_the_array():
    roof = roofline(SMALL, TINY, 8)
    assert (roof.bound, roof.macs_per_cycle, roof.share(1200, 200)) == ("PEs", 12.0, 0.5)


# -- energy ----------------------------------------------------------------------------------------------
def test_energy_is_accesses_times_their_price():
    counters = {
        "mac_done": 10, "spad_filter_read": 4, "spad_psum_write": 3, "net_psum_values": 5,
        "glb_ifmap_read": 2, "glb_ofmap_write": 6, "dram_read_words": 1, "cycles": 7,
    }  # fmt: skip
    table = replace(energy_table("isca2016"), idle=0.5)
    found = energy(counters, ORRIS, table)
    assert found.as_dict() == {
        "mac": 10.0,
        "spad": 4 / 2 + 3 * 2,
        "network": 2 * 5 * 2,
        "buffer": 6 * (2 * 4 + 6 / 2),
        "dram": 200 * 4,
        "idle": 3.5,
        "total": 10 + 8 + 20 + 66 + 800 + 3.5,
    }


def test_tables_by_name_and_from_a_file(tmp_path):
    assert set(table_names()) >= {"isca2016", "eyeriss-pj"}
    assert energy_table("eyeriss-pj").unit == "pJ"
    file = tmp_path / "mine.toml"
    file.write_text('unit = "nJ"\nmac = 1\nspad = 2\nnetwork = 3\nbuffer = 4\ndram = 5\n')
    table = energy_table(str(file))
    assert (table.name, table.unit, table.dram, table.idle) == ("mine", "nJ", 5.0, 0.0)


@pytest.mark.parametrize(
    "text, message",
    [
        ("mac = 1\n", "the figure 'spad' is missing"),
        ("mac = -1\n", "mac = -1, expected a number of at least 0"),
        ("mack = 1\n", "unknown figure 'mack' (figures: mac, spad, network, buffer, dram, idle)"),
        ("mac = true\n", "mac = True, expected a number of at least 0"),
        ("mac = \n", "Invalid value"),
    ],
)
def test_a_bad_table_is_told(tmp_path, text, message):
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(EnergyError) as error:
        energy_table(str(file))
    assert message in str(error.value)


def test_an_unknown_table_names_the_known_ones():
    with pytest.raises(EnergyError, match="no energy table 'isca': .*eyeriss-pj, isca2016"):
        energy_table("isca")


# -- choice ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text, weight", [("time", 1.0), ("energy", 0.0), ("0.25", 0.25)])
def test_aims(text, weight):
    assert parse_aim(text) == weight


@pytest.mark.parametrize("text", ["fast", "1.5", "-0.1", "nan"])
def test_bad_aims_are_told(text):
    with pytest.raises(AimError, match="expected time, energy, or the weight of time from 0 to 1"):
        parse_aim(text)


def test_the_best_by_time_is_no_slower_and_the_best_by_energy_no_dearer():
    layer = find_layer("resnet18.layer4.0.downsample")
    by_time, both, by_energy = (ranked_mappings(layer, ORRIS, Criteria(aim))[0] for aim in (1.0, 0.5, 0.0))
    assert by_time.timing.cycles <= 1.005 * min(both.timing.cycles, by_energy.timing.cycles)
    assert by_energy.energy.total <= 1.005 * min(both.energy.total, by_time.energy.total)


def test_candidates_come_in_order_of_their_score():
    candidates = ranked_mappings(SMALL, ORRIS)
    assert len(candidates) > 4
    scores = [c.score(1.0) for c in candidates]
    assert [score for score, _ in in_order((score, None) for score in scores)] == scores
    fastest = min(c.timing.cycles for c in candidates)
    assert candidates[0].timing.cycles <= 1.005 * fastest
    words = [c.score(1.0)[1] for c in candidates if c.timing.cycles <= 1.0049 * fastest]
    assert candidates[0].score(1.0)[1] == min(words)


def test_a_layer_that_does_not_fit_names_the_limit():
    with pytest.raises(MappingError, match="U = 14: the vertical stride may be up to 12"):
        ranked_mappings(ConvLayer(name="far", M=4, C=4, H=40, W=40, R=3, S=3, U=14), ORRIS)
