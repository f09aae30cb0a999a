"""A Python file without a class: its public functions are the commands."""

from __future__ import annotations

from tests.harness.pit import Pit

SOURCE = '''
"""Numbers."""
from math import sqrt

def twice(n: int) -> int:
    """Two times n."""
    return 2 * n

def count(n: int):
    yield from range(n)

async def later(n: int) -> int:
    return n

def _hidden():
    pass
'''


def test_a_file_of_functions_is_an_adapter(pit: Pit) -> None:
    pit.run("up", "numbers", "--adapter", pit.adapter(SOURCE), "--size", "1")
    found = pit.json("commands", "--pool", "numbers")["commands"]
    assert [(one["name"], one["summary"], one["streaming"]) for one in found] == [
        ("count", "", True), ("later", "", False), ("twice", "Two times n.", False),
    ]  # fmt: skip
    assert pit.run("exec", "twice", "n:=21", "--pool", "numbers").stdout == "42\n"
    assert pit.run("exec", "count", "n:=2", "--pool", "numbers").stdout == "[0,1]\n"
    assert pit.run("exec", "later", "n:=3", "--pool", "numbers").stdout == "3\n"
