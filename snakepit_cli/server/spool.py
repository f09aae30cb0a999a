"""Streams that nobody waits for: their chunks go to files, where they can be read while they grow and afterwards.

Two files for each: `ID.lines` holds the chunks as they are, one JSON text a line; `ID.json` says what it is and, when
it is over, how it ended. Both outlive the server. What the last server did not finish has failed: `recall` says so.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from snakepit_cli.base.errors import PitError

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_MOST_BYTES = 4 << 30
"""Of all spools together: the oldest that have ended go first."""
_READ = 1 << 18


@dataclass
class Facts:
    """What is known of a stream. `started` and `ended` are seconds of the wall clock."""

    id: str
    command: str
    pool: str
    started: float
    state: str = "running"
    """running, done, failed or cancelled."""
    ended: float | None = None
    chunks: int = 0
    bytes: int = 0
    error: dict[str, Any] | None = None


class Spool:
    """One stream: the caller of its call, and what others read."""

    congested = False
    """A file takes everything at once."""

    def __init__(self, folder: Path, facts: Facts, most: int) -> None:
        self.facts = facts
        self.give_up: Callable[[], None] = _nobody
        """Cancels the call. Set by whoever submits it."""
        self._path = folder / f"{facts.id}.lines"
        self._facts_path = folder / f"{facts.id}.json"
        self._most = most
        self._out: int | None = None
        self._waiting: list[asyncio.Future[None]] = []

    # ------------------------------------------------------------------------------------- written

    def open(self) -> None:
        """Raises PitError when there is no place for it."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._out = os.open(self._path, flags, 0o600)
            self._keep_facts()
        except OSError as error:
            raise PitError("output_failed", f"{self._path}: {error.strerror}") from None

    def chunks(self, _request: int, lines: bytes) -> None:
        if self._out is None:
            return
        if self.facts.bytes + len(lines) > self._most:
            text = f"stream {self.facts.id} has more than {self._most:,} bytes of chunks"
            self._fail(PitError("output_failed", text, hint="raise server.spool_max_bytes in the configuration"))
            return
        try:
            written = os.write(self._out, lines)
            if written < len(lines):  # the disk is full: the part of a line is cut off again
                os.ftruncate(self._out, self.facts.bytes)
                raise OSError(28, os.strerror(28))
        except OSError as error:
            self._fail(PitError("output_failed", f"{self._path}: {error.strerror}"))
            return
        self.facts.bytes += len(lines)
        self.facts.chunks += lines.count(b"\n")
        self._wake()

    def note(self, request: int, text: str) -> None:
        """No user waits for it."""

    def answers(self, request: int, lines: bytes, _failed: Sequence[int]) -> None:
        self.chunks(request, lines)

    def result(self, _request: int, _value: bytes) -> None:
        self._end("done", None)

    def error(self, _request: int, error: PitError) -> None:
        self._end("cancelled" if error.kind == "cancelled" else "failed", error.as_dict())

    def _fail(self, error: PitError) -> None:
        """It cannot be kept any more: there is no use in going on."""
        self._end("failed", error.as_dict())
        self.give_up()

    def _end(self, state: str, error: dict[str, Any] | None) -> None:
        if self.facts.state != "running":
            return
        self.facts.state, self.facts.error, self.facts.ended = state, error, time.time()
        if self._out is not None:
            os.close(self._out)
            self._out = None
        try:
            self._keep_facts()
        except OSError:
            pass  # a full disk; this server knows, and the next one will say that it was lost
        self._wake()

    def _keep_facts(self) -> None:
        fresh = self._facts_path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(asdict(self.facts)))
        fresh.chmod(0o600)
        fresh.replace(self._facts_path)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    # ---------------------------------------------------------------------------------------- read

    @property
    def over(self) -> bool:
        return self.facts.state != "running"

    async def news(self) -> None:
        """Until there are more chunks, or it is over."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def offset(self, start: str | int) -> int:
        """The byte at which reading begins: at the `start`, at the `end`, or after so many chunks.

        Raises OSError, ValueError.
        """
        if start == "start":
            return 0
        if start == "end":
            return self.facts.bytes
        left, at = int(start), 0
        if left < 0:
            raise ValueError(f"from: {start}")
        for block in self._blocks(0):
            count = block.count(b"\n")
            if count >= left:
                parts = block.split(b"\n", left)
                return at + (len(block) - len(parts[-1]) if left else 0)
            left -= count
            at += len(block)
        return at

    def read(self, offset: int) -> bytes:
        """Whole lines from there on, about a quarter of a MiB; nothing when there are no more yet. Raises OSError."""
        return next(self._blocks(offset), b"")

    def _blocks(self, offset: int) -> Iterator[bytes]:
        with open(self._path, "rb") as file:
            file.seek(offset)
            while left := self.facts.bytes - offset:
                block = file.read(min(_READ, left))
                if not block.endswith(b"\n"):
                    block += file.readline(left - len(block))
                if not block:
                    return
                offset += len(block)
                yield block

    def remove(self) -> None:
        for path in (self._facts_path, self._path):
            path.unlink(missing_ok=True)


def _nobody() -> None:
    """Its call has not been submitted yet."""


@dataclass
class Spools:
    """All of an instance."""

    folder: Path
    most: int
    """Bytes of one."""
    keep: float
    """Seconds for which one is kept after its end."""
    all: dict[str, Spool] = field(default_factory=dict)

    def recall(self) -> None:
        """Finds those of earlier servers."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self.folder.glob("*.json")):
            try:
                facts = msgspec.json.decode(path.read_bytes(), type=Facts)
                size = _whole_lines(path.with_suffix(".lines"), facts)
            except (msgspec.MsgspecError, OSError):
                continue  # torn by a power cut: not ours to delete
            spool = self.all[facts.id] = Spool(self.folder, facts, self.most)
            if facts.state == "running":
                facts.chunks, facts.bytes = size
                spool.error(0, PitError("server_restarted", "the server ended while the stream ran"))
        self.expire()

    def new(self, command: str, pool: str) -> Spool:
        """Raises PitError."""
        self.expire()
        name = next(name for name in iter(_name, "") if name not in self.all)
        spool = Spool(self.folder, Facts(name, command, pool, time.time()), self.most)
        spool.open()
        self.all[name] = spool
        return spool

    def get(self, name: object) -> Spool:
        found = self.all.get(str(name))
        if found is None:
            raise PitError("usage", f"no stream {name!r}", hint="list them with `snakepit streams`")
        return found

    def expire(self) -> None:
        now = time.time()
        ended = sorted((one for one in self.all.values() if one.over), key=lambda one: one.facts.ended or 0.0)
        total = sum(one.facts.bytes for one in self.all.values())
        for one in ended:
            if now - (one.facts.ended or 0.0) > self.keep or total > _MOST_BYTES:
                total -= one.facts.bytes
                one.remove()
                del self.all[one.facts.id]


def _name() -> str:
    return "s-" + "".join(secrets.choice(_ALPHABET) for _ in range(5))


def _whole_lines(path: Path, facts: Facts) -> tuple[int, int]:
    """Chunks and bytes of a file that may end in the middle of a line: that is cut off."""
    if facts.state != "running":
        return facts.chunks, facts.bytes
    chunks = size = 0
    with open(path, "rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                chunks += 1
                size += len(line)
    os.truncate(path, size)
    return chunks, size
