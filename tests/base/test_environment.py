"""What of the caller's environment reaches a worker."""

from __future__ import annotations

import os

import pytest

from snakepit_cli.base import environment


@pytest.mark.parametrize("name", ["HF_TOKEN", "CONDA_TOKEN", "TORCH_API_KEY", "XDG_SESSION_COOKIE", "PYTHON_PASSWORD"])
def test_no_prefix_lets_a_secret_pass(name: str) -> None:
    assert environment.for_workers({name: "hunter2"}) == {}


@pytest.mark.parametrize("name", ["HF_HOME", "CUDA_VISIBLE_DEVICES", "PYTHON_KEYRING_BACKEND", "PATH"])
def test_what_passes(name: str) -> None:
    assert environment.for_workers({name: "x"}) == {name: "x"}


def test_a_handler_finds_the_same_instance_from_any_folder() -> None:
    passed = environment.for_workers({"SNAKEPIT_STATE_DIR": "state", "SNAKEPIT_CONFIG": "/a/b.toml"})
    assert passed == {"SNAKEPIT_STATE_DIR": os.path.abspath("state"), "SNAKEPIT_CONFIG": "/a/b.toml"}


@pytest.mark.parametrize(("processors", "size", "threads"), [(16, 1, "16"), (16, 4, "4"), (16, 5, "3"), (2, 8, "1")])
def test_workers_share_the_processors(
    monkeypatch: pytest.MonkeyPatch, processors: int, size: int, threads: str
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))
    assert set(environment.threads(size).values()) == {threads}
