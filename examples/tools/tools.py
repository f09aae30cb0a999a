"""Tools to serve: snakepit tools serve examples/tools/tools.py --session s1"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def parse_json(json_string: str) -> dict[str, Any]:
    """Parse a JSON text, and say what it holds."""
    try:
        data = json.loads(json_string)
    except ValueError as error:
        return {"success": False, "error": str(error)}
    keys = list(data) if isinstance(data, dict) else []
    size = len(data) if isinstance(data, (dict, list, str)) else 1
    return {"success": True, "data": data, "keys": keys, "size": size}


def process_list(list: list[float], operation: str) -> dict[str, Any]:  # noqa: A002 - the tool's argument
    """Sum, max, min, mean or reverse of a list."""
    operations = {
        "sum": sum,
        "max": max,
        "min": min,
        "mean": lambda values: sum(values) / len(values),
        "reverse": lambda values: values[::-1],
    }
    if operation not in operations:
        raise ValueError(f"unknown operation {operation!r}: choose one of {', '.join(operations)}")
    if not list and operation in {"max", "min", "mean"}:
        raise ValueError(f"{operation} of an empty list")
    return {"list": list, "operation": operation, "result": operations[operation](list)}


def calculate_fibonacci(n: int) -> dict[str, Any]:
    """The first n numbers of Fibonacci, and their sum."""
    if not 0 <= n <= 1000:
        raise ValueError(f"n must be from 0 to 1000, not {n}")
    sequence = [*_fibonacci(n)]
    return {"n": n, "sequence": sequence, "sum": sum(sequence)}


def stream_fibonacci(n: int) -> Iterator[int]:
    """The first n numbers of Fibonacci, one by one."""
    yield from _fibonacci(n)


def _fibonacci(n: int) -> Iterator[int]:
    a, b = 0, 1
    for _ in range(n):
        yield a
        a, b = b, a + b
