"""The boards: one short file each."""

from orris_hw.config.messages import nearest

from ..errors import BoardError
from .board import Board
from .icebreaker import ICEBREAKER
from .orangecrab import ORANGECRAB
from .tang_nano_9k import TANG_NANO_9K
from .ulx3s import ULX3S_25F, ULX3S_85F

BOARDS: dict[str, Board] = {
    board.name: board for board in (ULX3S_85F, ULX3S_25F, ORANGECRAB, ICEBREAKER, TANG_NANO_9K)
}  # fmt: skip
"""Every board by name."""

__all__ = ["BOARDS", "Board", "find_board"]


def find_board(name: str) -> Board:
    """The board of that name; `BoardError` names the nearest and all others."""
    if name not in BOARDS:
        raise BoardError(f"no board {name!r}{nearest(name, BOARDS)} (boards: {', '.join(BOARDS)})")
    return BOARDS[name]
