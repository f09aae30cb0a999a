"""A small neural network in plain Python: 64 inputs, one hidden layer, 10 classes.

It needs nothing but the standard library, so that the showcase runs wherever Python does. With some 2,400 parameters
an image takes about a tenth of a millisecond.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from operator import mul
from pathlib import Path
from typing import Any

__all__ = ["HIDDEN", "INPUTS", "Network", "average"]

INPUTS, HIDDEN, CLASSES = 64, 32, 10
Image = Sequence[float]
"""INPUTS numbers from 0 (paper) to 1 (ink), row by row."""


class Network:
    """Parameters: `first` and `second` hold a row of weights and, last, a bias for each neuron."""

    def __init__(self, first: list[list[float]], second: list[list[float]]) -> None:
        self.first = first
        self.second = second

    @classmethod
    def fresh(cls, seed: int) -> Network:
        """Random weights: the same for the same seed, wherever it runs."""
        source = random.Random(seed)  # noqa: S311 - nothing secret depends on it

        def layer(rows: int, columns: int) -> list[list[float]]:
            spread = math.sqrt(2.0 / columns)
            return [[source.gauss(0.0, spread) for _ in range(columns)] + [0.0] for _ in range(rows)]

        return cls(layer(HIDDEN, INPUTS), layer(CLASSES, HIDDEN))

    @classmethod
    def of(cls, data: Any) -> Network:
        """From what `as_dict` made. Raises ValueError."""
        try:
            first, second = data["first"], data["second"]
            fits = len(first) == HIDDEN and all(len(row) == INPUTS + 1 for row in first)
            fits = fits and len(second) == CLASSES and all(len(row) == HIDDEN + 1 for row in second)
            if not fits:
                raise ValueError("the layers have other sizes")
            return cls([[float(w) for w in row] for row in first], [[float(w) for w in row] for row in second])
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a model of the showcase: {error!r}") from None

    @classmethod
    def load(cls, path: Path) -> Network:
        """Raises OSError, ValueError."""
        return cls.of(json.loads(path.read_text()))

    def as_dict(self) -> dict[str, list[list[float]]]:
        return {"first": self.first, "second": self.second}

    def save(self, path: Path) -> None:
        digits = {name: [[round(w, 4) for w in row] for row in rows] for name, rows in self.as_dict().items()}
        path.write_text(json.dumps(digits, separators=(",", ":")) + "\n")

    def hidden(self, image: Image) -> list[float]:
        return [max(0.0, sum(map(mul, row, image)) + row[-1]) for row in self.first]

    def probabilities(self, image: Image) -> list[float]:
        """Of each class."""
        return _softmax(self.second, self.hidden(image))

    def train(self, image: Image, label: int, rate: float) -> None:
        """One step of gradient descent."""
        hidden = self.hidden(image)
        errors = _softmax(self.second, hidden)
        errors[label] -= 1.0
        back = [0.0] * HIDDEN
        for row, error in zip(self.second, errors):
            step = rate * error
            for number, value in enumerate(hidden):
                if value:
                    back[number] += error * row[number]
                    row[number] -= step * value
            row[-1] -= step
        for row, value, error in zip(self.first, hidden, back):
            if value and error:
                step = rate * error
                row[:-1] = [weight - step * pixel for weight, pixel in zip(row, image)]
                row[-1] -= step

    def score(self, images: Sequence[Image], labels: Sequence[int]) -> tuple[float, float]:
        """Mean loss and accuracy."""
        loss, right = 0.0, 0
        for image, label in zip(images, labels):
            found = self.probabilities(image)
            loss -= math.log(max(found[label], 1e-12))
            right += found.index(max(found)) == label
        count = max(1, len(labels))
        return loss / count, right / count


def _softmax(rows: list[list[float]], hidden: list[float]) -> list[float]:
    scores = [sum(map(mul, row, hidden)) + row[-1] for row in rows]
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def average(networks: Sequence[Network]) -> Network:
    """The mean of each parameter."""

    def mean(layers: list[list[list[float]]]) -> list[list[float]]:
        return [[sum(weights) / len(layers) for weights in zip(*rows)] for rows in zip(*layers)]

    return Network(mean([one.first for one in networks]), mean([one.second for one in networks]))
