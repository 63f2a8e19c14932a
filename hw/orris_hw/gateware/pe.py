"""The processing element."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..config import AcceleratorConfig
from .address_order import address_after
from .arithmetic import saturate
from .beats import FIELD_BITS, FORWARD_BITS, PassField, PassFlags, pe_filter_beat, psum_beat

LATENCY = 7
"""Cycles from the issue of a last tap to its psum on `psum_out`."""

POSITION_BITS = 12


class PeEvents(data.Struct):
    """What a PE did in a cycle; every field is one event, registered."""

    mac_done: 1  # a multiply-accumulate that reached the multiplier
    mac_gated: 1  # one that a zero ifmap value suppressed
    stall_ifmap: 1  # a pass is running, the next ifmap value has not come
    stall_filter: 1  # a pass is being loaded, none is running
    stall_psum: 1  # the pipeline waits for the psum from below, or for room above
    spad_ifmap_read: 1
    spad_ifmap_write: 1
    spad_filter_write: 1
    spad_psum_read: 1
    spad_psum_write: 1
    net_psum_values: 1  # a psum that left, to the PE above or to the psum port


def pass_state(config: AcceleratorConfig) -> data.StructLayout:
    """What a PE holds of a pass: a member for each `PassField`, as wide as the scratchpads ask for."""
    spads = config.scratchpads
    return data.StructLayout(
        {
            "filters": bits_for(spads.psum - 1),
            "taps": bits_for(spads.ifmap - 1),
            "step": bits_for(spads.ifmap),
            "positions_high": POSITION_BITS - FIELD_BITS,
            "positions_low": FIELD_BITS,
            "forward": FORWARD_BITS,
            "flags": PassFlags,
        }
    )


class PE(wiring.Component):
    """One filter row against one ifmap row: a row of partial sums (the row-stationary primitive).

    For ofmap positions f in 0..F-1 and filters m in 0..p-1::

        psum[f, m] = sum over taps j in 0..q S - 1 of  ifmap[f * step + j] * filter[j, m]  (+ psum from below)

    with the taps outside and the filters inside, one multiply-accumulate per cycle: p q S cycles per
    position, and not one lost between taps, positions or passes while ifmap values and filters are
    there. Each ifmap value is read from its scratchpad once per tap and used for p cycles; the p sums
    wait in the psum scratchpad; on the last tap each joins the psum from below and leaves, `LATENCY`
    cycles after its issue.

    A pass is described and its filters are loaded through `filter` while the pass before runs (two
    banks). The ifmap scratchpad is a ring: a value's place is free as soon as its last tap is issued,
    so the next position's values arrive while this one computes.

    Where sets of rows with psums of their own are stacked, the psums of the sets below follow each own one
    (`forward` of them, 1 cycle each, in which the pipeline stands still): a column delivers its sets from
    the top down.

    A zero ifmap value suppresses the filter read, holds the multiplier's operands still, and skips the
    psum scratchpad where the sum does not change (`zero_gating`).

    Pipeline: issue, ifmap scratchpad, filter scratchpad, operands, product, accumulate, join. It maps to
    one block RAM (filters), LUT RAM (ifmap, and psum by `scratchpads.psum_memory`) and one DSP multiplier.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    ifmap : In(stream of signed(operand_width))
    filter : In(stream of pe_filter_beat)
        Parameters of the next pass, then its p q S filter values in [tap][filter] order, the last marked.
    psum_in, psum_out : In, Out(stream of psum_beat)
    events : Out(PeEvents)
        0 where `control.counters` are few.
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__(
            {
                "ifmap": In(stream.Signature(signed(config.operand_width))),
                "filter": In(stream.Signature(pe_filter_beat(config))),
                "psum_in": In(stream.Signature(psum_beat(config))),
                "psum_out": Out(stream.Signature(psum_beat(config))),
                "events": Out(PeEvents),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        spads = config.scratchpads
        events = Signal(PeEvents)
        if config.control.counters == "all":
            m.d.sync += self.events.eq(events)

        # -- loading the next pass -------------------------------------------------------------
        state = pass_state(config)
        current = Signal(state, reset_less=True)
        # Fields are shifted in, each group in its order.
        again = PassField.FORWARD.value  # the first of those that may be sent again
        sizes = Signal(data.ArrayLayout(FIELD_BITS, again), reset_less=True)
        ends = Signal(data.ArrayLayout(FIELD_BITS, len(PassField) - again), reset_less=True)
        following = Signal(state)
        fields = [group[k] for group in (sizes, ends) for k in reversed(range(len(group)))]
        m.d.comb += [following[name].eq(fields[PassField[name.upper()]]) for name, _ in state]
        active, loading, loaded = Signal(), Signal(), Signal()
        load_word = Signal(range(spads.filter), reset_less=True)  # cleared by the fields of a pass
        filter_bank = Signal()  # the one that is read; the other is loaded, so that no word is both at once
        m.submodules.filter_spad = filter_spad = memory.Memory(
            shape=signed(config.data_width), depth=2 << len(load_word), init=[]
        )
        load = filter_spad.write_port()
        beat = self.filter.payload
        accept = Signal()
        switch = Signal()  # the next pass becomes the current one
        settled = Signal(init=1)  # the current pass's flags have gone on to its first product
        draining = Signal()  # the last filter read of the pass before has not happened yet
        m.d.comb += [
            self.filter.ready.eq(~loaded & ~draining),
            accept.eq(self.filter.valid & self.filter.ready),
            load.addr.eq(Cat(load_word, ~filter_bank)),
            load.data.eq(beat.data),
            load.en.eq(accept & ~beat.parameter),
            events.spad_filter_write.eq(load.en),
        ]
        with m.If(accept):
            with m.If(beat.parameter):
                m.d.sync += [loading.eq(1), load_word.eq(0)]
                with m.If(beat.field >= PassField.FORWARD):
                    m.d.sync += ends.eq(Cat(beat.data[:FIELD_BITS], ends))
                with m.Else():
                    m.d.sync += sizes.eq(Cat(beat.data[:FIELD_BITS], sizes))
            with m.Else():
                m.d.sync += [load_word.eq(address_after(load_word)), loaded.eq(beat.last)]
        enable = Signal()  # the pipeline moves
        with m.If(enable):
            m.d.sync += [draining.eq(0), filter_bank.eq(filter_bank ^ draining)]
        with m.If(switch):
            m.d.sync += [
                current.eq(following),
                loaded.eq(0),
                loading.eq(0),
                draining.eq(1),
            ]

        # -- the ifmap ring --------------------------------------------------------------------
        m.submodules.ifmap_spad = ifmap_spad = memory.Memory(
            shape=signed(config.operand_width), depth=1 << bits_for(spads.ifmap - 1), init=[]
        )
        ring_write, ring_read = ifmap_spad.write_port(), ifmap_spad.read_port()
        # Pointers: the first word that may not be overwritten, the one at the current tap, the next to come.
        # They count modulo more than the ring holds, so that equal ones mean empty and never full.
        oldest, here, coming = (
            Signal(range(spads.ifmap + 1), name=name) for name in ("oldest", "here", "coming")
        )
        room = Signal()
        push, free = Signal(), Signal()
        m.d.comb += [
            room.eq(coming != (oldest + spads.ifmap)[: len(oldest)]),
            self.ifmap.ready.eq(room),
            push.eq(self.ifmap.valid & room),
            ring_write.addr.eq(coming),
            ring_write.data.eq(self.ifmap.payload),
            ring_write.en.eq(push),
            ring_read.addr.eq(here),
            events.spad_ifmap_write.eq(push),
        ]
        with m.If(push):
            m.d.sync += coming.eq(coming + 1)

        # -- issue: taps outside, filters inside -------------------------------------------------
        available = Signal()  # the ifmap value of the current tap
        issue, last_issue = Signal(), Signal()  # of a multiply-accumulate; of a tap's last
        filter_index, tap = Signal.like(current.filters), Signal.like(current.taps)
        position = Signal(POSITION_BITS, reset_less=True)  # positions after this one, minus one
        first_filter, last_filter = Signal(), Signal()
        last_tap, last_position = Signal(), Signal()
        m.d.comb += [
            available.eq(here != coming),
            issue.eq(active & available & enable),
            first_filter.eq(filter_index == 0),
            last_filter.eq(filter_index == current.filters),
            last_tap.eq(tap == current.taps),
            last_position.eq(position.all()),
            last_issue.eq(issue & last_filter),
            free.eq(last_issue & (last_position | (tap < current.step))),
            ring_read.en.eq(issue & first_filter),
            events.spad_ifmap_read.eq(ring_read.en),
            events.stall_ifmap.eq(active & enable & ~available),
            events.stall_psum.eq(active & ~enable),
            events.stall_filter.eq(~active & loading),
        ]
        end_of_position, end_of_pass = Signal(), Signal()
        m.d.comb += [
            end_of_position.eq(last_issue & last_tap),
            end_of_pass.eq(end_of_position & last_position),
            switch.eq(loaded & settled & (~active | end_of_pass)),
        ]
        # Counters wrap in branches of their own, which synthesis turns into resets.
        with m.If(last_issue):
            m.d.sync += filter_index.eq(0)
        with m.Elif(issue):
            m.d.sync += filter_index.eq(filter_index + 1)
        with m.If(end_of_position):
            m.d.sync += tap.eq(0)
        with m.Elif(last_issue):
            m.d.sync += tap.eq(tap + 1)
        # Told by registers whether the next pass's are taken, so that nothing follows on `switch`: without a
        # pass they are taken all the time.
        positions = Mux(
            last_position | ~active, Cat(following.positions_low, following.positions_high), position
        )
        with m.If(end_of_position | ~active):
            m.d.sync += position.eq(positions - 1)
        # A position frees the words of its first taps. The next one starts at the oldest word, unless the
        # last tap freed that as well.
        after = (here + 1)[: len(here)]
        with m.If(free):  # where `oldest` is `here`
            m.d.sync += oldest.eq(after)
        with m.If(last_issue):
            m.d.sync += here.eq(Mux(last_tap & ~free, oldest, after))
        with m.If(end_of_pass):
            m.d.sync += active.eq(0)
        with m.If(switch):
            m.d.sync += active.eq(1)

        # -- ifmap value, then filter value --------------------------------------------------------
        # What travels with a multiply-accumulate; `zero` joins once the ifmap value is known.
        step_shape = data.StructLayout({"last_filter": 1, "last_tap": 1, "end": 1})
        issued = Signal(step_shape)
        m.d.comb += [
            issued.last_filter.eq(last_filter),
            issued.last_tap.eq(last_tap),
            issued.end.eq(end_of_pass),
        ]
        names = ("ifmap", "filter", "operands", "product")
        valid = {name: Signal(name=f"{name}_valid") for name in names}
        about = {name: Signal(step_shape, name=f"{name}_about", reset_less=True) for name in names}
        zero = {name: Signal(name=f"{name}_zero", reset_less=True) for name in names}
        with m.If(enable):
            m.d.sync += [
                valid["ifmap"].eq(issue),
                about["ifmap"].eq(issued),
            ]
            for before, after in zip(names, names[1:], strict=False):
                m.d.sync += [
                    valid[after].eq(valid[before]),
                    about[after].eq(about[before]),
                    zero[after].eq(zero[before]),
                ]
        # Filters are read in the order in which they came, anew for each position.
        filter_read = filter_spad.read_port()
        filter_word = Signal(load_word.shape(), reset_less=True)
        last_word = about["ifmap"].last_filter & about["ifmap"].last_tap  # of the position
        with m.If(enable & (valid["ifmap"] | draining)):  # before the first word of a pass as well
            m.d.sync += filter_word.eq(Mux(last_word | draining, 0, address_after(filter_word)))
        ifmap_value = [
            Signal(signed(config.operand_width), name=f"ifmap_{i}", reset_less=True) for i in range(2)
        ]
        filter_value = Signal(signed(config.data_width), reset_less=True)
        m.d.comb += [
            zero["ifmap"].eq((ring_read.data == 0) & int(config.zero_gating)),
            filter_read.addr.eq(Cat(filter_word, filter_bank)),
            filter_read.en.eq(enable & valid["ifmap"] & ~zero["ifmap"]),
            events.mac_done.eq(filter_read.en),
            events.mac_gated.eq(enable & valid["ifmap"] & zero["ifmap"]),
        ]
        with m.If(enable):
            m.d.sync += ifmap_value[0].eq(ring_read.data)
            with m.If(~zero["filter"]):  # else the multiplier's operands hold still
                m.d.sync += [ifmap_value[1].eq(ifmap_value[0]), filter_value.eq(filter_read.data)]

        # -- multiply and accumulate -----------------------------------------------------------------
        product = Signal(signed(config.operand_width + config.data_width), reset_less=True)
        m.submodules.psum_spad = psum_spad = memory.Memory(
            shape=signed(config.sum_width), depth=1 << bits_for(spads.psum - 1), init=[]
        )
        psum_write = psum_spad.write_port()
        psum_read = psum_spad.read_port(domain="comb")
        at_once = spads.psum_memory == "lut_ram"  # read as it is added to, else a cycle before
        stage = "product" if at_once else "operands"
        reading, summing = about[stage], about["product"]
        begins = Signal(init=1)  # what comes to the multiplier next is the pass's first
        # Which sum it is, is counted anew where it is read.
        read_filter, read_first_tap = Signal.like(current.filters), Signal(init=1)
        with m.If(enable & valid[stage] & reading.last_filter):
            m.d.sync += [read_filter.eq(0), read_first_tap.eq(reading.last_tap)]
        with m.Elif(enable & valid[stage]):
            m.d.sync += read_filter.eq(read_filter + 1)
        sum_filter, first_tap = read_filter, read_first_tap  # at the product
        if not at_once:
            sum_filter, first_tap = Signal.like(read_filter, reset_less=True), Signal(reset_less=True)
            with m.If(enable):
                m.d.sync += [sum_filter.eq(read_filter), first_tap.eq(read_first_tap)]
        m.d.comb += [
            psum_read.addr.eq(read_filter),
            events.spad_psum_read.eq(
                enable & valid[stage] & ~read_first_tap & (~zero[stage] | reading.last_tap)
            ),
        ]
        with m.If(enable):
            with m.If(zero["operands"]):
                m.d.sync += product.eq(0)
            with m.Else():
                m.d.sync += product.eq(ifmap_value[1] * filter_value)

        # The flags of the pass that the product is of: those of the current pass from its first product on.
        leaving = Signal(data.StructLayout({"flags": PassFlags, "forward": FORWARD_BITS}), reset_less=True)
        with m.If(enable & valid["operands"]):
            m.d.sync += begins.eq(about["operands"].end)
            with m.If(begins):
                m.d.sync += [
                    leaving.flags.eq(current.flags),
                    leaving.forward.eq(current.forward),
                    settled.eq(1),
                ]
        with m.If(switch):
            m.d.sync += settled.eq(0)

        fixed_point = config.arithmetic == "fixed_point"
        term = product >> leaving.flags.shift if fixed_point else product
        own = Signal(signed(config.sum_width), reset_less=True)  # the sum before
        so_far = Signal(signed(config.sum_width))
        if at_once:
            m.d.comb += so_far.eq(Mux(first_tap, 0, psum_read.data))
        else:
            read = Signal.like(own)
            repeats = Signal()  # `own` is the one to add to (p = 1), and was not yet there when read
            m.d.comb += so_far.eq(Mux(repeats, own, read))
            with m.If(enable):
                m.d.sync += repeats.eq(psum_write.en & (psum_write.addr == psum_read.addr))
            with m.If(enable & read_first_tap):
                m.d.sync += read.eq(0)
            with m.Elif(events.spad_psum_read):
                m.d.sync += read.eq(psum_read.data)
        exact = term + so_far
        total = Signal(signed(config.sum_width))
        m.d.comb += [
            total.eq(saturate(exact, config.sum_width) if fixed_point else exact),
            psum_write.addr.eq(sum_filter),
            psum_write.data.eq(total),
            psum_write.en.eq(
                enable & valid["product"] & ~summing.last_tap & (~zero["product"] | first_tap)
            ),
            events.spad_psum_write.eq(psum_write.en),
        ]

        # -- join the psum from below as it comes, then pass on those of other sets --------------------
        own_valid, own_flags = Signal(), Signal(PassFlags, reset_less=True)
        # Gates, where a zero loaded into a register would be a reset more.
        own_counts, below_counts = Signal(reset_less=True), Signal(reset_less=True)
        to_forward, forwarded_all = Signal(FORWARD_BITS, reset_less=True), Signal()
        end_after = Signal(reset_less=True)  # the last psum to be passed on is the pass's last
        # A psum that comes while the one it joins is held up waits, so that `ready` comes from a register.
        waiting, waits = Signal(signed(config.link_width), reset_less=True), Signal()
        below, out = self.psum_in, self.psum_out
        leaves = Signal()
        m.d.comb += [
            below.ready.eq(~waits),
            leaves.eq(own_valid & (~below_counts | below.valid | waits) & (~out.valid | out.ready)),
            forwarded_all.eq(to_forward == 0),
            enable.eq(~own_valid | (leaves & forwarded_all)),
            events.net_psum_values.eq(leaves),
        ]
        with m.If(leaves & below_counts):
            m.d.sync += waits.eq(0)
        with m.Elif(below.valid):
            m.d.sync += waits.eq(1)
        with m.If(below.valid & ~waits):
            m.d.sync += waiting.eq(below.payload.psum)
        with m.If(enable):
            m.d.sync += [
                own_valid.eq(valid["product"] & summing.last_tap),
                own.eq(total),
                own_counts.eq(1),
                below_counts.eq(leaving.flags.join),
                own_flags.eq(leaving.flags),
                to_forward.eq(leaving.forward),
                end_after.eq(summing.end),
            ]
        with m.Elif(leaves):
            m.d.sync += [own_counts.eq(0), below_counts.eq(1), to_forward.eq(to_forward - 1)]
        joined = Mux(own_counts, own, 0) + Mux(below_counts, Mux(waits, waiting, below.payload.psum), 0)
        with m.If(leaves):
            m.d.sync += [
                out.valid.eq(1),
                out.payload.psum.eq(saturate(joined, config.link_width) if fixed_point else joined),
                out.payload.first.eq(own_flags.first),
                out.payload.last.eq(own_flags.last),
                out.payload.end.eq(end_after & forwarded_all),
            ]
        with m.Elif(out.ready):
            m.d.sync += out.valid.eq(0)
        return m
