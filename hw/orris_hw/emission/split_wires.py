"""Vectors that are assigned part by part become one wire per part.

With the vector kept whole, bits of it may depend on other bits of it. That is no loop, but Verilator
takes it for one, warns, and simulates it slowly.
"""

import re

_ASSIGN = re.compile(r"^ +assign (\\\S+) \[(\d+)(?::(\d+))?\] ", re.MULTILINE)
_WIRE = re.compile(r"^  wire width (\d+) (\w+ \d+ +)?(?:signed )?(\\\S+)\n", re.MULTILINE)
# Where a line reads or drives wires; of a cell's connection only what follows the port's name.
_USES = re.compile(r"^(connect |(?: {4}connect \S+)|(?: +assign)|(?: +switch))(.*)\n", re.MULTILINE)
_USE = re.compile(r"(?<![^ ])(\\\S+)(?: \[(\d+)(?::(\d+))?\])?(?![^ ])")


def split_wires(body: str) -> str:
    """One RTLIL module with the wires that its processes assign in parts split into those parts."""
    widths = {wire: (int(width), bool(port)) for width, port, wire in _WIRE.findall(body)}
    cuts: dict[str, set[int]] = {}
    for wire, high, low in _ASSIGN.findall(body):
        if wire in widths:
            cuts.setdefault(wire, {0, widths[wire][0]}).update((int(low or high), int(high) + 1))
    parts = {wire: sorted(bits) for wire, bits in cuts.items() if len(bits) > 2}
    if not parts:
        return body

    def name(wire: str, low: int, high: int) -> str:
        plain = f"{wire}_{high - 1}_{low}"
        return plain if plain not in widths else f"${plain[1:]}$part"

    def pieces(wire: str, low: int, high: int) -> str:
        """Bits low..high-1 of a wire, in terms of its parts."""
        bounds = parts[wire]
        found = [f"{name(wire, start, end)} [{min(end, high) - start - 1}:{max(start, low) - start}]"
                 for start, end in zip(bounds, bounds[1:], strict=False) if start < high and low < end]
        return found[0] if len(found) == 1 else f"{{ {' '.join(reversed(found))} }}"

    def use(found: re.Match[str]) -> str:
        if found[1] not in parts:
            return found[0]
        if found[2] is None:
            return pieces(found[1], 0, parts[found[1]][-1])
        return pieces(found[1], int(found[3] or found[2]), int(found[2]) + 1)

    def declaration(found: re.Match[str]) -> str:
        bounds = parts.get(found[3])
        if bounds is None:
            return found[0]
        wires = "".join(f"  wire width {end - start} {name(found[3], start, end)}\n\n"
                        for start, end in zip(bounds, bounds[1:], strict=False))
        return (found[0] + "\n" if found[2] else "") + wires.removesuffix("\n")

    body = _USES.sub(lambda line: f"{line[1]}{_USE.sub(use, line[2])}\n", body)
    body = _WIRE.sub(declaration, body)
    ports = {wire: bounds[-1] for wire, bounds in parts.items() if widths[wire][1]}
    return body + "".join(f"connect {wire} {pieces(wire, 0, width)}\n" for wire, width in ports.items())
