"""Integer arithmetic with explicit widths, where Amaranth's assignments would cut silently."""

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Const, Mux, Value


def _signed(value: Value, name: str) -> Value:
    if not Value.cast(value).shape().signed:
        raise TypeError(f"{name} takes a signed value, not {value!r}")
    return Value.cast(value)


def wrap(value: Value, width: int) -> Value:
    """`value` modulo 2**width, as signed(width); a narrower signed value is sign-extended."""
    value = _signed(value, "wrap")
    if len(value) < width:
        return Cat(value, value[-1].replicate(width - len(value))).as_signed()
    return value[:width].as_signed()


def saturate(value: Value, width: int) -> Value:
    """The number of signed(width) nearest to `value`; a value already that narrow stays as it is."""
    value = _signed(value, "saturate")
    if len(value) <= width:
        return value
    sign, high = value[-1], value[width - 1:]
    rail = Cat((~sign).replicate(width - 1), sign)
    return Mux(high.all() | ~high.any(), value[:width], rail).as_signed()


def shift_right(value: Value, amount: Value, step: int = 1) -> tuple[Value, Value]:
    """`value >> (amount * step)`, rounding down, and whether any of the bits shifted out was 1."""
    value, amount = _signed(value, "shift_right"), Value.cast(amount)
    shifted, groups = value, []
    for i, bit in reversed(list(enumerate(amount))):
        shifted = Mux(bit, shifted >> (step << i), shifted)
    for group in range(2 ** len(amount) - 1):
        groups.append((amount > group) & value[group * step:(group + 1) * step].any())
    return shifted, Cat(groups).any()


def small_product(a: Value, b: Value) -> Value:
    """`a * b` of two unsigned values of a few bits, by adders: multiplier blocks are worth more elsewhere."""
    a, b = Value.cast(a), Value.cast(b)
    terms: list[Value] = [Cat(Const(0, i), a & bit.replicate(len(a))) for i, bit in enumerate(b)]
    while len(terms) > 1:  # a tree of adders
        pairs = [terms[i : i + 2] for i in range(0, len(terms), 2)]
        terms = [pair[0] + pair[1] if len(pair) == 2 else pair[0] for pair in pairs]
    return terms[0][: len(a) + len(b)]


def chosen(onehot: Value, values: list[Any]) -> Value:
    """The one of `values` whose bit in `onehot` is set, as bits; with several, 0 if none is."""
    if len(values) == 1:
        return Value.cast(values[0])
    return reduce(or_, (Value.cast(value) & bit.replicate(len(Value.cast(value)))
                        for bit, value in zip(onehot, values, strict=True)))
