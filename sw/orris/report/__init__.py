"""What a run of layers shows: figures, tables, JSON."""

from .layer_report import LayerReport
from .movement import LEVELS, Movement, movements, words_at
from .summary import run_as_dict
from .tables import layer_tables, summary_table

__all__ = [
    "LEVELS",
    "LayerReport",
    "Movement",
    "layer_tables",
    "movements",
    "run_as_dict",
    "summary_table",
    "words_at",
]
