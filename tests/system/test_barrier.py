"""A barrier waits for everything: also for psums that no post-processing asks for."""

import numpy as np

from orris.compiler import compile_layer, pack_program
from orris.driver import Device
from orris.golden import conv2d_accumulate, random_layer_data
from orris.layers import ConvLayer
from orris.mapper import map_layer
from orris_hw.commands import BARRIER, END, FORMATS, STORE
from orris_hw.config import preset
from orris_sim import Simulator

TINY = preset("tiny")
OPCODES = {form.opcode: form for form in FORMATS.values()}


def test_psums_that_stay_in_the_buffer(seed):
    """A RUN with last = 0, and behind the barrier a STORE of its column's psums: none of them is missing."""
    layer = ConvLayer(M=8, C=16, H=6, W=3, R=3, S=3)
    data = random_layer_data(layer, seed)
    mapping = map_layer(layer, TINY)
    compiled = compile_layer(layer, mapping, TINY, data.weights, data.requant)
    commands = []
    for at in range(0, len(compiled.program), 64):
        form = OPCODES[compiled.program[at]]
        fields = form.unpack(compiled.program[at : at + 64])
        if form.name == "RUN":
            fields |= {"last": 0, "wait_ofmap": 0, "signal_ofmap": 0}
            run = fields
        if form.name != "STORE" and form is not END:
            commands.append((form, fields))
    assert sum(form.name == "RUN" for form, _ in commands) == 1, "the test is made for one RUN"
    columns, count = run["e"] * run["sets"], run["p"] * run["positions"]
    words = -(-count // TINY.psums_per_word)
    store = {
        "address": compiled.memory_size + 63 & ~63, "row_words": words, "rows": columns,
        "row_stride": 8 * words, "planes": 1, "buffer_row_stride": TINY.global_buffer.depth,
    }  # fmt: skip
    program = pack_program([*commands, (BARRIER, {}), (STORE, store), (END, {})])

    class Program:
        program_address = store["address"] + (8 * words * columns + 63 & ~63)
        commands = len(program) // 64
        read_window = write_window = (0, program_address + len(program))

    with Simulator(TINY, memory_bytes=Program.read_window[1], latency=0, bandwidth=32) as simulator:
        device = Device(simulator, TINY)
        device.load(compiled, data.ifmap)
        simulator.write_memory(Program.program_address, program)
        device.start(Program)
        device.finish(100_000)
        content = simulator.read_memory(store["address"], 8 * words * columns)
    psums = content.view("<i4").reshape(columns, -1)[:, :count].reshape(columns, run["positions"], run["p"])
    want = conv2d_accumulate(layer, data.ifmap, data.weights, zp_in=data.requant.zp_in)[0]
    for column in range(columns):
        group, row = divmod(column, run["e"])
        for m in range(run["p"]):
            if group * run["p"] + m < layer.M:
                np.testing.assert_array_equal(psums[column, :, m], want[group * run["p"] + m, row])
