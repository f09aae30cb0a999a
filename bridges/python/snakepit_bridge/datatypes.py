"""The types of variables, and how their values travel as JSON.

The server checks every value. What is here saves a trip: it infers types, and makes of arrays what JSON can hold.
"""

from __future__ import annotations

import enum
import math
from typing import Any, Callable, Union

from snakepit_bridge.errors import InvalidValueError
from snakepit_bridge.parts import is_long

__all__ = ["TypeValidator", "VariableType", "from_json", "has_array", "to_json", "type_name"]


class VariableType(str, enum.Enum):
    """What a variable may hold."""

    FLOAT = "float"
    INTEGER = "integer"
    STRING = "string"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    MODULE = "module"
    EMBEDDING = "embedding"
    TENSOR = "tensor"
    MAP = "map"
    LIST = "list"

    def __str__(self) -> str:
        return str(self.value)


TypeName = Union[str, VariableType]
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def type_name(var_type: TypeName) -> str:
    """The name that the server knows. Raises InvalidValueError."""
    try:
        return VariableType(str(var_type).lower()).value
    except ValueError:
        known = ", ".join(one.value for one in VariableType)
        raise InvalidValueError("invalid_value", f"no type `{var_type}`; there are {known}") from None


def to_json(value: Any, var_type: str = "") -> Any:
    """The value as JSON holds it: NaN and the infinities by name, arrays as lists, or as a tensor with its shape.

    A long array stays as it is, in the place of the list: see `has_array`.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    shape = getattr(value, "shape", None)
    if not isinstance(shape, tuple) or not callable(getattr(value, "tolist", None)):
        return value
    if not shape:
        return to_json(value.tolist())
    tensor = var_type == "tensor" or (len(shape) > 1 and not var_type)
    if is_long(value):
        return {"shape": list(shape), "data": value} if tensor else value
    if tensor:
        return {"shape": list(shape), "data": value.reshape(-1).tolist()}
    return value.tolist()


def has_array(value: Any) -> bool:
    """Whether a value that `to_json` has given is a long array, or a tensor of one."""
    if type(value) is dict:
        value = value.get("data") if len(value) == 2 else None
    return is_long(value)


def from_json(value: Any, var_type: str) -> Any:
    """The value that JSON stands for."""
    if var_type == "float":
        return _SPECIAL[value] if isinstance(value, str) else float(value)
    return value


class TypeValidator:
    """Checks values as the server does, without asking it."""

    def __init__(self, name: str, accept: Callable[[Any], Any]) -> None:
        self.name = name
        self._accept = accept

    @classmethod
    def get_validator(cls, var_type: TypeName) -> TypeValidator:
        """The validator of a type. Raises InvalidValueError when there is no such type."""
        name = type_name(var_type)
        return cls(name, _ACCEPT[name])

    @staticmethod
    def infer_type(value: Any) -> VariableType:
        """The type that a value suggests."""
        for kind, found in _INFERRED.items():
            if isinstance(value, kind):
                return found
        if isinstance(value, dict):
            return VariableType.TENSOR if set(value) == {"shape", "data"} else VariableType.MAP
        if isinstance(value, (list, tuple)):
            return VariableType.EMBEDDING if value and all(map(_is_number, value)) else VariableType.LIST
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple) and shape:
            return VariableType.TENSOR if len(shape) > 1 else VariableType.EMBEDDING
        return TypeValidator.infer_type(value.tolist()) if hasattr(value, "tolist") else VariableType.STRING

    def validate(self, value: Any) -> Any:
        """The value, made what the type holds. Raises InvalidValueError."""
        try:
            return self._accept(value)
        except _Wrong as wrong:
            raise InvalidValueError("invalid_value", str(wrong)) from None


_INFERRED: dict[type, VariableType] = {
    bool: VariableType.BOOLEAN,
    int: VariableType.INTEGER,
    float: VariableType.FLOAT,
    str: VariableType.STRING,
}
"""In this order: True is an int, too."""


class _Wrong(ValueError):  # noqa: N818
    """What is wrong with a value."""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _float(value: Any) -> float:
    if isinstance(value, str) and value in _SPECIAL:
        return _SPECIAL[value]
    if not _is_number(value):
        raise _Wrong("must be a number")
    return float(value)


def _integer(value: Any) -> int:
    if not _is_number(value):
        raise _Wrong("must be an integer")
    if value != value // 1:
        raise _Wrong(f"must be a whole number, got {value}")
    return int(value)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong("must be a string")
    return value


def _module(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong("must be a module name")
    return value


def _boolean(value: Any) -> bool:
    known = {True: True, False: False, "true": True, "false": False}
    if isinstance(value, (list, dict)) or value not in known:
        raise _Wrong("must be a boolean (true or false)")
    return known[value]


def _embedding(value: Any) -> list[Any]:
    """One, or a batch: a list of embeddings that are equally long."""
    plain = to_json(value, "embedding")
    if isinstance(plain, (list, tuple)) and plain and all(isinstance(one, (list, tuple)) for one in plain):
        rows = [_numbers(one) for one in plain]
        if len(set(map(len, rows))) > 1:
            raise _Wrong("must be a list of numbers, or lists of one length")
        return rows
    return _numbers(plain)


def _numbers(value: Any) -> list[float]:
    if not isinstance(value, (list, tuple)) or not all(map(_is_number, value)):
        raise _Wrong("must be a list of numbers")
    return [float(one) for one in value]


def _tensor(value: Any) -> dict[str, Any]:
    plain = to_json(value, "tensor")
    if not isinstance(plain, dict) or not {"shape", "data"} <= set(plain):
        raise _Wrong("must be a tensor with shape and data")
    if math.prod(plain["shape"]) != _count(plain["data"]):
        raise _Wrong("data size doesn't match shape")
    return plain


def _count(data: Any) -> int:
    return sum(map(_count, data)) if isinstance(data, (list, tuple)) else 1


def _map(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong("must be a map")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise _Wrong("must be a list")
    return list(value)


_ACCEPT: dict[str, Callable[[Any], Any]] = {
    "float": _float, "integer": _integer, "string": _string, "boolean": _boolean, "choice": _string,
    "module": _module, "embedding": _embedding, "tensor": _tensor, "map": _map, "list": _list,
}  # fmt: skip
