"""Four published networks whole, with random weights: for what they cost, not for what they say.

The convolutions are those of `orris.layers.networks`; pooling, residual sums and classifiers are added.
Values are int8; scales are such that every layer uses its range.
"""

from math import prod, sqrt

import numpy as np

from ..graph import Graph, Quantisation, Tensor
from ..graph import operators as ops
from ..layers import ConvLayer, Padding, find_layer, find_network

CLASSES = 1000
INPUT_SCALE, WEIGHT_SCALE = 1 / 127, 1 / 127
WEIGHT_DEVIATION = 127 / sqrt(3)  # of uniform values


class _Writer:
    """A graph in the making; a tensor is known by its name."""

    def __init__(self, name: str, seed: int):
        self.name, self._rng = name, np.random.default_rng(seed)
        self.tensors: dict[str, Tensor] = {}
        self.operators: list[ops.Operator] = []

    def tensor(self, name: str, shape: tuple[int, ...], scale: float, zero_point: int) -> str:
        quantisation = Quantisation.of(scale, zero_point)
        self.tensors[name] = Tensor(name, shape, np.dtype(np.int8), quantisation)
        return name

    def like(self, name: str, source: str, shape: tuple[int, ...]) -> str:
        """A tensor of the scale of another."""
        return self.tensor(name, shape, self.tensors[source].scale, self.tensors[source].zero_point)

    def _weighted(self, name: str, source: str, shape: tuple[int, ...], relu: bool) -> tuple[str, str, float]:
        """Filters, bias, and the scale that makes the sums' standard deviation a third of the range."""
        weights = self._rng.integers(-127, 128, shape, np.int8)
        before = self.tensors[source]
        deviation = 74.0 * WEIGHT_DEVIATION * sqrt(prod(shape[1:]))  # sums, in steps of both scales
        bias = self._rng.normal(0, deviation / 2, shape[0]).astype(np.int32)
        step = before.scale * WEIGHT_SCALE
        for suffix, values, scale in ((".filters", weights, WEIGHT_SCALE), (".bias", bias, step)):
            self.tensors[name + suffix] = Tensor(
                name + suffix, values.shape, values.dtype, Quantisation.of(scale), values
            )
        return f"{name}.filters", f"{name}.bias", step * deviation * (3 / 255 if relu else 3 / 127)

    def conv(self, layer: ConvLayer, source: str, relu: bool = True) -> str:
        name = layer.name.partition(".")[2]
        filters, bias, scale = self._weighted(name, source, layer.weights_shape, relu)
        result = self.tensor(f"{name}.out", layer.ofmap_shape, scale, -128 if relu else 0)
        self.operators.append(
            ops.Convolution(
                kind="CONV_2D",
                name=name,
                inputs=(source, filters, bias),
                outputs=(result,),
                stride=(layer.U, layer.V),
                padding=layer.padding,
                groups=layer.G,
                bounds=(0.0, None) if relu else (None, None),
            )
        )
        return result

    def dense(self, name: str, source: str, classes: int, relu: bool = True) -> str:
        flat = self.like(f"{name}.in", source, (1, self.tensors[source].size))
        self.operators.append(
            ops.Reshape(kind="RESHAPE", name=f"{name}.flatten", inputs=(source,), outputs=(flat,))
        )
        filters, bias, scale = self._weighted(name, source, (classes, self.tensors[source].size), relu)
        result = self.tensor(f"{name}.out", (1, classes), scale, -128 if relu else 0)
        self.operators.append(
            ops.FullyConnected(
                kind="FULLY_CONNECTED",
                name=name,
                inputs=(flat, filters, bias),
                outputs=(result,),
                bounds=(0.0, None) if relu else (None, None),
            )
        )
        return result

    def pool(self, name: str, source: str, taps: int, stride: int, pad: int = 0, largest: bool = True) -> str:
        N, C, H, W = self.tensors[source].shape
        E, F = ((size + 2 * pad - taps) // stride + 1 for size in (H, W))
        result = self.like(f"{name}.out", source, (N, C, E, F))
        self.operators.append(
            ops.Pool(
                kind="MAX_POOL_2D" if largest else "AVERAGE_POOL_2D",
                name=name,
                inputs=(source,),
                outputs=(result,),
                largest=largest,
                window=(taps, taps),
                stride=(stride, stride),
                padding=Padding.all(pad),
            )
        )
        return result

    def add(self, name: str, first: str, second: str) -> str:
        scale = max(self.tensors[each].scale for each in (first, second))
        result = self.tensor(f"{name}.out", self.tensors[first].shape, scale, -128)
        self.operators.append(
            ops.Add(kind="ADD", name=name, inputs=(first, second), outputs=(result,), bounds=(0.0, None))
        )
        return result

    def graph(self, scores: str) -> Graph:
        result = self.tensor("classes", self.tensors[scores].shape, 1 / 256, -128)
        self.operators.append(
            ops.Softmax(kind="SOFTMAX", name="softmax", inputs=(scores,), outputs=(result,), axis=1)
        )
        return Graph(
            name=self.name,
            layout="NCHW",
            arithmetic="tflite",
            tensors=self.tensors,
            operators=tuple(self.operators),
            inputs=("image",),
            outputs=(result,),
        )


def builtin_network(name: str, seed: int = 0) -> Graph:
    """A network of `orris.layers.NETWORKS` with its classifier; the same for the same seed.

    Raises
    ------
    LayerError
        There is no such network.
    """
    network = find_network(name)
    writer = _Writer(name, seed)
    image = writer.tensor("image", network.layers[0].ifmap_shape, INPUT_SCALE, 0)
    make = {"alexnet": _alexnet, "vgg16": _vgg16, "resnet18": _resnet18, "mobilenetv1": _mobilenetv1}[name]
    return writer.graph(make(writer, image))


def _alexnet(writer: _Writer, value: str) -> str:
    for number in range(1, 6):
        value = writer.conv(find_layer(f"alexnet.conv{number}"), value)
        if number in (1, 2, 5):
            value = writer.pool(f"pool{number}", value, 3, 2)
    for name, size in (("fc6", 4096), ("fc7", 4096)):
        value = writer.dense(name, value, size)
    return writer.dense("fc8", value, CLASSES, relu=False)


def _vgg16(writer: _Writer, value: str) -> str:
    stage = "1"
    for layer in find_network("vgg16").layers:
        now = layer.name.partition("conv")[2][0]
        if now != stage:
            value, stage = writer.pool(f"pool{stage}", value, 2, 2), now
        value = writer.conv(layer, value)
    value = writer.pool("pool5", value, 2, 2)
    for name in ("fc6", "fc7"):
        value = writer.dense(name, value, 4096)
    return writer.dense("fc8", value, CLASSES, relu=False)


def _resnet18(writer: _Writer, value: str) -> str:
    layers = {layer.name: layer for layer in find_network("resnet18").layers}
    value = writer.conv(layers["resnet18.conv1"], value)
    value = writer.pool("pool1", value, 3, 2, pad=1)
    for stage in range(1, 5):
        for block in (0, 1):
            name = f"resnet18.layer{stage}.{block}"
            inner = writer.conv(layers[f"{name}.conv1"], value)
            inner = writer.conv(layers[f"{name}.conv2"], inner, relu=False)
            if f"{name}.downsample" in layers:
                value = writer.conv(layers[f"{name}.downsample"], value, relu=False)
            value = writer.add(f"layer{stage}.{block}.add", inner, value)
    value = writer.pool("average", value, 7, 1, largest=False)
    return writer.dense("fc", value, CLASSES, relu=False)


def _mobilenetv1(writer: _Writer, value: str) -> str:
    for layer in find_network("mobilenetv1").layers:
        value = writer.conv(layer, value)
    value = writer.pool("average", value, 7, 1, largest=False)
    return writer.dense("fc", value, CLASSES, relu=False)
