"""Division by a count, made by one multiplication and one rounding."""

_MULTIPLIER_LIMIT = 1 << 32


def average_scale(count: int) -> tuple[int, int]:
    """(multiplier, shift) by which single rounding gives sum / count to nearest, ties away from zero.

    With s = 31 - shift, ``floor(sum * multiplier / 2^s + 1/2)``. It is right for every sum of 32 bits,
    -2^31 to 2^31 - 1: s is the largest with a multiplier below 2^32, so that 2^s >= 2^31 count.

    An odd count has no ties; the nearest multiplier is off by at most 1/2, which moves the quotient by at
    most 2^31 / 2^(s+1) <= 1 / (2 count), the distance of a tie from the nearest quotient. An even count takes
    the multiplier above 2^s / count: it moves quotients away from zero, ties below zero over the edge, and by
    at most |sum| / 2^s <= 1 / count nothing else.

    Raises
    ------
    ValueError
        If count is not from 1 to 2^24.
    """
    if not 1 <= count <= 1 << 24:
        raise ValueError(f"average of {count} values, expected 1 to {1 << 24}")
    s = 31 + count.bit_length()
    while True:
        multiplier = ((1 << s) + count // 2) // count if count % 2 else (1 << s) // count + 1
        if multiplier < _MULTIPLIER_LIMIT:
            return multiplier, 31 - s
        s -= 1
