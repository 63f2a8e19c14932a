"""Progress bars of building and running a simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

    from orris_sim.layer_run import Watcher


def watcher(bars: Progress, name: str) -> Watcher:
    """One bar for a layer: first what is being built, then cycles run of those predicted, if any are."""
    from orris_sim.layer_run import Watcher

    task = bars.add_task(name, total=None)

    def building(text: str) -> None:
        bars.update(task, description=f"{name}: {text}")

    def running(run: int, predicted: int) -> None:
        total = max(run, predicted) if predicted else None
        bars.update(task, description=f"{name}: {run:,} cycles", completed=run, total=total)

    return Watcher(building, running)
