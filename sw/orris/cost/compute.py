"""When the passes of RUNs begin and end: feeders, PE array, psum ports and post-processing.

The array is followed at the pace of its last PE (bottom row, last column), or of the last PE of every column
where columns share psum ports. A pass begins when the one before has ended, its filters are loaded and its
first ifmap column has come; it goes on at the pace of the slowest of multiply-accumulates, psum ports, ifmap
network and, in the last pass, post-processing.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from orris_hw.config import AcceleratorConfig

from .array import (
    IfmapFeed,
    Run,
    ceil_div,
    channel_blocks,
    filter_beats,
    filter_words,
    ifmap_feed,
    ofmap_writes,
    pass_fields,
    position_cycles,
    post_words,
)
from .array import post_cycles as post_position
from .backlog import Backlog, ColumnTimes, Room, beats_behind, filters_held
from .columns import Columns, LastColumn, Waits, Work
from .events import Kernel, Process, Tokens

_BUFFER_READ = 9  # a feeder's request to its word
_FIRST_WORD = 8  # from the walk's first step of an image word to that on the bus
_SAME_ROWS = 2  # beside one a row: the walk goes through the rows of a pass that needs no new tags
_NEW_RUN = 6  # cycles between two RUNs in the ifmap feeder
_SET_UP = 4  # of a RUN in the filter feeder, beside one for each filter set
_SEEK = 3  # from a RUN to its first token in the filter feeder, beside one for each slot before its own
_ROOM = 4  # from a place that a PE frees to the beat that leaves the feeder for it
_PE = 7  # from a last tap to its psum
_UP = 1  # from PE to PE
_PORT = 8  # from the top PE to a finished sum
_POST = 17  # from the last finished sum to the job's token
_JOB_SET_UP = 6  # of a job in post-processing, beside one for each column and for each block of channels
_CHAIN = 4  # psums of a column on their way: two in its top PE, two at the port
_MOST_WRITES = _MOST_READS = 0.9  # of a bank's cycles
_RESPONSES = 16  # words of filters that wait for the Y-bus


@dataclass
class Pass:
    """A pass that has been worked out: when it began and ended, when the ifmap network was through with it,
    and the FIFOs ahead of the X-buses (as seen from the last PE), how far the X-buses were behind the Y-bus,
    when it frees ifmap places; cycles from position to position where its values and psum ports are in time,
    and what brings its values."""

    start: float
    end: float
    fed: float
    emptied: float
    behind: float
    freed: Callable[[int], float]
    """When the PE frees the n-th of its values, counted from the last one (0, and down)."""
    room: Room
    """The same of any column, where all are followed."""
    period: float
    feed: IfmapFeed


class ComputeUnit:
    """RUNs in order, from `runs`; `give` is told of tokens given, `complete` of RUNs that are done."""

    def __init__(
        self,
        config: AcceleratorConfig,
        kernel: Kernel,
        tokens: list[Tokens],
        give: Callable[[int, float], None],
        complete: Callable[[float], None],
    ):
        self._config, self._kernel, self._tokens = config, kernel, tokens
        self._give, self._complete = give, complete
        array = config.array
        self.runs: deque[Run] = deque()
        self.room, self.items = Tokens(4), Tokens()
        self._to_array: deque[Run] = deque()
        self._array_items, self._loaded, self._begun = Tokens(), Tokens(), Tokens()
        # When all filters of a pass are loaded, and cycles between those of its sets.
        self._loaded_at: deque[tuple[float, float]] = deque()
        self._begun_at: deque[list[float]] = deque()  # by each column that is followed
        self._sharing = ceil_div(array.columns, config.psum_ports)
        self._all = self._sharing > 1  # columns are followed, as they do not keep step
        self._columns = Columns(array.columns, self._sharing) if self._all else LastColumn()
        self._begins, self._ends = [0.0], [0.0]  # of the columns that are followed
        self._latest: int | None = None  # column that began last
        self._held = 0.0  # until when post-processing takes the last sums of a pass
        hops = array.rows + config.stops
        self._pipe, self._back = 8 + hops, 4 + hops  # from a feeder to the last PE; from its room to a feeder
        self._up = _PE + _UP * (array.rows - 1)  # from the last PE to the top of its column
        self._post_free = 0.0
        self._sent = 0.0  # when the ifmap feeder was through with the last pass, as seen from the last PE
        self._described = 0.0  # when the PEs first hear of a pass
        self._writes: dict[int, float] = {}  # words a cycle that the present pass writes to each bank
        # Passes that read psums of their columns' banks: from, to, psums a cycle, and how many banks.
        self._reads: deque[tuple[float, float, float, int]] = deque(maxlen=4)
        self.stalls = {"stall_ifmap": 0.0, "stall_filter": 0.0, "stall_psum": 0.0}

    def write_interval(self, address: int, words: int) -> float:
        """Cycles between words of a LOAD to the buffer: psums and finished values come first in a bank."""
        depth, writes = self._config.global_buffer.depth, self._writes
        cycles = 0.0
        for bank in range(address // depth, (address + words - 1) // depth + 1):
            here = min(address + words, (bank + 1) * depth) - max(address, bank * depth)
            cycles += here / (1 - min(_MOST_WRITES, writes.get(bank, 0.0)))
        return cycles / words

    def _read(self, begin: float, words: float, address: int) -> float:
        """When the filter feeder has read that many words from `begin` on: psums come first in a bank."""
        now, bank = begin, address // self._config.global_buffer.depth
        late = self._up + self._config.stop_of(bank) + 1 - self._config.stops
        for start, end, rate, banks in self._reads:
            start, end = start + late, end + late
            if bank >= banks or end <= now:
                continue
            free = min(words, max(0.0, start - now))
            now, words = now + free, words - free
            if words <= 0:
                break
            left = max(0.0, 1 - rate)
            among = min(words, (end - now) * left)
            now, words = (now + among / left if left else end), words - among
            if words <= 0:
                break
        return now + words

    def _ifmap_feed(self, run: Run, k: int, rows: int, blocks: int, begin: float) -> IfmapFeed:
        """Of pass `k`, whose words are read from `begin` on: psums come first in a bank."""
        feed = ifmap_feed(self._config, run, blocks, rows)
        late = self._up - self._config.stops / 2
        reading = [(rate, banks) for _, end, rate, banks in self._reads if end + late > begin]
        if not reading:
            return feed
        depth, stride = self._config.global_buffer.depth, run.get("ifmap_block_stride", 0)
        block = (run["first_lane"] + k * run["rows"] // run["R"] * run["group_lanes"]) // run["pixel_lanes"]
        first = run.get("ifmap_base", 0) + block * stride
        rate, banks = max(reading)
        rate = min(_MOST_READS, rate)
        slow = sum((first + number * stride) // depth < banks for number in range(blocks))
        cycles = feed.words * (blocks - slow + slow / (1 - rate)) / blocks
        wait = max(0.0, cycles - feed.beats)
        column = max(feed.beats + wait, feed.column)
        return replace(feed, column=column, walk=feed.walk + feed.columns * wait)

    # -- filters -------------------------------------------------------------------------------------------
    def filters(self) -> Process:
        """Sends each pass's filters once they are in the buffer and the PEs have a bank free."""
        kernel, config, sent, read, passes = self._kernel, self._config, 0.0, 0.0, 0
        while True:
            came = yield self.items
            run = self.runs.popleft()
            self._to_array.append(run)
            kernel.give(self._array_items, kernel.now)
            begin = max(sent, came)
            sent, there = begin + _SET_UP + run["sets"], begin + _SEEK + run["filter_start"]
            for number in range(run["passes"]):
                if run["wait_filter"]:
                    came = yield self._tokens[run["wait_filter"]]
                    there = max(there, came)
                there += _BUFFER_READ
                rows = run["last_rows"] if number + 1 == run["passes"] else run["rows"]
                y_bus, x_bus = filter_beats(config, run, rows)
                fields, begun = pass_fields(run), [0.0]
                if passes:
                    yield self._begun
                    begun = self._begun_at.popleft()
                else:
                    self._described = sent + self._pipe
                slot = (run["filter_start"] + number) % run["filter_slots"]
                words, place = filter_words(run, rows), run["filter_base"] + slot * run["filter_stride"]
                read = self._read(max(there, read), words, place)
                sent = max(max(sent + fields, there) + y_bus, read)
                # The description and some beats for every row wait for a PE until its bank is free.
                for column, free in enumerate(begun):
                    held = rows * filters_held(config, column, fields)
                    read = max(read, self._read(free, words - held - _RESPONSES, place))
                    sent = max(sent, free + y_bus - held, read)
                self._give(run["signal_filter"], sent)
                last = max(sent, sent - y_bus + x_bus) + self._pipe - 3
                loaded = max(last, max(begun) + fields + 3 + x_bus)
                self._loaded_at.append((loaded, max(y_bus, x_bus) / run["sets"]))
                kernel.give(self._loaded, kernel.now)
                passes, there = passes + 1, 0.0
            kernel.give(self.room, int(sent))

    # -- array ---------------------------------------------------------------------------------------------
    def array(self) -> Process:
        """Works through the passes."""
        kernel, config, number = self._kernel, self._config, 0
        nothing = IfmapFeed(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1)
        before = Pass(0, 0, 0, 0, 0, lambda value: 0.0, lambda column, value: 0.0, 1, nothing)
        while True:
            came = yield self._array_items
            run = self._to_array.popleft()
            walk = max(came + self._pipe, before.emptied - before.behind) + _NEW_RUN
            if run["wait_ifmap"]:
                came = yield self._tokens[run["wait_ifmap"]]
                walk = max(walk, came + 1 + self._pipe)
            if run["last"] and run["wait_ofmap"]:
                came = yield self._tokens[run["wait_ofmap"]]
            channels = run["p"] * (1 + run["stacks"])
            ofmap_free = came + _JOB_SET_UP + channels // config.block + run["e"] * run["sets"]
            told = None
            for k in range(run["passes"]):
                rows = run["last_rows"] if k + 1 == run["passes"] else run["rows"]
                blocks, begins = channel_blocks(run, k, rows)
                tags = run.get("keep_tags") and k == 0 or told == (begins, rows)
                told = begins, rows
                yield self._loaded
                before = self._pass(run, k, rows, blocks, bool(tags), before, walk, number)
                if run["last"] and k + 1 == run["passes"]:
                    before = self._finish(run, before, ofmap_free)
                if k or not run["first"]:
                    self._psums_read(run, before)
                walk = before.emptied - before.behind
                self._begun_at.append(self._begins)
                kernel.give(self._begun, kernel.now)
                number += 1
            self._give(run["signal_ifmap"], self._sent - self._pipe + 2)
            self._complete(self._post_free + _POST if run["last"] else before.end)

    def _pass(
        self, run: Run, k: int, rows: int, blocks: int, same: bool, before: Pass, walk: float, number: int
    ) -> Pass:
        config, p, q, step = self._config, run["p"], run["q"], run["step"]
        positions, taps, capacity = run["positions"], run["taps"], config.scratchpads.ifmap
        pes = rows * run["e"] * run["sets"]
        feed = self._ifmap_feed(run, k, rows, blocks, walk)
        # The first window: each column when the network brings it and the scratchpad has room; the pass may
        # begin so early that no column is waited for.
        through = _SAME_ROWS + config.array.rows  # the walk, to the tile
        # While X-buses still send what their FIFOs hold, as many beats of set-up can follow.
        arrives = max(walk + through, before.fed)
        if not same:
            told = before.emptied - min(before.behind, config.networks.fifo_depth)
            arrives = max(walk, told) + feed.set_up + 1
        # Nothing is read ahead of a RUN; set-up takes longer than reading, and padding needs no word.
        waits_for_word = same and not k and run["width"] and run["height"]
        read = walk + through + _FIRST_WORD if waits_for_word else 0.0
        passing = p * run["stacks"]  # psums on, a PE waits
        work = Work(positions, p * taps + passing, p + passing, p, q, taps, step, capacity, feed.x_bus)
        followed, backlog = self._followed(run), Backlog(config, run, feed)
        sent, windows, first = arrives, [0.0] * len(followed), 0.0
        leave = feed.sent(run, arrives - walk - through)
        spread = leave[-1] - leave[0]  # cycles from the first column to the last one
        # The top PE, which has room last, takes part in every beat.
        skew = _UP * (rows - 1)
        for column in range(taps // q):
            word = read + (column + 1) * feed.beats if column >= run["pad_left"] else 0.0
            sent = max(sent + leave[column] - (leave[column - 1] if column else 0.0), word)
            if self._all:
                there = backlog.sent(before.room, column + 1, [column])
                sent = max(sent, there + skew + _ROOM + self._pipe)
            for place, each in enumerate(followed):
                room = before.room(each, (column + 1) * q - capacity)
                arrives = max(sent - (backlog.early(each) if self._all else 0), room)
                windows[place] = max(windows[place], arrives - column * q * p)
                if column == 0:
                    first = max(first, arrives)
                if not self._all:
                    sent = max(sent, room + skew)
        each = spread / (feed.columns - 1) if feed.columns > 1 else feed.column
        pace = each * max(1, step // q)
        begins, ends = self._follow(run, rows, work, windows, number)
        start, end = max(begins), max(ends)
        period: float = position_cycles(p, taps, min(self._sharing, run["e"] * run["sets"])) + passing
        values = taps + (positions - 1) * step

        earlier = before.freed

        def freed(value: int) -> float:
            """When the PE has freed `value` values of this pass, or all but so many of those before it."""
            if value <= 0:
                return earlier(value)
            position = min((value - 1) // step, positions - 1)
            return start + position * period + (value - position * step) * p

        self._writes = {bank: p / period for bank in range(run["e"] * run["sets"])}
        sent = first + spread
        # Columns that had no room before the pass began come at the network's pace from then on.
        if (after := feed.columns - 1 - capacity // q) > 0:
            sent = max(sent, freed((capacity // q + 1) * q - capacity) + after * each)
        last = max(sent, freed(values - capacity) + skew)
        last = max(last, walk + through + feed.walk, read + feed.columns * feed.beats)
        held, rest = feed.held(q)
        room = freed(values - capacity - held) + skew + _ROOM + rest + self._pipe
        self._sent = max(sent, room)
        self._begins, self._ends = begins, ends
        emptied = last
        if self._all:
            freed_by = ColumnTimes(work, ends, period).freed
            sent = backlog.sent(freed_by, feed.columns, backlog.without_room) + skew + _ROOM + self._pipe
            self._sent = max(first + spread, sent)
            emptied = max(self._sent, backlog.emptied(freed_by) + skew)
        taken = sum(end - begin for begin, end in zip(begins, ends, strict=True)) / len(begins)
        self.stalls["stall_psum"] += (taken - positions * p * taps) * pes
        own = period
        if pace > period and (waits := last + max(q, step) * p - end) > 0:
            self.stalls["stall_ifmap"] += waits * pes
            self._columns.slow(len(begins), waits / positions)
            self._ends = [each + waits for each in ends]
            end += waits
            period = (end - start) / positions

        def back(value: int) -> float:
            return freed(values + value)

        times = ColumnTimes(work, self._ends, period)
        room_of: Room = times.freed_back if self._all else lambda column, value: back(value)
        return Pass(start, end, last, emptied, feed.behind, back, room_of, own, feed)

    def _followed(self, run: Run) -> range:
        """Columns that are followed: all, or the last one, which the others are like."""
        most = self._config.array.columns - 1
        return range(run["e"] * run["sets"]) if self._all else range(most, most + 1)

    def _follow(
        self, run: Run, rows: int, work: Work, windows: list[float], number: int
    ) -> tuple[list[float], list[float]]:
        """When the columns begin and end a pass, each as seen from the last one: once its filters are loaded,
        its ifmap values are there, and post-processing has taken the sums before."""
        config, e, sets = self._config, run["e"], run["sets"]
        followed = self._followed(run)
        late = followed[-1] if self._latest is None else self._latest
        loaded, apart = self._loaded_at.popleft()
        # A column waits for those of the set that begins last; among them each for the ones behind it.
        last = [column for column in followed if column // e == late // e and column != late] + [late]
        before = [config.stops - 1 - config.stop_of(column) for column in followed]  # the last one, in cycles
        bounds: list[float] = []
        waits: list[Waits] = []
        for column, window, early in zip(followed, windows, before, strict=True):
            filters = loaded - max(0, sets - 1 - column // e) * apart
            bounds.append(max(filters, window, self._held) - early)
            others = last[last.index(column) + 1 :] if column in last else last
            waits.append(tuple((other, beats_behind(config, run, column, other)) for other in others))
        begins, ends = (
            [at + early for early, at in zip(before, times, strict=True)]
            for times in self._columns.begin(bounds, work, waits)
        )
        self._latest = followed[begins.index(max(begins))]
        ended = self._ends if number else [self._described] * len(begins)
        waited = sum(max(0.0, begin - end) for begin, end in zip(begins, ended, strict=False))
        cause = "stall_filter" if loaded >= max(windows) else "stall_ifmap"
        self.stalls[cause] += waited / len(begins) * rows * e * sets
        return begins, ends

    def _psums_read(self, run: Run, done: Pass) -> None:
        """A pass that reads the psums of those before it."""
        rate = run["p"] * run["positions"] / (done.end - done.start)
        self._reads.append((done.start, done.end, rate, run["e"] * run["sets"]))

    def _finish(self, run: Run, done: Pass, ofmap_free: float) -> Pass:
        """The last pass goes no faster than post-processing, but for what its FIFOs hold."""
        config, positions, channels = self._config, run["positions"], run["p"] * (1 + run["stacks"])
        cycles, words = post_position(config, run), post_words(config, run)
        self._writes = ofmap_writes(config, run, words * positions / (done.end - done.start))
        paced = (done.end - done.start) / positions
        begin = max(done.start + paced + self._up + _PORT, self._post_free, ofmap_free)
        sums = config.scratchpads.psum + config.networks.spare_sums + _CHAIN
        held = sums / channels  # positions, beside those in the PEs' pipelines
        full = held + self._up / done.period
        pace = max(cycles, done.period)
        end, fed = max(done.end, begin + (positions - held) * pace - self._up), done.fed
        if begin > done.start + full * paced:
            # All PEs stand still, with as many ifmap values as they and the network hold.
            capacity = config.scratchpads.ifmap + done.feed.held(run["q"])[0]
            missing = run["taps"] + (positions - 1 - full) * run["step"] - capacity
            if missing > 0:
                fed = max(fed, begin + self._back + self._pipe + missing / run["q"] * done.feed.column)
                end = max(end, fed + max(run["q"], run["step"]) * run["p"])
        pes = run["last_rows"] * run["e"] * run["sets"]
        self.stalls["stall_psum"] += (end - done.end) * pes

        def freed(value: int) -> float:
            return max(done.freed(value), end + value / run["step"] * pace)

        if end > done.end:
            fed = max(fed, freed(-config.scratchpads.ifmap))
            self._sent = max(self._sent, fed, freed(-config.scratchpads.ifmap - done.feed.held(run["q"])[0]))
        rest = max(0, cycles - channels)  # of the last position
        if end > done.end:
            self._held = end
        self._post_free = max(begin + positions * cycles, end + self._up + _PORT + rest)
        self._give(run["signal_ofmap"], self._post_free + _POST)
        emptied = done.emptied if fed == done.fed else fed

        def room(column: int, value: int) -> float:
            return max(done.room(column, value), end + value / run["step"] * pace)

        return Pass(done.start, end, fed, emptied, done.behind, freed, room, done.period, done.feed)
