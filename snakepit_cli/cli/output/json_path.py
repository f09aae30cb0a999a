"""--field and --raw: a part of a JSON text, as it was received. Numbers keep their form: nothing is decoded."""

from __future__ import annotations

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.call.arguments import ArgumentsError, check_json, members, scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SHOWN = 12
_WORDS = {'"': "a text", "t": "a boolean", "f": "a boolean", "n": "null"}


class Picker:
    """The same part of each chunk of a stream; a chunk without it is passed over, as long as another one has it."""

    def __init__(self, field: str | None, *, raw: bool) -> None:
        self._field = field
        self._raw = raw
        self._found = False
        self._missing: PitError | None = None

    def lines(self, data: bytes) -> bytes:
        """The parts of these JSON lines, one per line. Raises PitError when one is no JSON."""
        picked = []
        for text in data.split(b"\n"):
            if not text.strip():
                continue
            line = text.decode(errors="replace")
            found = self.part(lambda line=line: pick(line, self._field, raw=self._raw))  # type: ignore[misc]
            if found is not None:
                picked.append(found + b"\n")
        return b"".join(picked)

    def part(self, choose: Callable[[], bytes]) -> bytes | None:
        """What `choose` gives of a chunk; None when that does not have it."""
        try:
            found = choose()
        except NoSuchPartError as missing:
            self._missing = missing
            return None
        self._found = True
        return found

    def end(self) -> None:
        """Raises PitError when no chunk had the part."""
        if self._missing is not None and not self._found:
            raise self._missing


class NoSuchPartError(PitError):
    """The text does not have what --field names."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__("invalid_arguments", f"{where}: {what}", hint="look at the whole result without --field")


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
    if text[:1] == "{":
        found = members(text, where)
        if part in found:
            return found[part]
        raise NoSuchPartError(where, f"no such key; there {_names(list(found))}")
    if text[:1] == "[":
        items = _items(text)
        if part.removeprefix("-").isdecimal() and -len(items) <= int(part) < len(items):
            return items[int(part)]
        raise NoSuchPartError(where, f"no such item; the list has {len(items)}")
    kind = _WORDS.get(text[:1], "a number")
    raise NoSuchPartError(where, f"{'.'.join(path[:-1]) or 'the result'} is {kind}, it has no parts")


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
