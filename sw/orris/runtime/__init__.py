"""Networks on the host: operators that are no work for the accelerator, and the golden model of the rest."""

from .kernels import compute
from .session import Session, checked_inputs

__all__ = ["Session", "checked_inputs", "compute"]
