"""Max and average pooling."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from .checks import check_count
from .layer import NO_PADDING, LayerError, Padding
from .windows import WindowAxis

PoolKind = Literal["max", "average"]
POOL_KINDS: tuple[PoolKind, ...] = get_args(PoolKind)


@dataclass(frozen=True, kw_only=True)
class PoolLayer:
    """Pooling of N images of C channels: (N, C, H, W) to (N, C, E, F).

    ``out[n, c, e, f]`` is the maximum, or the average, of ``x[n, c, e*U + r - top, f*V + s - left]`` over
    those r < R and s < S that lie inside the image: padding takes no part and is not counted.

    Parameters
    ----------
    kind : "max" or "average". N : batch. C : channels. H, W : rows and columns of the ifmap, without padding.
    R, S : rows and columns of the window; not given: the whole image. U, V : vertical and horizontal stride;
    not given: U = R (windows side by side), V = S.
    padding : top, left, bottom, right; less than the window on each side.

    Raises
    ------
    LayerError : a number out of its range, or a window larger than the padded ifmap.
    """

    name: str = "pool"
    kind: PoolKind
    N: int = 1
    C: int
    H: int
    W: int
    R: int = 0  # replaced by H and W when not given
    S: int = 0
    U: int = 0  # replaced by R and S when not given
    V: int = 0
    padding: Padding = NO_PADDING

    def __post_init__(self) -> None:
        if self.kind not in POOL_KINDS:
            raise LayerError(f"{self.name}: kind is {self.kind!r}, expected {' or '.join(POOL_KINDS)}")
        for letter, default in (("R", "H"), ("S", "W"), ("U", "R"), ("V", "S")):
            if getattr(self, letter) == 0:
                object.__setattr__(self, letter, getattr(self, default))
        for letter in "NCHWRSUV":
            check_count(self.name, letter, getattr(self, letter))
        if not isinstance(self.padding, Padding):
            raise LayerError(
                f"{self.name}: padding is {self.padding!r}, expected Padding(top, left, bottom, right)"
            )
        for side, letter in zip(self.padding._fields, "RSRS", strict=True):
            value, taps = getattr(self.padding, side), getattr(self, letter)
            check_count(self.name, f"padding {side}", value, 0)
            if value >= taps:
                raise LayerError(
                    f"{self.name}: padding {side} is {value}, it must be less than the window's "
                    f"{letter} = {taps}: a window beyond it sees no ifmap"
                )
        for size, letters in ((self.padded_H, "RH"), (self.padded_W, "SW")):
            taps = getattr(self, letters[0])
            if taps > size:
                raise LayerError(
                    f"{self.name}: the window's {letters[0]} = {taps} is larger than the padded ifmap's "
                    f"{letters[1]} = {size}"
                )

    @property
    def padded_H(self) -> int:  # noqa: N802
        return self.padding.top + self.H + self.padding.bottom

    @property
    def padded_W(self) -> int:  # noqa: N802
        return self.padding.left + self.W + self.padding.right

    @property
    def E(self) -> int:  # noqa: N802
        """Rows of the ofmap."""
        return (self.padded_H - self.R) // self.U + 1

    @property
    def F(self) -> int:  # noqa: N802
        """Columns of the ofmap."""
        return (self.padded_W - self.S) // self.V + 1

    @property
    def vertical(self) -> WindowAxis:
        """Rows under the windows."""
        return WindowAxis(self.H, self.E, self.R, self.U, self.padding.top)

    @property
    def horizontal(self) -> WindowAxis:
        """Columns under the windows."""
        return WindowAxis(self.W, self.F, self.S, self.V, self.padding.left)

    @property
    def ifmap_shapes(self) -> tuple[tuple[int, int, int, int], ...]:
        """Of its one ifmap."""
        return ((self.N, self.C, self.H, self.W),)

    @property
    def ofmap_shape(self) -> tuple[int, int, int, int]:
        return self.N, self.C, self.E, self.F

    def as_dict(self) -> dict[str, Any]:
        """The fields and E, F, for reports."""
        return asdict(self) | {"padding": self.padding._asdict(), "E": self.E, "F": self.F}
