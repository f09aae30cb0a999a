"""A calculator: what arguments and clear errors look like."""

from __future__ import annotations

import math
import operator
from typing import Any, Callable, Union

from snakepit_bridge.adapters.base import command
from snakepit_bridge.failures import did_you_mean

__all__ = ["ArithmeticCommands"]

Number = Union[int, float]

LARGEST_POWER_BITS = 64 * 1024


class ArithmeticCommands:
    """compute."""

    @command
    def compute(self, operation: str, a: float, b: float | None = None) -> dict[str, Any]:
        """Calculates: add, subtract, multiply, divide, power, sqrt.

        Args:
            operation: What to do.
            a: The first number, or the only one.
            b: The second number.
        """
        known = [*_TWO, "sqrt"]
        if operation not in known:
            hint = did_you_mean(str(operation), known) or f"; known are {', '.join(known)}"
            raise ValueError(f"unknown operation `{operation}`{hint}")
        _check("a", a)
        if operation == "sqrt":
            if b is not None:
                raise ValueError("sqrt takes one number: leave out b")
            return {"result": _sqrt(a)}
        if b is None:
            raise ValueError(f"{operation} needs two numbers: b is missing")
        _check("b", b)
        try:
            return {"result": _TWO[operation](a, b)}
        except OverflowError:
            raise ValueError(f"the result of {operation} is too large") from None


def _check(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} must be a number, not {value!r}")  # noqa: TRY004 - wrong input, not wrong code


def _sqrt(a: Number) -> Number:
    if a < 0:
        raise ValueError(f"{a} is negative: it has no real square root")
    if isinstance(a, int) and math.isqrt(a) ** 2 == a:
        return math.isqrt(a)
    try:
        return math.sqrt(a)
    except OverflowError:
        raise ValueError("the result of sqrt is too large") from None


def _divide(a: Number, b: Number) -> float:
    if b == 0:
        raise ValueError("division by zero")
    return a / b


def _power(a: Number, b: Number) -> Number:
    if a == 0 and b < 0:
        raise ValueError("zero has no negative power")
    if a < 0 and isinstance(b, float) and not b.is_integer():
        raise ValueError(f"{a} is negative: it has no real power of {b}")
    if isinstance(a, int) and isinstance(b, int) and abs(a).bit_length() * abs(b) > LARGEST_POWER_BITS and abs(a) > 1:
        raise ValueError("the result of power is too large")
    result: Number = a**b
    return result


_TWO: dict[str, Callable[[Any, Any], Number]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": _divide,
    "power": _power,
}
