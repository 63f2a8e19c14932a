"""The compute unit: RUN commands on the feeders, the PE array, the psum ports and post-processing."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..commands import RUN
from ..config import AcceleratorConfig
from ..emission.once import Once
from .arithmetic import small_product
from .beats import Kind
from .buffers import StreamFifo
from .command_layout import command_layout, copy_fields
from .event_sum import count_ones
from .filter_feeder import FILTER_RUN, FilterFeeder
from .finished_sums import queues_name, sum_queues
from .glb_bank import WORD_BITS, BankRead, BankWrite
from .global_buffer import GLB_WRITE, GlbRead
from .ifmap_feeder import IfmapFeeder
from .ifmap_walk import IFMAP_RUN
from .pe_array import PEArray
from .post_lane import PostJob
from .post_processing import PostProcessing
from .psum_port import PsumPort
from .semaphores import TokenSink, TokenSource
from .transfer_units import INDEX_BITS, indexed

_JOB = data.StructLayout({"job": PostJob, "wait": 4, "signal": 4, "index": INDEX_BITS})
_UNDER_WAY = data.StructLayout({"signal": 4, "index": INDEX_BITS})
_SETTLING = 63
"""Cycles without a feeder, multiply-accumulate or psum at work until the array is empty: more than a value
takes from a feeder to the last PE, or a psum from a PE to its bank. They count from the second one."""
_JOBS_WAITING = 4
"""Jobs that wait for their token, or for post-processing, while the feeders go on."""
_JOBS_DONE = 8
"""Jobs handed to post-processing and not done: more than it can hold."""


class ComputeUnit(wiring.Component):
    """Runs RUN commands in order; the parts of one overlap with those of the next.

    A RUN goes to the filter feeder, the ifmap feeder and, if it finishes its psums, to post-processing,
    each as soon as that has room; from there everything follows from what is in the streams.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    runs : In(stream of indexed(RUN))
    ifmap_read, filter_read : Out(GlbRead())
    ofmap_write : Out(stream of GLB_WRITE)
    psum_read, psum_data, psum_write : raw bank access, one per column
    param_write : In(stream of parameter words)
    wait, signal : three each: ifmap feeder, filter feeder, post-processing
    idle : Out(1)
    index : Out(32), three
        The RUN that the ifmap feeder, the filter feeder and post-processing work on.
    events : Out(struct of counter increments)
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        self._array = PEArray(config)
        self._post = PostProcessing(config)
        columns, depth = config.array.columns, config.global_buffer.depth
        super().__init__(
            {
                "runs": In(stream.Signature(indexed(command_layout(RUN)))),
                "ifmap_read": Out(GlbRead()),
                "filter_read": Out(GlbRead()),
                "ofmap_write": Out(stream.Signature(GLB_WRITE)),
                "psum_read": Out(BankRead(depth)).array(columns),
                "psum_data": In(WORD_BITS).array(columns),
                "psum_write": Out(BankWrite(depth)).array(columns),
                "param_write": In(stream.Signature(self._post.param_write.payload.shape())),
                "wait": Out(TokenSink()).array(3),
                "signal": Out(TokenSource()).array(3),
                "idle": Out(1),
                "index": Out(INDEX_BITS).array(3),
                "pe_events": Out(self._array.events.shape()),
                "events": Out(
                    data.StructLayout(
                        {
                            "ifmap_beat": 1,
                            "filter_beat": 1,
                            "psums": range(columns + 1),
                            "psum_reads": range(columns + 1),
                            "psum_writes": range(columns + 1),
                            "ofmap_values": range(config.block + 1),
                        }
                    )
                ),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        m.submodules.ifmap_feeder = ifmap = IfmapFeeder(config)
        m.submodules.filter_feeder = filters = FilterFeeder(config)
        array = self._array
        array.emission_key = config.content_hash()
        m.submodules.array = Once(array, "pe_array")
        m.submodules.post = post = self._post
        m.submodules.jobs = jobs = StreamFifo(_JOB, _JOBS_WAITING)

        self._hand_out(m, ifmap, filters, jobs)
        self._finish(m, jobs, post)
        self._collect(m, array, post)
        for feeder, beats, read, place in (
            (ifmap, array.ifmap, self.ifmap_read, 0),
            (filters, array.filter, self.filter_read, 1),
        ):
            wiring.connect(m, feeder.beats, beats)
            wiring.connect(m, feeder.read, wiring.flipped(read))
            wiring.connect(m, feeder.wait, wiring.flipped(self.wait[place]))
            wiring.connect(m, feeder.signal, wiring.flipped(self.signal[place]))
        wiring.connect(m, wiring.flipped(self.param_write), post.param_write)
        wiring.connect(m, post.write, wiring.flipped(self.ofmap_write))

        m.d.comb += self.pe_events.eq(array.events)
        # Psums that are not finished leave nothing to wait for but the array itself.
        feeding = self.runs.valid | ~ifmap.idle | ~filters.idle
        computing = array.events.mac_done.any() | array.events.mac_gated.any() | self.events.psums.any()
        working, settled, settling = Signal(), Signal(init=1), Signal(range(_SETTLING))
        m.d.sync += [working.eq(feeding | computing), settled.eq(~working & (settling <= 1))]
        with m.If(working):
            m.d.sync += settling.eq(_SETTLING - 1)
        with m.Elif(~settled):
            m.d.sync += settling.eq(settling - 1)
        m.d.comb += self.idle.eq(
            ~feeding & ~working & settled & ~jobs.o.valid & post.idle & ~self._unfinished
        )
        for event, beats in (
            (self.events.ifmap_beat, ifmap.beats),
            (self.events.filter_beat, filters.beats),
        ):
            m.d.sync += event.eq(beats.valid & beats.ready & (beats.payload.kind == Kind.VALUE))
        m.d.comb += self.events.ofmap_values.eq(post.write_event)
        return m

    def _hand_out(self, m: Module, ifmap: Any, filters: Any, jobs: Any) -> None:
        """Gives each RUN to the three that need it, and forgets it when all have taken it."""
        run = self.runs.payload.command
        # A job's channels are multiplied out in two steps, while its RUN stands at the head.
        few, known = Signal(len(run.p) + 2), Signal()  # p ((stacks mod 4) + 1); it is of this RUN
        m.d.sync += [
            few.eq(small_product(run.p, run.stacks[:2] + 1)),
            known.eq(self.runs.valid & ~self.runs.ready),
        ]
        targets = [(ifmap.run, 1), (filters.run, 1), (jobs.i, run.last & known)]
        given = Signal(len(targets))
        everyone: Any = self.runs.valid & known
        for number, (port, needed) in enumerate(targets):
            m.d.comb += port.valid.eq(self.runs.valid & needed & ~given[number])
            everyone = everyone & (~(port.valid) | port.ready)
            with m.If(port.valid & port.ready):
                m.d.sync += given[number].eq(1)
                if port is not jobs.i:
                    m.d.sync += self.index[number].eq(self.runs.payload.index)
        m.d.comb += self.runs.ready.eq(everyone)
        with m.If(everyone):
            m.d.sync += given.eq(0)

        copy_fields(m, data.View(IFMAP_RUN, ifmap.run.payload), run)
        copy_fields(m, data.View(FILTER_RUN, filters.run.payload), run)
        job = jobs.i.payload.job
        m.d.comb += [
            job.out_base.eq(run.ofmap_base),
            job.out_stride_row.eq(run.ofmap_row_stride),
            job.out_stride_block.eq(run.ofmap_block_stride),
            job.out_lane.eq(run.ofmap_lane),
            job.param_base.eq(run.parameter_base),
            job.e.eq(run.e),
            job.sets.eq(run.sets),
            job.merge.eq(run.merge),
            job.p.eq(few + (small_product(run.p, run.stacks[2:]) << 2)),
            job.last_position.eq(run.positions - 1),
            job.zp_out.eq(run.zp_out),
            job.act_min.eq(run.act_min),
            job.act_max.eq(run.act_max),
            job.rounding.eq(run.rounding),
            jobs.i.payload.wait.eq(run.wait_ofmap),
            jobs.i.payload.signal.eq(run.signal_ofmap),
            jobs.i.payload.index.eq(self.runs.payload.index),
        ]

    def _finish(self, m: Module, jobs: Any, post: Any) -> None:
        """Gives a job to post-processing once its token is there; gives a token when it is done."""
        m.submodules.signals = signals = StreamFifo(_UNDER_WAY, _JOBS_DONE)
        wait, signal = self.wait[2], self.signal[2]
        head = jobs.o.payload
        granted = Signal()
        ready = jobs.o.valid & signals.i.ready
        m.d.comb += [
            wait.want.eq(ready & ~granted),
            wait.id.eq(head.wait),
            post.job.valid.eq(ready & granted),
            post.job.payload.eq(head.job),
            jobs.o.ready.eq(post.job.valid & post.job.ready),
            signals.i.valid.eq(jobs.o.ready),
            signals.i.payload.signal.eq(head.signal),
            signals.i.payload.index.eq(head.index),
            self.index[2].eq(signals.o.payload.index),
            signals.o.ready.eq(post.done),
            signal.give.eq(post.done),
            signal.id.eq(signals.o.payload.signal),
        ]
        with m.If(jobs.o.ready):
            m.d.sync += granted.eq(0)
        with m.Elif(wait.granted):
            m.d.sync += granted.eq(1)
        self._unfinished = signals.o.valid

    def _collect(self, m: Module, array: Any, post: Any) -> None:
        """Columns to psum ports, psum ports to banks and to post-processing."""
        columns = self.config.array.columns
        group = -(-columns // self.config.psum_ports)
        reads, writes = [], []
        for number, first in enumerate(range(0, columns, group)):
            members = range(first, min(columns, first + group))
            queues = [(queue, served) for queue, served in enumerate(sum_queues(self.config))
                      if served[0] in members]  # fmt: skip
            places = tuple(tuple(column - first for column in served) for _, served in queues)
            port = PsumPort(self.config, places)
            port.emission_key = (self.config.content_hash(), places)
            m.submodules[f"psum_port_{number}"] = Once(port, f"psum_port_{queues_name(places)}")
            m.d.comb += [
                post.sums[queue].eq(sums) for sums, (queue, _) in zip(port.sums, queues, strict=True)
            ]
            for place, column in enumerate(members):
                wiring.connect(m, array.psum[column], port.psum[place])
                wiring.connect(m, port.bank_read[place], wiring.flipped(self.psum_read[column]))
                wiring.connect(m, port.bank_write[place], wiring.flipped(self.psum_write[column]))
                wiring.connect(m, port.final[place], post.final[column])
                m.d.comb += port.bank_data[place].eq(self.psum_data[column])
            reads.append(port.read_event)
            writes.append(port.write_event)
        moved = [psum.valid & psum.ready for psum in array.psum]
        m.d.sync += [
            self.events.psums.eq(count_ones(moved)),
            self.events.psum_reads.eq(count_ones(reads)),
            self.events.psum_writes.eq(count_ones(writes)),
        ]
