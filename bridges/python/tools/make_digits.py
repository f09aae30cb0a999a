"""Writes the showcase's data set and model.

Needs `pip install scikit-learn protobuf hpack`: the data set comes with the first. Everything is seeded: the same files
come out each time.
"""

from __future__ import annotations

import random
import sys
import zlib
from pathlib import Path

BRIDGE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BRIDGE))

from snakepit_bridge.adapters.showcase import digits  # noqa: E402
from snakepit_bridge.adapters.showcase.network import Network  # noqa: E402

EPOCHS, RATE, SEED = 30, 0.05, 7


def write_data() -> None:
    from sklearn.datasets import load_digits  # type: ignore[import-not-found,import-untyped,unused-ignore]

    found = load_digits()
    order = list(range(digits.COUNT))
    random.Random(SEED).shuffle(order)  # noqa: S311 - nothing secret depends on it
    labels = bytes(int(found.target[n]) for n in order)
    pixels = b"".join(bytes(int(level) for level in found.data[n]) for n in order)
    (digits.MODEL.parent / "digits.bin").write_bytes(zlib.compress(labels + pixels, 9))


def train() -> None:
    network, data, best = Network.fresh(SEED), digits.part("train"), 0.0
    order = list(range(len(data.labels)))
    for epoch in range(EPOCHS):
        random.Random(epoch).shuffle(order)  # noqa: S311
        for number in order:
            network.train(data.images[number], data.labels[number], RATE * 0.93**epoch)
        accuracy = network.score(*digits.part("validation"))[1]
        if accuracy > best:
            best = accuracy
            network.save(digits.MODEL)
    print(f"validation {best:.4f}, test {Network.load(digits.MODEL).score(*digits.part('test'))[1]:.4f}")


if __name__ == "__main__":
    write_data()
    train()
