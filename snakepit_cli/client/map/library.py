"""`map` for programs: Python values in, Python values out, over the path of the command line."""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, Literal, Protocol, TypedDict, Unpack

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.client import values
from snakepit_cli.client.map.blocks import Answers
from snakepit_cli.client.map.run import Plan, Run
from snakepit_cli.client.map.tables.table import Table

_NO_DESCRIPTOR = -1
_READ_BYTES = 1 << 18
_READ_SECONDS = 0.005
"""Items of a slow iterable leave before all of a block is there."""
_RECONNECT_SECONDS = 15.0
_PAUSE_SECONDS = 0.05


class Options(TypedDict, total=False):
    """What `mapped` takes besides the command and the items. All have defaults."""

    arguments: Mapping[str, Any]
    """The same for all items. Default: none."""
    pool: str | None
    session: str | None
    timeout: float | None
    """Seconds that one item may take. Default: the pool's."""
    item: str
    """The argument that an item becomes when it is no dict. Default: `item`."""
    ordered: bool
    """False: answers come as they are ready. Default: True."""
    retries: int
    """How often an item is run again when its worker dies. Default: 0."""
    batch: int
    """How many items a call of the handler takes, as a list. Default: 0, for one that is no list."""
    metadata: Mapping[str, str] | None
    nan: str | None
    """What becomes of NaN in an answer: `refuse` (default) or `null`."""
    errors: Literal["raise", "return"]
    """An item that fails ends the run with its error (default), or its error comes in the place of its answer."""


class Asker(Protocol):
    """A connection."""

    sock: socket.socket

    def query(self, op: str, *, patience: float | None = ..., **fields: Any) -> Any: ...

    def call(self, command: str, args: bytes = ..., **header: Any) -> bytes: ...


def mapped(connection: Asker, command: str, items: Iterable[Any], **options: Unpack[Options]) -> Generator[Any]:
    """The answers to all items. Closing the generator gives up what has no answer.

    An item that is a dict is arguments; anything else becomes the argument `item`. Items are taken from the iterable
    only when there is room for them, so it may be endless, and in the thread that reads the answers. The run has a
    connection of its own, and goes on when the server is restarted. Raises PitError; its `detail["line"]` is the number
    of the item, from 1.
    """
    given: dict[str, Any] = dict(options)
    fail, arguments = given.pop("errors", "raise"), given.pop("arguments", {})
    fixed = b"".join(map(bytes, values.encode(arguments)))
    if fixed[:1] != b"{":
        raise PitError("invalid_arguments", "the arguments of a map hold bytes or an array: these have no JSON form")
    plan = Plan(command, fixed, **given)
    found: deque[Any] = deque()
    workers = _workers(connection, plan)
    run = Run(plan, _NO_DESCRIPTOR, workers, _nowhere, table=_Items(items), sheet=lambda _: _Values(found))
    return _results(run, connection.sock, found, fail)


def _results(run: Run, sock: socket.socket, found: deque[Any], fail: str) -> Generator[Any]:
    # The warden binds the socket as `front.sock.new` and renames it, so that no path ever leads to a deaf socket.
    address = sock.getpeername().removesuffix(".new")
    with closing(run.turns(lambda: _connected(address))) as turns:
        try:
            for _ in turns:
                yield from _taken(found, fail)
        except _BrokenItemsError as broken:
            raise broken.error from None
        yield from _taken(found, fail)


def _taken(found: deque[Any], fail: str) -> Iterator[Any]:
    while found:
        value = found.popleft()
        if isinstance(value, PitError) and fail == "raise":
            raise value
        yield value


def _workers(connection: Asker, plan: Plan) -> int:
    """Starts the pool and returns its size. Raises PitError for a command that does not exist."""
    known = connection.query("commands", patience=None, pool=plan.pool)
    if not any(one["name"] == plan.command for one in known["commands"]):
        connection.call(plan.command, pool=known["pool"])  # its error suggests similar names
    pools = connection.query("status")["pools"]
    return int(next(one["size"] for one in pools if one["name"] == known["pool"]))


def _connected(address: str) -> socket.socket:
    """Waits while the server restarts. Raises PitError."""
    deadline = time.monotonic() + _RECONNECT_SECONDS
    while True:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(address)
        except OSError as error:
            sock.close()
            if time.monotonic() > deadline:
                raise PitError("server_restarted", f"the server has not come back: {error.strerror}") from None
            time.sleep(_PAUSE_SECONDS)
        else:
            return sock


def _nowhere(_: bytes) -> None:
    """Answers are kept as values."""


class _BrokenItemsError(Exception):
    """The iterable has raised what the run would take for the loss of its connection, after which it would go on."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class _Items(Table):
    """The items as JSON lines."""

    def __init__(self, items: Iterable[Any]) -> None:
        super().__init__()
        self._items = _guarded(items)
        self._count = 0
        self._encode = msgspec.json.Encoder(enc_hook=values.form).encode

    def read(self) -> bytes | None:
        """The lines of some items; None at the end. Raises PitError, and whatever the iterable raises."""
        lines: list[bytes] = []
        size, until = 0, time.monotonic() + _READ_SECONDS
        for item in self._items:
            self._count += 1
            line = self._line(item)
            lines.append(line)
            size += len(line)
            if size >= _READ_BYTES or time.monotonic() >= until:
                break
        else:
            if not lines:
                return None
        return b"\n".join([*lines, b""])

    def _line(self, item: Any) -> bytes:
        try:
            line = self._encode(item)
            if b"null" in line:  # perhaps NaN, which would become null without a word
                json.dumps(item, allow_nan=False, default=values.form)
        except (TypeError, ValueError, RecursionError) as error:
            raise PitError("invalid_arguments", f"item {self._count:,} cannot be sent: {error}") from None
        return line

    def late(self) -> bool:
        return False


class _Values:
    """Collects answers as values, and the errors of items that have failed, instead of making rows."""

    def __init__(self, found: deque[Any]) -> None:
        self._found = found
        self._decoder = msgspec.json.Decoder()

    def rows(self, parts: Iterable[Answers]) -> list[Answers]:
        for part in parts:
            self._found.extend(self._values(part))
        return []

    def _values(self, part: Answers) -> Iterable[Any]:
        if not part.failed:
            try:
                return self._decoder.decode_lines(part.lines)
            except (msgspec.DecodeError, ValueError):  # a number that msgspec does not read
                return map(json.loads, part.lines.splitlines())
        failed = frozenset(part.failed)
        lines = enumerate(part.lines.split(b"\n")[:-1], part.first)
        return [_error(line) if number in failed else json.loads(line) for number, line in lines]

    def rest(self) -> bytes:
        return b""


def _guarded(items: Iterable[Any]) -> Iterator[Any]:
    """The same items."""
    try:
        yield from items
    except (ConnectionError, TimeoutError) as error:
        raise _BrokenItemsError(error) from error


def _error(line: bytes) -> PitError:
    return PitError.from_dict(json.loads(line)["error"])
