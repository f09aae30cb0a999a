"""--field and --raw: a part of a JSON text, as it was received. Numbers keep their form: nothing is decoded."""

from __future__ import annotations

from snakepit_cli.base.arguments import ArgumentsError, check_json, members, scan
from snakepit_cli.base.errors import PitError

_SHOWN = 12
_WORDS = {'"': "a text", "t": "a boolean", "f": "a boolean", "n": "null"}


def lines(data: bytes, field: str | None, *, raw: bool) -> bytes:
    """The part of each JSON text of `data`, one per line. Raises PitError."""
    texts = [line for line in data.split(b"\n") if line.strip()]
    return b"".join([pick(text.decode(errors="replace"), field, raw=raw) + b"\n" for text in texts])


def pick(text: str, field: str | None, *, raw: bool) -> bytes:
    try:
        text = check_json(text, "the result")
        for done, part in enumerate(path := parts(field or "")):
            text = _step(text, part, path[: done + 1])
        if raw and text[:1] == '"':
            value, _ = scan(text, 0, "the result")
            return str(value).encode(errors="replace")
    except ArgumentsError as error:
        raise PitError("invalid_arguments", error.message) from None
    return text.encode(errors="replace")


def parts(field: str) -> list[str]:
    """`a.b[0].c` and `a.b.0.c` are the same path; an empty one is the whole."""
    return [part for part in field.replace("[", ".").replace("]", "").split(".") if part]


def _step(text: str, part: str, path: list[str]) -> str:
    where = f"--field {'.'.join(path)}"
    hint = "look at the whole result without --field"
    if text[:1] == "{":
        found = members(text, where)
        if part in found:
            return found[part]
        raise PitError("invalid_arguments", f"{where}: no such key; there {_names(list(found))}", hint=hint)
    if text[:1] == "[":
        items = _items(text)
        if part.removeprefix("-").isdecimal() and -len(items) <= int(part) < len(items):
            return items[int(part)]
        raise PitError("invalid_arguments", f"{where}: no such item; the list has {len(items)}", hint=hint)
    kind = _WORDS.get(text[:1], "a number")
    raise PitError(
        "invalid_arguments", f"{where}: {'.'.join(path[:-1]) or 'the result'} is {kind}, it has no parts", hint=hint
    )


def _names(names: list[str]) -> str:
    if not names:
        return "are none"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"is {', '.join(names[:_SHOWN])}{more}" if len(names) == 1 else f"are {', '.join(names[:_SHOWN])}{more}"


def _items(text: str) -> list[str]:
    found = []
    at = _skip(text, 1)
    while text[at] != "]":
        _, end = scan(text, at, "the result")
        found.append(text[at:end])
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _skip(text: str, at: int) -> int:
    while text[at] in " \t\n\r":
        at += 1
    return at
