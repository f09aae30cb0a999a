"""What is wrong with a configuration file: the setting by its full name, its line, what is allowed, what was given."""

from __future__ import annotations

import difflib
import tomllib
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from snakepit_cli.settings.tables import File, convert

Path = tuple[str, ...]
_LONGEST_SHOWN = 60


def lines(text: str) -> dict[Path, int]:
    """Tables and settings of a file → the line where each is said; of an inline table the line of its name."""
    found: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        word = line.strip()
        if word.startswith("["):
            table = _keys(word.partition("]")[0] + "]" if '"' not in word else word)
            found.setdefault(table, number)
        elif "=" in word and not word.startswith("#"):
            name = _keys(word.partition("=")[0] + "= 0")
            if name:
                found.setdefault(table + name, number)
    return found


def _keys(line: str) -> Path:
    """Of a header or of an assignment; empty when the line is neither by itself, as within a string of many lines."""
    try:
        inner: Any = tomllib.loads(line)
    except ValueError:
        return ()
    path: Path = ()
    while isinstance(inner, dict) and inner:
        ((name, inner),) = inner.items()
        path += (name,)
    return path


def line_of(path: Path, known: Mapping[Path, int]) -> int | None:
    """Where the setting, or the table that should hold it, is."""
    return next((known[path[:end]] for end in range(len(path), 0, -1) if path[:end] in known), None)


def explain(data: dict[str, Any], known: Mapping[Path, int]) -> tuple[int | None, str]:
    """The line, when it can be found, and what is wrong there: of the first thing that is not as it must be."""
    path, text = next(_faults(data, File, ()), ((), "cannot be read"))
    return line_of(path, known), text


def _faults(value: Any, kind: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Descends to what is wrong: msgspec does not say which entry of a table it is."""
    bare = _bare(kind)
    try:
        convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        if isinstance(value, dict) and isinstance(bare, type) and issubclass(bare, msgspec.Struct):
            yield from _in_table(value, bare, path)
        elif isinstance(value, dict) and get_origin(bare) is dict:
            yield from _in_entries(value, bare, path)
        name = ".".join(path)
        allowed = _allowed(kind) or ("a table" if _is_table(bare) else None)
        yield path, f"{name} must be {allowed}, not {_shown(value)}" if allowed else f"{name}: {error}"


def _in_table(value: dict[str, Any], kind: type[msgspec.Struct], path: Path) -> Iterator[tuple[Path, str]]:
    hints = get_type_hints(kind, include_extras=True)
    names = [name for name in hints if name in kind.__struct_fields__]
    for one, inner in value.items():
        if one not in names:
            near = difflib.get_close_matches(one[:100], names, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            yield (*path, one), f"unknown setting {'.'.join((*path, one))} ({hint}allowed: {', '.join(names)})"
        else:
            yield from _faults(inner, hints[one], (*path, one))
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in value:
            yield (*path, field.name), f"{'.'.join((*path, field.name))} is missing: it must be {_allowed(field.type)}"


def _in_entries(value: dict[str, Any], kind: Any, path: Path) -> Iterator[tuple[Path, str]]:
    key, inner = get_args(kind)
    for one, entry in value.items():
        try:
            convert(one, key)
        except msgspec.ValidationError:
            yield (*path, one), f"{'.'.join(path)}: a name must be {_allowed(key)}, not {_shown(one)}"
        yield from _faults(entry, inner, (*path, one))


def _bare(kind: Any) -> Any:
    """Without what is said about it, and without None."""
    while True:
        if get_origin(kind) in {Annotated, Union, types.UnionType}:
            kind = get_args(kind)[0]
        else:
            return kind


def _is_table(bare: Any) -> bool:
    return get_origin(bare) is dict or (isinstance(bare, type) and issubclass(bare, msgspec.Struct))


def _allowed(kind: Any) -> str | None:
    for one in getattr(kind, "__metadata__", ()):
        if one.extra and "allowed" in one.extra:
            return str(one.extra["allowed"])
    if get_origin(kind) in {Union, types.UnionType}:
        return next((text for one in get_args(kind) if (text := _allowed(one))), None)
    return None


def _shown(value: Any) -> str:
    """Without what is inside of it: an environment has secrets."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
