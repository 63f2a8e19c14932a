"""The convolution layers of four published networks, by name: ``find_layer("alexnet.conv2")``."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from .layer import ConvLayer, LayerError, Padding, same_padding


@dataclass(frozen=True)
class Network:
    """The convolutions of one network, in the order they run; a layer is called `network.layer`."""

    name: str
    source: str
    layers: tuple[ConvLayer, ...]

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)


def _square(name: str, size: int, taps: int, C: int, M: int, **rest: Any) -> ConvLayer:
    """A square filter over a square ifmap."""
    return ConvLayer(name=name, H=size, W=size, R=taps, S=taps, C=C, M=M, **rest)


def _alexnet() -> tuple[ConvLayer, ...]:
    # ifmap_zeros as the chip measured them: Chen et al., JSSC 52(1), 2017, the AlexNet table.
    def conv(n: int, size: int, taps: int, C: int, M: int, zeros: float, **rest: Any) -> ConvLayer:
        return _square(f"alexnet.conv{n}", size, taps, C, M, ifmap_zeros=zeros, **rest)

    return (
        conv(1, 227, 11, 3, 96, 0.0001, U=4),
        conv(2, 27, 5, 48, 256, 0.387, G=2, padding=Padding.all(2)),
        conv(3, 13, 3, 256, 384, 0.725, padding=Padding.all(1)),
        conv(4, 13, 3, 192, 384, 0.793, G=2, padding=Padding.all(1)),
        conv(5, 13, 3, 192, 256, 0.776, G=2, padding=Padding.all(1)),
    )


def _vgg16() -> Iterator[ConvLayer]:
    channels, size = 3, 224
    for stage, (M, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), start=1):
        for n in range(1, count + 1):
            yield _square(f"vgg16.conv{stage}_{n}", size, 3, channels, M, padding=Padding.all(1))
            channels = M
        size //= 2


def _resnet18() -> Iterator[ConvLayer]:
    yield _square("resnet18.conv1", 224, 7, 3, 64, U=2, padding=Padding.all(3))
    channels, size = 64, 56
    for stage, M in enumerate((64, 128, 256, 512), start=1):
        for block in (0, 1):
            U = 2 if stage > 1 and block == 0 else 1
            name = f"resnet18.layer{stage}.{block}"
            yield _square(f"{name}.conv1", size, 3, channels, M, U=U, padding=Padding.all(1))
            yield _square(f"{name}.conv2", size // U, 3, M, M, padding=Padding.all(1))
            if U == 2:
                yield _square(f"{name}.downsample", size, 1, channels, M, U=U)
            channels, size = M, size // U


def _mobilenetv1() -> Iterator[ConvLayer]:
    def padded(name: str, size: int, C: int, M: int, U: int, G: int = 1) -> ConvLayer:
        return _square(name, size, 3, C, M, U=U, G=G, padding=same_padding(size, size, 3, 3, U))

    yield padded("mobilenetv1.conv1", 224, 3, 32, 2)
    channels, size = 32, 112
    blocks = (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *((512, 1),) * 5,
        (1024, 2),
        (1024, 1),
    )
    for n, (M, U) in enumerate(blocks, start=1):
        yield padded(f"mobilenetv1.dw{n}", size, 1, channels, U, G=channels)
        size //= U
        yield _square(f"mobilenetv1.pw{n}", size, 1, channels, M)
        channels = M


NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        Network("alexnet", "Krizhevsky et al., NIPS 2012, as run in Chen et al., JSSC 2017", _alexnet()),
        Network("vgg16", "Simonyan and Zisserman, ICLR 2015, configuration D", tuple(_vgg16())),
        Network("resnet18", "He et al., CVPR 2016", tuple(_resnet18())),
        Network(
            "mobilenetv1", "Howard et al., arXiv 1704.04861, width 1.0, 224 x 224", tuple(_mobilenetv1())
        ),
    )
}

_LAYERS = {layer.name: layer for network in NETWORKS.values() for layer in network.layers}


def _nearest(kind: str, name: str, known: list[str]) -> LayerError:
    near = get_close_matches(name, known, n=1, cutoff=0.0)[0]
    return LayerError(f"{kind} '{name}' is not in the built-in tables; the nearest name is '{near}'")


def find_network(name: str) -> Network:
    """The network of that name; LayerError with the nearest name if there is none."""
    if name not in NETWORKS:
        raise _nearest("network", name, list(NETWORKS))
    return NETWORKS[name]


def find_layer(name: str) -> ConvLayer:
    """The layer called `network.layer`; LayerError with the nearest name if there is none."""
    if name not in _LAYERS:
        raise _nearest("layer", name, list(_LAYERS))
    return _LAYERS[name]
