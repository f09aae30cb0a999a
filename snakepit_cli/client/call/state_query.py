"""Queries about variables and sessions that the fast path sends, too. Values are sent as they were typed.

Nothing heavier than `request` and `query` may be imported at module level.
"""

from __future__ import annotations

import os
from _json import encode_basestring_ascii as quote

from snakepit_cli.client.call.query import Query
from snakepit_cli.client.call.request import Shared, UsageError, encodable, labels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_SECONDS = 60.0
"""A change is on disk before it is answered, and a disk may be slow."""
_NUMBER = "-0123456789"
_WORDS = ("true", "false", "null")
_SPACE = "\ufeff \t\n\r"
_MOST = 1 << 53


class StateQuery(Query):
    """A query, and what of its answer is shown: with `part` only that member of it, with `silent` nothing.

    With `asks` an error `session_not_found` is an answer, too: exit code 1.
    """

    timeout: float | None = _SECONDS

    def __init__(
        self, shared: Shared, body: str | bytes, *, json: bool = False, part: str | None = None,
        field: str | None = None, raw: bool = False, silent: bool = False, asks: bool = False,
        output_file: str | None = None, nan: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(shared, body if isinstance(body, bytes) else body.encode())
        if json and (raw or field is not None):
            raise UsageError("--json prints all of the answer: it excludes --raw and --field")
        if output_file is not None and (json or raw or not output_file):
            raise UsageError("--output-file needs the name of a file, and excludes --json and --raw")
        self.json = json
        self.part = part
        self.field = field
        self.raw = raw
        self.silent = silent
        self.asks = asks
        self.output_file = output_file
        self.nan = nan
        """What becomes of NaN; a variable holds none."""


def session_of(session: str | None) -> str:
    """As given, else SNAKEPIT_SESSION. Raises UsageError when there is neither."""
    found = session or os.environ.get("SNAKEPIT_SESSION")
    if not found:
        raise UsageError("no session: name it with --session ID, or set SNAKEPIT_SESSION")
    encodable(found)
    return found


def value_text(
    word: str, name: str, *, string: bool = False, json: bool = False, kind: str | None = None, parts: bool = False
) -> str:
    """The JSON text that a word of the command line means.

    Numbers, true, false, null, lists and objects are JSON, all else is text; `@FILE` and `@-` are replaced by what is
    in there: of a .npy file, the array as a variable holds it. `string`: it is text, whatever it looks like. `json`: it
    must be JSON. `kind`: the variable's type, when it is known. `parts`: a long array may be PartText. Raises
    ArgumentsError, UsageError.
    """
    if string and json:
        raise UsageError("--string and --json-value exclude each other")
    from snakepit_cli.client.call import arguments

    if word == "@":
        raise UsageError(f"{name}: `@` needs the name of a file, or `-` for standard input; `\\@` is the text")
    if word[:1] == "@" and word[-4:].lower() == ".npy" and not string:
        from snakepit_cli.client.call import files

        return files.variable(word[1:], name, kind, parts=parts)
    if word[:1] == "@":
        word = arguments.read_source(word[1:], name, arguments.read_stdin)
    elif word[:2] == "\\@":
        word = word[1:]
        string = not json
    if json or (not string and _is_json(word.strip(_SPACE), name)):
        return arguments.check_json(word, name)
    encodable(word)
    return quote(word)


def _is_json(text: str, name: str) -> bool:
    if text[:1] in {"{", "["}:
        from snakepit_cli.client.call.arguments import ArgumentsError, check_json

        try:
            check_json(text, name)
        except ArgumentsError as error:
            raise ArgumentsError(error.kind, error.message, "send it as text with --string") from None
        return True
    return text in _WORDS or (text[:1] in _NUMBER and text != "" and _is_number(text, name))


def _is_number(text: str, name: str) -> bool:
    from snakepit_cli.client.call.arguments import ArgumentsError, scan

    try:
        return scan(text, 0, name)[1] == len(text)
    except ArgumentsError:
        return False


def version_of(text: str, option: str) -> int:
    if not text.isdecimal() or int(text) > _MOST:
        raise UsageError(f"{option} must be a whole number, at least 0, not {text}")
    return int(text)


def body(op: str, **fields: str | None) -> str:
    """A query; `fields` are JSON texts, those that are None are left out."""
    given = "".join(f',"{name}":{text}' for name, text in fields.items() if text is not None)
    return f'{{"op":"{op}"{given}}}'


def text_of(name: str) -> str:
    encodable(name)
    return quote(name)


def facts(meta: Iterable[str] | None) -> str | None:
    """A JSON object of `--meta KEY=VALUE`."""
    if not meta:
        return None
    return f"{{{','.join(f'{quote(key)}:{quote(value)}' for key, value in labels(meta).items())}}}"


def var_get(
    shared: Shared, name: str, *, session: str | None = None, json: bool = False, field: str | None = None,
    raw: bool = False, output_file: str | None = None,
) -> StateQuery:  # fmt: skip
    text = body("var_get", session=quote(session_of(session)), name=text_of(name), binary="true")
    return StateQuery(
        shared, text, json=json, part=None if json else "value", field=field, raw=raw, output_file=output_file
    )


def var_set(
    shared: Shared, name: str, value: str, *, session: str | None = None, expect: str | None = None,
    string: bool = False, json_value: bool = False, no_create: bool = False, meta: Iterable[str] | None = None,
    json: bool = False,
) -> StateQuery:  # fmt: skip
    """Reads standard input when the value is `@-`, after everything else has been checked."""
    given = {
        "session": quote(session_of(session)), "name": text_of(name),
        "expect": None if expect is None else str(version_of(expect, "--expect")),
        "create": "false" if no_create else None, "metadata": facts(meta),
    }  # fmt: skip
    text = value_text(value, name, string=string, json=json_value, parts=True)
    query = body("var_set", **given, value=text).encode()
    if (part := getattr(text, "part", None)) is not None:
        from snakepit_cli.wire.binary import pack

        query = b"".join(pack(query, [part]))
    return StateQuery(shared, query, json=json, silent=not json)


class WatchQuery(StateQuery):
    """It is answered with changes until the session ends."""

    timeout = None
    stream = True
    parting = "the watch ends"


def var_watch(
    shared: Shared, pattern: str, *, session: str | None, version: str | None, after: str | None, field: str | None,
    raw: bool,
) -> WatchQuery:  # fmt: skip
    if version is not None and after is not None:
        raise UsageError("--from and --after exclude each other")
    text = body(
        "var_watch", session=quote(session_of(session)), pattern=text_of(pattern),
        version=None if version is None else str(version_of(version, "--from")),
        after=None if after is None else str(version_of(after, "--after")),
    )  # fmt: skip
    return WatchQuery(shared, text, field=field, raw=raw)


def program_get(
    shared: Shared, name: str, *, session: str | None, json: bool, field: str | None, raw: bool
) -> StateQuery:
    """Without a session: the global one."""
    scope = {"global": "true"} if session is None else {"session": quote(session)}
    text = body("program_get", **scope, id=text_of(name))
    return StateQuery(shared, text, json=json, part=None if json else "data", field=field, raw=raw)


def session_exists(shared: Shared, name: str) -> StateQuery:
    return StateQuery(shared, body("session_show", session=text_of(name)), silent=True, asks=True)


PLAIN: dict[str, tuple[Callable[..., StateQuery], int, set[str], set[str]]] = {
    "var get": (var_get, 1, {"--json", "--raw"}, {"--session", "--field", "--output-file"}),
    "var set": (
        var_set, 2, {"--json", "--string", "--json-value", "--no-create"}, {"--session", "--expect", "--meta"},
    ),
    "session exists": (session_exists, 1, set(), set()),
}  # fmt: skip
"""What the fast path knows of each verb: its query, how many words it has, its flags, and its options with a value."""


def plain(shared: Shared, verb: str, words: list[str], given: dict[str, Any]) -> StateQuery:
    """Raises UsageError, ArgumentsError."""
    query, count, *_ = PLAIN[verb]
    if len(words) != count:
        raise UsageError(f"{verb}: {count} words")
    return query(shared, *words, **{name.replace("-", "_"): value for name, value in given.items()})
