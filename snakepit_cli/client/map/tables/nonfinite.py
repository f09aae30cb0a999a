"""NaN and the infinities among columns: JSON has no word for them."""

from __future__ import annotations

import math
from typing import Any


class Nonfinite:
    """Looks through the columns that could hold some."""

    def __init__(self, pa: Any, schema: Any) -> None:
        self._pa = pa
        types = pa.types
        self._flat = [number for number, field in enumerate(schema) if types.is_floating(field.type)]
        self._nested = [field.name for field in schema if not types.is_floating(field.type) and _has(types, field.type)]
        self._names = schema.names

    def find(self, batch: Any, rows: list[dict[str, Any]]) -> dict[int, str]:
        """What is wrong, by the position of the row. `rows` is the same as Python values."""
        from pyarrow import compute

        found: dict[int, str] = {}
        for number in self._flat:
            finite = compute.is_finite(batch.column(number).cast(self._pa.float64()))
            if compute.all(finite).as_py() is False:
                name = self._names[number]
                for position, fine in enumerate(finite.to_pylist()):
                    if fine is False:
                        found.setdefault(position, _text(name, rows[position][name]))
        for name in self._nested:
            for position, row in enumerate(rows):
                if (value := _inside(row[name])) is not None:
                    found.setdefault(position, _text(name, value))
        return found


def _has(types: Any, kind: Any) -> bool:
    if types.is_dictionary(kind):
        return _has(types, kind.value_type)
    inner = (kind.field(number).type for number in range(kind.num_fields)) if types.is_nested(kind) else ()
    return types.is_floating(kind) or any(_has(types, one) for one in inner)


def _inside(value: Any) -> float | None:
    """The first that is not finite."""
    if isinstance(value, float):
        return None if math.isfinite(value) else value
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return None
    return next((found for one in value if (found := _inside(one)) is not None), None)


def _text(name: str, value: float) -> str:
    word = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return f"column `{name}` is {word}, which JSON cannot hold"
