"""Stops of the X-buses and heads of the rows: every beat goes where its tags say, once, in order."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import cocotb

from orris_hw.config import AcceleratorConfig
from orris_hw.gateware.beats import (
    Kind,
    PassField,
    RowField,
    chunks_of_block,
    filter_lanes,
    ifmap_lanes,
)
from orris_hw.gateware.x_bus import FilterStop, IfmapStop
from orris_hw.gateware.y_bus import FilterRow, IfmapRow

from .bench import STALLS, configuration, generator, settings, start
from .streams import StreamSink, StreamSource

Beat = dict[str, int]
Model = Callable[[AcceleratorConfig, list[Beat]], tuple[list[Beat], list[Any]]]
VALUE, CLEAR, ASSIGN, PARAMETER = range(4)
COLUMN = 2
"""Which one the stop under test serves, alone."""
assert [kind.name for kind in Kind] == ["VALUE", "CLEAR", "ASSIGN", "PARAMETER"]


def stop(ifmap: bool) -> Model:
    """A column's stop: beats for the next one, and payloads for this column's PE."""

    def model(config: AcceleratorConfig, beats: list[Beat]) -> tuple[list[Beat], list[Any]]:
        onward, delivered = [], []
        width = config.operand_width
        own: int | None = None
        half = 0
        for beat in beats:
            kind, tag, value = beat["kind"], beat["tag"], beat["data"]
            onward.append(beat)
            if kind == CLEAR:
                own = None
            elif kind == ASSIGN:
                if own is None and COLUMN <= value & 15:
                    own, half = (tag + COLUMN) % 64 if ifmap else tag, value >> 4 & 1
            elif own is not None and kind == VALUE and tag == own:
                delivered.append(
                    signed(value >> half * width & ((1 << width) - 1), width)
                    if ifmap
                    else {"parameter": 0, "field": tag, "last": beat["last"], "data": value}
                )
            elif own is not None and kind == PARAMETER and not ifmap:
                delivered.append({"parameter": 1, "field": tag, "last": beat["last"], "data": value})
        return onward, delivered

    return model


def filter_row(config: AcceleratorConfig, beats: list[Beat]) -> tuple[list[Beat], list[Any]]:
    """The head of a row on the filter network: beats for the rows below, and for the row's X-bus."""
    onward, sent = [], []
    width = config.data_width
    for beat in beats:
        kind, distance = beat["kind"], beat["distance"]
        if distance:
            onward.append(beat | {"distance": distance - 1})
        if kind == VALUE and not distance:
            for lane in range(beat["count"] + 1):
                last = beat["last"] if lane == beat["count"] else 0
                value = beat["data"] >> (lane * width) & ((1 << width) - 1)
                sent.append({"kind": kind, "tag": beat["tag"], "last": last, "data": value})
        elif kind != VALUE:
            value = beat["data"] & ((1 << width) - 1)
            if kind == PARAMETER and beat["tag"] == PassField.FLAGS and not distance:
                value &= ~1  # the bottom of the chain joins nothing
            sent.append({"kind": kind, "tag": beat["tag"], "last": beat["last"], "data": value})
    return onward, sent


def ifmap_row(config: AcceleratorConfig, beats: list[Beat]) -> tuple[list[Beat], list[Any]]:
    """The head of a row on the ifmap network."""
    onward, sent = [], []
    lanes, width = ifmap_lanes(config), config.operand_width
    own = dict.fromkeys(RowField, 0)
    for beat in beats:
        kind, distance = beat["kind"], beat["distance"]
        if kind == VALUE:
            onward.append(beat)
            chunk = beat["chunk"] - own[RowField.CHUNK]
            if 0 <= chunk <= own[RowField.CHUNKS] and beat["phase"] == own[RowField.PHASE]:
                first, last = own[RowField.LANES] & 7, own[RowField.LANES] >> 3 & 7
                advance, second = own[RowField.SPLIT] & 15, own[RowField.SPLIT] >> 4 & 7
                pair_tags = 16 * (own[RowField.SPLIT] >> 7)
                for index in range(last + 1):
                    value = 0
                    for half, more in enumerate((0, second)[: config.networks.x_lanes]):
                        lane = (first + index * advance + more) % lanes
                        value |= (beat["data"] >> (lane * width) & ((1 << width) - 1)) << half * width
                    sent.append({"kind": kind, "tag": (beat["tag"] + index * pair_tags) % 64, "data": value})
        elif distance:
            onward.append(beat | {"distance": distance - 1})
        elif kind == PARAMETER:
            own[RowField(beat["tag"])] = beat["data"] & 255
        else:
            bits = config.networks.x_lanes * width
            sent.append({"kind": kind, "tag": beat["tag"], "data": beat["data"] & ((1 << bits) - 1)})
    return onward, sent


def signed(value: int, width: int) -> int:
    """The number that `width` bits stand for."""
    return value - (1 << width) if value >> (width - 1) else value


def x_beat(rng: random.Random, config: AcceleratorConfig, ifmap: bool) -> Beat:
    """Mostly values, of few tags, and now and then other columns for them."""
    width = config.networks.x_lanes * config.operand_width if ifmap else config.data_width
    beat = {"kind": rng.choice((*[VALUE] * 9, CLEAR, ASSIGN, ASSIGN, PARAMETER)), "tag": rng.randrange(3)}
    beat["data"] = rng.getrandbits(width)
    if beat["kind"] == ASSIGN:
        beat["data"] = rng.choice((0, 1, 3, 15))
        if ifmap and config.networks.x_lanes == 2:
            beat["data"] |= rng.getrandbits(1) << 4  # the half
    return beat if ifmap else beat | {"last": rng.getrandbits(1) if beat["kind"] == VALUE else 0}


def filter_y_beat(rng: random.Random, config: AcceleratorConfig) -> Beat:
    kind = rng.choice((VALUE, VALUE, CLEAR, ASSIGN, PARAMETER))
    return {
        "kind": kind,
        "distance": rng.choice((0, 0, 1, 15)),
        "tag": rng.choice(list(PassField)).value if kind == PARAMETER else rng.randrange(16),
        "last": rng.getrandbits(1) if kind == VALUE else 0,
        "count": rng.randrange(filter_lanes(config)),
        "data": rng.getrandbits(max(8, filter_lanes(config) * config.data_width)),
    }


def ifmap_y_beat(rng: random.Random, config: AcceleratorConfig) -> Beat:
    kind = rng.choice((*[VALUE] * 6, CLEAR, ASSIGN, PARAMETER, PARAMETER))
    lanes, most, blocks = ifmap_lanes(config), chunks_of_block(config), min(2, config.array.rows)
    begins = (most - 1) // 2  # what a row takes begins here within a block, or before, and ends within it
    beat = {
        "kind": kind,
        "distance": rng.choice((0, 0, 0, 1, 15)),
        "chunk": rng.randrange(blocks * most),
        "phase": rng.randrange(2),
        "tag": rng.randrange(64),
        "data": rng.getrandbits(max(8, lanes * config.operand_width)),
    }
    if kind == PARAMETER:
        field = rng.choice(list(RowField))
        value = {
            RowField.CHUNK: most * rng.randrange(blocks) + rng.randint(0, begins),
            RowField.CHUNKS: rng.randrange(most - begins),
            RowField.PHASE: rng.randrange(2),
            RowField.LANES: rng.randrange(64),
            RowField.SPLIT: rng.randrange(256),
        }[field]
        beat |= {"tag": field.value, "data": value}
    return beat


def alone(stop: Any) -> Callable[[AcceleratorConfig], Any]:
    """A stop of one column."""
    return lambda config: stop(config, 1)


# By name: the component, its second output, random beats for it, and its model.
BLOCKS = {
    "ifmap_stop": (alone(IfmapStop), "deliver_0", partial(x_beat, ifmap=True), stop(True)),
    "filter_stop": (alone(FilterStop), "deliver_0", partial(x_beat, ifmap=False), stop(False)),
    "ifmap_row": (IfmapRow, "x", ifmap_y_beat, ifmap_row),
    "filter_row": (FilterRow, "x", filter_y_beat, filter_row),
}


@cocotb.test()
@cocotb.parametrize(stall=STALLS)
async def random_beats(dut: Any, stall: float) -> None:
    """The block of the settings, its two outputs stalling each on its own."""
    config = configuration()
    block, output, draw, model = BLOCKS[settings()["block"]]
    component, rng = block(config), generator("beats")
    beats = [draw(rng, config) for _ in range(settings()["beats"])]
    onward, local = model(config, beats)
    source = StreamSource(dut, component, "i", stall)
    there = StreamSink(dut, component, "o", stall).start()
    here = StreamSink(dut, component, output, stall).start()
    if hasattr(component, "stop"):
        dut.stop.value = COLUMN
    await start(dut, component)
    cocotb.start_soon(source.send(beats))
    await there.check(onward, 50_000)
    await here.check(local, 50_000)
