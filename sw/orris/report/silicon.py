"""Published measurements of the Eyeriss chip, to stand beside ours."""

import csv
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any

CLOCK_MHZ = 200
BATCH = 4
_WORD_BYTES = 2


@dataclass(frozen=True)
class Silicon:
    """What the chip took for a layer of `batch` images, 16-bit data, at `clock_mhz`.

    processing_ms : of the array. total_ms : with DRAM transfers that are not hidden.
    dram_mb, glb_mb : megabytes moved, uncompressed, in millions of bytes.
    """

    layer: str
    batch: int
    clock_mhz: int
    processing_ms: float
    total_ms: float
    active_pes: int
    dram_mb: float
    glb_mb: float

    @property
    def processing_cycles(self) -> int:
        """Cycles for all images."""
        return round(self.processing_ms * self.clock_mhz * 1000)

    @property
    def glb_words(self) -> float:
        """Words of 16 bits to and from the global buffer."""
        return self.glb_mb * 1e6 / _WORD_BYTES

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        return asdict(self) | {"processing_cycles": self.processing_cycles, "glb_words": self.glb_words}


@cache
def _published() -> dict[str, Silicon]:
    file = resources.files("orris.report") / "published" / "eyeriss_alexnet.csv"
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {
        row["layer"]: Silicon(
            layer=row["layer"],
            batch=BATCH,
            clock_mhz=CLOCK_MHZ,
            processing_ms=float(row["processing_ms"]),
            total_ms=float(row["total_ms"]),
            active_pes=int(row["active_pes"]),
            dram_mb=float(row["dram_uncompressed_mb"]),
            glb_mb=float(row["glb_mb"]),
        )
        for row in csv.DictReader(lines)
    }


def silicon(layer: str) -> Silicon | None:
    """The chip's figures for a layer, if it was measured."""
    return _published().get(layer)
