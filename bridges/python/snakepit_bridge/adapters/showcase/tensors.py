"""Commands that make arrays of numbers: tensors, and images from files."""

from __future__ import annotations

import math
from typing import Any

from snakepit_bridge.adapters.base import command
from snakepit_bridge.adapters.showcase import images
from snakepit_bridge.context import CallContext

__all__ = ["TensorCommands"]

_MOST_ELEMENTS, _MOST_AXES, _MOST_IMAGES, _BYTES = 1_000_000, 16, 1000, 8


class TensorCommands:
    """create_tensor, process_images."""

    @command
    def create_tensor(
        self, shape: list[int], name: str | None = None, fill_value: float = 0.0, *, ctx: CallContext
    ) -> dict[str, Any]:
        """Makes a tensor in which all numbers are the same. In a session, one with a name becomes a variable.

        Args:
            shape: The length of each axis; at most 1,000,000 numbers in all.
            name: Of the variable.
            fill_value: The number.
        """
        if len(shape) > _MOST_AXES or not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError(f"shape must be a list of at most {_MOST_AXES} whole numbers from 0, not {shape!r}")
        elements = math.prod(shape)
        if elements > _MOST_ELEMENTS:
            raise ValueError(f"a tensor of {elements} numbers is too large: at most {_MOST_ELEMENTS}")
        data = _filled(shape, fill_value)
        stored = bool(name) and bool(ctx.session_id)
        if stored:
            ctx.session.register_variable(name or "", "tensor", {"shape": shape, "data": data}, replace=True)
        return {
            "name": name,
            "shape": shape,
            "elements": elements,
            "size_bytes": elements * _BYTES,
            "encoding": "json",
            "stored": stored,
            "data": data,
        }

    @command
    def process_images(
        self,
        images: list[str],
        return_tensors: bool = False,
        *,
        ctx: CallContext,
    ) -> dict[str, Any]:
        """Reads images (PNG, PGM) and says how large and how bright they are.

        Args:
            images: File names, relative to the caller's directory.
            return_tensors: Send the pixels, too: rows of numbers from 0 to 1.
        """
        if len(images) > _MOST_IMAGES:
            raise ValueError(f"{len(images)} images are too many: at most {_MOST_IMAGES}")
        return {"images": [_described(one, ctx, return_tensors) for one in images], "count": len(images)}


def _filled(shape: list[int], value: float) -> Any:
    if not shape:
        return value
    return [_filled(shape[1:], value) for _ in range(shape[0])]


def _described(name: str, ctx: CallContext, with_pixels: bool) -> dict[str, Any]:
    rows = images.rows(ctx.path(name))
    height, width = len(rows), len(rows[0])
    mean = sum(map(sum, rows)) / (height * width)
    answer: dict[str, Any] = {"image": name, "width": width, "height": height, "mean": round(mean, 4)}
    if with_pixels:
        if height * width > _MOST_ELEMENTS:
            raise ValueError(f"{name} has {height * width} pixels; as a tensor at most {_MOST_ELEMENTS}")
        answer["tensor"] = {"shape": [height, width], "data": [[round(one, 4) for one in row] for row in rows]}
    return answer
