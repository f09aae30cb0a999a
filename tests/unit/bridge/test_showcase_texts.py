"""The showcase's embeddings, texts, tensors, batches and programs."""

from __future__ import annotations

import asyncio
import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakepit_bridge import CallContext, NoSessionError
from snakepit_bridge.adapters.showcase import ShowcaseAdapter, digits
from snakepit_bridge.adapters.showcase.embedding import embed
from snakepit_bridge.adapters.showcase.markov import Chain, of_corpus
from snakepit_bridge.adapters.showcase.programs import parse_signature

from tests.unit.bridge.test_learning import picture, png

SHOWCASE = ShowcaseAdapter()
CTX = CallContext("any", cwd="/")


GOLDEN = [0.0, 0.2774, 0.0, 0.1387, 0.416, -0.2774, 0.416, -0.6934]
"""Of the text "snake pit", in 8 dimensions."""


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other))


# ------------------------------------------------------------------------------------------------ embeddings


def test_an_embedding_is_the_same_everywhere() -> None:
    vector = embed("snake pit", 8)
    assert vector == pytest.approx(embed("  SNAKE\tpit ", 8))
    assert [round(one, 4) for one in vector] == GOLDEN


@given(st.text(), st.integers(1, 500))
def test_every_embedding_has_the_length_one(text: str, dimensions: int) -> None:
    vector = embed(text, dimensions)
    assert len(vector) == dimensions
    length = math.sqrt(cosine(vector, vector))
    assert length == pytest.approx(1.0) or not any(vector)


def test_similar_texts_are_nearer_than_others() -> None:
    base, near, far = map(embed, ("the worker answers calls", "a worker answered the call", "pictures of ripe fruit"))
    assert cosine(base, near) > cosine(base, far) + 0.2


def test_a_model_that_is_named_is_not_loaded_and_that_is_said() -> None:
    answer = SHOWCASE.generate_embeddings(["a b", ""], model="sentence-transformers/all-MiniLM-L6-v2")
    assert (answer["model"], answer["dimensions"], answer["count"]) == ("hashed-ngrams-3-5", 384, 2)
    assert "all-MiniLM-L6-v2 was not loaded" in answer["note"]
    assert "note" not in SHOWCASE.generate_embeddings(["a"], model="hashed-ngrams-3-5")
    assert answer["embeddings"][1] == [0.0] * 384


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"texts": ["a"], "dimensions": 0}, "dimensions must be from 1 to 4096, not 0"),
        ({"texts": ["a", 5]}, r"texts\[1\] must be a string"),
        ({"texts": ["a"] * 10_001}, "10001 texts are too many"),
    ],
)
def test_embeddings_that_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SHOWCASE.generate_embeddings(**arguments)


# ------------------------------------------------------------------------------------------------ text


def test_every_three_words_of_a_text_follow_each_other_in_the_corpus() -> None:
    corpus = of_corpus()
    words = SHOWCASE.generate_text("What does a worker do?", 40, 1.0, seed=3, ctx=CTX)["text"].split()
    assert 3 <= len(words) <= 40
    for first, second, third in zip(words, words[1:], words[2:]):
        assert third in corpus._after[first, second]


def test_the_text_begins_with_a_word_of_the_prompt_and_a_seed_repeats_it() -> None:
    one, two = (SHOWCASE.generate_text("Tell me about a Stream", seed=7, ctx=CTX) for _ in range(2))
    assert one == two
    assert one["text"].split()[0].lower() == "stream"
    assert (one["model"], one["temperature"]) == ("markov-2", 0.7)
    assert SHOWCASE.generate_text("Elixir", seed=1, ctx=CTX)["text"][0].isupper(), "no word of it is known"


def test_at_temperature_zero_the_most_frequent_word_follows() -> None:
    chain = Chain("a b c . a b d . a b d .")
    for seed in range(20):
        assert chain.write("a", 3, 0, random.Random(seed)) == ["a", "b", "d"]
    assert {chain.write("a", 3, 1, random.Random(seed))[2] for seed in range(50)} == {"c", "d"}


@pytest.mark.parametrize("temperature", [-1, "hot", True, 101, math.nan])
def test_temperatures_that_are_none(temperature: Any) -> None:
    with pytest.raises(ValueError, match="temperature must be a number from 0 to 100"):
        SHOWCASE.generate_text("x", temperature=temperature, ctx=CTX)
    with pytest.raises(ValueError, match="max_tokens"):
        SHOWCASE.generate_text("x", 0, ctx=CTX)


# ------------------------------------------------------------------------------------------------ tensors and images


@pytest.mark.parametrize(("shape", "data"), [([2, 3], [[1.5] * 3] * 2), ([], 1.5), ([0], []), ([2], [1.5, 1.5])])
def test_tensors(shape: list[int], data: Any) -> None:
    answer = SHOWCASE.create_tensor(shape, "t", 1.5, ctx=CTX)
    elements = math.prod(shape)
    assert (answer["data"], answer["elements"], answer["size_bytes"]) == (data, elements, 8 * elements)
    assert (answer["name"], answer["stored"]) == ("t", False)


@pytest.mark.parametrize("shape", [[-1], [1.5], [True], ["a"], [1] * 17, [1001, 1000]])
def test_shapes_that_are_none(shape: list[Any]) -> None:
    with pytest.raises(ValueError, match=r"shape must be|too large"):
        SHOWCASE.create_tensor(shape, ctx=CTX)


def test_images_are_measured(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(picture(0), 1))
    ctx = CallContext("process_images", cwd=str(tmp_path))
    [found] = SHOWCASE.process_images(["a.png"], ctx=ctx)["images"]
    assert (found["image"], found["width"], found["height"]) == ("a.png", 32, 32)
    assert found["mean"] == pytest.approx(sum(map(sum, picture(0))) / 255 / 1024, abs=1e-3)
    assert "tensor" not in found
    [found] = SHOWCASE.process_images(["a.png"], True, ctx=ctx)["images"]
    assert found["tensor"]["shape"] == [32, 32]
    assert found["tensor"]["data"][5][7] == pytest.approx(picture(0)[5][7] / 255, abs=1e-4)
    with pytest.raises(FileNotFoundError, match=r"no such file: .*/b\.jpg"):
        SHOWCASE.process_images(["b.jpg"], ctx=ctx)


# ------------------------------------------------------------------------------------------------ batches


def test_batch_process() -> None:
    chunks = list(SHOWCASE.batch_process([1, "two", [3]]))
    assert [one["type"] for one in chunks] == ["number", "string", "array"]
    assert [one["progress"] for one in chunks] == [33.33, 66.67, 100.0]
    assert [one["is_final"] for one in chunks] == [False, False, True]
    assert chunks[-1]["total_processed"] == 3
    assert list(SHOWCASE.batch_process([])) == [{"progress": 100.0, "is_final": True, "total_processed": 0}]
    with pytest.raises(ValueError, match="delay_ms"):
        SHOWCASE.batch_process([1], -1)


@pytest.mark.parametrize(("argument", "field"), [("images", "image"), ("batch_items", "item")])
def test_inference_one_by_one(tmp_path: Path, argument: str, field: str) -> None:
    (tmp_path / "seen.png").write_bytes(png(picture(4), 4))
    ctx = CallContext("batch_inference", cwd=str(tmp_path))
    given: dict[str, Any] = {argument: ["seen.png", digits.part("test").images[5]]}
    first, second, last = SHOWCASE.batch_inference(**given, ctx=ctx)
    assert (first[field], second[field]) == ("seen.png", 1)
    assert [first["prediction"], second["prediction"]] == digits.part("test").labels[4:6]
    assert 0.5 < first["confidence"] <= 1
    assert not first["is_final"]
    assert last == {"is_final": True, "total_processed": 2, "model": "digits.json"}


def test_inference_that_cannot_be(tmp_path: Path) -> None:
    ctx = CallContext("batch_inference", cwd=str(tmp_path))
    (tmp_path / "model.pkl").write_bytes(b"cos\nsystem\n")
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8")
    for arguments, error, words in (
        ({"model_path": "none.pkl", "images": []}, FileNotFoundError, "no such file: .*none.pkl"),
        ({"model_path": "model.pkl", "images": []}, ValueError, "a model is a .json file"),
        ({"images": ["a.jpg"]}, ValueError, "a.jpg: neither PNG nor PGM"),
        ({"batch_items": ["b.jpg"]}, FileNotFoundError, "no such file: .*b.jpg"),
        ({"images": [], "inputs": []}, ValueError, "give one of them"),
    ):
        with pytest.raises(error, match=words):
            SHOWCASE.batch_inference(**arguments, ctx=ctx)  # type: ignore[arg-type]


def test_process_dataset(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,b\n" + "1,x\n" * 25)
    chunks = list(SHOWCASE.process_dataset("d.csv", 10, ctx=CallContext("process_dataset", cwd=str(tmp_path))))
    assert [one["records_processed"] for one in chunks] == [10, 20, 25, 25]
    assert {one["total_records"] for one in chunks} == {25}
    assert [one["is_final"] for one in chunks] == [False, False, False, True]
    assert (chunks[-1]["total_processed"], chunks[-1]["progress"]) == (25, 100.0)
    assert chunks[-1]["final_stats"]["columns"][0]["mean"] == 1.0


# ------------------------------------------------------------------------------------------- a data set of one's own


def rows(count: int) -> str:
    data = digits.part("train")
    lines = ([*(str(round(16 * one)) for one in data.images[n]), str(data.labels[n])] for n in range(count))
    return "".join(",".join(line) + "\n" for line in lines)


@pytest.mark.parametrize("head", ["", ",".join(f"p{n}" for n in range(64)) + ",digit\n"])
def test_a_data_set_of_ones_own(tmp_path: Path, head: str) -> None:
    (tmp_path / "own.csv").write_text(head + rows(10) + "\n")
    train, validation = (digits.of_dataset(name, str(tmp_path / "own.csv")) for name in ("train", "validation"))
    assert (len(train.labels), len(validation.labels)) == (8, 2)
    shipped = digits.part("train")
    assert train.images[0] == pytest.approx(shipped.images[0])
    assert validation.labels == [shipped.labels[4], shipped.labels[9]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2\n" * 5, "own.csv:1: 64 pixels and a digit are expected, not 2 columns"),
        (rows(5) + ",".join(["x"] * 64 + ["1"]), "own.csv:6: .*could not convert"),
        (rows(5) + ",".join(["17"] * 64 + ["1"]), "own.csv:6: .*pixels from 0 to 16"),
        (rows(5) + ",".join(["1"] * 64 + ["10"]), "a digit from 0 to 9"),
        (rows(4), "4 images are too few"),
        ("", "0 images are too few"),
    ],
)
def test_a_data_set_that_is_none(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "own.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        digits.of_dataset("train", str(tmp_path / "own.csv"))
    with pytest.raises(FileNotFoundError, match="no such file"):
        digits.of_dataset("train", str(tmp_path / "none.csv"))
    with pytest.raises(IsADirectoryError):
        digits.of_dataset("train", str(tmp_path))


async def collected(**arguments: Any) -> list[dict[str, Any]]:
    return [row async for row in SHOWCASE.distributed_training(**arguments)]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"layers": 3}, "no setting `layers`; known are epochs, shards, learning_rate, seed"),
        ({"epochs": "two"}, "epochs must be a whole number, not 'two'"),
        ({"learning_rate": True}, "learning_rate must be a number, not True"),
        ({"epochs": 0}, "epochs: at least 1"),
    ],
)
@pytest.mark.parametrize("name", ["model_config", "training_config"])
def test_settings_of_a_training_that_do_not_fit(name: str, config: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        asyncio.run(collected(**{name: config}, ctx=CallContext("distributed_training", cwd=str(tmp_path))))


def test_a_training_with_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(rows(100))
    given = {"model_config": {"seed": 2}, "training_config": {"epochs": 2, "shards": 1}, "dataset_path": "own.csv"}
    ctx = CallContext("distributed_training", cwd=str(tmp_path))
    first, last = asyncio.run(collected(**given, epochs=9, ctx=ctx))
    assert (first["is_final"], last["is_final"], last["epochs"]) == (False, True, 2)
    assert last["final_model_path"] == str(tmp_path / "digits-model.json")
    assert Path(last["final_model_path"]).exists()


# ------------------------------------------------------------------------------------------------ programs


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("question -> answer", (["question"], ["answer"])),
        ("context: str, question->answer: int, score", (["context", "question"], ["answer", "score"])),
    ],
)
def test_signatures(text: str, fields: tuple[list[str], list[str]]) -> None:
    assert parse_signature(text) == fields


@pytest.mark.parametrize(
    "text", ["", "question", "-> a", "a ->", "a -> b -> c", "a b -> c", "1 -> a", "a, -> b", "a -> a"]
)
def test_signatures_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it as `question -> answer`|twice"):
        parse_signature(text)


def test_programs_need_a_session() -> None:
    for use in (
        lambda: SHOWCASE.create_program("a -> b", session=CTX.session),
        lambda: SHOWCASE.execute_program("p", session=CTX.session),
        lambda: SHOWCASE.get_variable("x", CTX.session),
    ):
        with pytest.raises(NoSessionError, match="--session"):
            use()
