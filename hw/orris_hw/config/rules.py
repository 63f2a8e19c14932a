"""The rules that tie several values of a configuration together.

Each says what is wrong in one sentence: the value, the limit it breaks, and the formula behind the limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import AcceleratorConfig


def broken_rules(config: AcceleratorConfig) -> list[str]:
    """One sentence for each rule `config` breaks; empty when it is sound."""
    rules = (_arithmetic, _scratchpads, _global_buffer, _memory, _networks, _lanes, _vector, _microcontroller)
    return [problem for rule in rules for problem in rule(config)]


def _arithmetic(c: AcceleratorConfig) -> Iterator[str]:
    if c.arithmetic == "fixed_point":
        if c.data_width != 16:
            yield f'data_width = {c.data_width}: must be 16 when arithmetic = "fixed_point"'
        if c.psum_width > 32:
            yield (
                f'psum_width = {c.psum_width}: must be at most 32 when arithmetic = "fixed_point" '
                "(psum_width <= 2*data_width, the width of a product)"
            )
        return
    product = c.operand_width + c.data_width
    if c.psum_width < product:
        yield (
            f'psum_width = {c.psum_width}: must be at least {product} when arithmetic = "integer" '
            f"(one product: operand_width + data_width = {c.operand_width} + {c.data_width})"
        )


def _scratchpads(c: AcceleratorConfig) -> Iterator[str]:
    pads = c.scratchpads
    if pads.filter % c.block:
        yield (
            f"scratchpads.filter = {pads.filter}: must be a multiple of {c.block}, for example "
            f"{pads.filter - pads.filter % c.block + c.block} "
            f"(64/data_width: filters arrive in whole 64-bit words)"
        )
    for pad, depth, capacity in (("ifmap", pads.ifmap, "q*S"), ("psum", pads.psum, "p")):
        if depth > pads.filter:
            yield (
                f"scratchpads.{pad} = {depth}: must be at most scratchpads.filter = {pads.filter} "
                f"({capacity} <= p*q*S <= scratchpads.filter: the words above could never be used)"
            )


def _global_buffer(c: AcceleratorConfig) -> Iterator[str]:
    depth, banks = c.global_buffer.depth, c.global_buffer.banks
    if depth & (depth - 1):
        below = 1 << (depth.bit_length() - 1)
        yield (
            f"global_buffer.depth = {depth}: must be a power of two, for example {below} or {2 * below} "
            "(address = bank*depth + offset is split by bits)"
        )
    if banks < c.array.columns:
        yield (
            f"global_buffer.banks = {banks}: must be at least array.columns = {c.array.columns} "
            "(bank j holds the psums of column j)"
        )


def _memory(c: AcceleratorConfig) -> Iterator[str]:
    ports = c.global_buffer.read_ports, c.global_buffer.write_ports
    if c.memory.port_bits > 64 and ports != (3, 2):
        yield (
            f"memory.port_bits = {c.memory.port_bits}: must be 64 when global_buffer.read_ports = {ports[0]} "
            f"and write_ports = {ports[1]} (rows of several words need ports of their own: 3 and 2)"
        )


def _networks(c: AcceleratorConfig) -> Iterator[str]:
    widths = [w for w in (8, 16, 32, 64) if w >= c.data_width]
    for key, width in (("ifmap_bits", c.networks.ifmap_bits), ("filter_bits", c.networks.filter_bits)):
        if width not in widths:
            allowed = ", ".join(map(str, widths[:-1])) + f" or {widths[-1]}"
            yield (
                f"networks.{key} = {width}: must be {allowed} "
                f"(data_width*2^k with data_width = {c.data_width}, up to one 64-bit word)"
            )
    if c.networks.psum_bits < c.psum_width:
        yield (
            f"networks.psum_bits = {c.networks.psum_bits}: must be at least psum_width = {c.psum_width} "
            "(psum ports = psum_bits div psum_width, at least 1)"
        )


def _lanes(c: AcceleratorConfig) -> Iterator[str]:
    if c.post_processing.lanes > c.array.columns:
        yield (
            f"post_processing.lanes = {c.post_processing.lanes}: must be at most array.columns = "
            f"{c.array.columns} (lane l serves the columns j with j mod lanes = l)"
        )


def _vector(c: AcceleratorConfig) -> Iterator[str]:
    allowed = [0, *(1 << n for n in range(c.block.bit_length()))]
    if c.vector.lanes not in allowed:
        yield (
            f"vector.lanes = {c.vector.lanes}: must be {', '.join(map(str, allowed[:-1]))} or {allowed[-1]} "
            f"(0, or a power of two up to 64/data_width = {c.block}: lanes share the values of a word)"
        )


def _microcontroller(c: AcceleratorConfig) -> Iterator[str]:
    if c.control.kind == "hardware":
        return
    needed = (
        ("array.rows", c.array.rows, 1, "the core feeds one PE"),
        ("array.columns", c.array.columns, 1, "the core feeds one PE"),
        ("data_width", c.data_width, 8, "firmware moves bytes"),
        ("arithmetic", c.arithmetic, "integer", "firmware requantises integers"),
        ("psum_width", c.psum_width, 32, "a psum is a word of the core"),
        ("memory.port_bits", c.memory.port_bits, 64, "one access of the core is one beat"),
        ("vector.lanes", c.vector.lanes, 0, "there is no vector unit"),
        ("control.checks", c.control.checks, True, "firmware checks every command"),
        ("control.counters", c.control.counters, "few", "firmware counts"),
    )
    for key, value, wanted, why in needed:
        if value != wanted:
            yield f'{key} = {value!r}: must be {wanted!r} when control.kind = "microcontroller" ({why})'
