"""At which wire of a tile, by nextpnr's name, a pin of a placed cell is."""

from typing import Any

from ..errors import BoardError
from ..placement.packed_netlist import location, site_of

_LEFT = {
    "TRELLIS_COMB": ("FCI", "FCO", "WCK", "WAD", "WD"),
    "TRELLIS_FF": ("CLK",),
    "TRELLIS_RAMW": ("WADO", "WDO"),
    "DP16KD": ("CLK",),
    "MULT18X18D": ("CLK",),
    "IOLOGIC": ("CLK", "ECLK"),
    "EHXPLLL": ("CLK",),
    "DCCA": ("CLK",),
    "TRELLIS_IO": ("B",),
}
"""How the pins begin that are left to nextpnr: clocks, and what has wires of its own in a tile or a pad."""

_PAD_WIRES = {"I": "PADDO", "T": "PADDT", "O": "JPADDI", "IOLDO": "IOLDO", "IOLTO": "IOLTO"}
_LOGIC_OF_PAD = ("IOLDO", "IOLTO", "PADDI")


def left_to_nextpnr(cell: dict[str, Any], port: str) -> bool:
    """Whether nextpnr's own router connects a pin."""
    of_type = _LEFT.get(cell["type"], ())
    return port in of_type or (cell["type"] != "TRELLIS_IO" and port.startswith(of_type or "-"))


def pin_wire(cell: dict[str, Any], port: str) -> tuple[int, int, str, str]:
    """(x, y, site, wire) of a pin; site and wire without the tile's place.

    Raises
    ------
    BoardError
        The router does not know such a pin.
    """
    x, y, site = location(site_of(cell) or "")
    wire = _wire(cell["type"], site, port)
    if wire is None:
        raise BoardError(f"the router does not know the pin {port} of a {cell['type']}")
    return x, y, site, wire


def _wire(kind: str, site: str, port: str) -> str | None:
    match kind:
        case "TRELLIS_COMB" | "TRELLIS_FF" | "TRELLIS_RAMW":
            return _slice_wire(kind, site, port)
        case "DP16KD":
            return f"J{port}_EBR"
        case "MULT18X18D":
            return f"J{port}_MULT18"
        case "EHXPLLL":
            return f"J{port}_PLL"
        case "IOLOGIC":
            return f"{'' if port in _LOGIC_OF_PAD else 'J'}{port}{site[-1]}_IOLOGIC"
        case "TRELLIS_IO" if port in _PAD_WIRES:
            return f"{_PAD_WIRES[port]}{site[-1]}_PIO"
    return None


def _slice_wire(kind: str, site: str, port: str) -> str | None:
    """SLICEB.K1, the third slice's second LUT, has wires such as A3_SLICE; both LUTs share CE1_SLICE."""
    of_slice = "ABCD".index(site[len("SLICE")])
    if kind == "TRELLIS_RAMW":  # data and address come in at the pins of the slice's LUTs, A0 to D1
        known = len(port) == 2 and port[0] in "ABCD"
        return f"{port[0]}{2 * of_slice + int(port[1])}_SLICE" if known else None
    if port in ("CE", "LSR", "WRE"):
        return f"{port}{of_slice}_SLICE"
    if port in ("A", "B", "C", "D", "M", "F", "Q", "DI"):
        return f"{port}{2 * of_slice + int(site[-1])}_SLICE"
    return None
