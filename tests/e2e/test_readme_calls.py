"""The calls in the README of Snakepit for Elixir: the showcase takes their arguments, and answers with their fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from snakepit_bridge.adapters.showcase import digits

from tests.harness.pit import Pit
from tests.unit.bridge.test_learning import picture, png

CALLS: list[tuple[str, dict[str, Any], set[str]]] = [
    ("ping", {}, {"status", "timestamp"}),
    ("ping", {"test": True}, {"status", "timestamp"}),
    ("compute", {"operation": "multiply", "a": 7, "b": 6}, {"result"}),
    ("compute", {"operation": "add", "a": 5, "b": 3}, {"result"}),
    ("compute", {"operation": "sqrt", "a": 16}, {"result"}),
    ("info", {}, {"pid", "commands"}),
    ("echo", {"message": "hello"}, {"message"}),
    ("process_item", {"item": "item1"}, {"item"}),
    (
        "create_tensor",
        {"shape": [10, 10], "name": "small_tensor"},
        {"name", "shape", "size_bytes", "elements", "encoding"},
    ),
    ("create_tensor", {"shape": [100, 100], "name": "large_tensor"}, {"name", "shape", "size_bytes", "data"}),
    ("create_tensor", {"shape": [2, 2], "fill_value": 0.5}, {"data"}),
    (
        "generate_embeddings",
        {"texts": ["sentence 1"], "model": "sentence-transformers/all-MiniLM-L6-v2", "dimensions": 384},
        {"embeddings", "model", "dimensions", "note"},
    ),
    ("process_images", {"images": ["image1.jpg", "image2.jpg"], "return_tensors": True}, {"images", "count"}),
    ("generate_text", {"prompt": "Tell me about Elixir"}, {"text", "temperature"}),
]
STREAMS: list[tuple[str, dict[str, Any], set[str], set[str]]] = [
    ("ping_stream", {"count": 3}, {"ping"}, {"ping"}),
    ("batch_process", {"items": [1, 2, 3]}, {"progress"}, {"progress", "is_final"}),
    (
        "process_dataset",
        {"file_path": "large_dataset.csv", "chunk_size": 1000},
        {"progress", "records_processed", "total_records", "is_final"},
        {"is_final", "total_processed"},
    ),
    (
        "process_large_dataset",
        {"file_path": "large_dataset.csv", "chunk_size": 5000},
        {"progress_percent", "processed_rows", "total_rows", "is_final"},
        {"is_final", "final_stats"},
    ),
    (
        "batch_inference",
        {"batch_items": ["image1.jpg", "image2.jpg"]},
        {"item", "prediction", "confidence", "is_final"},
        {"is_final", "total_processed"},
    ),
    (
        "batch_inference",
        {"model_path": "digits-model.json", "images": ["image1.jpg", "image2.jpg"]},
        {"image", "prediction", "confidence", "is_final"},
        {"is_final", "total_processed"},
    ),
]


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit("[pools.default]\nsize = 2\n") as one:
        for number in (1, 2):
            (one.work / f"image{number}.jpg").write_bytes(
                png(picture(number), 1)
            )  # what a file holds counts, not its name
        (one.work / "large_dataset.csv").write_text("a,b\n" + "".join(f"{n},x\n" for n in range(3000)))
        (one.work / "digits-model.json").write_bytes(digits.MODEL.read_bytes())
        yield one


@pytest.mark.parametrize(("command", "args", "fields"), CALLS, ids=[f"{one[0]}-{n}" for n, one in enumerate(CALLS)])
def test_a_call(pit: Pit, command: str, args: dict[str, Any], fields: set[str]) -> None:
    assert pit.json("exec", command, "--args", json.dumps(args)).keys() >= fields


@pytest.mark.parametrize(
    ("command", "args", "fields", "final"), STREAMS, ids=[f"{one[0]}-{n}" for n, one in enumerate(STREAMS)]
)
def test_a_stream(pit: Pit, command: str, args: dict[str, Any], fields: set[str], final: set[str]) -> None:
    lines = pit.run("stream", command, "--args", json.dumps(args)).stdout.splitlines()
    chunks = [json.loads(line) for line in lines]
    assert all(chunk.keys() >= fields for chunk in chunks[:-1])
    assert chunks[-1].keys() >= final
    if "is_final" in final:
        assert [chunk["is_final"] for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_values_that_the_readme_shows(pit: Pit) -> None:
    assert pit.json("exec", "ping")["status"] == "pong"
    assert pit.json("exec", "compute", "operation=multiply", "a:=7", "b:=6") == {"result": 42}
    lines = pit.run("stream", "batch_inference", 'images:=["image1.jpg"]').stdout.splitlines()
    assert json.loads(lines[0])["prediction"] == digits.part("test").labels[1]


def test_training_in_a_session(pit: Pit) -> None:
    data = digits.part("train")
    rows = ([*(str(round(16 * one)) for one in data.images[n]), str(data.labels[n])] for n in range(60))
    (pit.work / "training_set").write_text("".join(",".join(row) + "\n" for row in rows))
    args = {"model_config": {"epochs": 2, "shards": 2}, "dataset_path": "training_set", "model_path": "trained.json"}
    command = ("stream", "distributed_training", "--args", json.dumps(args), "--session", "ml_training_1")
    first, last = map(json.loads, pit.run(*command).stdout.splitlines())
    assert first.keys() >= {"epoch", "train_loss", "val_acc", "learning_rate"}
    assert (first["is_final"], last["is_final"]) == (False, True)
    assert last["final_model_path"] == str(pit.work / "trained.json")
    assert (pit.work / "trained.json").exists()


def test_programs_and_variables_of_a_session(pit: Pit) -> None:
    session = ("--session", "ml_session_123")
    made = pit.json(
        "exec", "create_program", "signature=question -> answer", "model=gpt-3.5-turbo", "temperature:=0.7", *session
    )
    question = 'input:={"question": "What is the capital of France?"}'
    for count in (1, 2):
        answer = pit.json("exec", "execute_program", f"program_id={made['program_id']}", question, *session)
        assert answer["result"].keys() == {"answer"}
        assert answer["execution_count"] == count
    done = pit.json("exec", "execute_program", f"program_id={made['program_id']}", "--json", *session, check=False)
    assert "lacks question" in done["error"]["message"]
    pit.run("exec", "create_tensor", "shape:=[2]", "name=t", *session)
    assert pit.json("exec", "get_variable", "name=t", *session)["value"] == {"shape": [2], "data": [0.0, 0.0]}


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (["execute_program", "program_id=nosuch", "--session", "ml_session_123"], "ProgramNotFoundError", "nosuch"),
        (["create_program", "signature=a -> b"], "NoSessionError", "--session"),
        (["get_variable", "name=nosuch", "--session", "ml_session_123"], "VariableNotFoundError", "nosuch"),
        (
            ["batch_inference", "model_path=/models/resnet50.pkl", "images:=[]"],
            "FileNotFoundError",
            "/models/resnet50.pkl",
        ),
        (["process_dataset", "file_path=/data/large_dataset.csv"], "FileNotFoundError", "/data/large_dataset.csv"),
        (["process_images", 'images:=["img1.jpg"]'], "FileNotFoundError", "img1.jpg"),
        (["distributed_training", "dataset_path=/data/training_set"], "FileNotFoundError", "/data/training_set"),
    ],
)
def test_what_is_not_there_is_named(pit: Pit, words: list[str], kind: str, said: str) -> None:
    error = pit.json("exec", *words, "--json", check=False)["error"]
    assert (error["kind"], error["type"]) == ("command_failed", kind)
    assert said in error["message"]
