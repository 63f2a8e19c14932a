"""What a RUN command means, written down a second time from docs/design.md and the texts of its fields.

Everything is computed from indices (pass, PE row, ifmap row, column), nothing by walking as the gateware
does.
"""

import random
from dataclasses import dataclass, fields

IDLE = 15  # the ifmap row modulo stride that rows without work listen to
CHUNKS = 63  # of a pass


def _log2(n):
    return n.bit_length() - 1


@dataclass
class Run:
    """A legal RUN for `config`. Names and units as in `orris_hw.commands.RUN`; `groups` channel groups."""

    config: object
    R: int
    S: int
    U: int
    V: int
    q: int
    p: int
    e: int
    sets: int
    positions: int
    groups: int
    rows: int
    pixel_lanes: int
    group_lanes: int
    first_lane: int
    first_pixel: int
    pad_left: int
    width: int
    pad_top: int
    height: int
    zero_point: int
    first: int
    last: int
    stacks: int  # sets of R rows with psums of their own, minus one
    split: int  # every filter set takes a channel of its own
    keep_tags: int
    places: dict  # addresses, strides, semaphores, rings

    # -- derived ---------------------------------------------------------------------------------------
    @property
    def taps(self):
        return self.q * self.S

    @property
    def step(self):
        return self.q * min(self.V, self.S)

    @property
    def lanes(self):
        return self.config.networks.ifmap_bits // self.config.data_width

    @property
    def pixels(self):
        return self.config.block // self.pixel_lanes

    @property
    def full_width(self):
        return (self.positions - 1) * self.V + self.S

    @property
    def full_height(self):
        return (self.e - 1) * self.U + self.R

    @property
    def passes(self):
        return -(-self.groups * self.R // self.rows)

    @property
    def filter_words(self):
        return -(-self.p * self.taps // self.config.block)

    def active(self, k):
        """PE rows of pass k."""
        return min(self.rows, self.groups * self.R - k * self.rows)

    def logical(self, k, row):
        """Channel group and filter row of a PE row in pass k."""
        return divmod(k * self.rows + row, self.R)

    def place(self, group):
        """Channel block and first lane of a group."""
        return divmod(self.first_lane + group * self.group_lanes, self.pixel_lanes)

    @property
    def legal(self):
        spads, array = self.config.scratchpads, self.config.array
        several = self.pixels > 1
        chunks = max(1, self.pixel_lanes // self.lanes)
        blocks = max(len(self.blocks(k)) for k in range(self.passes))
        return (
            self.taps + (self.pixels - 1) * self.q <= spads.ifmap
            and self.p <= spads.psum
            and self.p * self.taps <= spads.filter
            and self.e * self.sets <= array.columns
            and (self.q <= self.lanes or self.q % self.lanes == 0)
            and not (several and self.V > self.S)
            and blocks * chunks <= CHUNKS
        )

    def fields(self):
        """All fields of the command."""
        own = {field.name for field in fields(self)} - {"config", "S", "U", "V", "groups", "places"}
        sparse = self.V > self.S
        return self.places | {name: getattr(self, name) for name in own} | {
            "passes": self.passes, "last_rows": self.active(self.passes - 1), "taps": self.taps,
            "step": self.step, "filter_words": self.filter_words, "stride": self.U,
            "full_width": self.full_width, "full_height": self.full_height,
            "period": self.V if sparse else 1, "kept": self.S if sparse else 1,
        }  # fmt: skip

    # -- ifmaps ------------------------------------------------------------------------------------------
    def inside(self, y, x):
        """Whether a place of the padded tile is stored."""
        return 0 <= y - self.pad_top < self.height and 0 <= x - self.pad_left < self.width

    def address(self, block, y, x):
        """Word and pixel in it of a stored place."""
        word, pixel = divmod(self.first_pixel + x - self.pad_left, self.pixels)
        at = self.places
        row = (y - self.pad_top) * at["ifmap_row_stride"]
        return (at["ifmap_base"] + block * at["ifmap_block_stride"] + row + word) % (1 << 20), pixel

    def blocks(self, k):
        """Channel blocks that pass k reads."""
        first, last = (self.place(self.logical(k, row)[0])[0] for row in (0, self.active(k) - 1))
        return range(first, last + 1)

    def steps(self, k):
        """(block, y, columns): what leaves the buffer together, in order."""
        together = {}
        for x in range(self.full_width):
            if self.V > self.S and x % self.V >= self.S:
                continue  # between two positions' windows
            stored = 0 <= x - self.pad_left < self.width
            key = ("word", (self.first_pixel + x - self.pad_left) // self.pixels) if stored else ("pad", x)
            together.setdefault(key, []).append(x)
        for columns in together.values():
            for y in range(self.full_height):
                if y % self.U < self.R:
                    for block in self.blocks(k):
                        yield block, y, columns

    def requests(self):
        """Word addresses read, in order."""
        for k in range(self.passes):
            for block, y, columns in self.steps(k):
                if self.inside(y, columns[0]):
                    yield self.address(block, y, columns[0])[0]

    def row_setup(self, k):
        """What the rows are told before pass k: (kind, row, ...), None where it does not matter."""
        chunks = max(1, self.pixel_lanes // self.lanes)
        result = []
        for row in range(self.config.array.rows):
            if row < self.active(k):
                group, r = self.logical(k, row)
                block, lane = self.place(group)
                chunk = (block - self.blocks(k)[0]) * chunks + lane // self.lanes
                halves = self.config.networks.x_lanes
                beats, split = min(self.q, self.lanes), 1
                if self.split:
                    apart = self.stacks + 1
                    beats = -(-self.sets // halves)
                    split = apart * halves % 16 | apart % 8 << 4 | 1 << 7
                taken = lane % self.lanes | beats - 1 << 3
                told = (chunk, -(-self.q // self.lanes) - 1, r % self.U, taken, split)
                columns = [
                    (
                        "assign", row, (r // self.U + 16 * (s // halves) * self.split - s * self.e) % 64,
                        (s + 1) * self.e - 1, s % halves,
                    )
                    for s in range(self.sets)
                ]  # fmt: skip
            else:
                told, columns = (None, None, IDLE, None, None), []
            result += [("field", row, number, value) for number, value in enumerate(told)]
            result += [("clear", row), *columns]
        return result

    def ifmap_beats(self, operand, told=None):
        """The ifmap stream: `row_setup` where it differs from `told`, then the values.

        These are ("value", chunk, phase, tag, lanes), by `operand(block, lane, y, x)` of stored places.
        """
        chunks = max(1, self.pixel_lanes // self.lanes)
        for k in range(self.passes):
            if (setup := self.row_setup(k)) != told:
                yield from setup
                told = setup
            for block, y, columns in self.steps(k):
                for x in columns:
                    for chunk in range(chunks):
                        some = range(chunk * self.lanes, min(self.pixel_lanes, (chunk + 1) * self.lanes))
                        values = tuple(operand(block, at, y, x) if self.inside(y, x) else 0 for at in some)
                        number = (block - self.blocks(k)[0]) * chunks + chunk
                        yield ("value", number, y % self.U, y // self.U, values)

    # -- filters -----------------------------------------------------------------------------------------
    def filter_beats(self, weight):
        """The filter stream; `weight(k, filter set, row, i)`, i = tap * p + filter."""
        config = self.config
        lanes, everyone = config.networks.filter_bits // config.data_width, config.array.rows - 1
        yield ("clear", everyone)
        yield from (("assign", everyone, s, (s + 1) * self.e - 1) for s in range(self.sets))
        for k in range(self.passes):
            flags = 1 | (self.first and k == 0) << 1 | (self.last and k == self.passes - 1) << 2
            f = self.positions - 1
            told = (self.p - 1, self.taps - 1, self.step, f >> 8, f & 255, 0, flags)
            yield from (("field", self.active(k) - 1, number, value) for number, value in enumerate(told))
            for stack in range(1, self.stacks + 1):
                reach = self.active(k) - 1 - stack * self.R
                yield from (("field", reach, number, value) for number, value in ((5, stack), (6, flags)))
            total = self.p * self.taps
            for s in range(self.sets):
                for word in range(0, total, config.block):
                    for row in range(self.active(k)):
                        for i in range(word, min(total, word + config.block), lanes):
                            some = range(i, min(total, i + lanes))
                            values = tuple(weight(k, s, row, j) for j in some)
                            yield ("value", row, s, some[-1] == total - 1, values)

    def filter_word_places(self):
        """(pass, set, word, row) of every filter word in the order of reading, with its address."""
        at = self.places
        for k in range(self.passes):
            slot = (at["filter_start"] + k) % at["filter_slots"]
            address = at["filter_base"] + slot * at["filter_stride"]
            for s in range(self.sets):
                for word in range(self.filter_words):
                    for row in range(self.active(k)):
                        yield (k, s, word, row), address % (1 << 20)
                        address += 1


def _stack(rng: random.Random, run: Run) -> None:
    """Makes it a RUN of sets on channels of their own, one pixel's lanes in one beat."""
    array = run.config.array
    run.R = rng.randint(1, min(5, array.rows))
    run.q = run.group_lanes = run.groups = run.split = 1
    together = min(run.pixel_lanes, run.lanes)
    run.groups = rng.randint(1, min(array.rows // run.R, together))
    run.stacks, run.rows = run.groups - 1, run.groups * run.R
    run.sets = rng.randint(1, min(array.columns, together // run.groups))
    run.e = rng.randint(1, array.columns // run.sets)
    run.S = rng.randint(1, min(5, run.config.scratchpads.ifmap - run.pixels + 1))
    run.p = 1
    run.first_lane = rng.randint(0, together - run.groups * run.sets)


def random_run(rng: random.Random, config, most=6) -> Run:
    """A RUN from the whole legal space of `config`, extents (positions, channel groups) up to `most`."""
    array, spads, block = config.array, config.scratchpads, config.block

    def extent(high, low=1):
        return rng.choice((low, high, rng.randint(low, high)))

    while True:
        pixel_lanes = 1 << rng.randint(0, _log2(block))
        q = rng.choice((1 << rng.randint(0, _log2(pixel_lanes)), rng.randint(1, pixel_lanes)))
        power = q & (q - 1) == 0
        group_lanes = q if power and rng.random() < 0.7 else pixel_lanes
        first_lane = q * rng.randrange(pixel_lanes // q) if group_lanes == q else 0
        S = extent(min(5, max(1, spads.ifmap // q)))
        R = extent(5)
        run = Run(
            config=config, R=R, S=S, U=extent(R + 2), V=extent(S + 2), q=q,
            p=extent(max(1, min(spads.psum, spads.filter // (q * S)))),
            e=(e := extent(array.columns)), sets=extent(array.columns // e), positions=extent(most),
            groups=extent(most), rows=extent(array.rows), pixel_lanes=pixel_lanes, group_lanes=group_lanes,
            first_lane=first_lane, first_pixel=rng.randrange(block // pixel_lanes), pad_left=0, width=1,
            pad_top=0, height=1, zero_point=rng.choice((0, rng.randint(-128, 127))),
            first=rng.randint(0, 1), last=rng.randint(0, 1), stacks=0, split=0, keep_tags=0, places={},
        )  # fmt: skip
        if run.pixels <= spads.ifmap and rng.random() < 0.25:
            _stack(rng, run)
        if not run.legal:
            continue
        run.pad_left = rng.choice((0, rng.randint(0, min(31, run.full_width - 1))))
        run.pad_top = rng.choice((0, rng.randint(0, min(31, run.full_height - 1))))
        run.width = extent(run.full_width - run.pad_left)
        run.height = extent(run.full_height - run.pad_top)
        slots = rng.randint(1, 5)
        run.places = {
            "ifmap_base": rng.randrange(1 << 20), "ifmap_row_stride": rng.randrange(1 << 16),
            "ifmap_block_stride": rng.randrange(1 << 20), "filter_base": rng.randrange(1 << 20),
            "filter_stride": rng.randrange(1 << 16), "filter_slots": slots,
            "filter_start": rng.randrange(slots),
        } | {
            f"{what}_{kind}": rng.randrange(16)
            for what in ("wait", "signal") for kind in ("ifmap", "filter", "ofmap")
        }  # fmt: skip
        return run
