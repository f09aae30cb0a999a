"""What is known of items by their numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.map.tables.items import Faults, Places


@given(st.lists(st.lists(st.integers(1, 3), max_size=5), max_size=8), st.integers(0, 40))
def test_each_item_has_the_line_in_which_it_begins(parts: list[list[int]], before: int) -> None:
    places, lines, line = Places(), [], 2
    for part in parts:
        begins = []
        for height in part:
            begins.append(line)
            line += height
        places.add(len(lines) + 1, begins)
        lines += begins
    places.forget(before)
    asked = range(max(1, before), len(lines) + 1)
    assert [places.line(item) for item in asked] == [lines[item - 1] for item in asked]


def test_rows_of_one_line_take_no_room() -> None:
    places = Places()
    for first in range(1, 100_000, 1000):
        places.add(first, range(first + 1, first + 1001))
    assert len(places) == 1
    places.add(100_001, [100_002, 100_005, 100_009, 100_010])
    places.forget(100_003)
    assert len(places) == 1


def test_faults_are_taken_in_a_row() -> None:
    faults, errors = Faults(), [PitError("invalid_arguments", str(n)) for n in range(4)]
    for item, error in zip((3, 4, 5, 9), errors, strict=True):
        faults.add(item, error)
    assert faults.until(1) == 2
    assert faults.take(3, 2) == errors[:2]
    assert (faults.until(5), faults.take(5, 9)) == (0, [errors[2]])
    assert faults.until(10) is None
