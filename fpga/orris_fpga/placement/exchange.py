"""The text in which the annealer, a program of its own, gets a netlist and gives back where cells lie."""

from pathlib import Path

from ..errors import BoardError
from .fabric import Fabric
from .packed_netlist import PackedNetlist, location


def netlist_text(netlist: PackedNetlist, fabric: Fabric) -> str:
    """Sections, each with its name and the number of its lines.

    cells: kind, mode, control, enable, x and y or -1 -1, group, paired. chains: length, LUTs. rams: seven
    cells. pairs: LUT, flip-flop. nets: number of sinks, driver, cell and pin of each. tiles: x, y. sites, of
    block RAMs, then of multipliers: x, y, name; those that are free.
    """
    cells = [
        (
            cell.kind, cell.mode, cell.control, cell.enable, *(cell.place or (-1, -1)), cell.group,
            int(cell.paired),
        )
        for cell in netlist.cells
    ]  # fmt: skip
    nets = []
    for net in netlist.nets:
        sinks = dict.fromkeys(net.sinks)  # each once: a RAM is written to at four pins
        nets.append((len(sinks), net.driver, *(value for sink in sinks for value in sink)))
    sections = [
        ("cells", cells),
        ("chains", [(len(chain), *chain) for chain in netlist.chains]),
        ("rams", netlist.rams),
        ("pairs", netlist.pairs),
        ("nets", nets),
        ("tiles", fabric.tiles),
    ]
    for sites in (fabric.memories, fabric.multipliers):
        free = [site for site in sites if site not in netlist.taken]
        sections.append(("sites", [(*location(site)[:2], site) for site in free]))
    lines = []
    for name, rows in sections:
        lines.append(f"{name} {len(rows)}")
        lines.extend(" ".join(f"{value}" for value in row) for row in rows)
    return "\n".join(lines) + "\n"


def read_placement(path: Path, netlist: PackedNetlist) -> dict[str, str]:
    """The site of each cell that the annealer placed, by the cell's name.

    Raises
    ------
    BoardError
        A cell is missing.
    """
    sites = {}
    for line in path.read_text().splitlines():
        number, site = line.split()
        sites[netlist.cells[int(number)].name] = site
    missing = [cell.name for cell in netlist.cells if cell.place is None and cell.name not in sites]
    if missing:
        raise BoardError(f"the placer has left out {len(missing)} cells, one of them {missing[0]}")
    return sites
