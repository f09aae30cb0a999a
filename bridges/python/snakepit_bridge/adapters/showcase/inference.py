"""A model at work: handwritten digits are read, in batches or one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from snakepit_bridge.adapters.base import command
from snakepit_bridge.adapters.showcase import digits, images
from snakepit_bridge.adapters.showcase.network import Network
from snakepit_bridge.context import CallContext

__all__ = ["InferenceCommands"]

Classify = Callable[[list[list[float]]], list[list[float]]]
"""Probabilities of the classes for each image."""


class InferenceCommands:
    """batch_inference."""

    @command
    def batch_inference(
        self,
        inputs: list[Any] | None = None,
        model_path: str | None = None,
        batch_size: int = 32,
        images: list[Any] | None = None,
        batch_items: list[Any] | None = None,
        *,
        ctx: CallContext,
    ) -> Iterator[dict[str, Any]]:
        """Reads handwritten digits and streams what they are.

        Inputs are answered batch by batch, images and batch_items one by one. Without any it reads the 300 held-out
        images of the data set, and says how many it got right. Without a model_path it uses the shipped network, which
        was trained on the rest of that set.

        Args:
            inputs: File names (PNG, PGM) and images as arrays (64 numbers, or rows of numbers).
            model_path: A model that distributed_training has saved (.json), or an .onnx file.
            batch_size: Images in a batch.
            images: As inputs; each has a chunk, {"image", "prediction", "confidence"}, and the last one says how many.
            batch_items: As images; the chunks say "item".
        """
        if batch_size < 1:
            raise ValueError("batch_size must be at least 1")
        if sum(one is not None for one in (inputs, images, batch_items)) > 1:
            raise ValueError("inputs, images and batch_items are the same: give one of them")
        classify, name = _model(ctx.path(model_path)) if model_path else (_network(digits.MODEL), digits.MODEL.name)
        singles = images if images is not None else batch_items
        if singles is not None:
            names, loaded = _loaded(singles, ctx)
            return _one_by_one("image" if images is not None else "item", names, loaded, classify, name)
        if inputs is None:
            test = digits.part("test")
            return _inference(list(range(len(test.labels))), test.images, test.labels, classify, name, batch_size)
        names, loaded = _loaded(inputs, ctx)
        return _inference(names, loaded, None, classify, name, batch_size)


def _loaded(inputs: list[Any], ctx: CallContext) -> tuple[list[Any], list[list[float]]]:
    """Names, or numbers of those that have none, and images. Raises OSError, ValueError."""
    loaded = [images.read(ctx.path(one)) if isinstance(one, str) else images.from_array(one) for one in inputs]
    return [one if isinstance(one, str) else number for number, one in enumerate(inputs)], loaded


def _one_by_one(
    what: str, names: list[Any], pictures: list[list[float]], classify: Classify, model: str
) -> Iterator[dict[str, Any]]:
    for name, picture in zip(names, pictures):
        [found] = classify([picture])
        digit = found.index(max(found))
        yield {what: name, "prediction": digit, "confidence": round(found[digit], 4), "is_final": False}
    yield {"is_final": True, "total_processed": len(names), "model": model}


def _model(path: Path) -> tuple[Classify, str]:
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}")
    if path.suffix == ".onnx":
        return _onnx(path), path.name
    if path.suffix != ".json":
        # A pickle can run any code: it is not opened.
        raise ValueError(f"{path.name}: a model is a .json file of distributed_training, or an .onnx file")
    return _network(path), path.name


def _network(path: Path) -> Classify:
    network = Network.load(path)
    return lambda batch: [network.probabilities(image) for image in batch]


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
