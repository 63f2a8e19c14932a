"""A microcontrolled accelerator in RTL: the same drivers, programs and results as those in hardware."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from campaign import bench, draw
from firmware_machine import FirmwareMachine
from firmware_programs import ENDS, PLACES, USUAL, Bench, load, store
from orris.cli import app
from orris.driver import DeviceError
from orris.layers import ConvLayer, Padding
from orris_hw.config import to_toml
from orris_hw.register_map import ErrorCode
from orris_sim import Simulator
from orris_sim.layer_run import run_layer

CYCLES = 100_000_000
LAYERS, LONG_LAYERS = 8, 300
WILD_PROGRAMS, LONG_WILD_PROGRAMS = 20, 2_000
LAYER = ConvLayer(name="layer", M=8, C=8, H=8, W=8, R=3, S=3, padding=Padding.all(1))


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "usual.toml"
    path.write_text(to_toml(USUAL))
    return str(path)


def random_layers(name: str, seed: int, count: int) -> None:
    place, problems = PLACES[name], []
    with bench(place, Simulator, CYCLES) as accelerator:
        for number in range(seed, seed + count):
            # A core that waits for each word has no use for slow memories.
            case = replace(draw(place, number), memory=2 * (number % 2))
            if problem := accelerator.problem(case):
                problems.append(f"{number}: {case.layer}\n{case.mapping.as_dict()}\n{problem}")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("name", ["usual", "least"])
def test_random_layers(name, seed):
    random_layers(name, seed, LAYERS)


@pytest.mark.long
@pytest.mark.parametrize("name", PLACES)
def test_many_random_layers(name, seed):
    random_layers(name, seed, LONG_LAYERS)


@pytest.fixture
def machine(seed):
    machine = Bench(Simulator, seed)
    yield machine
    assert machine.recovers()
    machine.close()


def test_ends_of_programs(machine):
    for number, (commands, code, index) in enumerate(ENDS):
        assert machine.run(commands) == (code, index), number


def test_wild_programs(machine, seed):
    assert {ErrorCode.NONE, ErrorCode.BAD_OPCODE, ErrorCode.BAD_FIELD} <= machine.wild(seed, WILD_PROGRAMS)


@pytest.mark.long
def test_many_wild_programs(machine, seed):
    machine.wild(seed, LONG_WILD_PROGRAMS)


@pytest.mark.parametrize(("kind", "code"), [("reads", ErrorCode.BUS_READ), ("writes", ErrorCode.BUS_WRITE)])
def test_memory_that_answers_with_an_error(machine, kind, code):
    place = (machine.good.ifmap if kind == "reads" else machine.good.ofmap).address
    getattr(machine.machine, f"fail_{kind}")(place, place + 8)
    with pytest.raises(DeviceError) as caught:
        machine.device.run_layer(machine.good, machine.data.ifmap, max_cycles=CYCLES)
    assert caught.value.code == code
    getattr(machine.machine, f"fail_{kind}")(0, 0)
    assert machine.recovers()


def test_memory_that_does_not_answer(seed):
    """The program ends after TIMEOUT cycles, before there is an answer, for good; the next one runs."""
    machine, rng = Bench(Simulator, seed, latency=9_000), np.random.default_rng(seed)
    for timeout, end in ((1_000, ErrorCode.TIMEOUT), (10_000, ErrorCode.NONE)) * 2:
        machine.registers["TIMEOUT"] = timeout
        cycles = 8_000 if end == ErrorCode.TIMEOUT else CYCLES  # 3,000 until it fetches
        assert machine.run([load(), store()], cycles) == (end, 0)
        before = machine.machine.memory.copy()
        machine.machine.run(int(rng.integers(1, 500_000)) if end == ErrorCode.TIMEOUT else 1)
        assert machine.read("ERROR_CODE") == end and machine.read("STATUS") == (2 if end == 0 else 4)
        assert np.array_equal(machine.machine.memory, before)
    assert machine.device.counters()["commands"] == 2
    machine.close()


def test_an_access_that_is_given_up_stays_on_the_port(seed):
    """A memory that takes its time with addresses sees each one held, whatever the host does meanwhile."""
    machine = Bench(Simulator, seed, stalls=0.98)
    machine.registers["TIMEOUT"] = 20
    for _ in range(20):
        assert machine.run([load(), store()])[0] == ErrorCode.TIMEOUT
    machine.registers["TIMEOUT"] = 5_000
    assert machine.run([load(), store()]) == (ErrorCode.NONE, 0)
    machine.close()


@pytest.mark.parametrize("token", ["ifmap", "filter", "ofmap"])
def test_a_run_takes_its_tokens(machine, token):
    assert machine.run_waits(token)


def test_the_upper_half_of_the_addresses_is_another(machine):
    """Where no memory is, nothing is read: least of all the memory in the lower half."""
    machine.registers |= {"READ_BASE": 0, "READ_LIMIT": (1 << 32) - 1}
    assert machine.run([load(), load(address=(1 << 31) + Bench.READABLE[0])]) == (ErrorCode.BUS_READ, 1)


def test_a_program_is_abandoned_at_any_time(machine, seed):
    """Soft reset, with an access to memory under way or not; the next program runs."""
    rng = np.random.default_rng(seed)
    for _ in range(15):
        machine.device.load(machine.good, machine.data.ifmap)
        machine.device.start(machine.good)
        machine.machine.run(int(rng.integers(1, 30_000)))
        machine.device.reset()
        assert machine.recovers()


def test_the_model_of_the_machine_takes_as_many_cycles(seed):
    """To within 5 %, so that what is measured on it is worth something."""
    cycles = {}
    for simulate in (FirmwareMachine, Simulator):
        machine = Bench(simulate, seed)
        assert machine.recovers()
        cycles[simulate] = machine.device.counters()["cycles"]
        machine.close()
    assert abs(cycles[FirmwareMachine] / cycles[Simulator] - 1) < 0.05, cycles


def test_a_layer_s_report_has_no_prediction_of_cycles(seed):
    run = run_layer(LAYER, USUAL, seed=seed)
    assert run.report.bit_exact and not run.report.surprises
    assert "cycles" not in run.report.predicted and "dram_read_words" in run.report.predicted
    assert set(run.report.counters) == {"cycles", "commands", "dram_read_words", "dram_write_words"}


SHAPE = ["--M", "8", "--C", "4", "--H", "8", "--R", "3"]


def test_simulate_says_nothing_of_predictions(config_file):
    shown = CliRunner().invoke(app, ["simulate", "--config", config_file, *SHAPE])
    assert shown.exit_code == 0 and "bit-exact" in shown.stdout and "predicted" not in shown.stdout
    found = json.loads(
        CliRunner().invoke(app, ["simulate", "--config", config_file, *SHAPE, "--json", "-"]).stdout
    )
    assert found["bit_exact"] and found["cycles"] > 0 and "cycles" not in found["predicted"]


@pytest.mark.parametrize("command", [["map", *SHAPE], ["bench", "alexnet", "--model"]])
def test_what_needs_predictions_says_so(config_file, command):
    result = CliRunner().invoke(app, [*command, "--config", config_file])
    assert result.exit_code == 2
    assert "does not predict the cycles of usual, whose commands firmware executes" in result.output
