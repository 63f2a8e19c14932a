"""The order of addresses in a memory that is always gone through from its start."""

from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Signal, Value

# Primitive polynomials over GF(2), by degree: the powers of x beside the highest and 1.
_POLYNOMIALS = {2: (1,), 3: (1,), 4: (1,), 5: (2,), 6: (1,), 7: (1,), 8: (4, 3, 2), 9: (4,), 10: (3,)}


def address_after(address: Signal) -> Value:
    """The address after this one, in an order that starts at 0 and comes to every address once.

    What is written and read in the same order may lie in any, and a shift register takes fewer gates than
    an adder: it is a linear feedback shift register, which comes to every address but 0, with 0 put in
    where its other bits are all 0.

    Raises
    ------
    ValueError
        For addresses of less than 2 or more than 10 bits.
    """
    if len(address) not in _POLYNOMIALS:
        raise ValueError(f"address_after takes addresses of 2 to 10 bits, not {len(address)}")
    taps = [address[tap] for tap in (0, *_POLYNOMIALS[len(address)])]
    return Cat(address[1:], reduce(xor, taps, ~address[1:].any()))
