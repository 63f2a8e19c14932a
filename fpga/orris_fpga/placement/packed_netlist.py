"""A netlist as nextpnr packs it for an ECP5, as a model that the placer and the router work on."""

import re
from collections import Counter, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ..errors import BoardError
from ..floorplan import pe_of
from .controls import slice_controls, tile_controls
from .fabric import LUTS_OF_TILE, Fabric

MODULE = "top"
"""What nextpnr calls the module that it writes."""
LOCATION = re.compile(r"X(\d+)/Y(\d+)/(.+)")
"""The name of a site: x, y, and what is there."""


class Kind(IntEnum):
    """What a cell is to the placer; no timed path begins at a clock."""

    LUT = 0
    FLIP_FLOP = 1
    RAM_WRITE = 2
    MEMORY = 3
    MULTIPLIER = 4
    CLOCK = 8
    OTHER = 9


class Pin(IntEnum):
    """What a signal meets at a sink: logic, a register, a carry that has its own wire, or no timed path."""

    DATA = 0
    REGISTER = 1
    CARRY = 2
    UNTIMED = 3


_KINDS = {
    "TRELLIS_COMB": Kind.LUT,
    "TRELLIS_FF": Kind.FLIP_FLOP,
    "TRELLIS_RAMW": Kind.RAM_WRITE,
    "DP16KD": Kind.MEMORY,
    "MULT18X18D": Kind.MULTIPLIER,
    "EHXPLLL": Kind.CLOCK,
    "DCCA": Kind.CLOCK,
}
_MODES = {"LOGIC": 0, "CCU2": 1, "DPRAM": 2, "RAMW_BLOCK": 3}
_WRITE_PINS = {"WCK", "WAD0", "WAD1", "WAD2", "WAD3", "WD", "DI0", "DI1"}
_WITHIN_TILE = ("WADO", "WDO", "FCO")
"""Outputs whose wires lie within a tile, or go to the next one: no placement makes them longer."""


@dataclass(frozen=True)
class Cell:
    """A cell of a packed netlist.

    mode : of a LUT 0 logic, 1 carry, 2 RAM, 3 taken by a RAM's write port; of a block RAM 1 if its output has
        a register; of a multiplier 1 if inputs have none, 2 if the product has none, 3 if neither has.
    control : number of the controls that the flip-flops of a tile share; -1 for others.
    enable : number of the controls that the flip-flops of a slice share; -1 for others.
    place : (x, y) of a cell that has one already.
    group : number of the PE that it belongs to; -1 outside the array.
    paired : a flip-flop that takes its data from the LUT of its own slot.
    """

    name: str
    kind: Kind
    mode: int
    control: int
    enable: int
    place: tuple[int, int] | None
    group: int
    paired: bool


@dataclass(frozen=True)
class Net:
    """A net; cells by number.

    driver : the driving cell.
    sinks : (cell, pin) where a path goes on, of each pin that the net leads to: a RAM's LUTs are written to
        in the cell of their write port.
    ports : (cell, name of the port) of the driver, then of each sink.
    """

    driver: int
    sinks: tuple[tuple[int, Pin], ...]
    ports: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class PackedNetlist:
    """What is placed, and what belongs together; cells by number.

    chains : LUTs of each carry chain in the carry's order, from slot 0 of a tile on to the right.
    rams : of each 16 x 4 RAM the write port's cell, its four LUTs, the two LUTs that the write port takes.
    pairs : (LUT, flip-flop) that take one slot.
    nets : that a placement makes longer or shorter: no constants, no clocks of logic, none within a tile.
    constants : nets of the constants that nextpnr packs as LUTs.
    taken : sites that cells have already.
    """

    cells: tuple[Cell, ...]
    chains: tuple[tuple[int, ...], ...]
    rams: tuple[tuple[int, ...], ...]
    pairs: tuple[tuple[int, int], ...]
    nets: tuple[Net, ...]
    constants: tuple[Net, ...]
    taken: frozenset[str]


def read_netlist(module: dict[str, Any], *, placed: bool = False) -> PackedNetlist:
    """The model of a packed module.

    Parameters
    ----------
    module : of nextpnr's JSON after packing, with the sites of pads, PLLs and whatever else has one already.
    placed : every cell has its site, also the logic.

    Raises
    ------
    BoardError
        The netlist has what the placer does not know: wide multiplexers, inverted clocks or resets, logic
        with a place of its own (unless `placed`), or cells of other types without one.
    """
    cells = module["cells"]
    numbers = {name: number for number, name in enumerate(cells)}
    pins, drivers = net_pins(cells)
    groups, controls, enables = _Numbers(), _Numbers(), _Numbers()
    model = []
    for name, cell in cells.items():
        kind, site = _KINDS.get(cell["type"], Kind.OTHER), site_of(cell)
        _check_known(name, cell, kind)
        _check_site(name, cell, kind, site, placed)
        flip_flop = kind is Kind.FLIP_FLOP
        model.append(
            Cell(
                name, kind, _mode(cell, kind),
                controls.number(tile_controls(cell)) if flip_flop else -1,
                enables.number(slice_controls(cell)) if flip_flop else -1,
                location(site)[:2] if site else None,
                groups.number(place) if (place := pe_of(name)) else -1,
                flip_flop and is_paired(cell),
            )
        )  # fmt: skip
    pairs = []
    for number, cell in enumerate(cells.values()):
        if model[number].paired:
            driver = drivers.get(net_of(cell, "DI"), (-1, ""))
            if driver[1] != "F":
                raise BoardError(f"the placer finds no LUT for the paired flip-flop {model[number].name}")
            pairs.append((driver[0], number))
    rams = _rams(cells, numbers)
    nets, constants = _nets(cells, rams, pins, drivers)
    return PackedNetlist(
        tuple(model), _chains(cells, numbers, pins, drivers), rams, tuple(pairs), nets, constants,
        frozenset(site for cell in cells.values() if (site := site_of(cell))),
    )  # fmt: skip


def check_room(netlist: PackedNetlist, fabric: Fabric) -> None:
    """That a device has enough of everything, whatever placement may make of it.

    Raises
    ------
    BoardError
        Names what there is too much of, how much there is, and the device's limit.
    """
    used = Counter(cell.kind for cell in netlist.cells if cell.place is None)
    fixed = Counter(cell.kind for cell in netlist.cells if cell.place is not None)
    room = LUTS_OF_TILE * len(fabric.tiles)
    limits = (
        ("LUT sites", Kind.LUT, room),
        ("flip-flops", Kind.FLIP_FLOP, room),
        ("block RAMs", Kind.MEMORY, len(fabric.memories)),
        ("multipliers", Kind.MULTIPLIER, len(fabric.multipliers)),
    )
    for name, kind, limit in limits:
        wanted = used[kind] + fixed[kind]
        if wanted > limit:
            raise BoardError(
                f"the design takes {wanted:,} {name}, but an {fabric.device} has {limit:,}: "
                "build a smaller configuration"
            )


def net_of(cell: dict[str, Any], port: str) -> int | None:
    """The net at a port of one bit, None if it is open."""
    bits = cell["connections"].get(port, [])
    return bits[0] if bits and not isinstance(bits[0], str) else None


def site_of(cell: dict[str, Any]) -> str | None:
    """Name of the site that a cell has, None if it has none yet."""
    attributes = cell["attributes"]
    return attributes.get("NEXTPNR_BEL") or attributes.get("BEL") or None


def location(site: str) -> tuple[int, int, str]:
    """(x, y, what is there) of a site's name."""
    match = LOCATION.fullmatch(site)
    if match is None:
        raise BoardError(f"the placer does not know the site {site}")
    return int(match[1]), int(match[2]), match[3]


def is_paired(flip_flop: dict[str, Any]) -> bool:
    """Whether a flip-flop takes its data from the LUT of its slot, not from the slice's input M."""
    return flip_flop["parameters"].get("SD", "").startswith("1")


class _Numbers:
    """Numbers for values, in the order in which they come."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def number(self, value: Hashable) -> int:
        return self._numbers.setdefault(value, len(self._numbers))


def _check_site(name: str, cell: dict[str, Any], kind: Kind, site: str | None, placed: bool) -> None:
    if placed and site is None:
        raise BoardError(f"{name}, a {cell['type']}, is not placed")
    if kind >= Kind.CLOCK and site is None:
        raise BoardError(f"the placer knows no site for {name}, a {cell['type']}: give it one")
    if kind <= Kind.RAM_WRITE and site is not None and not placed:
        raise BoardError(f"the placer cannot keep {name}, a {cell['type']}, at {site}: give it none")


def _check_known(name: str, cell: dict[str, Any], kind: Kind) -> None:
    known = cell["parameters"].get("MODE", "LOGIC") in _MODES and not cell["connections"].get("OFX")
    if kind is Kind.LUT and not known:
        raise BoardError(f"the placer does not know wide multiplexers such as {name}: synthesise without")
    for parameter in ("CLKMUX", "LSRMUX", "WCKMUX", "WREMUX"):
        if kind <= Kind.FLIP_FLOP and cell["parameters"].get(parameter) == "INV":
            raise BoardError(f"the placer does not know inverted clocks, resets and writes such as {name}'s")


def _mode(cell: dict[str, Any], kind: Kind) -> int:
    parameters = cell["parameters"]
    if kind is Kind.LUT:
        return _MODES[parameters.get("MODE", "LOGIC")]
    if kind is Kind.MULTIPLIER:
        inputs = "NONE" in (parameters.get(f"REG_INPUT{port}_CLK", "NONE") for port in "AB")
        return inputs + 2 * (parameters.get("REG_OUTPUT_CLK", "NONE") == "NONE")
    if kind is Kind.MEMORY:
        return int("OUTREG" in (parameters.get("REGMODE_A"), parameters.get("REGMODE_B")))
    return 0


Pins = dict[int, list[tuple[int, str]]]


def net_pins(cells: dict[str, Any]) -> tuple[Pins, dict[int | None, tuple[int, str]]]:
    """(cell, port) of all sinks and of the driver of each net."""
    sinks: Pins = defaultdict(list)
    drivers: dict[int | None, tuple[int, str]] = {}
    for number, cell in enumerate(cells.values()):
        for port, bits in cell["connections"].items():
            for bit in bits:
                if isinstance(bit, str):
                    continue
                if cell["port_directions"][port] == "output":
                    drivers[bit] = (number, port)
                else:
                    sinks[bit].append((number, port))
    return sinks, drivers


def _chains(
    cells: dict[str, Any], numbers: dict[str, int], sinks: Pins, drivers: dict[int | None, tuple[int, str]]
) -> tuple[tuple[int, ...], ...]:
    following = {
        driver: sinks[net][0][0]
        for net, (driver, port) in drivers.items()
        if net is not None and port == "FCO" and sinks.get(net)
    }
    inner = set(following.values())
    chains = []
    for name, cell in cells.items():
        if cell["parameters"].get("MODE") == "CCU2" and numbers[name] not in inner:
            chain = [numbers[name]]
            while chain[-1] in following:
                chain.append(following[chain[-1]])
            chains.append(tuple(chain))
    return tuple(chains)


def _rams(cells: dict[str, Any], numbers: dict[str, int]) -> tuple[tuple[int, ...], ...]:
    """nextpnr names the cells of a RAM after it."""
    rams = []
    for name, cell in cells.items():
        if cell["type"] == "TRELLIS_RAMW":
            base = name.removesuffix("$RAMW_SLICE")
            parts = [f"{base}$DPRAM_COMB{index}" for index in range(4)]
            parts += [f"{base}$RAMW_BLOCK{index}" for index in range(2)]
            rams.append((numbers[name], *(numbers[part] for part in parts)))
    return tuple(rams)


def _nets(
    cells: dict[str, Any], rams: tuple[tuple[int, ...], ...], sinks: Pins,
    drivers: dict[int | None, tuple[int, str]],
) -> tuple[tuple[Net, ...], tuple[Net, ...]]:  # fmt: skip
    """Nets, and those of constants."""
    kinds = [_KINDS.get(cell["type"], Kind.OTHER) for cell in cells.values()]
    constant = [name.startswith("$PACKER") for name in cells]
    write_ports = {lut: port for port, *luts in rams for lut in luts}
    nets, constants = [], []
    for net, of_net in sinks.items():
        driver, port = drivers.get(net, (-1, ""))
        if driver < 0 or port.startswith(_WITHIN_TILE):
            continue
        ports = [(sink, name) for sink, name in of_net if name not in ("CLK", "WCK")]
        if not ports:
            continue
        found = tuple(
            (write_ports[sink], Pin.REGISTER) if name == "WRE" else (sink, _pin(kinds[sink], name))
            for sink, name in ports
        )
        if constant[driver]:
            found = tuple((sink, Pin.UNTIMED) for sink, _ in found)
        (constants if constant[driver] else nets).append(Net(driver, found, ((driver, port), *ports)))
    return tuple(nets), tuple(constants)


def _pin(kind: Kind, port: str) -> Pin:
    if kind is Kind.LUT:
        return Pin.CARRY if port == "FCI" else Pin.UNTIMED if port in _WRITE_PINS else Pin.DATA
    return Pin.REGISTER
