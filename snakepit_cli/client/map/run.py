"""`map`: input lines in, answers out, over one connection. One loop that waits for input and for the server."""

from __future__ import annotations

import json
import os
import select
import selectors
import socket
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import snakepit_cli
from snakepit_cli.base.errors import PitError
from snakepit_cli.client import segments
from snakepit_cli.client.call.request import cwd
from snakepit_cli.client.error_frames import error_of
from snakepit_cli.client.map.blocks import MOST_ITEMS, NOT_BEGUN, Answers, Block, Cutter, Order, Pace, Tally, Work
from snakepit_cli.client.map.descriptors import read, waits
from snakepit_cli.client.map.fingerprint import Fingerprint
from snakepit_cli.client.map.joblog import Done, Joblog
from snakepit_cli.client.map.loans import Loans
from snakepit_cli.client.segments import InputFile
from snakepit_cli.wire import front

TYPE_CHECKING = False
if TYPE_CHECKING:  # tables import msgspec, which nothing else here needs
    from collections.abc import Iterable
    from typing import Any, Protocol

    from snakepit_cli.client.map.tables.table import Table

    class Sheet(Protocol):
        """Makes something else of answers."""

        def rows(self, parts: Iterable[Answers]) -> list[Answers]:
            """In the order in which they are to be written."""

        def rest(self) -> bytes:
            """What is left at the end."""


_READ = 1 << 18
_RECEIVE = 1 << 18
_PAUSE_SECONDS = 0.05
_SPARE_BLOCKS = 1
"""Beyond one for each worker: a worker that is done finds the next block waiting."""
_MOST_READS = 64
_AHEAD = 8
"""How many blocks for each worker may be done or under way before the first of them is written."""


@dataclass(frozen=True)
class Plan:
    """What to do with each line. `fixed` is a JSON object on one line; `timeout` is for one item, in seconds."""

    command: str
    fixed: bytes
    pool: str | None = None
    session: str | None = None
    timeout: float | None = None
    item: str = "item"
    text: bool = False
    ordered: bool = True
    retries: int = 0
    most_failures: int | None = None
    """More failed items than this end the run; None for any number."""
    batch: int = 0
    """How many items a call of the handler takes; 0 for one."""
    envelope: bool = False
    """Each answer is an object with the number of its line."""
    metadata: Mapping[str, str] | None = None
    nan: str | None = None
    """What becomes of NaN in an answer: `refuse` or `null`."""


class Run:
    """One run from the first line to the last. Constant memory: input is read only when there is room for it."""

    def __init__(
        self, plan: Plan, source: int, workers: int, write: Callable[[bytes], None], joblog: Joblog | None = None,
        *, table: Table | None = None, sheet: Callable[[Tally], Sheet] | None = None,
    ) -> None:  # fmt: skip
        """`table` reads the source when it has no JSON lines; `sheet` makes something else of the answers."""
        self.tally = Tally(size=os.fstat(source).st_size or None if table is None else None)
        if table is not None:
            self.tally.place = table.place
        self._plan = plan
        self._source = source
        self._table = table
        self._sheet = sheet(self.tally) if sheet is not None else None
        self._write = write
        self._joblog = joblog
        self._done = joblog.done if joblog is not None else Done()
        self._fingerprint = Fingerprint(joblog.checkpoints) if joblog is not None else None
        self._window = workers + _SPARE_BLOCKS
        self._ahead = _AHEAD * workers
        self._file = InputFile.behind(source) if table is None else None
        """The input, when it is a file that holds the blocks as they are: they refer to it."""
        self._refers = True
        """Workers can read what blocks refer to."""
        offset = None if self._file is None else self._file.offset
        self._cutter = Cutter(text=plan.text, offset=offset, batch=plan.batch)
        self._pace = Pace()
        self._order = Order(plan.ordered)
        self._work = Work(plan.retries, self.tally, envelope=plan.envelope, batch=plan.batch)
        self._out: dict[int, Block] = {}
        self._next = self._asked = 0
        self._pause = 0.0
        self._buffer = bytearray()

    def run(self, connect: Callable[[], socket.socket], progress: Callable[[Tally], None]) -> None:
        """Until everything is answered. A connection that breaks is made anew. Raises PitError, StoppedError."""
        with closing(self.turns(connect)) as turns:
            for _ in turns:
                progress(self.tally)

    def turns(self, connect: Callable[[], socket.socket]) -> Generator[None]:
        """As `run`, but a generator: it yields whenever answers may have come."""
        while not self._over():
            with connect() as sock, selectors.DefaultSelector() as selector:
                selector.register(sock, selectors.EVENT_READ)
                with closing(Loans(partial(self._ask, sock))) as self._loans:
                    try:
                        yield from self._converse(sock, selector)
                    except (ConnectionError, TimeoutError):
                        self._lost()
        self._flush()
        if self._fingerprint is not None:
            self._fingerprint.end()

    def total(self) -> int | None:
        """Items of the whole input, when what is left of it is there already and not long. Ends the run."""
        for _ in range(_MOST_READS):
            if self._cutter.ended:
                return self._cutter.line - 1 + self._cutter.waiting
            if self._late() and not select.select([self._source], [], [], 0)[0]:
                return None
            self._read()
        return None

    def _read(self) -> None:
        """Raises PitError: an error of the input must not be taken for one of the connection."""
        if self._table is not None:
            self._read_rows(self._table)
            return
        self._cutter.feed(read(self._source, _READ, self.tally.size))

    def _read_rows(self, table: Table) -> None:
        table.forget(min([self._cutter.line, *self._order.waiting(), *(one.first for one in self._work.again),
                          *(one.first for one in self._out.values())]))  # fmt: skip
        lines = table.read()
        if lines != b"":
            self._cutter.feed(lines or b"")
        self.tally.size = table.expected()

    def _late(self) -> bool:
        return waits(self._source) if self._table is None else self._table.late()

    def _over(self) -> bool:
        return self._cutter.over and not self._out and not self._work.again

    def _lost(self) -> None:
        """The server is gone, and with it every block that was out: their items are run again, each with care."""
        self._buffer.clear()
        error = PitError("server_restarted", "the connection was lost before the answer came")
        lost, self._out = list(self._out.values()), {}
        for block in lost:
            self._ended(block, error)

    def _converse(self, sock: socket.socket, selector: selectors.BaseSelector) -> Generator[None]:
        reading = False
        while not self._over():
            self._send(sock)
            wanted = not self._cutter.ended and not self._cutter.ready and self._has_room()
            ready = wanted and not reading and not self._late()
            if ready:
                self._read()  # a file: it is always ready; or items, which may take their time
            elif wanted != reading:
                reading = wanted
                if wanted:
                    selector.register(self._source, selectors.EVENT_READ)
                else:
                    selector.unregister(self._source)
            left = 0.0 if ready else max(0.0, self._pause - time.monotonic()) if self._pause else None
            for key, _ in selector.select(left):
                if key.fileobj is sock:
                    self._receive(sock)
                else:
                    self._read()
            yield

    # ------------------------------------------------------------------------------------------- out

    def _has_room(self) -> bool:
        return len(self._out) < self._window and len(self._order.parts) < self._ahead

    def _send(self, sock: socket.socket) -> None:
        if self._pause and time.monotonic() < self._pause:
            return
        self._pause = 0.0
        while len(self._out) < self._window and self._work.again:
            self._send_block(sock, self._work.again.popleft())
        while self._has_room() and self._cutter.ready:
            if not self._skip() and not self._refuse():
                block = self._cutter.cut(self._pace.items, self._most(self._done.until(self._cutter.line)))
                self._taken(block.lines, block.count)
                self._send_block(sock, block)

    def _most(self, lines: int | None) -> int | None:
        """How many lines may be taken at once, when there is a limit."""
        limit = None if self._fingerprint is None else self._fingerprint.limit()
        good = None if self._table is None else self._table.faults.until(self._cutter.line)
        return min((one for one in (lines, limit, good) if one is not None), default=None)

    def _taken(self, lines: bytes, count: int) -> None:
        if self._fingerprint is not None:
            self._fingerprint.take(lines, count)

    def _skip(self) -> bool:
        """Passes over lines that an earlier run has done; whether there were some."""
        first = self._cutter.line
        done = self._done.skip(first)
        if not done:
            return False
        limit = None if self._fingerprint is None else self._fingerprint.limit()
        lines, count = self._cutter.drop(min(done, limit) if limit else done)
        self._taken(lines, count)
        self.tally.skipped += count
        self.tally.taken += len(lines)
        for part in self._order.put(Answers(first, count, b"")):
            if self._fingerprint is not None:
                self._fingerprint.done(part.first, part.count)
        return True

    def _refuse(self) -> bool:
        """Answers items of a table that cannot be run; whether there were some."""
        first = self._cutter.line
        if self._table is None or self._table.faults.until(first) != 0:
            return False
        limit = None if self._fingerprint is None else self._fingerprint.limit()
        most = min((one for one in (self._done.until(first), limit) if one), default=MOST_ITEMS)
        errors = self._table.faults.take(first, most)
        lines, count = self._cutter.drop(len(errors))
        self._taken(lines, count)
        self._put(self._work.refused(first, lines, errors))
        return True

    def _send_block(self, sock: socket.socket, block: Block) -> None:
        plan = self._plan
        block.answered = 0
        request = self._number()
        self._out[request] = block
        members = front.block_members(
            block.count, item=plan.item, text=plan.text, careful=block.careful, batch=plan.batch
        )
        lines = block.lines
        if (reference := self._reference(request, block)) is not None:
            block.referred = True
            members += f',"items_ref":{json.dumps(reference)}'
            lines = b""
        body = front.call_body(
            plan.command, b"%b\n%b" % (plan.fixed, lines), version=snakepit_cli.__version__, cwd=cwd(),
            pool=plan.pool, session=plan.session, stream=True, block=members, references=True,
            timeout=plan.timeout, metadata=plan.metadata, nan=plan.nan,
        )  # fmt: skip
        sock.sendall(front.frame(front.CALL, request, body))

    def _number(self) -> int:
        """The number of the next request."""
        self._next = self._next % 0xFFFFFFFF + 1
        return self._next

    def _reference(self, request: int, block: Block) -> dict[str, Any] | None:
        """A reference to the lines of the block; None when it is sent as bytes."""
        if not self._refers:
            return None
        if self._file is not None and block.offset is not None:
            return self._file.reference(block.offset, len(block.lines))
        return self._loans.lend(request, block.lines)

    def _ask(self, sock: socket.socket) -> None:
        """Asks the server for our share of shared memory."""
        self._asked = self._number()
        sock.sendall(front.frame(front.QUERY, self._asked, b'{"op":"segments","bytes":0}'))

    # -------------------------------------------------------------------------------------------- in

    def _receive(self, sock: socket.socket) -> None:
        data = sock.recv(_RECEIVE)
        if not data:
            raise ConnectionResetError
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= front.HEADER:
            end = at + 5 + int.from_bytes(buffer[at + 1 : at + 5], "big")
            if end > len(buffer):
                break
            number, body = int.from_bytes(buffer[at + 5 : at + 9], "big"), bytes(buffer[at + 9 : end])
            if buffer[at] == front.ANSWERS_REF:
                self._fetch(sock, number, body)
            else:
                self._frame(buffer[at], number, body)
            at = end
        del buffer[:at]

    def _fetch(self, sock: socket.socket, request: int, body: bytes) -> None:
        """Reads answers out of a segment, and gives that back."""
        _, failed, text = front.parse_answers_ref(body)
        reference = json.loads(text)
        if (block := self._out.get(request)) is not None:
            try:
                lines = segments.read(reference)
            except PitError as error:  # its server has ended, and the next one has removed it
                raise ConnectionResetError(error.message) from None
            self._put(self._work.answers(block, lines, failed))
        sock.sendall(front.frame(front.RELEASE, request, reference["path"].encode()))

    def _frame(self, kind: int, request: int, body: bytes) -> None:
        block = self._out.get(request)
        if block is None:
            if kind == front.RESULT and request == self._asked:
                self._loans.granted(json.loads(body))
            return
        if kind == front.ANSWERS:
            lines, failed = front.parse_answers(body)
            self._put(self._work.answers(block, lines, failed))
            return
        if kind in {front.RESULT, front.ERROR}:
            del self._out[request]
            self._loans.over(request, well=kind == front.RESULT)
            if kind == front.RESULT and not block.careful:
                self._pace.learn(block.answered, float(body))
            self._ended(block, error_of(body) if kind == front.ERROR else None)

    def _ended(self, block: Block, error: PitError | None) -> None:
        if error is not None and error.kind in NOT_BEGUN:
            self._pause = time.monotonic() + _PAUSE_SECONDS
        if error is not None and error.kind == "reference_failed":
            self._refers = False  # the workers cannot read it, or it changes: the others are sent as bytes
        answer = self._work.ended(block, error)
        if answer is not None:
            self._put(answer)

    def _put(self, came: Answers) -> None:
        ready = self._order.put(came)
        ready = ready if self._sheet is None else self._sheet.rows(ready)
        if lines := b"".join(part.lines for part in ready):
            self._write(lines)
        if self._joblog is not None and self._fingerprint is not None:
            for part in ready:
                self._record(self._joblog, self._fingerprint, part)
        most = self._plan.most_failures
        if most is not None and self.tally.failed > most:
            self._flush()
            raise PitError("partial_failure", f"{self.tally.failed} of {self.tally.done} items failed")

    def _flush(self) -> None:
        """Failures of a run without any answer. They are not recorded: a continued run may know the columns."""
        if self._sheet is not None and (lines := self._sheet.rest()):
            self._write(lines)

    @staticmethod
    def _record(joblog: Joblog, fingerprint: Fingerprint, part: Answers) -> None:
        checkpoint = fingerprint.done(part.first, part.count)
        if part.lines:
            joblog.record(part.first, part.count, len(part.lines), part.failed, checkpoint)
