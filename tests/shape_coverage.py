"""Functional coverage of the campaign: which options, crossings and array folds its layers have hit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cocotb_coverage.coverage import CoverCross, CoverPoint, coverage_db

from campaign import MEMORIES, Case, Place
from orris.mapper import Mapping
from random_shapes import KINDS, VALUES

ROOT = "campaign"


def _bands(*edges: int) -> list[tuple[int, int]]:
    """[1, first], ]first, second], ..."""
    return [(low + 1, high) for low, high in zip((0, *edges), edges, strict=False)]


def _within(value: int, band: tuple[int, int]) -> bool:
    return band[0] <= value <= band[1]


def padding_kind(case: Case) -> str:
    sides = case.layer.padding
    if not any(sides):
        return "none"
    if len(set(sides)) == 1:
        return "equal"
    reach = (case.layer.R - 1) * case.layer.D, (case.layer.S - 1) * case.layer.D
    return "as wide as the filter" if tuple(sides) == reach * 2 else "each side its own"


def zero_kind(zero: int) -> str:
    return {0: "zero", -128: "lowest", 127: "highest"}.get(zero, "other")


def clamps(case: Case, place: Place) -> bool:
    """Whether the activation's bounds cut anything off."""
    return case.data.requant.act_max - case.data.requant.act_min + 1 < 1 << place.config.data_width


def fold_kind(mapping: Mapping) -> str:
    """How the reduction rows lie on the PE rows."""
    R, rows = mapping.layer.R, mapping.config.array.rows
    if R > rows:
        return "R exceeds the rows"
    if R == rows:
        return "R equals the rows"
    if mapping.rows % R == 0:
        return "whole sets on top of each other"
    return "rows folded"


def window_kind(mapping: Mapping) -> str:
    """How many windows are computed with filters loaded once."""
    if mapping.order == "windows" or mapping.group == len(mapping.windows) > 1:
        return "all"
    return "one" if mapping.group == 1 else "some"


def split_kind(mapping: Mapping) -> str:
    """What the sum is cut into."""
    layer, parts = mapping.layer, mapping.parts
    cut = [
        name
        for name, whole in (
            ("channels", all(part.count == layer.C for part in parts)),
            ("rows", all(part.R == layer.R for part in parts)),
            ("columns", all(part.S == layer.S for part in parts)),
        )
        if not whole
    ]
    return ("nothing", *cut)[len(cut)] if len(cut) < 2 else "several"


def fused_kind(case: Case) -> str:
    """The layer of the vector unit behind this one."""
    return getattr(case.after, "kind", "add") if case.after else "nothing"


def kept_kind(mapping: Mapping) -> str | None:
    """What a fused layer's windows need of the ofmap tiles before."""
    if mapping.fusion is None:
        return None
    rows, columns = mapping.fusion.kept_rows > 0, mapping.fusion.kept_columns > 0
    return ("nothing", "rows", "columns", "both")[rows + 2 * columns]


SPLITS = ["nothing", "channels", "rows", "columns", "several"]


class Coverage:
    """Collects what cases hit.

    Only what the drawn layers and their mappings are is sampled, so that a point that stays at zero says
    that the campaign does not test it.
    """

    def __init__(self, places: dict[str, Place]):
        def point(name: str, bins: list, value: Callable[[Case, Place], Any], rel: Any = None) -> CoverPoint:
            options = {"rel": rel} if rel else {}
            return CoverPoint(f"{ROOT}.{name}", xf=value, bins=bins, **options)

        def mapped(name: str, bins: list, value: Callable[[Mapping], Any]) -> CoverPoint:
            """A point of mappings of the general kind; the others do not count."""
            return point(
                name, bins, lambda c, p: value(c.mapping) if isinstance(c.mapping, Mapping) else None
            )

        names = list(places)
        integer = [n for n in names if places[n].config.arithmetic == "integer"]
        points = [
            point("configuration", names, lambda c, p: p.config.name),
            point("kind", list(KINDS), lambda c, p: c.layer.name),
            point("R", _bands(1, 2, 3, 5, 8, 12, 16), lambda c, p: c.layer.R, _within),
            point("S", _bands(1, 2, 3, 5, 8, 16, 24, 32), lambda c, p: c.layer.S, _within),
            point("R - S", ["less", "equal", "more"],
                  lambda c, p: ("equal", "more", "less")[(c.layer.R > c.layer.S) - (c.layer.R < c.layer.S)]),
            point("U", list(range(1, 13)), lambda c, p: c.layer.U),
            point("V", list(range(1, 13)), lambda c, p: c.layer.V),
            point("U = V", [True, False], lambda c, p: c.layer.U == c.layer.V),
            point("D", list(range(1, 9)), lambda c, p: c.layer.D),
            point("U a multiple of D", [True, False],
                  lambda c, p: c.layer.D > 1 and c.layer.U % c.layer.D == 0),
            point("stride exceeds the filter", [True, False],
                  lambda c, p: c.layer.U > c.layer.R or c.layer.V > c.layer.S),
            point("padding", ["none", "equal", "as wide as the filter", "each side its own"],
                  lambda c, p: padding_kind(c)),
            point("images", [1, 2, 3], lambda c, p: c.layer.N),
            point("groups", _bands(1, 4, 8, 24), lambda c, p: c.layer.G, _within),
            point("channel multiplier", [1, 2, 3],
                  lambda c, p: c.layer.filters_per_group if c.layer.name == "depthwise" else 0),
            point("channels fill words", [True, False], lambda c, p: c.layer.channels % p.config.block == 0),
            point("filters fill words", [True, False], lambda c, p: c.layer.M % p.config.block == 0),
            point("one ofmap value", [True, False], lambda c, p: c.layer.E * c.layer.F == 1),
            # values and arithmetic
            point("ifmap", list(VALUES), lambda c, p: c.values[0]),
            point("weights", list(VALUES), lambda c, p: c.values[1]),
            point("rounding", ["none", "single", "double"], lambda c, p: c.data.requant.rounding),
            point("ifmap zero point", ["zero", "lowest", "highest", "other"],
                  lambda c, p: zero_kind(c.data.requant.zp_in)),
            point("ofmap zero point", ["zero", "lowest", "highest", "other"],
                  lambda c, p: zero_kind(c.data.requant.zp_out)),
            point("clamp", [True, False], lambda c, p: clamps(c, p)),
            # mapping
            point("mapping", ["Mapping", "DepthwiseMapping"], lambda c, p: type(c.mapping).__name__),
            mapped("fold", ["R exceeds the rows", "R equals the rows", "whole sets on top of each other",
                            "rows folded"], fold_kind),
            mapped("sum split by", SPLITS, split_kind),
            mapped("buffer holds", ["channels", "chunk", "part"], lambda m: m.held),
            mapped("order", ["filters", "windows"], lambda m: m.order),
            mapped("windows that share filters", ["one", "some", "all"], window_kind),
            mapped("ifmap lanes", [1, 2, 4, 8], lambda m: m.pixel_lanes),
            mapped("strips in height", [True, False], lambda m: m.e < m.layer.E),
            mapped("strips in width", [True, False], lambda m: m.positions < m.layer.F),
            mapped("psums wait in the buffer", [True, False], lambda m: m.accumulates),
            mapped("filter sets", ["1", "2", "3 or 4", "5 and more"],
                   lambda m: "1" if m.t == 1 else "2" if m.t == 2 else "3 or 4" if m.t < 5 else "5 and more"),
            mapped("runs of filters", [True, False], lambda m: len(m.filter_runs) > 1),
            mapped("filters stay", [True, False], lambda m: m.filters_stay),
            mapped("ifmap stays", [True, False], lambda m: m.ifmap_stays),
            mapped("parameters come with tiles", [True, False], lambda m: m.needs.parameters > 0),
            point("fused", ["nothing", "add", "max", "average"], lambda c, p: fused_kind(c)),
            mapped("kept of ofmap tiles", ["nothing", "rows", "columns", "both"], kept_kind),
            point("memory", list(range(len(MEMORIES))), lambda c, p: c.memory),
            # crossings
            CoverCross(f"{ROOT}.configuration x kind", items=[f"{ROOT}.configuration", f"{ROOT}.kind"]),
            CoverCross(f"{ROOT}.ifmap x weights", items=[f"{ROOT}.ifmap", f"{ROOT}.weights"]),
            CoverCross(f"{ROOT}.kind x padding", items=[f"{ROOT}.kind", f"{ROOT}.padding"], ign_bins=[
                (kind, padding) for kind in ("pointwise", "dense", "full")
                for padding in ("equal", "as wide as the filter", "each side its own")
            ] + [(kind, "equal") for kind in ("row", "column")]),
            CoverCross(f"{ROOT}.rounding x configuration",
                       items=[f"{ROOT}.rounding", f"{ROOT}.configuration"], ign_bins=[
                (rounding, name) for rounding in ("single", "double") for name in names if name not in integer
            ]),
        ]  # fmt: skip

        def sample(case: Case, place: Place) -> None:
            """Every point looks at what it is called with."""

        for each in reversed(points):  # a crossing is sampled after its points
            sample = each(sample)
        self._sample = sample

    def add(self, case: Case, place: Place) -> None:
        self._sample(case, place)

    @property
    def holes(self) -> list[str]:
        """Bins that nothing has hit."""
        return [
            f"{name.removeprefix(ROOT + '.')}: {hit}"
            for name, item in coverage_db.items()
            if name.startswith(f"{ROOT}.")
            for hit, count in item.detailed_coverage.items()
            if count == 0
        ]

    def report(self) -> str:
        """A line for each point: its bins and how often each was hit."""
        lines = []
        for name, item in coverage_db.items():
            if name.startswith(f"{ROOT}."):
                hits = item.detailed_coverage
                covered = sum(count > 0 for count in hits.values())
                shown = ", ".join(f"{bin_} {count}" for bin_, count in hits.items() if len(hits) <= 12)
                lines.append(f"{name.removeprefix(ROOT + '.')}: {covered} of {len(hits)} bins. {shown}")
        return "\n".join(lines)

    def write(self, file: Path) -> None:
        """All figures as YAML."""
        file.parent.mkdir(parents=True, exist_ok=True)
        coverage_db.export_to_yaml(str(file))
