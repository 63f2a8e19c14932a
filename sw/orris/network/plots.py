"""A network's report as pictures."""

from pathlib import Path

from orris_hw.errors import OrrisError

from .report import WORD_BYTES, NetworkReport


def save_plots(report: NetworkReport, directory: Path, memory_bytes: float = 8.0) -> list[Path]:
    """`roofline.png` and `layers.png`; memory_bytes a cycle is the slope of the roof.

    Raises
    ------
    OrrisError
        They cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    layers = [layer for layer in report.layers if layer.counters]
    written = []
    for name, draw in (("roofline", _roofline), ("layers", _bars)):
        figure = Figure(figsize=(9, 5.5), layout="constrained")
        FigureCanvasAgg(figure)
        draw(report, layers, figure.add_subplot(), memory_bytes)
        path = directory / f"{name}.png"
        try:
            directory.mkdir(exist_ok=True)
            figure.savefig(path, dpi=150)
        except OSError as error:
            raise OrrisError(f"cannot write {path}: {error.strerror}") from error
        written.append(path)
    return written


def _roofline(report: NetworkReport, layers: list, axes, memory_bytes: float) -> None:
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


def _bars(report: NetworkReport, layers: list, axes, memory_bytes: float) -> None:
    times = [layer.cycles / report.clock_mhz for layer in layers]
    axes.barh([layer.name for layer in layers], times)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel(f"time at {report.clock_mhz:g} MHz, microseconds")
    axes.set_title(f"{report.network.graph.name} on {report.network.config.name}")
