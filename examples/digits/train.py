"""Trains the digits network and writes it, quantised, beside this script.

A small CNN learns scikit-learn's handwritten digits (1797 images of 8 x 8 pixels, from the UCI repository)
in numpy, is written as ONNX, and quantised by ONNX Runtime's static quantiser: int8, a scale per channel.
Takes a minute::

    pip install 'orris[check]' onnx scikit-learn
    python examples/digits/train.py

Leaves `digits.onnx`, the network, and `digits.npz`: 400 images that it has not seen, with their labels.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
TEST_IMAGES = 400
EPOCHS, BATCH, RATE = 40, 64, 2e-3


class Conv:
    """3 x 3 convolution with padding 1, then ReLU."""

    def __init__(self, rng, channels, filters):
        self.w = rng.normal(0, np.sqrt(2 / (9 * channels)), (filters, channels, 3, 3))
        self.b = np.zeros(filters)

    def forward(self, x):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        self.windows = sliding_window_view(padded, (3, 3), axis=(2, 3))
        y = np.einsum("nchwrs,mcrs->nmhw", self.windows, self.w, optimize=True) + self.b[:, None, None]
        self.positive = y > 0
        return y * self.positive

    def backward(self, gradient):
        gradient = gradient * self.positive
        self.dw = np.einsum("nmhw,nchwrs->mcrs", gradient, self.windows, optimize=True)
        self.db = gradient.sum((0, 2, 3))
        padded = np.pad(gradient, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = sliding_window_view(padded, (3, 3), axis=(2, 3))
        return np.einsum("nmhwrs,mcrs->nchw", windows, self.w[:, :, ::-1, ::-1], optimize=True)


class MaxPool:
    """The largest of 2 x 2 values."""

    def forward(self, x):
        n, c, h, w = x.shape
        tiles = x.reshape(n, c, h // 2, 2, w // 2, 2)
        y = tiles.max((3, 5))
        self.chosen = tiles == y[:, :, :, None, :, None]
        return y

    def backward(self, gradient):
        spread = self.chosen * gradient[:, :, :, None, :, None] / self.chosen.sum((3, 5), keepdims=True)
        n, c, h, _, w, _ = spread.shape
        return spread.reshape(n, c, 2 * h, 2 * w)


class Dense:
    """All values of an image to the scores of the classes."""

    def __init__(self, rng, values, classes):
        self.w, self.b = rng.normal(0, np.sqrt(1 / values), (classes, values)), np.zeros(classes)

    def forward(self, x):
        self.shape, self.x = x.shape, x.reshape(len(x), -1)
        return self.x @ self.w.T + self.b

    def backward(self, gradient):
        self.dw, self.db = gradient.T @ self.x, gradient.sum(0)
        return (gradient @ self.w).reshape(self.shape)


def train(layers, images, labels, rng):
    """Cross entropy by Adam, on images moved by up to a pixel."""
    trained = [layer for layer in layers if hasattr(layer, "w")]
    moments = [[np.zeros_like(p) for p in (layer.w, layer.b, layer.w, layer.b)] for layer in trained]
    step = 0
    for epoch in range(EPOCHS):
        order, loss = rng.permutation(len(images)), 0.0
        for batch in np.array_split(order, len(order) // BATCH):
            step += 1
            x = images[batch]
            x = np.roll(x, rng.integers(-1, 2, 2), (2, 3))
            for layer in layers:
                x = layer.forward(x)
            shares = np.exp(x - x.max(1, keepdims=True))
            shares /= shares.sum(1, keepdims=True)
            loss -= np.log(shares[range(len(batch)), labels[batch]]).sum()
            shares[range(len(batch)), labels[batch]] -= 1
            gradient = shares / len(batch)
            for layer in reversed(layers):
                gradient = layer.backward(gradient)
            for layer, (mw, mb, vw, vb) in zip(trained, moments, strict=True):
                for p, g, m, v in ((layer.w, layer.dw, mw, vw), (layer.b, layer.db, mb, vb)):
                    m += 0.1 * (g - m)
                    v += 0.001 * (g * g - v)
                    p -= RATE * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        print(f"epoch {epoch + 1}: loss {loss / len(images):.4f}")


def as_onnx(layers):
    """The network as an ONNX model of real numbers."""
    nodes, weights, source = [], [], "image"
    for number, layer in enumerate(layers):
        output = f"layer{number}"
        if isinstance(layer, MaxPool):
            nodes.append(helper.make_node("MaxPool", [source], [output], kernel_shape=[2, 2], strides=[2, 2]))
        else:
            names = [f"{output}_{each}" for each in "wb"]
            weights += [
                numpy_helper.from_array(values.astype(np.float32), name)
                for name, values in zip(names, (layer.w, layer.b), strict=True)
            ]
            if isinstance(layer, Conv):
                nodes.append(helper.make_node("Conv", [source, *names], [f"{output}_sum"], pads=[1, 1, 1, 1]))
                nodes.append(helper.make_node("Relu", [f"{output}_sum"], [output]))
            else:
                output = "scores"
                nodes.append(helper.make_node("Flatten", [source], ["flat"]))
                nodes.append(helper.make_node("Gemm", ["flat", *names], [output], transB=1))
        source = output
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model


class Images(CalibrationDataReader):
    """Training images one by one, for the quantiser to see the range of every tensor."""

    def __init__(self, images):
        self._images = iter(images[:, None].astype(np.float32))

    def get_next(self):
        image = next(self._images, None)
        return None if image is None else {"image": image}


def main():
    rng = np.random.default_rng(0)
    images, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(images))
    images, labels = images[order].reshape(-1, 1, 8, 8), labels[order]
    test, rest = slice(TEST_IMAGES), slice(TEST_IMAGES, None)
    real = images / 16
    layers = [
        Conv(rng, 1, 16),
        Conv(rng, 16, 32),
        MaxPool(),
        Conv(rng, 32, 32),
        MaxPool(),
        Dense(rng, 128, 10),
    ]
    train(layers, real[rest], labels[rest], rng)
    scores = real[test]
    for layer in layers:
        scores = layer.forward(scores)
    print(f"real numbers: {np.mean(scores.argmax(1) == labels[test]):.1%} of {TEST_IMAGES} test images")
    with TemporaryDirectory() as directory:
        source = Path(directory) / "digits.onnx"
        onnx.save(as_onnx(layers), str(source))
        quantize_static(
            str(source),
            str(HERE / "digits.onnx"),
            Images(real[rest][:200]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
    np.savez_compressed(
        HERE / "digits.npz", images=images[test].astype(np.uint8), labels=labels[test].astype(np.uint8)
    )


if __name__ == "__main__":
    main()
