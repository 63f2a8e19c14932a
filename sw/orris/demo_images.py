"""A photograph to convolve, classical filters to convolve it with, and a picture of what came out."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.cbook
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from .golden import Requant, TensorError
from .layers import ConvLayer, Padding

ZERO_POINT = -128  # of the photograph: black is nothing, and pixel = q + 128

# Filters on brightness, all 3 x 3. Those whose taps add up to 0 show changes, in grey about the middle; the
# others show a picture.
FILTERS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "sobel x": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "sobel y": ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    "diagonal": ((-2, -1, 0), (-1, 0, 1), (0, 1, 2)),
    "laplacian": ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "emboss": ((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),
    "box blur": ((1, 1, 1), (1, 1, 1), (1, 1, 1)),
    "gaussian": ((1, 2, 1), (2, 4, 2), (1, 2, 1)),
}
_BRIGHTNESS = (2, 5, 1)  # of red, green and blue, in eighths: luma's 0.30, 0.59, 0.11 in small integers


def load_photograph(height: int, width: int, channels: int = 3) -> NDArray[np.int8]:
    """The portrait of Grace Hopper that comes with matplotlib (US Navy, public domain), as an ifmap.

    Scaled to fill height x width, cut about the centre; `channels` is 3 (red, green, blue) or 1 (grey).

    Returns
    -------
    int8 (1, channels, height, width) with zero point -128: black is -128, white 127.

    Raises
    ------
    TensorError : another number of channels, or a size below 1.
    """
    if channels not in (1, 3):
        raise TensorError(f"a photograph has 1 or 3 channels, not {channels}")
    if min(height, width) < 1:
        raise TensorError(f"a photograph of {height} x {width} pixels is empty, the least is 1 x 1")
    path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    with Image.open(str(path)) as photograph:
        pixels = photograph.convert("RGB" if channels == 3 else "L")
    scale = max(height / pixels.height, width / pixels.width)
    cut_height, cut_width = height / scale, width / scale
    left, top = (pixels.width - cut_width) / 2, (pixels.height - cut_height) / 2
    box = (left, top, left + cut_width, top + cut_height)
    pixels = pixels.resize((width, height), Image.Resampling.BICUBIC, box=box)
    values = np.asarray(pixels, dtype=np.int16).reshape(height, width, channels)
    return (values.transpose(2, 0, 1)[None] + ZERO_POINT).astype(np.int8)


def photograph_layer(height: int, width: int, channels: int = 3) -> ConvLayer:
    """All of FILTERS over a photograph of that size; the ofmap is as large."""
    return ConvLayer(
        name="photograph",
        C=channels,
        M=len(FILTERS),
        H=height,
        W=width,
        R=3,
        S=3,
        padding=Padding.all(1),
    )


def filter_weights(channels: int = 3) -> NDArray[np.int8]:
    """FILTERS as weights (M, channels, 3, 3); for 3 channels each acts on the brightness of the colours."""
    parts = _BRIGHTNESS if channels == 3 else (sum(_BRIGHTNESS),)
    taps = np.array(list(FILTERS.values()), dtype=np.int8)
    return taps[:, None] * np.array(parts, dtype=np.int8)[None, :, None, None]


def filter_requant() -> Requant:
    """What makes pictures of the sums: pictures keep their brightness, changes are grey about the middle.

    The gain of a change is that of the largest one a step from black to white can make, tripled: photographs
    are smooth. Whatever still exceeds the range is clamped.
    """
    taps = np.array(list(FILTERS.values()), dtype=np.int64).reshape(len(FILTERS), 9)
    total, brightness = taps.sum(axis=1), sum(_BRIGHTNESS)
    is_change = total == 0
    one_sided = np.maximum(taps, 0).sum(axis=1)
    scales = np.where(is_change, 3 / (2 * one_sided), 1 / np.where(is_change, 1, total)) / brightness
    # One zero point serves all channels: black. Changes are lifted from there to the middle by their bias.
    bias = np.where(is_change, np.round(-ZERO_POINT / scales), 0).astype(np.int64)
    return Requant.from_scales(
        bias, scales, "double", zp_in=ZERO_POINT, zp_out=ZERO_POINT, act_min=-128, act_max=127
    )


def save_feature_maps_png(
    photo: NDArray[np.int8], feature_maps: NDArray[np.int8], names: Sequence[str], path: Path | str
) -> None:
    """Draw the photograph and the feature maps beside it into a PNG file.

    Parameters
    ----------
    photo : int8 (1, 1 or 3, H, W). feature_maps : int8 (1, M, E, F). names : M titles. Values are shown from
    -128, black, to 127, white.

    Raises
    ------
    TensorError : not one name for each feature map.
    """
    if feature_maps.shape[:2] != (1, len(names)):
        raise TensorError(f"{len(names)} names for feature maps of shape {feature_maps.shape}")
    columns = -(-(len(names) + 1) // 3) if len(names) > 3 else len(names) + 1
    rows = -(-(len(names) + 1) // columns)
    aspect = photo.shape[2] / photo.shape[3]
    figure = Figure(figsize=(2.4 * columns, (2.4 * aspect + 0.2) * rows), layout="constrained")
    FigureCanvasAgg(figure)
    pictures = [
        ("photograph", photo[0]),
        *((name, feature_maps[0, m : m + 1]) for m, name in enumerate(names)),
    ]
    for place, (name, picture) in enumerate(pictures, start=1):
        axes = figure.add_subplot(rows, columns, place)
        pixels = (picture.astype(np.int16) - ZERO_POINT).astype(np.uint8).transpose(1, 2, 0)
        axes.imshow(pixels if len(picture) == 3 else pixels[:, :, 0], cmap="gray", vmin=0, vmax=255)
        axes.set_title(name, fontsize=10)
        axes.set_axis_off()
    figure.savefig(path, dpi=120, metadata={"Software": None})  # the same bytes whatever matplotlib drew them
