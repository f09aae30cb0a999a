"""Statistics of one column, fed with blocks of values, in constant memory.

Whole blocks go through C loops (`map(int, …)`, `set`, `sum`); values are looked at one by one only where a block does
not fit the type that the column has so far.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from operator import mul
from typing import Any, Union

__all__ = ["ColumnStatistics", "DistinctCounter"]

MISSING = frozenset(
    {"", "NA", "N/A", "n/a", "na", "NULL", "Null", "null", "None", "none", "NaN", "nan", "NAN", "-nan", "#N/A"}
)
_BOOLEANS = frozenset({"true", "false"})
_DATE = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-6]\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
)

Number = Union[int, float]


class DistinctCounter:
    """How many different texts there were: exact while few, an estimate (some 0.6 % off) when many.

    It keeps the smallest hashes only. Hashes are spread evenly, so how densely the smallest ones lie says how many
    there are altogether: the same idea as HyperLogLog, with set operations instead of a loop over registers.
    """

    KEPT = 1 << 15
    _SPAN = 1 << 64

    def __init__(self) -> None:
        self._smallest: set[int] = set()
        self._below: int | None = None
        """Once there are too many: only hashes below this one are kept."""

    def add(self, values: Iterable[str]) -> None:
        hashes = set(map(hash, values))
        if self._below is not None:
            below = self._below
            hashes = {one for one in hashes if one < below}
        self._smallest |= hashes
        if len(self._smallest) > 2 * self.KEPT:
            self._prune()

    def _prune(self) -> None:
        kept = sorted(self._smallest)[: self.KEPT]
        self._below = kept[-1] + 1
        self._smallest = set(kept)

    def count(self) -> int:
        if self._below is None:
            return len(self._smallest)
        self._prune()
        highest = max(self._smallest) + self._SPAN // 2  # hashes are signed
        return round((len(self._smallest) - 1) * self._SPAN / highest)


class ColumnStatistics:
    """One column. Its type is the narrowest that all values so far have: integer, float, boolean, date, string."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._kind: str | None = None
        self._count = 0
        self._missing = 0
        self._distinct = DistinctCounter()
        self._lowest_text: str | None = None
        self._highest_text: str | None = None
        self._lowest: Number | None = None
        self._highest: Number | None = None
        self._numbers = 0
        self._mean = 0.0
        self._squares = 0.0
        """Sum of the squared distances from the mean."""

    # ---------------------------------------------------------------------------------- in

    def add(self, values: Sequence[str]) -> None:
        """The next block of values."""
        different = set(values)
        given = len(values)
        if not MISSING.isdisjoint(different) or different != set(map(str.strip, different)):
            values = [one for one in map(str.strip, values) if one not in MISSING]
            different = set(values)
        self._missing += given - len(values)
        self._count += len(values)
        if not values:
            return
        self._distinct.add(different)
        low, high = min(different), max(different)
        if self._lowest_text is None or low < self._lowest_text:
            self._lowest_text = low
        if self._highest_text is None or high > self._highest_text:
            self._highest_text = high
        if self._kind != "string":
            self._add_typed(values, different)

    def _add_typed(self, values: Sequence[str], different: set[str]) -> None:
        numbers = _integers(values)
        if numbers is not None:
            self._become("integer")
            self._add_numbers(numbers)
            return
        floats = _floats(values)
        if floats is not None:
            self._become("float")
            self._add_numbers(floats)
        elif len(different) <= 8 and all(one.lower() in _BOOLEANS for one in different):
            self._become("boolean")
        elif all(map(_DATE.fullmatch, different)):
            self._become("date")
        else:
            self._become("string")

    def _become(self, kind: str) -> None:
        if self._kind is None or self._kind == kind:
            self._kind = kind
        elif {self._kind, kind} == {"integer", "float"}:
            self._kind = "float"
        else:
            self._kind = "string"

    def _add_numbers(self, numbers: Sequence[Number]) -> None:
        """Chan's way of merging: stable, whatever the size of the numbers."""
        low, high, count = min(numbers), max(numbers), len(numbers)
        if self._lowest is None or low < self._lowest:
            self._lowest = low
        if self._highest is None or high > self._highest:
            self._highest = high
        try:
            mean = math.fsum(numbers) / count
            distances = [one - mean for one in numbers]
            squares = math.fsum(map(mul, distances, distances))
        except OverflowError:
            self._mean = self._squares = math.nan
            return
        total = self._numbers + count
        gap = mean - self._mean
        self._mean += gap * count / total
        self._squares += squares + gap * gap * self._numbers * count / total
        self._numbers = total

    # ---------------------------------------------------------------------------------- out

    def report(self) -> dict[str, Any]:
        numeric = self._kind in ("integer", "float")
        low: Any = self._lowest if numeric else self._lowest_text
        high: Any = self._highest if numeric else self._highest_text
        if self._kind == "float" and low is not None and high is not None:
            low, high = float(low), float(high)
        if self._kind == "boolean":
            low = high = None
        return {
            "name": self.name,
            "type": self._kind or "empty",
            "count": self._count,
            "missing": self._missing,
            "min": low,
            "max": high,
            "mean": _finite(self._mean) if numeric else None,
            "stddev": self._stddev() if numeric else None,
            "distinct": self._distinct.count(),
        }

    def _stddev(self) -> float | None:
        if self._numbers < 2 or not self._squares >= 0:
            return None
        return _finite(math.sqrt(self._squares / (self._numbers - 1)))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _integers(values: Sequence[str]) -> list[int] | None:
    """All of them, or None. Python's own reading also takes underscores, which are no part of a number here."""
    try:
        numbers = list(map(int, values))
    except ValueError:
        return None
    return None if "_" in "".join(values) else numbers


def _floats(values: Sequence[str]) -> list[float] | None:
    """All of them, or None; infinities are words here, not numbers."""
    try:
        numbers = list(map(float, values))
    except ValueError:
        return None
    if "_" in "".join(values) or math.inf in numbers or -math.inf in numbers:
        return None
    return numbers
