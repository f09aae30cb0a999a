"""A real model over real images, and its training, spread over the workers of the pool."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Callable

from snakepit_bridge.adapters.base import command
from snakepit_bridge.adapters.showcase import digits, images
from snakepit_bridge.adapters.showcase.network import Network, average
from snakepit_bridge.context import CallContext

__all__ = ["LearningCommands"]

_MOST_SHARDS = 64
Classify = Callable[[list[list[float]]], list[list[float]]]
"""Probabilities of the classes for each image."""


class LearningCommands:
    """batch_inference, distributed_training, train_shard."""

    @command
    def batch_inference(
        self,
        inputs: list[Any] | None = None,
        model_path: str | None = None,
        batch_size: int = 32,
        *,
        ctx: CallContext,
    ) -> Iterator[dict[str, Any]]:
        """Reads handwritten digits and streams what they are, batch by batch.

        Without inputs it reads the 300 held-out images of the data set, and says how many it got right.

        Args:
            inputs: File names (PNG, PGM) and images as arrays (64 numbers, or rows of numbers).
            model_path: A model that distributed_training has saved, or an .onnx file; the built-in one otherwise.
            batch_size: Images in a batch.
        """
        if batch_size < 1:
            raise ValueError("batch_size must be at least 1")
        classify, name = _model(ctx.path(model_path) if model_path else digits.MODEL)
        if inputs is None:
            test = digits.part("test")
            return _inference(list(range(len(test.labels))), test.images, test.labels, classify, name, batch_size)
        loaded = [images.read(ctx.path(one)) if isinstance(one, str) else images.from_array(one) for one in inputs]
        names = [one if isinstance(one, str) else number for number, one in enumerate(inputs)]
        return _inference(names, loaded, None, classify, name, batch_size)

    @command
    async def distributed_training(
        self,
        epochs: int = 5,
        shards: int = 2,
        learning_rate: float = 0.05,
        model_path: str = "digits-model.json",
        seed: int = 1,
        *,
        ctx: CallContext,
    ) -> AsyncIterator[dict[str, Any]]:
        """Trains the digit classifier by gradient descent: each epoch, the shards of the data are trained by as many
        workers of this pool, and their parameters are averaged.

        The first shard is trained here, the others by calls to `train_shard`, which wait for other workers: the pool
        needs as many workers as there are shards.

        Args:
            epochs: How often all images are seen.
            shards: Into how many parts the images are cut.
            learning_rate: Size of a step; it shrinks with each epoch.
            model_path: Where the best model is saved, relative to the caller's directory.
            seed: Of the first weights and of the order of the images.
        """
        if epochs < 1 or not 1 <= shards <= _MOST_SHARDS or learning_rate <= 0:
            raise ValueError(f"epochs: at least 1; shards: 1 to {_MOST_SHARDS}; learning_rate: above 0")
        network, best, target = Network.fresh(seed), 0.0, ctx.path(model_path)
        for epoch in range(1, epochs + 1):
            rate = learning_rate * 0.9 ** (epoch - 1)
            work: dict[str, Any] = {
                "shards": shards,
                "seed": seed + epoch,
                "learning_rate": rate,
                "parameters": network.as_dict(),
            }
            others = [ctx.call_async("train_shard", shard=n, **work) for n in range(1, shards)]
            own = asyncio.get_running_loop().run_in_executor(None, partial(_train, shard=0, **work))
            trained, *answers = await asyncio.gather(own, *others)
            network = average([Network.of(one["parameters"]) for one in (trained, *answers)])
            row = _report(network, epoch, epochs, rate)
            if row["val_acc"] > best:
                best = row["val_acc"]
                network.save(target)
            if epoch == epochs:
                row.update(final_model_path=str(target), best_val_accuracy=best)
            yield row

    @command
    def train_shard(
        self, parameters: dict[str, Any], shard: int, shards: int, learning_rate: float, seed: int
    ) -> dict[str, Any]:
        """Trains a model on one shard of the images, once: a part of distributed_training."""
        return _train(parameters=parameters, shard=shard, shards=shards, learning_rate=learning_rate, seed=seed)


def _train(*, parameters: dict[str, Any], shard: int, shards: int, learning_rate: float, seed: int) -> dict[str, Any]:
    network, data = Network.of(parameters), digits.part("train")
    mine = list(range(len(data.labels)))[shard::shards]
    random.Random(seed).shuffle(mine)  # noqa: S311 - nothing secret depends on it
    for number in mine:
        network.train(data.images[number], data.labels[number], learning_rate)
    return {"parameters": network.as_dict(), "images": len(mine)}


def _report(network: Network, epoch: int, epochs: int, rate: float) -> dict[str, Any]:
    train_loss, train_acc = network.score(*digits.part("train"))
    val_loss, val_acc = network.score(*digits.part("validation"))
    return {
        "epoch": epoch,
        "epochs": epochs,
        "train_loss": round(train_loss, 5),
        "val_loss": round(val_loss, 5),
        "train_acc": round(train_acc, 5),
        "val_acc": round(val_acc, 5),
        "learning_rate": rate,
    }


def _model(path: Path) -> tuple[Classify, str]:
    if path.suffix == ".onnx":
        return _onnx(path), path.name
    network = Network.load(path)
    return (lambda batch: [network.probabilities(image) for image in batch]), path.name


def _onnx(path: Path) -> Classify:
    """A pre-trained model: its input is a batch of 64 floats each, its last output ten scores."""
    try:
        import onnxruntime  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise RuntimeError("an .onnx model needs onnxruntime in the pool's Python: pip install onnxruntime") from None
    session = onnxruntime.InferenceSession(str(path))
    wanted = session.get_inputs()[0].name

    def classify(batch: list[list[float]]) -> list[list[float]]:
        import numpy  # type: ignore[import-not-found,unused-ignore]  # onnxruntime brings it

        scores = session.run(None, {wanted: numpy.asarray(batch, dtype=numpy.float32)})[-1]
        return [[float(score) for score in row] for row in scores]

    return classify


def _inference(  # noqa: PLR0917
    names: list[Any],
    pictures: list[list[float]],
    labels: list[int] | None,
    classify: Classify,
    model: str,
    size: int,
) -> Iterator[dict[str, Any]]:
    total, right = len(pictures), 0
    if not total:
        yield {"model": model, "processed": 0, "total": 0, "predictions": []}
    for start in range(0, total, size):
        predictions = []
        for number, found in enumerate(classify(pictures[start : start + size]), start):
            digit = found.index(max(found))
            predictions.append({"input": names[number], "digit": digit, "confidence": round(found[digit], 4)})
            right += labels is not None and labels[number] == digit
        done = min(start + size, total)
        chunk = {"model": model, "processed": done, "total": total, "predictions": predictions}
        if labels is not None and done == total:
            chunk["accuracy"] = round(right / total, 4)
        yield chunk
