"""A network's report as pictures."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from orris_hw.errors import OrrisError

from .report import WORD_BYTES, LayerCost, NetworkReport


def save_plots(report: NetworkReport, directory: Path, memory_bytes: float = 8.0) -> list[Path]:
    """`roofline.png` and `layers.png`; memory_bytes a cycle is the slope of the roof.

    Raises
    ------
    OrrisError
        They cannot be written.
    """
    layers = [layer for layer in report.layers if layer.counters]
    written = []
    for name, draw in (("roofline", _roofline), ("layers", _bars)):
        figure = Figure(figsize=(9, 5.5), layout="constrained")
        FigureCanvasAgg(figure)
        draw(report, layers, figure, memory_bytes)
        path = directory / f"{name}.png"
        try:
            directory.mkdir(exist_ok=True)
            figure.savefig(path, dpi=150)
        except OSError as error:
            raise OrrisError(f"cannot write {path}: {error.strerror}") from error
        written.append(path)
    return written


def _roofline(report: NetworkReport, layers: list[LayerCost], figure: Figure, memory_bytes: float) -> None:
    """MACs a cycle over MACs a byte, under the roof of PEs and memory."""
    axes = figure.subplots()
    pes = report.network.config.pes
    computing = [layer for layer in layers if layer.macs]
    points = {
        layer.name: (layer.macs / max(1, WORD_BYTES * layer.words()["DRAM"]), layer.macs / layer.cycles)
        for layer in computing
    }
    right = max([4 * pes / memory_bytes, *(2 * x for x, _ in points.values())])
    left = min([0.25, *(x / 2 for x, _ in points.values())])
    corner = pes / memory_bytes
    axes.plot([left, corner, right], [left * memory_bytes, pes, pes], color="black", linewidth=1)
    for name, (x, y) in points.items():
        axes.plot(x, y, "o")
        axes.annotate(name, (x, y), textcoords="offset points", xytext=(4, 4), fontsize=6)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("MACs per byte to or from DRAM")
    axes.set_ylabel("MACs per cycle")
    axes.set_title(f"{report.network.graph.name} on {report.network.config.name}: {pes} PEs")


def _bars(report: NetworkReport, layers: list[LayerCost], figure: Figure, memory_bytes: float) -> None:
    """Time, and energy by level."""
    time, joules = figure.subplots(1, 2, sharey=True)
    names = [layer.name for layer in layers]
    time.barh(names, [layer.cycles / report.clock_mhz for layer in layers], color="tab:gray")
    time.invert_yaxis()
    time.tick_params(axis="y", labelsize=7)
    time.set_xlabel(f"time at {report.clock_mhz:g} MHz, microseconds")
    begins = [0.0] * len(layers)
    for part in [part for part in layers[0].energy if part != "total"] if layers else []:
        values = [layer.energy[part] for layer in layers]
        joules.barh(names, values, left=begins, label=part)
        begins = [begin + value for begin, value in zip(begins, values, strict=True)]
    joules.legend()
    joules.set_xlabel(f"energy, {report.table.unit}")
    figure.suptitle(f"{report.network.graph.name} on {report.network.config.name}")
