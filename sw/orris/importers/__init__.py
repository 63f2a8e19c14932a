"""Networks from files: TFLite and ONNX."""

from .load import load_model

__all__ = ["load_model"]
