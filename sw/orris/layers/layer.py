"""One convolution layer, described by the shape letters of the Eyeriss papers."""

from dataclasses import dataclass, field, fields
from math import ceil
from typing import Any, NamedTuple

from orris_hw.errors import OrrisError

from .formats import NUMBER_FORMATS, NumberFormat

LIMIT = 65535  # no count of a layer needs more than 16 bits
TERMS = 4  # enough for any filter of 8 bits less any zero point, which takes up to 3


class LayerError(OrrisError, ValueError):
    """A layer whose shape is impossible, or whose name is unknown."""


class Padding(NamedTuple):
    """Rows and columns added round an ifmap; they hold its zero point and contribute nothing."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    @classmethod
    def all(cls, size: int) -> "Padding":
        """The same padding on the four sides."""
        return cls(size, size, size, size)


NO_PADDING = Padding()


def same_padding(H: int, W: int, R: int, S: int, U: int = 1, V: int | None = None, D: int = 1) -> Padding:
    """The padding TensorFlow calls SAME: ofmap = ceil(ifmap / stride), the odd row and column at the end."""

    def split(size: int, taps: int, stride: int) -> tuple[int, int]:
        total = max(0, (ceil(size / stride) - 1) * stride + (taps - 1) * D + 1 - size)
        return total // 2, total - total // 2

    (top, bottom), (left, right) = split(H, R, U), split(W, S, U if V is None else V)
    return Padding(top, left, bottom, right)


@dataclass(frozen=True, kw_only=True)
class ConvLayer:
    """A convolution of N images; tensors are ifmap (N, G*C, H, W), weights (M, C, R, S), ofmap (N, M, E, F).

    ``out[n, m, e, f] = sum over c, r, s of w[m, c, r, s] * x[n, g*C + c, e*U + r*D - top, f*V + s*D - left]``
    where ``g = m div (M/G)`` and values of x outside the image contribute nothing.

    Parameters
    ----------
    N : batch. G : groups. M : filters, over all groups. C : channels per group.
    H, W : rows and columns of the ifmap, without padding. R, S : rows and columns of a filter.
    U, V : vertical and horizontal stride; V is U unless given. D : dilation of both axes.
    padding : top, left, bottom, right.
    number_format : "int8", "int16x8" or "fixed16", which only some configurations compute in; None for that
        of whatever configuration it runs on.
    terms : filters of the data width whose sum is the filter, where its own values are wider; each adds to
        the same psums.
    ifmap_zeros : fraction of ifmap values known to equal the zero point; no part of the shape.

    Raises
    ------
    LayerError : a number out of its range, M not a multiple of G, or a filter larger than the padded ifmap.
    """

    name: str = "layer"
    N: int = 1
    G: int = 1
    M: int
    C: int
    H: int
    W: int
    R: int
    S: int
    U: int = 1
    V: int = 0  # replaced by U when not given
    D: int = 1
    padding: Padding = NO_PADDING
    number_format: NumberFormat | None = None
    terms: int = 1
    ifmap_zeros: float = field(default=0.0, compare=False)

    def __post_init__(self) -> None:
        if self.V == 0:
            object.__setattr__(self, "V", self.U)
        for letter in "NGMCHWRSUVD":
            self._check_count(letter, getattr(self, letter), 1)
        self._check_count("G*C", self.channels, 1)
        self._check_count("terms", self.terms, 1, TERMS)
        if not isinstance(self.padding, Padding):
            raise LayerError(
                f"{self.name}: padding is {self.padding!r}, expected Padding(top, left, bottom, right)"
            )
        for side, taps, letters in zip(
            self.padding._fields, (self.R, self.S) * 2, ("R", "S") * 2, strict=True
        ):
            value, reach = getattr(self.padding, side), (taps - 1) * self.D
            self._check_count(f"padding {side}", value, 0)
            if value > reach:
                raise LayerError(
                    f"{self.name}: padding {side} is {value}, the limit is ({letters}-1)*D = {reach}: "
                    "beyond it a filter sees no ifmap"
                )
        if self.M % self.G:
            raise LayerError(f"{self.name}: M = {self.M} filters is not a multiple of G = {self.G} groups")
        for size, taps, letters in ((self.padded_H, self.R, "HR"), (self.padded_W, self.S, "WS")):
            reach = (taps - 1) * self.D + 1
            if reach > size:
                raise LayerError(
                    f"{self.name}: the filter spans ({letters[1]}-1)*D+1 = {reach} of the padded ifmap's "
                    f"{letters[0]} = {size}: it must not be larger"
                )
        if self.number_format is not None and self.number_format not in NUMBER_FORMATS:
            raise LayerError(
                f"{self.name}: number_format is {self.number_format!r}, expected one of "
                f"{', '.join(NUMBER_FORMATS)}"
            )
        if not 0 <= self.ifmap_zeros <= 1:
            raise LayerError(f"{self.name}: ifmap_zeros = {self.ifmap_zeros} is a fraction, from 0 to 1")

    @classmethod
    def fully_connected(cls, *, N: int = 1, C: int, M: int, **rest: Any) -> "ConvLayer":
        """C inputs to M outputs for a batch of N: a 1x1 filter, the batch laid along the columns.

        A batch (N, C) is the ifmap (1, C, 1, N), its transpose; the ofmap is (1, M, 1, N).
        """
        return cls(M=M, C=C, H=1, W=N, R=1, S=1, **rest)

    def _check_count(self, what: str, value: Any, least: int, most: int = LIMIT) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise LayerError(
                f"{self.name}: {what} is {value!r}, expected a whole number from {least} to {most}"
            )

    # -- derived; letters keep the case the papers give them -----------------------------------------------
    @property
    def channels(self) -> int:
        """Channels of the ifmap tensor."""
        return self.G * self.C

    @property
    def filters_per_group(self) -> int:
        return self.M // self.G

    @property
    def depthwise(self) -> bool:
        """Every filter sees one channel of several."""
        return self.C == 1 and self.G > 1

    @property
    def padded_H(self) -> int:  # noqa: N802
        return self.padding.top + self.H + self.padding.bottom

    @property
    def padded_W(self) -> int:  # noqa: N802
        return self.padding.left + self.W + self.padding.right

    @property
    def E(self) -> int:  # noqa: N802
        """Rows of the ofmap."""
        return (self.padded_H - (self.R - 1) * self.D - 1) // self.U + 1

    @property
    def F(self) -> int:  # noqa: N802
        """Columns of the ofmap."""
        return (self.padded_W - (self.S - 1) * self.D - 1) // self.V + 1

    @property
    def ifmap_shape(self) -> tuple[int, int, int, int]:
        return self.N, self.channels, self.H, self.W

    @property
    def weights_shape(self) -> tuple[int, int, int, int]:
        return self.M, self.C, self.R, self.S

    @property
    def ofmap_shape(self) -> tuple[int, int, int, int]:
        return self.N, self.M, self.E, self.F

    @property
    def taps(self) -> int:
        """Multiply-accumulates behind one ofmap value: C R S."""
        return self.C * self.R * self.S

    @property
    def ifmap_values(self) -> int:
        return self.N * self.channels * self.H * self.W

    @property
    def weights_values(self) -> int:
        return self.M * self.taps

    @property
    def ofmap_values(self) -> int:
        return self.N * self.M * self.E * self.F

    @property
    def macs(self) -> int:
        """N M C R S E F; taps that fall on padding count, as in the published tables."""
        return self.ofmap_values * self.taps

    def as_dict(self) -> dict[str, Any]:
        """The fields and E, F, macs, for reports."""
        described = {f.name: getattr(self, f.name) for f in fields(self)}
        described["padding"] = self.padding._asdict()
        return described | {"E": self.E, "F": self.F, "macs": self.macs}
