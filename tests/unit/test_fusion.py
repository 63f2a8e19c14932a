"""A layer of the vector unit fused to a convolution: what is kept of ofmap tiles, limits, programs."""

import numpy as np
import pytest

from orris.compiler import compile_layer
from orris.compiler.fused import OPERAND_FULL, RESULT_FREE, RESULT_FULL
from orris.compiler.program import OFMAP_FREE, OFMAP_FULL
from orris.cost import Criteria, best_mapping, layer_timing
from orris.golden import AddParameters, PoolParameters, TensorError, random_layer_data
from orris.layers import AddLayer, ConvLayer, Padding, PoolLayer
from orris.layers.windows import WindowAxis
from orris.mapper import Mapping, MappingError, map_layer
from orris.mapper.fusion import stretches
from orris_hw.commands import FORMATS
from orris_hw.config import AcceleratorConfig, preset

TINY = preset("tiny")
LAYER = ConvLayer(name="conv", M=16, C=4, H=14, W=15, R=3, S=3, padding=Padding.all(1))
SHAPE = dict(C=16, H=14, W=15)
TAILS = {
    "add": AddLayer(**SHAPE),
    "pairs": PoolLayer(kind="max", R=2, S=2, **SHAPE),
    "overlapping": PoolLayer(kind="average", R=3, S=3, U=2, V=2, padding=Padding.all(1), **SHAPE),
    "global": PoolLayer(kind="average", **SHAPE),
}


def parameters(tail: AddLayer | PoolLayer) -> AddParameters | PoolParameters:
    if isinstance(tail, PoolLayer):
        return PoolParameters.plain(np.int8)
    return AddParameters.from_scales(np.int8, (0.5, 1), (0.25, -3), (0.6, 7))


def commands(compiled) -> list[tuple[str, dict[str, int]]]:
    """The program, decoded."""
    forms = {form.opcode: form for form in FORMATS.values()}
    words = [compiled.program[at : at + 64] for at in range(0, len(compiled.program), 64)]
    return [(forms[word[0]].name, forms[word[0]].unpack(word)) for word in words]


def compiled(tail: AddLayer | PoolLayer, config: AcceleratorConfig = TINY, **given: int):
    mapping = map_layer(LAYER, config, after=tail, **given)
    data = random_layer_data(LAYER, 0)
    return compile_layer(LAYER, mapping, config, data.weights, data.requant, after=parameters(tail))


@pytest.mark.parametrize("axis, step", [
    (WindowAxis(14, 7, 2, 2, 0), 3), (WindowAxis(14, 7, 3, 2, 1), 1), (WindowAxis(13, 5, 5, 3, 2), 4),
    (WindowAxis(9, 3, 2, 4, 1), 2), (WindowAxis(8, 1, 8, 8, 0), 3), (WindowAxis(5, 5, 1, 1, 0), 5),
])  # fmt: skip
def test_every_window_is_complete_in_just_one_stretch(axis, step):
    seen = []
    for first, each in stretches(axis, step).items():
        end = first + each.count
        places = range(each.place, each.place + each.places)
        seen += places
        for place in places:  # what it sees is there: kept from before, or in this stretch
            low, high = axis.window(place)
            assert first - each.before <= low and first < high <= end
        later = [axis.window(place)[0] for place in range(each.place + each.places, axis.places)]
        assert each.keep == max([0, *(end - low for low in later)])
        following = stretches(axis, step).get(end)
        assert following is None or following.before == each.keep
    assert seen == list(range(axis.places))


@pytest.mark.parametrize("name", TAILS)
def test_only_the_result_goes_to_memory(name):
    tail = TAILS[name]
    layer = compiled(tail)
    words = [fields["row_words"] * fields["rows"] * fields["planes"]
             for form, fields in commands(layer) if form == "STORE"]  # fmt: skip
    _, C, E, F = tail.ofmap_shape
    assert sum(words) == C // TINY.block * E * F == layer.expected_counts["dram_write_words"]
    alone = map_layer(LAYER, TINY, e=layer.mapping.e, positions=layer.mapping.positions)
    assert isinstance(alone, Mapping) and alone.fusion is None
    assert alone.buffer.results.words == alone.buffer.kept.words == 0


@pytest.mark.parametrize("given", [{}, {"e": 1, "positions": 4}, {"order": "windows"}])
@pytest.mark.parametrize("name", TAILS)
def test_no_command_but_a_run_waits_for_a_later_one(name, given):
    """In program order tokens are there when they are taken, and all are taken in the end."""
    layer = compiled(TAILS[name], **given)
    assert layer.mapping.buffer.ofmap.slots == 2
    tokens = dict.fromkeys((OFMAP_FULL, OFMAP_FREE, OPERAND_FULL, RESULT_FULL, RESULT_FREE), 0)
    for form, fields in commands(layer):
        for field, semaphore in fields.items():
            if semaphore in tokens and field.startswith("wait"):
                tokens[semaphore] -= 1
                assert tokens[semaphore] >= 0, (form, fields)
        for field, semaphore in fields.items():
            if semaphore in tokens and field.startswith("signal"):
                tokens[semaphore] += 1
    assert not any(tokens.values())


def test_the_cost_model_chooses_a_mapping_with_the_fused_layer_in_mind():
    tail = TAILS["overlapping"]
    mapping = best_mapping(LAYER, TINY, Criteria(after=tail))
    assert isinstance(mapping, Mapping) and mapping.after == tail
    assert layer_timing(mapping).cycles > LAYER.macs / TINY.pes


def test_what_does_not_fit_is_refused():
    other = AddLayer(C=16, H=14, W=14)
    with pytest.raises(MappingError, match=r"takes an ifmap \(1, 16, 14, 14\), not the ofmap \(1, 16, 14, 1"):
        map_layer(LAYER, TINY, after=other)
    bare = TINY.model_copy(update={"name": "bare", "vector": TINY.vector.model_copy(update={"lanes": 0})})
    with pytest.raises(MappingError, match="bare has no vector unit"):
        map_layer(LAYER, bare, after=TAILS["add"])
    unseen = PoolLayer(kind="max", R=2, S=2, U=8, V=8, **SHAPE)
    with pytest.raises(MappingError, match="sees none of the ofmap rows from 2 on"):
        map_layer(LAYER, TINY, after=unseen, e=2)
    long = ConvLayer(name="conv", M=1, C=1, H=9000, W=1, R=1, S=1)
    wide = TINY.derive({"global_buffer": {"depth": 4096}})
    whole = PoolLayer(kind="max", C=1, H=9000, W=1)
    with pytest.raises(MappingError, match="pool sees 8192 ofmap rows at once, more than 8191"):
        map_layer(long, wide, after=whole, e=1, positions=1)
    data, mapping = random_layer_data(LAYER, 0), map_layer(LAYER, TINY, after=TAILS["add"])
    with pytest.raises(TensorError, match="parameters of the fused layer are NoneType, but it is AddLayer"):
        compile_layer(LAYER, mapping, TINY, data.weights, data.requant)
    layer = compiled(TAILS["add"])
    with pytest.raises(TensorError, match="conv has 2 ifmaps, not 1"):
        layer.pack_ifmaps(data.ifmap)
