"""JSON in and out, strictly: what goes in must be an object, what comes out must have a JSON form.

msgspec does the work when it can be imported. Whatever it refuses is tried again with the standard library, so that
both give the same answers and the same errors.
"""

from __future__ import annotations

import json
import math
from types import GenericAlias
from typing import Any, Callable, NoReturn, cast

from snakepit_bridge import nonfinite, places
from snakepit_bridge.forms import NoJsonForm, as_key, name_of, plain

__all__ = ["InvalidJson", "NoJsonForm", "dumps", "loads_object"]


# An adapter may patch the module.
_std_dumps, _std_loads = json.dumps, json.loads


class InvalidJson(ValueError):  # noqa: N818
    """The text is not a JSON object."""


def _load_msgspec() -> Any:
    try:
        import msgspec  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    return msgspec


_msgspec = _load_msgspec()


# ------------------------------------------------------------------------------------------------ in


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidJson(f"{text} is out of range")
    return number


def _slow_loads(data: bytes) -> Any:
    return _std_loads(data.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)


_fast_loads = cast("Callable[[bytes], Any]", _msgspec.json.Decoder().decode if _msgspec else _slow_loads)


_raw_elements = _msgspec.json.Decoder(GenericAlias(list, (_msgspec.Raw,))).decode if _msgspec else _slow_loads


def loads_object(data: bytes) -> dict[str, Any]:
    """Reads a JSON object; nothing at all counts as an empty one. Raises InvalidJson, never anything else."""
    if not data:
        return {}
    value = _loads(data, "the arguments are")
    if type(value) is not dict:
        raise InvalidJson(f"the arguments must be a JSON object, not {_json_name(value)}")
    return value


def loads(data: bytes) -> Any:
    """Reads any JSON value: one item of a block. Raises InvalidJson, never anything else."""
    if not data.strip():
        raise InvalidJson("the line is empty")
    return _loads(data, "the line is")


def _loads(data: bytes, what: str) -> Any:
    try:
        return _fast_loads(data)
    except RecursionError:
        raise InvalidJson(f"{what} nested too deeply") from None
    except (ValueError, OverflowError) as error:
        raise InvalidJson(f"{what} not valid JSON: {error}") from None


def loads_all(texts: list[bytes]) -> list[Any] | None:
    """Many values as quickly as can be; None when one of them is not JSON: read them one by one, then."""
    try:
        # Not msgspec's decode_lines: it would take `1 2` and an empty line for two values.
        return list(map(_fast_loads, texts))
    except (ValueError, OverflowError, RecursionError):
        return None


def elements(data: bytes) -> list[bytes] | None:
    """The texts of the elements of a JSON array that `dumps` has made; None when it is no array."""
    if not data.startswith(b"["):
        return None
    if _msgspec is not None:
        return list(map(bytes, _raw_elements(data)))
    return [dumps(one) for one in _slow_loads(data)]


def _json_name(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "an array"}
    return names.get(type(value), type(value).__name__)


# ------------------------------------------------------------------------------------------------ out


def dumps(value: Any, *, nan_is_null: bool = False) -> bytes:
    """Compact JSON in UTF-8, without line breaks. Raises NoJsonForm, never anything else of its own."""
    if _fast_dumps is not None:
        try:
            data = _fast_dumps(value)
        except Exception:  # noqa: BLE001 - the slow way names the cause
            return slow_dumps(value, nan_is_null=nan_is_null)
        # Looking through a long text takes longer than writing it.
        if not nan_is_null and type(value) is not str and b"null" in data and nonfinite.is_in(value):
            raise NoJsonForm(places.first_refused(value, nan_is_null=False) or "NaN has no JSON form")
        return data
    return slow_dumps(value, nan_is_null=nan_is_null)


def slow_dumps(
    value: Any, *, nan_is_null: bool = False, form: Callable[[Any], Any] = plain,
    restart: Callable[[], object] = lambda: None,
) -> bytes:  # fmt: skip
    """As `dumps`. `form` gives the form of what is no JSON type; `restart` is called before it is asked once more."""
    try:
        return _write(value, nan_is_null=nan_is_null, form=form, restart=restart)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        deep = "the value contains itself or is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise NoJsonForm(places.first_refused(value, nan_is_null=nan_is_null, form=form) or deep) from None


def _write(value: Any, *, nan_is_null: bool, form: Callable[[Any], Any], restart: Callable[[], object]) -> bytes:
    how: Any = {"ensure_ascii": False, "allow_nan": False, "separators": (",", ":"), "default": form}
    try:
        return _std_dumps(value, **how).encode("utf-8")
    except TypeError as error:
        if not str(error).startswith("keys must be"):
            raise
    except ValueError as error:
        if not nan_is_null or "not JSON compliant" not in str(error):
            raise
    restart()
    return _std_dumps(_rebuilt(value, (), nan_is_null=nan_is_null, form=form), **how).encode("utf-8")


def _rebuilt(value: Any, around: tuple[int, ...], *, nan_is_null: bool, form: Callable[[Any], Any]) -> Any:
    """With the keys as msgspec writes them, and null for NaN. `around` are the containers that this one is in."""
    if isinstance(value, float) and nan_is_null and not math.isfinite(value):
        return None
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if id(value) in around:
        raise NoJsonForm("the value contains itself")
    around = (*around, id(value))
    how: Any = {"nan_is_null": nan_is_null, "form": form}
    if isinstance(value, dict):
        return {_key(key): _rebuilt(one, around, **how) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_rebuilt(one, around, **how) for one in value]
    return _rebuilt(form(value), around, **how)


def _key(key: Any) -> Any:
    found = as_key(key)
    if found is None and key is not None:
        raise NoJsonForm(f"{name_of(type(key))} cannot be a key in JSON")
    return found


def _make_fast_dumps() -> Callable[[Any], bytes] | None:
    if _msgspec is None:
        return None
    return cast("Callable[[Any], bytes]", _msgspec.json.Encoder(enc_hook=plain).encode)


_fast_dumps = _make_fast_dumps()
quick_dumps: Callable[[Any], bytes] = _fast_dumps or dumps
"""As `dumps`, but what it raises may be anything, and it may write NaN and the infinities as null."""
