"""What of the caller's environment reaches a worker."""

from __future__ import annotations

import os
import subprocess

import pytest

from snakepit_cli.launch import environment


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


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("X", "x" * (1 << 17), "X has 131075 bytes"),
        ("X", "é" * (1 << 16), "X has 131075 bytes"),
        ("X", "a\0b", "X holds a NUL"),
        ("", "x", "named ''"),
        ("A=B", "x", "named 'A=B'"),
        ("X", "x" * ((1 << 17) - 3), None),
        ("X", "", None),
    ],
)
def test_a_variable_with_which_no_program_can_be_started_is_named(name: str, value: str, why: str | None) -> None:
    said = environment.unfit(name, value)
    assert said == why if why is None else why in str(said)


@pytest.mark.parametrize("size", [(1 << 17) - 3, (1 << 17) - 2])
def test_the_limit_is_the_kernels(size: int) -> None:
    value = "x" * size
    try:
        started = subprocess.run(["/bin/true"], env={"X": value}, check=True).returncode == 0
    except OSError:
        started = False
    assert started is (environment.unfit("X", value) is None)
