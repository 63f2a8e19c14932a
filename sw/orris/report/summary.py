"""Several layers as one."""

from collections.abc import Sequence
from typing import Any

from .layer_report import LayerReport


def run_as_dict(reports: Sequence[LayerReport]) -> dict[str, Any]:
    """One layer as itself; several as their sums, with the layers in a list. Plain data for JSON."""
    if len(reports) == 1:
        return reports[0].as_dict()
    config = reports[0].config
    cycles, macs = (sum(getattr(report, name) for report in reports) for name in ("cycles", "macs"))
    return {
        "preset": config.name,
        "bit_exact": all(report.bit_exact for report in reports),
        "cycles": cycles,
        "macs": macs,
        "utilization": macs / (config.pes * cycles) if cycles else 0.0,
        "layers": [report.as_dict() for report in reports],
    }
