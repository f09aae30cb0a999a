"""Detached streams: their chunks go to files, where they can be read while they grow and afterwards.

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
from snakepit_cli.base.write_hints import write_hint

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_MOST_BYTES = 4 << 30
"""Of all spools together: the oldest that have ended go first."""
_READ = 1 << 18
_AHEAD = 4 << 20
"""Bytes that a stream may be ahead of the disk."""


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
    """One stream: the caller of its call, and what others read.

    What comes is written by a thread, in order, a batch at a time; `facts` tell what has been written. The functions
    that are not coroutines wait for nothing.
    """

    def __init__(self, folder: Path, facts: Facts, most: int) -> None:
        self.facts = facts
        self.give_up: Callable[[], None] = _nobody
        """Cancels the call. Set by the code that submits it."""
        self.resume: Callable[[], None] = _nobody
        """Asks for more after `congested`. Set by the code that submits the call."""
        self._path = folder / f"{facts.id}.lines"
        self._facts_path = folder / f"{facts.id}.json"
        self._most = most
        self._taken = facts.bytes
        self._batch: list[bytes] = []
        self._outcome: tuple[str, dict[str, Any] | None] | None = None
        self._out: int | None = None
        self._writer: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []

    # ------------------------------------------------------------------------------------- written

    @property
    def congested(self) -> bool:
        """The disk is slower than the stream."""
        return self._taken - self.facts.bytes > _AHEAD

    def open(self) -> None:
        """For a thread. Raises PitError when there is no place for it."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._out = os.open(self._path, flags, 0o600)
            self._keep_facts()
        except OSError as error:
            raise self._unwritten(error) from None

    def _unwritten(self, error: OSError) -> PitError:
        return PitError("output_failed", f"{self._path}: {error.strerror}", hint=write_hint(error.errno))

    def chunks(self, _request: int, lines: bytes) -> None:
        if self._outcome is not None:
            return
        if self._taken + len(lines) > self._most:
            text = f"stream {self.facts.id} has more than {self._most:,} bytes of chunks"
            self._fail(PitError("output_failed", text, hint="raise server.spool_max_bytes in the configuration"))
            return
        self._taken += len(lines)
        self._batch.append(lines)
        self._write_on()

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
        if self._outcome is None:
            self._outcome = state, error
            self._write_on()

    def _write_on(self) -> None:
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        """Until there is nothing to write."""
        while self._batch:
            batch, self._batch = b"".join(self._batch), []
            held_back = self.congested
            try:
                await asyncio.to_thread(self._append, batch)
            except OSError as error:
                self._batch.clear()
                self._outcome = None  # whatever the worker says: it is not kept
                self._fail(self._unwritten(error))
                break
            self.facts.bytes += len(batch)
            self.facts.chunks += batch.count(b"\n")
            self._wake()
            if held_back and not self.congested:
                self.resume()
        if self._outcome is not None:
            await asyncio.to_thread(self.finish, *self._outcome)
        self._writer = None
        self._wake()

    def _append(self, lines: bytes) -> None:
        """Raises OSError; then the file ends with a whole line, as before or after some of these."""
        assert self._out is not None  # noqa: S101 — it has not ended
        left = lines
        while left:
            written = os.write(self._out, left)
            left = left[written:]
            if left and not written:
                raise OSError(28, os.strerror(28))

    def finish(self, state: str, error: dict[str, Any] | None) -> None:
        """For a thread. Its facts are complete."""
        if self._out is not None:
            size = os.fstat(self._out).st_size
            if size > self.facts.bytes:  # the disk is full: whole lines are kept, the part of one is cut off
                chunks, size = _whole_lines(self._path)
                self.facts.chunks, self.facts.bytes = chunks, size
            os.close(self._out)
            self._out = None
        # The state comes last: with it the others are to be relied on.
        self.facts.error, self.facts.ended = error, time.time()
        try:
            self._keep_facts(state)
        except OSError:
            pass  # a full disk; this server knows, and the next one will say that it was lost
        self.facts.state = state

    def _keep_facts(self, state: str | None = None) -> None:
        fresh = self._facts_path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode({**asdict(self.facts), "state": state or self.facts.state}))
        fresh.chmod(0o600)
        fresh.replace(self._facts_path)

    async def settled(self) -> None:
        """Waits until all that has come is written."""
        while self._writer is not None:
            await asyncio.wait([self._writer])

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
        """The byte at which reading begins: at the `start`, at the `end`, or after a number of chunks. For a thread.

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
        """Whole lines from there on, about a quarter of a MiB; nothing when there are no more yet. For a thread.

        Raises OSError.
        """
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
        """Finds those of earlier servers. For a thread."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self.folder.glob("*.json")):
            try:
                facts = msgspec.json.decode(path.read_bytes(), type=Facts)
                if facts.state == "running":
                    facts.chunks, facts.bytes = _whole_lines(path.with_suffix(".lines"))
            except (msgspec.MsgspecError, OSError):
                continue  # torn by a power cut: not ours to delete
            spool = self.all[facts.id] = Spool(self.folder, facts, self.most)
            if facts.state == "running":
                lost = PitError("server_restarted", "the server ended while the stream ran")
                spool.finish("failed", lost.as_dict())
        for spool in self._expired():
            spool.remove()

    async def new(self, command: str, pool: str) -> Spool:
        """Raises PitError."""
        await self.expire()
        name = next(name for name in iter(_name, "") if name not in self.all)
        spool = self.all[name] = Spool(self.folder, Facts(name, command, pool, time.time()), self.most)
        try:
            await asyncio.to_thread(spool.open)
        except PitError:
            del self.all[name]
            raise
        return spool

    def get(self, name: object) -> Spool:
        found = self.all.get(str(name))
        if found is None:
            raise PitError("usage", f"no stream {name!r}", hint="list them with `snakepit streams`")
        return found

    async def expire(self) -> None:
        for spool in self._expired():
            await asyncio.to_thread(spool.remove)

    def _expired(self) -> list[Spool]:
        """Those that are to be removed; they are not in `all` any more."""
        now = time.time()
        ended = sorted((one for one in self.all.values() if one.over), key=lambda one: one.facts.ended or 0.0)
        total = sum(one.facts.bytes for one in self.all.values())
        found = []
        for one in ended:
            if now - (one.facts.ended or 0.0) > self.keep or total > _MOST_BYTES:
                total -= one.facts.bytes
                found.append(self.all.pop(one.facts.id))
        return found

    async def settled(self) -> None:
        """Waits until all that has come is written."""
        for spool in list(self.all.values()):
            await spool.settled()


def _name() -> str:
    return "s-" + "".join(secrets.choice(_ALPHABET) for _ in range(5))


def _whole_lines(path: Path) -> tuple[int, int]:
    """Chunks and bytes of a file that may end in the middle of a line: that is cut off. Raises OSError."""
    chunks = size = 0
    with open(path, "rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                chunks += 1
                size += len(line)
    os.truncate(path, size)
    return chunks, size
