"""Reports: figures derived from counters, tables, JSON."""

import io
import json

import pytest
from rich.console import Console

from orris.layers import ConvLayer, Padding, find_layer
from orris.mapper import map_layer
from orris.report import LEVELS, LayerReport, layer_tables, movements, run_as_dict, summary_table, words_at
from orris.report.tables import short
from orris_hw.config import preset
from orris_hw.register_map import COUNTERS

CONFIG = preset("tiny")
LAYER = ConvLayer(name="small", M=4, C=4, H=8, W=8, R=3, S=3, padding=Padding.all(1))  # 9216 MACs
NAMES = [counter.name for counter in COUNTERS]


@pytest.fixture(scope="module")
def mapping():
    return map_layer(LAYER, CONFIG)


@pytest.fixture
def report(mapping):
    """Counter n counts 1000 + n, except for the few that tests look at."""
    counters = {name: 1000 + n for n, name in enumerate(NAMES)}
    counters |= {"cycles": 1024, "mac_done": 9000, "mac_gated": 216, "stall_ifmap": 1536, "stall_psum": 0}
    return LayerReport(LAYER, CONFIG, mapping, counters, {"cycles": 1000, "macs": 9216}, 0)


def changed(report: LayerReport, **changes) -> LayerReport:
    return LayerReport(**{**{name: getattr(report, name) for name in report.__dataclass_fields__}, **changes})


def shown(*tables) -> str:
    console = Console(file=io.StringIO(), width=200)
    for table in tables:
        console.print(table)
    return console.file.getvalue()


def test_figures(report):
    assert report.bit_exact
    assert report.macs == 4 * 4 * 9 * 64
    assert report.utilization == 9216 / (12 * 1024)
    assert report.stalled("stall_ifmap") == 1536 / (12 * 1024)
    assert report.surprises == {}


def test_a_wrong_value_or_a_problem_is_not_bit_exact(report):
    assert not changed(report, mismatches=1).bit_exact
    assert not changed(report, problem="the program stopped").bit_exact


def test_depthwise_layers_have_the_letters_of_a_mapping(report):
    layer = find_layer("mobilenetv1.dw12")
    depthwise = changed(report, layer=layer, mapping=map_layer(layer, CONFIG))
    text = shown(*layer_tables(depthwise))
    letters = depthwise.mapping.as_dict()
    assert f"m {letters['m']}, n 1, e {letters['e']}, p 1, q 1, r {letters['r']}, t {letters['t']}" in text


def test_what_is_not_counted_is_a_dash_in_the_summary(report):
    few = changed(report, counters={name: report.counters[name] for name in ("cycles", "dram_read_words")})
    for summary in (shown(summary_table([few])), shown(summary_table([few, few]))):
        cells = summary.splitlines()[-1].split()
        assert cells[4:7] == ["-", "-", "-"] and cells[7] != "-" and cells[8] == "-"
    assert "-" not in shown(summary_table([report, report])).splitlines()[-1].split()


def test_a_program_that_stopped_has_no_figures(report):
    stopped = changed(report, counters={}, problem="the program stopped")
    assert (stopped.cycles, stopped.utilization, stopped.stalled("stall_psum")) == (0, 0.0, 0.0)
    assert "NO" in shown(summary_table([stopped]), *layer_tables(stopped))


def test_surprises_are_counters_that_differ(report):
    predicted = {"cycles": 1, "macs": 9217, "glb_psum_read": report.counters["glb_psum_read"], "unknown": 3}
    assert changed(report, predicted=predicted).surprises == {"macs": (9217, 9216)}


def test_every_counter_of_words_moves_at_one_level(report):
    """A one in a single counter of words shows at exactly one place."""
    elsewhere = {"cycles", "mac_done", "mac_gated", "stall_ifmap", "stall_filter", "stall_psum", "commands"}
    elsewhere |= {name for name in NAMES if name.endswith("_busy")}
    for name in NAMES:
        total = sum(words_at({name: 1}, level) for level in LEVELS)
        assert total == (0 if name in elsewhere else 1), name


def test_levels_run_outwards():
    assert LEVELS == ("scratchpads", "networks", "global buffer", "DRAM")
    assert {movement.level for movement in movements(dict.fromkeys(NAMES, 0))} == set(LEVELS)


def test_what_is_not_counted_is_not_shown(report):
    few = {"cycles": 9, "commands": 1, "dram_read_words": 4, "dram_write_words": 2}
    text = shown(*layer_tables(changed(report, counters=few)))
    assert "not counted" in text and "gated" not in text and "scratchpads" not in text
    assert [(movement.level, movement.number) for movement in movements(few)] == [("DRAM", 4), ("DRAM", 2)]


def test_tables(report):
    text = shown(*layer_tables(report))
    for words in ("4 filters 3 x 3", "3 x 4 PEs", "1,024 (predicted 1,000)", "75.0%", "for ifmap 12.5%"):
        assert words in text
    summary = shown(summary_table([report, report]))
    assert "2.05k" in summary and summary.count("75.0%") == 3 and "NO" not in summary


def test_summaries_fit_a_narrow_terminal(report):
    console = Console(file=io.StringIO(), width=80)
    layer = find_layer("resnet18.layer2.0.downsample")
    huge = {name: 10**12 for name in NAMES}
    console.print(summary_table([report, changed(report, layer=layer, counters=huge, mismatches=1)]))
    text = console.file.getvalue()
    assert "…" not in text and "1.02k" in text and "1.00T" in text and "NO" in text


@pytest.mark.parametrize(
    "number, text",
    [(0, "0"), (999, "999"), (1000, "1.00k"), (9994, "9.99k"), (9995, "10.0k"), (99949, "99.9k"),
     (99950, "100k"), (999499, "999k"), (999500, "1.00M"), (1234567, "1.23M"), (10**15, "1000T")],
)  # fmt: skip
def test_short_numbers(number, text):
    assert short(number) == text


def test_json_of_one_layer(report):
    plain = json.loads(json.dumps(run_as_dict([report])))
    assert (plain["layer"], plain["preset"], plain["bit_exact"]) == ("small", "tiny", True)
    assert (plain["cycles"], plain["macs"], plain["utilization"]) == (1024, 9216, 0.75)
    assert plain["counters"].keys() == set(NAMES)
    assert plain["mapping"]["p"] == report.mapping.p
    assert plain["predicted"]["cycles"] == 1000


def test_json_of_several_layers(report):
    plain = json.loads(json.dumps(run_as_dict([report, changed(report, mismatches=5)])))
    assert (plain["bit_exact"], plain["cycles"], plain["macs"]) == (False, 2048, 18432)
    assert [layer["mismatches"] for layer in plain["layers"]] == [0, 5]
