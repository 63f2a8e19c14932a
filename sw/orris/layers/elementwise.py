"""Layers that compute or move single values: addition, concatenation, upsampling."""

from dataclasses import asdict, dataclass
from typing import Any

from .checks import check_count
from .layer import LayerError
from .windows import WindowAxis


@dataclass(frozen=True, kw_only=True)
class AddLayer:
    """The sum of two feature maps of the same shape (N, C, H, W), each with a scale of its own.

    Raises LayerError for a number out of its range.
    """

    name: str = "add"
    N: int = 1
    C: int
    H: int
    W: int

    def __post_init__(self) -> None:
        for letter in "NCHW":
            check_count(self.name, letter, getattr(self, letter))

    @property
    def vertical(self) -> WindowAxis:
        """Rows: each value sees but one."""
        return WindowAxis(self.H, self.H, 1, 1, 0)

    @property
    def horizontal(self) -> WindowAxis:
        """Columns, likewise."""
        return WindowAxis(self.W, self.W, 1, 1, 0)

    @property
    def ifmap_shapes(self) -> tuple[tuple[int, int, int, int], ...]:
        """Of both operands."""
        return ((self.N, self.C, self.H, self.W),) * 2

    @property
    def ofmap_shape(self) -> tuple[int, int, int, int]:
        return self.N, self.C, self.H, self.W

    def as_dict(self) -> dict[str, Any]:
        """The fields, for reports."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class ConcatLayer:
    """Feature maps (N, channels[i], H, W) one behind the other along the channels.

    Raises LayerError for a number out of its range, or no channels at all.
    """

    name: str = "concat"
    N: int = 1
    channels: tuple[int, ...]
    H: int
    W: int

    def __post_init__(self) -> None:
        if not isinstance(self.channels, tuple) or not self.channels:
            raise LayerError(
                f"{self.name}: channels is {self.channels!r}, expected a tuple with a number per ifmap"
            )
        for letter in "NHW":
            check_count(self.name, letter, getattr(self, letter))
        for number, count in enumerate(self.channels):
            check_count(self.name, f"channels[{number}]", count)
        check_count(self.name, "C", self.C)

    @property
    def C(self) -> int:  # noqa: N802
        """Channels of the ofmap."""
        return sum(self.channels)

    @property
    def ifmap_shapes(self) -> tuple[tuple[int, int, int, int], ...]:
        return tuple((self.N, count, self.H, self.W) for count in self.channels)

    @property
    def ofmap_shape(self) -> tuple[int, int, int, int]:
        return self.N, self.C, self.H, self.W

    def as_dict(self) -> dict[str, Any]:
        """The fields and C, for reports."""
        return asdict(self) | {"C": self.C}


@dataclass(frozen=True, kw_only=True)
class UpsampleLayer:
    """Nearest-neighbour upsampling: every value of (N, C, H, W) becomes factor x factor equal ones.

    Raises LayerError for a number out of its range.
    """

    name: str = "upsample"
    N: int = 1
    C: int
    H: int
    W: int
    factor: int = 2

    def __post_init__(self) -> None:
        for letter in ("N", "C", "H", "W", "factor"):
            check_count(self.name, letter, getattr(self, letter))
        for letter in "HW":
            check_count(self.name, f"factor * {letter}", self.factor * getattr(self, letter))

    @property
    def ifmap_shapes(self) -> tuple[tuple[int, int, int, int], ...]:
        """Of its one ifmap."""
        return ((self.N, self.C, self.H, self.W),)

    @property
    def ofmap_shape(self) -> tuple[int, int, int, int]:
        return self.N, self.C, self.factor * self.H, self.factor * self.W

    def as_dict(self) -> dict[str, Any]:
        """The fields, for reports."""
        return asdict(self)
