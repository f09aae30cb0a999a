"""Both paths of the command line against a fake server."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from snakepit_cli import fast
from snakepit_cli.cli import app
from snakepit_cli.cli.output.error_report import report
from tests.unit.client.conftest import fake, places  # noqa: F401 — fixtures


class Done(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Done]


def _fast(argv: list[str]) -> int:
    try:
        code = fast.attempt(argv)
    except Exception as error:  # noqa: BLE001 — as `fast.main` does
        return report(error, argv)
    assert code is not None, f"the fast path declined {argv}"
    return code


@pytest.fixture(params=["fast", "full"])
def run(request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line of `exec` or `stream` by one of the paths."""
    return _runner(_fast if request.param == "fast" else app.run, capfd)


@pytest.fixture
def full(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs any command line."""
    return _runner(app.run, capfd)


def _runner(path: Callable[[list[str]], int], capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*argv: str, stdin: bytes | None = None) -> Done:
        capfd.readouterr()
        code = path(list(argv)) if stdin is None else _with_stdin(stdin, lambda: path(list(argv)))
        out, err = capfd.readouterr()
        return Done(code, out, err)

    return call


def _with_stdin(data: bytes, function: Callable[[], Any]) -> Any:
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    saved = os.dup(0)
    os.dup2(reader, 0)
    os.close(reader)
    try:
        return function()
    finally:
        os.dup2(saved, 0)
        os.close(saved)
