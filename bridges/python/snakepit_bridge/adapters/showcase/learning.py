"""The training of a real model over real images, spread over the workers of the pool."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from snakepit_bridge.adapters.base import command
from snakepit_bridge.adapters.showcase import digits
from snakepit_bridge.adapters.showcase.network import Network, average
from snakepit_bridge.context import CallContext

__all__ = ["LearningCommands"]

_MOST_SHARDS = 64
_SETTINGS = ("epochs", "shards", "learning_rate", "seed")


class LearningCommands:
    """distributed_training, train_shard."""

    @command
    async def distributed_training(  # noqa: PLR0917 - the names are what callers use
        self,
        epochs: int = 5,
        shards: int = 2,
        learning_rate: float = 0.05,
        model_path: str = "digits-model.json",
        seed: int = 1,
        model_config: dict[str, Any] | None = None,
        training_config: dict[str, Any] | None = None,
        dataset_path: str | None = None,
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
            model_config: The same settings by name (epochs, shards, learning_rate, seed); they come first.
            training_config: As model_config, and before it.
            dataset_path: A CSV file of images: 64 pixels and the digit in each row. Every fifth row is for validation.
                The data set that is shipped otherwise.
        """
        given: dict[str, Any] = {"epochs": epochs, "shards": shards, "learning_rate": learning_rate, "seed": seed}
        given = _configured(given, model_config, training_config)
        epochs, shards, learning_rate, seed = (given[name] for name in _SETTINGS)
        dataset = None if dataset_path is None else str(ctx.path(dataset_path))
        if epochs < 1 or not 1 <= shards <= _MOST_SHARDS or learning_rate <= 0:
            raise ValueError(f"epochs: at least 1; shards: 1 to {_MOST_SHARDS}; learning_rate: above 0")
        digits.of_dataset("train", dataset)
        network, best, target = Network.fresh(seed), 0.0, ctx.path(model_path)
        for epoch in range(1, epochs + 1):
            rate = learning_rate * 0.9 ** (epoch - 1)
            work: dict[str, Any] = {
                "shards": shards,
                "seed": seed + epoch,
                "learning_rate": rate,
                "parameters": network.as_dict(),
                "dataset_path": dataset,
            }
            others = [ctx.call_async("train_shard", shard=n, **work) for n in range(1, shards)]
            own = asyncio.get_running_loop().run_in_executor(None, partial(_train, shard=0, **work))
            trained, *answers = await asyncio.gather(own, *others)
            network = average([Network.of(one["parameters"]) for one in (trained, *answers)])
            row = _report(network, epoch, epochs, rate, dataset)
            row["is_final"] = epoch == epochs
            if row["val_acc"] > best or epoch == 1:
                best = row["val_acc"]
                network.save(target)
            if epoch == epochs:
                row.update(final_model_path=str(target), best_val_accuracy=best)
            yield row

    @command
    def train_shard(  # noqa: PLR0917
        self,
        parameters: dict[str, Any],
        shard: int,
        shards: int,
        learning_rate: float,
        seed: int,
        dataset_path: str | None = None,
    ) -> dict[str, Any]:
        """Trains a model on one shard of the images, once: a part of distributed_training."""
        return _train(
            parameters=parameters, shard=shard, shards=shards, learning_rate=learning_rate, seed=seed,
            dataset_path=dataset_path,
        )  # fmt: skip


def _train(
    *, parameters: dict[str, Any], shard: int, shards: int, learning_rate: float, seed: int, dataset_path: str | None
) -> dict[str, Any]:
    network, data = Network.of(parameters), digits.of_dataset("train", dataset_path)
    mine = list(range(len(data.labels)))[shard::shards]
    random.Random(seed).shuffle(mine)  # noqa: S311 - nothing secret depends on it
    for number in mine:
        network.train(data.images[number], data.labels[number], learning_rate)
    return {"parameters": network.as_dict(), "images": len(mine)}


def _configured(given: dict[str, Any], *configs: dict[str, Any] | None) -> dict[str, Any]:
    for config in configs:
        for name, value in (config or {}).items():
            if name not in given:
                raise ValueError(f"no setting `{name}`; known are {', '.join(_SETTINGS)}")
            is_rate = name == "learning_rate"
            if type(value) not in ((int, float) if is_rate else (int,)):
                raise ValueError(f"{name} must be a {'number' if is_rate else 'whole number'}, not {value!r}")
            given[name] = value
    return given


def _report(network: Network, epoch: int, epochs: int, rate: float, dataset: str | None) -> dict[str, Any]:
    train_loss, train_acc = network.score(*digits.of_dataset("train", dataset))
    val_loss, val_acc = network.score(*digits.of_dataset("validation", dataset))
    return {
        "epoch": epoch,
        "epochs": epochs,
        "train_loss": round(train_loss, 5),
        "val_loss": round(val_loss, 5),
        "train_acc": round(train_acc, 5),
        "val_acc": round(val_acc, 5),
        "learning_rate": rate,
    }
