"""Binary arguments: Python workers get them, workers of other languages are not troubled with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakepit_cli.base.errors import PitError
from tests.contract.test_languages import ADAPTERS, Language
from tests.harness.pit import Pit

FOLDER = Path(__file__).parent
PROGRAMS = {"filter": "exec:cat", "program": f"exec-json:{sys.executable} {FOLDER.parent}/puppets/doors/door_lines.py"}
CONFIG = "".join(
    f'[pools.{name}]\nadapter = "{adapter}"\nsize = 1\n' for name, adapter in {**ADAPTERS, **PROGRAMS}.items()
)
OTHERS = [name for name in (*ADAPTERS, *PROGRAMS) if name != "python"]


@pytest.fixture(scope="module")
def shared() -> Iterator[Pit]:
    with Pit(CONFIG) as one:
        (one.work / "photo.png").write_bytes(b"\x89PNG")
        yield one


@pytest.mark.parametrize("name", OTHERS)
def test_other_workers_refuse_them_by_name(shared: Pit, name: str) -> None:
    pool = Language(shared, name)
    command = "echo" if name in ADAPTERS else "run"
    error = pool.error(command, "x@=photo.png")
    assert (error["kind"], error["message"]) == (
        "invalid_arguments", f"`{command}`: the workers of pool {name} take JSON; an argument is binary",
    )  # fmt: skip
    if name in ADAPTERS:
        assert pool.call("echo", "x=1") == {"x": "1"}, "and go on"


def test_python_workers_take_them(shared: Pit) -> None:
    assert Language(shared, "python").call("echo", "x@=photo.png") == {"x": "iVBORw=="}
    with shared.connection() as connection:
        assert connection.call_value("echo", {"x": [b"\x89PNG"]}, pool="python") == {"x": [b"\x89PNG"]}
        with pytest.raises(PitError, match="take JSON"):
            connection.call_value("echo", {"x": b"a"}, pool="filter")


def test_large_ones_go_through_the_whole(shared: Pit) -> None:
    data = bytes(8 << 20)
    with shared.connection() as connection:
        assert connection.call_value("echo", {"x": data}, pool="python") == {"x": data}
