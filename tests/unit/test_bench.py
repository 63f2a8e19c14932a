"""Benchmarks: what `orris bench --model` and `orris map` answer, and jobs on a cluster that loses workers."""

import json
import os
import signal

import pytest
from typer.testing import CliRunner

from orris.cli import app
from orris.cost import energy_table
from orris.layers import find_layer
from orris.report import LayerReport
from orris.report.bench import Conditions, bench_as_dict, bench_layer
from orris.report.silicon import silicon
from orris_hw.config import preset
from orris_hw.register_map import COUNTERS
from orris_sim.bench_jobs import BenchJob, ClusterError, run_jobs

RUNNER = CliRunner()
ORRIS = preset("orris-168")
LAYERS = ("resnet18.layer4.0.downsample", "alexnet.conv5", "mobilenetv1.pw13", "resnet18.layer3.0.downsample")


def orris(*words: str, status: int = 0):
    result = RUNNER.invoke(app, list(words))
    assert result.exit_code == status, result.output
    return result


def model_jobs() -> list[BenchJob]:
    return [BenchJob(find_layer(name), ORRIS, rtl=False) for name in LAYERS]


# -- orris bench -----------------------------------------------------------------------------------------
def test_the_json_has_what_every_layer_took(tmp_path):
    file = tmp_path / "alexnet.json"
    orris("bench", "alexnet", "--preset", "orris-168", "--model", "-j", "1", "--json", str(file))
    bench = json.loads(file.read_text())
    assert (bench["network"], bench["preset"], bench["source"]) == ("alexnet", "orris-168", "model")
    assert bench["complete"]
    assert [entry["layer"] for entry in bench["layers"]] == [f"alexnet.conv{n}" for n in range(1, 6)]
    for entry in bench["layers"]:
        layer = find_layer(entry["layer"])
        assert entry["macs"] == layer.macs
        assert entry["cycles"] == entry["predicted_cycles"] == entry["counters"]["cycles"]
        assert entry["utilization"] == layer.macs / (168 * entry["cycles"])
        assert entry["bit_exact"] is None  # nothing was computed
        assert set(entry["stalls"]) == {"ifmap", "filter", "psum"}
        assert entry["roofline"]["share"] == pytest.approx(
            layer.macs / entry["cycles"] / entry["roofline"]["macs_per_cycle"]
        )
        assert entry["energy"]["total"] > entry["energy"]["mac"] > 0
        assert entry["silicon"]["processing_ms"] > 0
    total = bench["total"]
    assert total["macs"] == sum(entry["macs"] for entry in bench["layers"])
    assert total["utilization"] == total["macs"] / (168 * total["cycles"])


def test_layers_by_name_and_pattern_for_several_images(tmp_path):
    file = tmp_path / "some.json"
    words = ("--model", "-j", "1", "--layers", "conv5,conv[12]", "--batch", "2")
    orris("bench", "alexnet", *words, "--json", str(file))
    bench = json.loads(file.read_text())
    assert [entry["layer"][-1] for entry in bench["layers"]] == ["1", "2", "5"]
    assert bench["layers"][0]["macs"] == 2 * find_layer("alexnet.conv1").macs


def test_energy_in_another_unit():
    words = ("bench", "alexnet", "--model", "-j", "1", "--layers", "conv5", "--json", "-")
    relative, absolute = (
        json.loads(orris(*words, "--energy", table).stdout) for table in ("isca2016", "eyeriss-pj")
    )
    assert absolute["energy_table"]["unit"] == "pJ"
    assert absolute["layers"][0]["energy"]["dram"] == pytest.approx(
        460 / 200 * relative["layers"][0]["energy"]["dram"]
    )


@pytest.mark.parametrize(
    "words, message",
    [
        ("alexnett", "network 'alexnett' is not in the built-in tables; the nearest name is 'alexnet'"),
        ("alexnet --layers conv9", "--layers conv9: alexnet has no such layer (conv1, conv2, "),
        ("alexnet --model --aim cheap", "aim 'cheap': expected time, energy, or the weight of time"),
        ("alexnet --model --memory-bytes 32", "a memory of 32 bytes per cycle: the memory port of orris-168"),
        ("alexnet --model --energy none.toml", "no energy table 'none.toml'"),
        ("alexnet --model --json /no/where/x.json", "--json /no/where/x.json: there is no such directory"),
        ("alexnet --model --scheduler tcp://127.0.0.1:1", "no dask scheduler answers at tcp://127.0.0.1:1"),
    ],
)
def test_wrong_input_is_a_sentence(words, message, monkeypatch):
    monkeypatch.setattr("orris_sim.bench_jobs._ANSWER", 1)
    assert message in orris("bench", *words.split(), status=2).output


# -- reports ---------------------------------------------------------------------------------------------
def test_a_layer_that_did_not_end_well_is_in_the_record():
    job = model_jobs()[1]
    mapping = next(run_jobs([job]))[1].mapping
    conditions = Conditions(8, 100, 1, True, energy_table())
    stopped = LayerReport(job.layer, ORRIS, mapping, {}, {"cycles": 5}, 7, problem="the program stopped")
    entry = bench_layer(stopped, conditions)
    assert (entry["bit_exact"], entry["problem"], entry["cycles"]) == (False, "the program stopped", 0)
    total = bench_as_dict("alexnet", ORRIS, conditions, [entry], True)["total"]
    assert (total["bit_exact"], total["utilization"]) == (False, 0.0)


def test_the_chips_figures():
    conv1 = silicon("alexnet.conv1")
    assert conv1 is not None
    assert (conv1.processing_cycles, conv1.glb_words) == (3_300_000, 9_250_000)
    assert silicon("vgg16.conv1_1") is None


# -- orris map -------------------------------------------------------------------------------------------
def test_map_explains_why_each_candidate_loses():
    shown = orris("map", "--layer", "alexnet.conv5", "--explain").stdout
    assert "alexnet.conv5 on orris-168, aim: least time" in shown
    assert "2: " in shown and "% cycles, " in shown


def test_map_as_json_for_any_shape():
    words = ("--M", "6", "--C", "5", "--H", "11", "--R", "3", "--pad", "same", "--preset", "tiny")
    (found,) = json.loads(orris("map", *words, "--aim", "0.5", "--explain", "--json").stdout)
    best, *others = found["candidates"]
    assert best["why"] is None and all(other["why"] for other in others)
    assert best["cycles"] == best["predicted"]["cycles"]
    names = {counter.name for counter in COUNTERS}
    assert {"mac_done", "dram_read_words", "stall_ifmap"} <= names & set(best["predicted"])


def test_map_of_an_illegal_layer_names_the_limit():
    result = orris("map", "--M", "4", "--C", "4", "--H", "40", "--R", "3", "--U", "13", status=2)
    assert "U = 13: the vertical stride may be up to 12" in result.output


# -- jobs ------------------------------------------------------------------------------------------------
def test_cores_give_what_one_gives():
    alone = {job.layer.name: report.cycles for job, report in run_jobs(model_jobs())}
    together = {job.layer.name: report.cycles for job, report in run_jobs(model_jobs(), processes=2)}
    assert alone == together and len(alone) == len(LAYERS)


def test_a_lost_worker_loses_no_result():
    distributed = pytest.importorskip("distributed")
    expected = {job.layer.name: report.cycles for job, report in run_jobs(model_jobs())}
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        with distributed.Client(cluster) as client:
            workers = client.run(os.getpid)
            found = {}
            for job, report in run_jobs(model_jobs(), scheduler=cluster.scheduler_address):
                if not found:
                    os.kill(next(iter(workers.values())), signal.SIGKILL)
                found[job.layer.name] = report.cycles
    assert found == expected


def test_a_scheduler_without_workers_is_told(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("orris_sim.bench_jobs._ANSWER", 1)
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        with pytest.raises(ClusterError, match="has no worker after 1 s"):
            list(run_jobs(model_jobs(), scheduler=cluster.scheduler_address))
