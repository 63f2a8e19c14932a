"""Energy: accesses at every level of the hierarchy, times what one costs.

    energy = mac * MACs + sum over levels of (level's figure) * (bits moved) / 16 + idle * cycles

The same function takes the counters of an RTL run and those that the cost model foresees. A
multiply-accumulate that a zero stills costs nothing. Networks count every value that arrives in a PE and
every psum handed on.
"""

import tomllib
from collections.abc import Mapping as Table
from dataclasses import asdict, dataclass, fields
from importlib import resources
from pathlib import Path

from orris_hw.config import AcceleratorConfig
from orris_hw.errors import OrrisError

DEFAULT_TABLE = "isca2016"
_ACCESS_BITS = 16
_WORD_BITS = 64
_TABLES = resources.files("orris.cost") / "tables"


class EnergyError(OrrisError, ValueError):
    """A table of energies that is not there, or not complete."""


@dataclass(frozen=True)
class EnergyTable:
    """Energy of one MAC, of 16 bits at each level, and of a cycle in which nothing happens; in `unit`."""

    name: str
    unit: str
    mac: float
    spad: float
    network: float
    buffer: float
    dram: float
    idle: float = 0.0


@dataclass(frozen=True)
class Energy:
    """Energy by where it goes, in the table's unit."""

    mac: float
    spad: float
    network: float
    buffer: float
    dram: float
    idle: float

    @property
    def total(self) -> float:
        return sum(asdict(self).values())

    def as_dict(self) -> dict[str, float]:
        """For reports: each part, and `total`."""
        return asdict(self) | {"total": self.total}


def table_names() -> list[str]:
    """The tables that come with the package."""
    return sorted(Path(file.name).stem for file in _TABLES.iterdir() if file.name.endswith(".toml"))


def energy_table(name: str = DEFAULT_TABLE) -> EnergyTable:
    """The table of that name, or in the TOML file of that path.

    Raises
    ------
    EnergyError
        There is no such table or file, or a figure is missing, unknown or not a number of at least 0.
    """
    if name in table_names():
        text = (_TABLES / f"{name}.toml").read_text(encoding="utf-8")
    else:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            known = ", ".join(table_names())
            raise EnergyError(
                f"no energy table '{name}': it is neither a name ({known}) nor a file that can be read"
            ) from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise EnergyError(f"energy table {name}: {error}") from None
    return _checked(name, values)


def _checked(name: str, values: dict[str, object]) -> EnergyTable:
    figures = [field.name for field in fields(EnergyTable) if field.name not in ("name", "unit")]
    for key, value in values.items():
        if key != "unit" and key not in figures:
            raise EnergyError(f"energy table {name}: unknown figure '{key}' (figures: {', '.join(figures)})")
        number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        if key != "unit" and not number:
            raise EnergyError(f"energy table {name}: {key} = {value!r}, expected a number of at least 0")
    for key in figures:
        if key not in values and key != "idle":
            raise EnergyError(f"energy table {name}: the figure '{key}' is missing")
    numbers = {key: float(str(value)) for key, value in values.items() if key != "unit"}
    return EnergyTable(name=Path(name).stem, unit=str(values.get("unit", "")), **numbers)


def energy(counters: Table[str, float], config: AcceleratorConfig, table: EnergyTable) -> Energy:
    """Energy behind the counters of a program (by the names of the register map)."""
    data, psum, operand = config.data_width, config.psum_width, config.operand_width
    count = counters.get
    spads = (
        operand * (count("spad_ifmap_read", 0) + count("spad_ifmap_write", 0))
        + data * (count("spad_filter_read", 0) + count("spad_filter_write", 0))
        + psum * (count("spad_psum_read", 0) + count("spad_psum_write", 0))
    )
    networks = (
        operand * count("spad_ifmap_write", 0)
        + data * count("spad_filter_write", 0)
        + psum * count("net_psum_values", 0)
    )
    words = sum(
        count(name, 0) for name in ("glb_ifmap_read", "glb_filter_read", "glb_load_write", "glb_ofmap_read")
    )
    psums = count("glb_psum_read", 0) + count("glb_psum_write", 0)
    buffer = _WORD_BITS * words + psum * psums + data * count("glb_ofmap_write", 0)
    dram = _WORD_BITS * (count("dram_read_words", 0) + count("dram_write_words", 0))
    return Energy(
        mac=table.mac * count("mac_done", 0),
        spad=table.spad * spads / _ACCESS_BITS,
        network=table.network * networks / _ACCESS_BITS,
        buffer=table.buffer * buffer / _ACCESS_BITS,
        dram=table.dram * dram / _ACCESS_BITS,
        idle=table.idle * count("cycles", 0),
    )
