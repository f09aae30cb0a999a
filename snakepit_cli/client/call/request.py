"""What one `exec` or `stream` asks for: made by both parsers of the command line, so that they cannot differ.

The fast path imports this: nothing heavier than base.paths and wire.front may be imported at module level.
"""

from __future__ import annotations

import os

import snakepit_cli
from snakepit_cli.base import paths
from snakepit_cli.wire import front

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Iterable

PROGRESS = ("auto", "bar", "plain", "jsonl", "none")
AFFINITIES = ("hint", "strict_queue", "strict_fail_fast")
NANS = ("refuse", "null")
COLORS = ("auto", "always", "never")
CALL_ID = 1
"""A call has a connection of its own."""
_LONGEST_SECONDS = 1e9
_LONG_ARGUMENTS = 1 << 20
"""Bytes from which on they are put into shared memory: asking for room there takes as long as to copy a few 100 KB."""
_MOST_LABELS = 32
_MOST_LABEL_BYTES = 4096
"""Of all metadata as JSON. The server counts escapes, too, and then refuses what passes here."""


class UsageError(Exception):
    """The command line is not understood; the text says why."""


class Shared:
    """Options that every verb takes, before or after it."""

    __slots__ = ("color", "debug", "instance", "quiet", "start")

    def __init__(self) -> None:
        self.instance = os.environ.get("SNAKEPIT_INSTANCE") or "default"
        self.start = True
        self.color = "auto"
        self.quiet = False
        self.debug = False

    def set(self, name: str, value: str) -> None:
        if name != "--color":
            self.instance = value
        elif value in COLORS:
            self.color = value
        else:
            raise UsageError(f"--color {value}: choose one of {', '.join(COLORS)}")

    def flag(self, word: str) -> bool:
        """Whether `word` was one of the flags; then it is set."""
        if word in {"-q", "--quiet"}:
            self.quiet = True
        elif word == "--no-start":
            self.start = False
        elif word == "--debug":
            self.debug = True
        else:
            return False
        return True


def hoist(argv: list[str]) -> tuple[Shared, list[str]]:
    """Takes the shared options out of `argv`, up to `--`; `--progress` gets its value joined to it.

    Raises UsageError.
    """
    shared = Shared()
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word[:1] != "-":
            if rest and rest[-1] == "--progress" and word in PROGRESS:
                rest[-1] = f"--progress={word}"
            else:
                rest.append(word)
        elif not shared.flag(word):
            name, equals, value = word.partition("=")
            if name[:2] == "-L" and len(word) > 2:
                name, equals, value = "-L", "=", word[2:]
            if name not in {"-L", "--instance", "--color"}:
                rest.append(word)
            elif not equals and (following := next(words, None)) is None:
                raise UsageError(f"{name} needs a value")
            else:
                shared.set(name, value if equals else following or "")
    if not paths.valid_name(shared.instance):
        raise UsageError(f"{shared.instance!r} is not an instance name (letters, digits, `.`, `_`, `-`; at most 32)")
    end = rest.index("--") if "--" in rest else len(rest)
    return shared, [*("--progress=auto" if word == "--progress" else word for word in rest[:end]), *rest[end:]]


class Request:
    """One `exec` or `stream`: what is asked, and how the answer is shown. Raises UsageError."""

    parting = "cancelling… (press again to leave now)"
    """What is said at the first Ctrl-C."""

    __slots__ = (
        "_body", "affinity", "args", "command", "field", "idempotent", "items", "json", "metadata", "nan",
        "output_file", "pool", "progress", "raw", "session", "shared", "stream", "timeout", "tool",
    )  # fmt: skip

    def __init__(
        self,
        shared: Shared,
        command: str,
        items: Iterable[str],
        *,
        stream: bool,
        args: str | None = None,
        pool: str | None = None,
        session: str | None = None,
        timeout: str | None = None,
        json: bool = False,
        field: str | None = None,
        raw: bool = False,
        progress: str = "none",
        affinity: str | None = None,
        idempotent: bool = False,
        meta: Iterable[str] | None = None,
        nan: str | None = None,
        tool: bool = False,
        output_file: str | None = None,
    ) -> None:
        self.shared = shared
        self.stream = stream
        self.command = command
        self.items = tuple(items)
        self.args = args
        self.pool = pool_name(pool)
        self.session = session if session is not None else os.environ.get("SNAKEPIT_SESSION") or None
        self.timeout = None if timeout is None else limit(timeout)
        self.json = json
        self.field = field
        self.raw = raw
        self.progress = progress
        self.affinity = affinity
        self.idempotent = idempotent
        self.metadata = labels(meta) if meta else None
        self.nan = None if nan is None else nan_form(nan)
        self.tool = tool
        self.output_file = output_file
        self._body: bytes | None = None
        if json and raw:
            raise UsageError("--json and --raw exclude each other")
        if output_file is not None and (json or raw or stream or not output_file):
            raise UsageError(_output_file(output_file, stream=stream))
        if idempotent and stream:
            raise UsageError("--idempotent is for `exec`: what a stream has sent cannot be taken back")
        if affinity is not None and affinity not in AFFINITIES:
            raise UsageError(f"--affinity {affinity}: choose one of {', '.join(AFFINITIES)}")
        if affinity is not None and self.session is None:
            raise UsageError("--affinity needs a session (--session ID)")
        for text in (command, self.session or "", field or ""):
            encodable(text)

    def arguments(self) -> bytes:
        """A JSON object, or a message with parts. Reads files and standard input, once. Raises ArgumentsError."""
        if self._body is None:
            self._body = b"{}"
            if self.items or self.args is not None:
                from snakepit_cli.client.call import arguments

                self._body = arguments.build(self.items, self.args, binary=True)
        return self._body

    def check(self) -> None:
        """Raises ArgumentsError for arguments and an output file that cannot be used."""
        self.arguments()
        if self.output_file is not None:
            from snakepit_cli.client.call import output_file

            output_file.check(self.output_file)

    def lent(self, sock: socket) -> str | None:
        """The header member that stands for long arguments, now in shared memory. Raises ArgumentsError."""
        if len(self.arguments()) < _LONG_ARGUMENTS:
            return None
        from snakepit_cli.client.call import long_arguments

        return long_arguments.lent(sock, self.arguments(), self.timeout)

    def frame(self, lent: str | None = None) -> bytes:
        """The call as it is sent; `lent` is the header member that stands for its arguments. Raises ArgumentsError,
        PitError."""
        call = front.call_body(
            self.command, self.arguments() if lent is None else b"", version=snakepit_cli.__version__, cwd=cwd(),
            pool=self.pool, session=self.session, timeout=self.timeout, stream=self.stream, affinity=self.affinity,
            idempotent=self.idempotent, metadata=self.metadata, nan=self.nan, tool=self.tool,
            binary=True, references=True, block=lent or "",
        )  # fmt: skip
        return front.frame(front.CALL, CALL_ID, call)


def _output_file(name: str, *, stream: bool) -> str:
    """What is wrong with it."""
    if not name:
        return "--output-file needs the name of a file"
    if stream:
        return "--output-file is for `exec`: send the chunks of a stream to a file with >"
    return "--output-file excludes --json and --raw"


def pool_name(pool: str | None) -> str | None:
    """As given, else SNAKEPIT_POOL."""
    if pool is None:
        pool = os.environ.get("SNAKEPIT_POOL") or None
    if pool is not None and not paths.valid_name(pool):
        raise UsageError(f"{pool!r} is not a pool name (letters, digits, `.`, `_`, `-`; at most 32)")
    return pool


def labels(words: Iterable[str]) -> dict[str, str]:
    """Metadata from words such as `user=ada`. Raises UsageError."""
    found: dict[str, str] = {}
    size = len("{}") - len(",")
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"--meta {word}: write it as KEY=VALUE")
        encodable(word)
        found[key] = value
        size += len(word.encode()) + len('"":"",') - len("=")
    if len(found) > _MOST_LABELS:
        raise UsageError(f"--meta: at most {_MOST_LABELS} entries, not {len(found)}")
    if size > _MOST_LABEL_BYTES:
        raise UsageError(f"--meta: at most {_MOST_LABEL_BYTES:,} bytes together")
    return found


def nan_form(text: str) -> str:
    """What becomes of NaN in an answer."""
    if text not in NANS:
        raise UsageError(f"--nan {text}: choose one of {', '.join(NANS)}")
    return text


def seconds(text: str) -> float:
    from snakepit_cli.base import durations

    try:
        value = durations.parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if value > _LONGEST_SECONDS:
        raise UsageError(f"{text}: too long")
    return value


def limit(text: str) -> float:
    """Seconds that a call may take."""
    value = seconds(text)
    if not value:
        raise UsageError(f"--timeout must be above 0, not {text}")
    return value


def encodable(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{text!r} is not UTF-8 text") from None


def cwd() -> str:
    """Empty when its name is not UTF-8 and cannot be told: a handler that needs it says so."""
    try:
        found = os.getcwd()
        found.encode()
    except OSError:  # it has been removed; only relative file names would need it
        return "/"
    except UnicodeEncodeError:
        return ""
    return found
