"""Classifies handwritten digits on the accelerator in RTL simulation, beside ONNX Runtime.

python examples/digits/classify.py [COUNT [PRESET]]
"""

import sys
import time
from pathlib import Path

import numpy as np

from orris.importers import load_model
from orris.network import compile_network
from orris.runtime.reference import open_reference
from orris_hw.config import resolve
from orris_sim.network_run import network_simulation

HERE = Path(__file__).parent
count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
preset = sys.argv[2] if len(sys.argv) > 2 else "orris-168"

graph = load_model(HERE / "digits.onnx")
network = compile_network(graph, resolve(preset=preset, config=None))
reference = open_reference(HERE / "digits.onnx", graph)
with np.load(HERE / "digits.npz") as data:
    images, labels = data["images"][:count], data["labels"][:count]

ours, theirs, cycles, begin = [], [], 0, time.perf_counter()
with network_simulation(network) as runner:
    for image in images:
        inputs = {"image": image[None].astype(np.float32) / 16}
        result = runner.run(inputs)
        cycles += result.counters["cycles"]
        ours.append(result.tensors["scores"].argmax())
        theirs.append(reference.run(inputs)["scores"].argmax())
seconds = time.perf_counter() - begin

print(f"{len(images)} handwritten digits on {preset}, {cycles // len(images):,} cycles each, {seconds:.1f} s")
print(f"  {'accelerator (RTL)':24} {np.mean(ours == labels):.1%} right")
print(f"  {reference.name:24} {np.mean(theirs == labels):.1%} right")
same = int(np.sum(np.equal(ours, theirs)))
print(f"  {'the same prediction':24} {same} of {len(images)}")
sys.exit(same != len(images))
