"""The router on a small chip: every route legal, the same on each run, the slowest path looked after."""

import json
import random
import re
from dataclasses import replace

import pytest

from lut_functions import outputs
from orris_fpga.errors import BoardError
from orris_fpga.routing import routing
from orris_fpga.routing.chip_database import ChipDatabase
from orris_fpga.routing.legality import check_routes
from orris_fpga.routing.settings import RouterSettings
from packed_netlists import SMALL, Packed
from small_chip import LUTS, SmallChip

TIMELESS = RouterSettings(timed_rounds=0, most_critical=0, refinements=0)
UNLIMITED = RouterSettings(way_round=1e9)  # a connection may take as long as it likes


class Placed(Packed):
    """LUTs and flip-flops, placed on a small chip."""

    def __init__(self, chip):
        super().__init__()
        self.sites = [(x, y, n) for x, y in chip.tiles for n in range(LUTS)]

    def place(self, name, kind, site):
        x, y, number = site
        self.cells[name]["attributes"]["NEXTPNR_BEL"] = f"X{x}/Y{y}/SLICEA.{kind}{number}"

    def lut_at(self, site, name, *inputs, **ports):
        output = self.lut(name, *inputs, *[None] * (4 - len(inputs)), **ports)
        self.cells[name]["parameters"]["INITVAL"] = format(random.Random(name).randrange(1 << 16), "016b")
        self.place(name, "K", site)
        return output

    def flip_flop_at(self, site, name, data):
        output = self.net()
        self.add(name, "TRELLIS_FF", {"CLK": self.clock, "M": data}, {"Q": output}, {"SD": "0 "})
        self.place(name, "FF", site)
        return output

    @property
    def module(self):
        nets = {bit for cell in self.cells.values() for bits in cell["connections"].values() for bit in bits}
        names = {f"net_{bit}": {"bits": [bit], "attributes": {}} for bit in sorted(nets)}
        return super().module | {"netnames": names}


def random_design(seed, chip, sinks=2.0):
    """LUTs that read each other, flip-flops, at all the chip's sites."""
    rng = random.Random(seed)
    placed = Placed(chip)
    sites = rng.sample(placed.sites, len(placed.sites))
    nets = [placed.flip_flop_at(site, f"from_{i}", placed.net()) for i, site in enumerate(sites[:8])]
    for cell in list(placed.cells.values())[1:]:
        cell["connections"]["M"] = []
    for index, site in enumerate(sites):
        count = min(4, int(sinks) + (rng.random() < sinks % 1))
        mode = rng.choice([None, None, "CCU2"])
        nets.append(placed.lut_at(site, f"lut_{index}", *rng.choices(nets[-30:], k=count), mode=mode))
        placed.cells[f"lut_{index}"]["parameters"].setdefault("MODE", "LOGIC")
    for index, site in enumerate(sites[8:16]):
        placed.flip_flop_at(site, f"to_{index}", nets[-1 - index])
    return placed


@pytest.fixture
def route(monkeypatch, tmp_path):
    """Routes a placed design on a chip; (rounds, module after it, database)."""

    def run(chip, placed, settings=None, clock_hz=80e6):
        database = ChipDatabase(chip.write(tmp_path / "chip.bin"))
        monkeypatch.setattr(routing, "installed_database", lambda name: database)
        (tmp_path / "placed.json").write_text(json.dumps({"modules": {"top": placed.module}}))
        routed = tmp_path / "routed.json"
        told = []
        rounds = routing.route_netlist(
            tmp_path / "placed.json", routed, SMALL, clock_hz, settings=settings, progress=told.append
        )
        assert told == rounds and [done.number for done in rounds] == list(range(1, len(rounds) + 1))
        return rounds, json.loads(routed.read_text())["modules"]["top"], database

    return run


def test_every_net_is_routed(route, seed):
    """Legality is checked by `route_netlist` itself, with a check that has its own tests below."""
    chip = SmallChip(columns=8, tracks=8)
    placed = random_design(seed, chip, sinks=2.5)
    rounds, module, _ = route(chip, placed)
    assert rounds[0].overused > 0 and min(done.overused for done in rounds) == 0
    exchanged = 0
    for name, before in placed.cells.items():
        after = module["cells"][name]
        if before["type"] == "TRELLIS_COMB":
            assert outputs_by_net(before) == outputs_by_net(after)
            exchanged += before["connections"] != after["connections"]
    assert exchanged > 3


def outputs_by_net(cell):
    """The LUT's outputs for all values of its nets, as `outputs` has them."""
    nets = sorted({bit for port in "ABCD" for bit in cell["connections"].get(port, [])})
    numbers = {bit: 10 + index for index, bit in enumerate(nets)}
    ports = {port: [numbers[b] for b in cell["connections"].get(port, [])] for port in "ABCD"}
    return [outputs({"parameters": cell["parameters"], "connections": ports}, opened) for opened in (0, 1)]


def test_the_same_routes_each_time(route, seed):
    chip = SmallChip(columns=4, rows=4)
    first, again = (route(chip, random_design(seed, chip)) for _ in range(2))
    assert first[:2] == again[:2]


def _two_long_nets(chip, slow_first):
    """Two nets go all the way east, and only one can be fast; the path of one goes back west besides."""
    placed = Placed(chip)
    end = chip.columns - 1
    for slow in (slow_first, not slow_first):
        if slow:
            net = placed.flip_flop_at((0, 0, 0), "slow_from", None)
            net = placed.lut_at((end, 0, 0), "slow_east", net)
            net = placed.lut_at((end // 2, 0, 0), "slow_back", net)
            placed.flip_flop_at((1, 0, 0), "slow_to", net)
        else:
            placed.flip_flop_at((end, 0, 1), "quick_to", placed.flip_flop_at((0, 0, 1), "quick_from", None))
    return placed


def test_slow_paths_get_the_fast_track(route):
    """With congestion alone it is the order of the nets that decides."""
    chip = SmallChip(columns=7, rows=1, tracks=2)
    slowest = {
        (settings, slow_first): min(
            done.slowest_ns
            for done in route(chip, _two_long_nets(chip, slow_first), settings, 1e9)[0]
            if not done.overused
        )
        for settings in (TIMELESS, UNLIMITED, RouterSettings())
        for slow_first in (False, True)
    }
    by_chance, by_time, limited = (
        [slowest[settings, order] for order in (False, True)]
        for settings in (TIMELESS, UNLIMITED, RouterSettings())
    )
    assert by_time[0] == by_time[1]
    assert max(by_chance) > by_time[1] + 1
    assert max(limited) <= min(by_chance) < max(by_chance) - 1


def test_wires_that_do_not_fit(route, seed):
    """Ends within its rounds, with what the user can do."""
    chip = SmallChip(tracks=1)
    message = r"^after (\d+) rounds of routing \d+ wires are overused.*: build a smaller configuration, or "
    with pytest.raises(BoardError, match=message) as caught:
        route(chip, random_design(seed, chip, sinks=3.5), replace(RouterSettings(), rounds=20))
    assert int(re.match(message, str(caught.value))[1]) <= 20
    with pytest.raises(BoardError, match=message) as caught:
        route(chip, random_design(seed, chip, sinks=3.5), replace(RouterSettings(), rounds=500, patience=3))
    assert int(re.match(message, str(caught.value))[1]) < 200


def test_a_pin_that_the_router_does_not_know(route):
    chip = SmallChip(columns=3, rows=2)
    placed = Placed(chip)
    placed.add("pad", "TRELLIS_IO", {"X": placed.lut_at((0, 0, 0), "lut")}, {}, site="X0/Y0/PIOA")
    with pytest.raises(BoardError, match="^the router does not know the pin X of a TRELLIS_IO$"):
        route(chip, placed)


def _entries(module, least=4):
    """A net's attributes with a route of at least so many wires, and its entries (wire, pip, strength)."""
    for net in module["netnames"].values():
        parts = net["attributes"].get("ROUTING", "").split(";")
        entries = [parts[index : index + 3] for index in range(0, len(parts), 3)]
        if len(entries) >= least:
            yield net["attributes"], entries


def _drop(index):
    def change(entries):
        del entries[index]

    return change


def _set(index, field, old, new):
    def change(entries):
        assert old in entries[index][field]
        entries[index][field] = entries[index][field].replace(old, new)

    return change


def _swap(entries):
    entries[1][1], entries[2][1] = entries[2][1], entries[1][1]


def _twice(entries):
    entries.append(entries[1])


def _undriven(entries):
    entries[1][1] = ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop(-1), "nothing leads to|leads to no sink"),
        (_drop(2), "nothing leads to|leads to no sink"),
        (_set(1, 1, "->", ">"), "is no pip of the device"),
        (_set(1, 1, "/Y", "/Y9"), "is no pip of the device|is outside"),
        (_swap, "is no pip of the device"),
        (_set(0, 0, "X", "Z"), "is no wire, or comes twice"),
        (_twice, "is no wire, or comes twice"),
        (_set(1, 1, "X", ""), "is no pip of the device"),
        (_undriven, "is driven by nothing"),
    ],
)
def test_an_illegal_route_is_found(route, change, message):
    chip = SmallChip(columns=4, rows=3)
    _, module, database = route(chip, random_design(1, chip))
    attributes, entries = next(_entries(module))
    change(entries)
    attributes["ROUTING"] = ";".join(part for entry in entries for part in entry)
    with pytest.raises(BoardError, match=message):
        check_routes(module, database)


def test_a_wire_of_two_nets_is_found(route):
    chip = SmallChip(columns=4, rows=3)
    _, module, database = route(chip, random_design(1, chip))
    (first, entries), (second, _) = list(_entries(module))[:2]
    second["ROUTING"] += ";" + ";".join(entries[1])
    with pytest.raises(BoardError, match=f"{re.escape(entries[1][0])} is of net_"):
        check_routes(module, database)


def test_a_wire_to_nowhere_is_found(route):
    chip = SmallChip(columns=3, rows=2)
    placed = Placed(chip)
    placed.lut_at((1, 1, 0), "reader", placed.lut_at((0, 0, 0), "driver"))
    _, module, database = route(chip, placed)
    attributes, entries = next(_entries(module, 3))
    free = next(wire for wire in ("E0", "E1") if f"X0/Y0/{wire}" not in (entry[0] for entry in entries))
    attributes["ROUTING"] += f";X0/Y0/{free};X0/Y0/0_0_F0->0_0_{free};1"
    with pytest.raises(BoardError, match=f"X0/Y0/{free} leads to no sink"):
        check_routes(module, database)


def test_a_pip_that_exchanges_inputs_is_found(route):
    """nextpnr would take it for a straight one, or not at all."""
    chip = SmallChip(columns=3, rows=2)
    placed = Placed(chip)
    placed.lut_at((1, 1, 0), "reader", placed.lut_at((0, 0, 0), "$PACKER_VCC"))  # constants are routed, too
    _, module, database = route(chip, placed)
    attributes, entries = next(_entries(module, 3))
    (port,) = (port for port in "ABCD" if module["cells"]["reader"]["connections"][port])
    (wire,) = (wire for wire, pip, _ in entries if pip.endswith(f"0_0_{port}0->0_0_{port}0_SLICE"))
    other = "B" if port == "A" else "A"
    attributes["ROUTING"] = attributes["ROUTING"].replace(
        f"0_0_{port}0->0_0_{port}0_SLICE", f"0_0_{port}0->0_0_{other}0_SLICE"
    ).replace(wire, wire.replace(f"{port}0_SLICE", f"{other}0_SLICE"))
    with pytest.raises(BoardError, match="is no pip of the device"):
        check_routes(module, database)
