"""Arguments of a command as typed in a shell, turned into one JSON object.

    key=text   key:=json   key=@file   key:=@file   key=@- (stdin)   key=\\@text (a text that begins with @)
    key@=file  (binary: see call/files.py)

Values are checked and then passed on as they were typed: nothing is decoded and encoded again, so no number
changes its form. Uses the scanner of the json module without the module: `import json` costs more than the call.
"""

from __future__ import annotations

import os
import stat
from _json import encode_basestring_ascii as quote
from _json import make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from snakepit_cli.client.call.files import Part

DEPTH_LIMIT = 500
LONGEST = 2 << 30
"""Bytes of a file or of standard input. No message to a worker can be longer."""
_EXAMPLE = "for example `snakepit exec echo text=hello number:=42`"
_SPACE = " \t\n\r"


class ArgumentsError(Exception):
    """The arguments cannot be used: `kind` is a kind of base.errors; without a hint that of the kind is used."""

    def __init__(self, kind: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


class _Context:
    """What the C scanner asks for."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = float  # integers of any length are fine: they are passed on as text
    parse_constant = staticmethod(_refuse)
    memo: dict[str, str] = {}  # noqa: RUF012 — the scanner's own shape


_scan = make_scanner(_Context())  # type: ignore[arg-type]  # typeshed wants a JSONDecoder; the C code does not


def scan(text: str, start: int, what: str) -> tuple[object, int]:
    """The JSON value that begins at `start` and the index after it.

    Raises ArgumentsError naming `what`, never the text: it may be a secret, and errors end up in logs.
    """
    try:
        value, end = _scan(text, start)
    except StopIteration as stop:
        raise ArgumentsError("invalid_arguments", f"{what}: not JSON at character {stop.value}") from None
    except RecursionError:
        raise ArgumentsError("invalid_arguments", f"{what}: nested too deeply") from None
    except ValueError as error:
        raise ArgumentsError("invalid_arguments", f"{what}: {error}") from None
    except SystemError:
        # The scanner finds its exception class in json.decoder only when that has been imported.
        import json.decoder  # noqa: F401

        return scan(text, start, what)
    return value, end


def check_json(text: str, what: str) -> str:
    """The text without a byte order mark and surrounding space, when it is exactly one JSON value.

    Raises ArgumentsError.
    """
    text = text.removeprefix("\ufeff").strip(_SPACE)
    check_depth(text, what)
    _, end = scan(text, 0, what)
    if end != len(text):
        raise ArgumentsError("invalid_arguments", f"{what}: more after the JSON value, at character {end}")
    return text


def check_depth(text: str, what: str) -> None:
    """Refuses nesting that a worker's parser could choke on. Counts only when there are enough brackets."""
    if text.count("[") + text.count("{") <= DEPTH_LIMIT:
        return
    # Between the quotes that are not escaped, every second piece is a string: brackets in it do not nest.
    outside = text.replace("\\\\", "").replace('\\"', "").split('"')[::2]
    depth = 0
    for character in "".join(outside):
        if character in "[{":
            depth += 1
            if depth > DEPTH_LIMIT:
                raise ArgumentsError("invalid_arguments", f"{what}: nested more than {DEPTH_LIMIT} levels deep")
        elif character in "]}":
            depth -= 1


def members(text: str, what: str) -> dict[str, str]:
    """Keys of a JSON object with the text of each value. Raises ArgumentsError when it is anything else."""
    text = check_json(text, what)
    if text[:1] != "{":
        raise ArgumentsError("invalid_arguments", f'{what}: must be a JSON object ({{"key": value}})')
    found: dict[str, str] = {}
    at = _skip(text, 1)
    while text[at] != "}":
        key, at = _scan(text, at)
        at = _skip(text, _skip(text, at) + 1)
        _, end = _scan(text, at)
        found[key] = text[at:end]
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at


def read_source(source: str, what: str, stdin: Callable[[], bytes]) -> str:
    """Text of a file, or of standard input for `-`. Raises ArgumentsError when missing or not UTF-8."""
    return text_of(source_bytes(source, what, stdin), source, what)


def source_bytes(source: str, what: str, stdin: Callable[[], bytes]) -> bytes:
    """Bytes of a file, or of standard input for `-`. Raises ArgumentsError when missing or endless."""
    try:
        if source == "-":
            return stdin()
        with open(source, "rb") as file:
            about = os.fstat(file.fileno())
            if about.st_size > LONGEST:
                raise _endless(f"{what}: {source}")
            if stat.S_ISREG(about.st_mode) and about.st_size:
                return file.read()
            return _limited(file.fileno(), f"{what}: {source}")
    except OSError as error:
        raise ArgumentsError("input_not_found", f"{what}: {source}: {error.strerror}") from None
    except ValueError:  # a NUL in it, for instance
        raise ArgumentsError("input_not_found", f"{what}: not the name of a file") from None


def text_of(data: bytes, source: str, what: str) -> str:
    """Raises ArgumentsError when it is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ArgumentsError("invalid_arguments", f"{what}: {source} is not UTF-8 text") from None


def read_stdin() -> bytes:
    """All of standard input; called only when `-` asks for it. Raises ArgumentsError when it is endless."""
    return _limited(0, "standard input")


def _limited(descriptor: int, what: str) -> bytes:
    parts = []
    size = 0
    while part := os.read(descriptor, 1 << 20):
        size += len(part)
        if size > LONGEST:
            raise _endless(what)
        parts.append(part)
    return b"".join(parts)


def _endless(what: str) -> ArgumentsError:
    text = f"{what} has more than {LONGEST:,} bytes"
    return ArgumentsError("invalid_arguments", text, "pass the name of the file instead")


def _text(value: str, what: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ArgumentsError("invalid_arguments", f"{what}: not UTF-8 text") from None
    return quote(value)


def _item(item: str, stdin: Callable[[], bytes], *, binary: bool) -> tuple[str, str | Part]:
    key, equals, value = item.partition("=")
    if equals and key[1:].endswith("@"):
        return key[:-1], _file(value, key[:-1], stdin, binary=binary)
    typed = key.endswith(":")
    key = key.removesuffix(":")
    if not equals or not key:
        raise ArgumentsError("usage", f"{item!r} is not an argument: write key=text or key:=json", _EXAMPLE)
    if not typed:
        try:
            return key, _text(_untyped(value, key, stdin), key)
        except ArgumentsError as error:
            if binary and value[:1] == "@" and error.kind == "invalid_arguments":
                error.hint = f"to send its bytes as they are, write {key}@={value[1:]}"
            raise
    if value.startswith("@"):
        return key, check_json(read_source(value[1:], key, stdin), key)
    try:
        return key, check_json(value, key)
    except ArgumentsError as error:
        # Not the value itself: it may be a secret, and errors end up in logs.
        raise ArgumentsError(error.kind, error.message, f"for text write {key}=… (without the colon)") from None


def _file(source: str, key: str, stdin: Callable[[], bytes], *, binary: bool) -> str | Part:
    from snakepit_cli.client.call import files

    found = files.read(source, key, stdin)
    if isinstance(found, str) or binary:
        return found
    raise ArgumentsError(
        "usage", f"{key}: binary values are for `exec` and `stream`", f"for text write {key}=@{source}"
    )


def _untyped(value: str, key: str, stdin: Callable[[], bytes]) -> str:
    if value.startswith("@"):
        return read_source(value[1:], key, stdin)
    return value[1:] if value.startswith("\\@") else value


def build(
    items: Iterable[str], args: str | None = None, stdin: Callable[[], bytes] = read_stdin, *, binary: bool = False
) -> bytes:
    """One JSON object: `args` (JSON, @file or @-) first, each item on top. Raises ArgumentsError.

    With `binary`, a message with parts when an item is a binary file.
    """
    found: dict[str, str | Part] = {}
    if args is not None:
        found.update(members(read_source(args[1:], "--args", stdin) if args.startswith("@") else args, "--args"))
    for item in items:
        key, value = _item(item, stdin, binary=binary)
        found[key] = value
    named = {_text(key, "key"): value for key, value in found.items()}
    if not all(type(value) is str for value in named.values()):
        from snakepit_cli.client.call import files

        return files.message(named)
    text = ",".join([f"{key}:{value}" for key, value in named.items()])
    try:
        return f"{{{text}}}".encode()
    except UnicodeEncodeError:
        raise ArgumentsError("invalid_arguments", "the arguments are not UTF-8 text") from None
