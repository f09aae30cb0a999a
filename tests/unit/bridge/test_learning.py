"""The showcase's digits: images, the network, and what the shipped model is worth."""

from __future__ import annotations

import asyncio
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from snakepit_bridge import CallContext
from snakepit_bridge.adapters.showcase import ShowcaseAdapter, digits, images
from snakepit_bridge.adapters.showcase.network import INPUTS, Network, average

SHOWCASE = ShowcaseAdapter()


def context(folder: Path) -> CallContext:
    return CallContext("batch_inference", cwd=str(folder))


def pgm(rows: list[list[int]], *, text: bool = False) -> bytes:
    head = f"{'P2' if text else 'P5'}\n# a comment\n{len(rows[0])} {len(rows)}\n255\n".encode()
    values = [value for row in rows for value in row]
    return head + (" ".join(map(str, values)).encode() if text else bytes(values))


def png(rows: list[list[int]], kind: int) -> bytes:
    """With the same filter in each line."""
    raw, above = b"", [0] * len(rows[0])
    for row in rows:
        line = []
        for x, value in enumerate(row):
            left, up, corner = (row[x - 1] if x else 0), above[x], (above[x - 1] if x else 0)
            guess = left + up - corner
            paeth = min((left, up, corner), key=lambda one, guess=guess: abs(guess - one))  # type: ignore[misc]
            line.append((value - (0, left, up, (left + up) // 2, paeth)[kind]) & 255)
        raw, above = raw + bytes([kind, *line]), row
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(raw))]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + b"\0\0\0\0" for name, data in [*chunks, (b"IEND", b"")]
    )
    return b"\x89PNG\r\n\x1a\n" + body


def picture(number: int) -> list[list[int]]:
    """A held-out image, four times as large, in 256 levels."""
    small = digits.part("test").images[number]
    return [[round(small[y // 4 * 8 + x // 4] * 255) for x in range(32)] for y in range(32)]


@pytest.mark.parametrize("kind", range(5))
def test_png_with_every_filter(tmp_path: Path, kind: int) -> None:
    (tmp_path / "a.png").write_bytes(png(picture(0), kind))
    assert images.read(tmp_path / "a.png") == pytest.approx(digits.part("test").images[0], abs=0.01)


@pytest.mark.parametrize("text", [False, True])
def test_pgm(tmp_path: Path, text: bool) -> None:
    (tmp_path / "a.pgm").write_bytes(pgm(picture(1), text=text))
    assert images.read(tmp_path / "a.pgm") == pytest.approx(digits.part("test").images[1], abs=0.01)


def test_dark_ink_on_light_paper_is_turned_round(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(pgm([[255 - value for value in row] for row in picture(2)]))
    assert images.read(tmp_path / "a.pgm") == pytest.approx(digits.part("test").images[2], abs=0.01)


@pytest.mark.parametrize("scale", [1, 16, 255])
def test_arrays_flat_and_in_rows(scale: int) -> None:
    image = [round(value * 16) / 16 for value in digits.part("test").images[3]]
    flat = [value * scale for value in image]
    assert images.from_array(flat) == pytest.approx(image)
    assert images.from_array([flat[at : at + 8] for at in range(0, 64, 8)]) == pytest.approx(image)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"P5\n2",
        b"P5\n0 0\n255\n",
        b"P5\n8 8\n255\nabc",
        b"\x89PNG\r\n\x1a\n",
        png([[0] * 8] * 8, 0)[:48],
    ],
)
def test_what_is_no_image_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ValueError, match=r"PNG|PGM"):
        images.read(tmp_path / "a")


@pytest.mark.parametrize("array", [[], [1] * 63, [[1, 2], [3]], ["a"] * 64, [[]], 7])
def test_what_is_no_array_is_named(array: Any) -> None:
    with pytest.raises(ValueError, match="image"):
        images.from_array(array)


def test_the_shipped_model_is_as_good_as_is_said(tmp_path: Path) -> None:
    chunks = list(SHOWCASE.batch_inference(ctx=context(tmp_path)))
    assert [chunk["processed"] for chunk in chunks][-1] == chunks[0]["total"] == 300
    assert sum(len(chunk["predictions"]) for chunk in chunks) == 300
    assert round(100 * chunks[-1]["accuracy"], 1) == 97.7
    assert "97.7 %" in str(digits.__doc__)


def test_files_and_arrays_together(tmp_path: Path) -> None:
    (tmp_path / "seen.png").write_bytes(png(picture(4), 4))
    [chunk] = SHOWCASE.batch_inference(inputs=["seen.png", digits.part("test").images[5]], ctx=context(tmp_path))
    assert [one["input"] for one in chunk["predictions"]] == ["seen.png", 1]
    assert [one["digit"] for one in chunk["predictions"]] == digits.part("test").labels[4:6]
    assert "accuracy" not in chunk


def test_models_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"first":[[1]],"second":[]}')
    with pytest.raises(ValueError, match="sizes"):
        SHOWCASE.batch_inference(model_path="other.json", ctx=context(tmp_path))
    with pytest.raises(FileNotFoundError):
        SHOWCASE.batch_inference(model_path="none.json", ctx=context(tmp_path))
    with pytest.raises(ValueError, match="batch_size"):
        SHOWCASE.batch_inference(batch_size=0, ctx=context(tmp_path))


def test_a_step_follows_the_gradient() -> None:
    """The change of each weight is the rate times the slope of the loss, measured."""
    data = digits.part("train")
    image, label, rate, tiny = data.images[0], data.labels[0], 1e-4, 1e-5

    def loss(network: Network) -> float:
        return network.score([image], [label])[0]

    for layer, row, column in (("first", 3, 20), ("first", 7, INPUTS), ("second", label, 5), ("second", 0, 32)):
        before, stepped, nudged = Network.fresh(3), Network.fresh(3), Network.fresh(3)
        stepped.train(image, label, rate)
        getattr(nudged, layer)[row][column] += tiny
        slope = (loss(nudged) - loss(before)) / tiny
        change = getattr(stepped, layer)[row][column] - getattr(before, layer)[row][column]
        assert change == pytest.approx(-rate * slope, abs=rate * 1e-3)


def test_the_average_of_networks() -> None:
    one, two = Network.fresh(1), Network.fresh(2)
    mean = average([one, two])
    assert mean.first[4][9] == pytest.approx((one.first[4][9] + two.first[4][9]) / 2)
    assert mean.second[9][-1] == 0.0


def test_training_alone_learns_and_its_model_is_loaded(tmp_path: Path) -> None:
    async def train() -> list[dict[str, Any]]:
        return [row async for row in SHOWCASE.distributed_training(epochs=2, shards=1, ctx=context(tmp_path))]

    first, last = asyncio.run(train())
    assert (first["epoch"], last["epoch"], last["epochs"]) == (1, 2, 2)
    assert last["val_loss"] < first["val_loss"]
    assert last["best_val_accuracy"] > 0.8
    assert Path(last["final_model_path"]) == tmp_path / "digits-model.json"
    chunks = list(SHOWCASE.batch_inference(model_path=last["final_model_path"], ctx=context(tmp_path)))
    assert chunks[-1]["accuracy"] > 0.8
