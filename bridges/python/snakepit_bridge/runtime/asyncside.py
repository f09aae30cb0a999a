"""Runs async handlers on an event loop in a thread of its own.

Two ways in: the main thread runs one coroutine and waits for it (adapters with plain commands too: one call at a
time), or, when every command is async, the reading thread hands over calls directly and up to `capacity` of them
run at once.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping
from time import monotonic
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Callable, cast

from snakepit_bridge import arguments
from snakepit_bridge.arguments import Bound
from snakepit_bridge.context import CallCancelled
from snakepit_bridge.failures import Refusal
from snakepit_bridge.runtime import answers
from snakepit_bridge.runtime.batches import Portion, portions
from snakepit_bridge.runtime.calls import Answer, Call, CallTable
from snakepit_bridge.runtime.chunks import chunk_encoder, chunk_sender
from snakepit_bridge.runtime.collected import Collected, whole_answer
from snakepit_bridge.runtime.forks import leave_if_forked
from snakepit_bridge.runtime.items import Items
from snakepit_bridge.runtime.report import Report
from snakepit_bridge.runtime.standby_reader import MOMENT
from snakepit_bridge.runtime.stream_chunks import stepwise, unwrapped

__all__ = ["AsyncSide"]


_Thread = threading.Thread  # an adapter may patch it


class Raised(Exception):  # noqa: N818 - a parcel, not an error
    """Carries SystemExit and the like past asyncio, which would end the loop for them."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class AsyncSide:
    """The loop thread."""

    def __init__(self, commands: Mapping[str, Bound], table: CallTable, limit: Callable[[], int]) -> None:
        self._commands = commands
        self._table = table
        self._limit = limit
        self._waiting: deque[Call] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._hooks: set[asyncio.Task[None]] = set()
        self._capacity = 1
        self._when_idle: list[Callable[[], None]] = []
        self.loop = asyncio.new_event_loop()
        _Thread(target=self._run_loop, name="snakepit-loop", daemon=True).start()

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            leave_if_forked()

    def abandon(self) -> None:
        """In a child that a handler has forked: the tasks are the worker's, the child ends with its own step."""
        self.loop.stop()
        ready = getattr(self.loop, "_ready", None)
        if ready is not None:
            ready.clear()

    # ---------------------------------------------------------------------------------- main thread

    def wait(self, awaitable: Any, call: Call | None = None) -> Any:
        """Runs an awaitable to its end; raises what it raises."""
        leave_if_forked()  # the thread of the loop was left behind
        done: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

        def start() -> None:
            task = self.loop.create_task(_shielded(awaitable))
            if call is not None:
                call.stop = lambda: self._soon(task.cancel)
                if call.cancelled:
                    task.cancel()
            task.add_done_callback(finished)

        def finished(task: asyncio.Task[Any]) -> None:
            if isinstance(awaitable, Coroutine):
                awaitable.close()  # silences the warning when it was cancelled before its first step
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            done.put((None if error else task.result(), error.error if isinstance(error, Raised) else error))

        self.loop.call_soon_threadsafe(start)
        value, error = done.get()
        if error is not None:
            raise error
        return value

    def run(self, call: Call, value: Any) -> Any:
        """The answer of a call whose handler turned out to be async."""
        if isinstance(value, AsyncGeneratorType):
            return self.wait(self._stream(call, value), call)
        result = self.wait(value, call)
        return self.wait(self._settle(call, result), call)

    # ----------------------------------------------------------------------------- the reading thread

    def serve(self, capacity: int) -> None:
        """Accepts calls from now on; at most this many run at once."""
        self._capacity = capacity

    def submit(self, call: Call) -> None:
        self.loop.call_soon_threadsafe(self._arrived, call)

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Calls back, in the loop, when nothing runs and nothing waits."""

        def note() -> None:
            self._when_idle.append(callback)
            self._start_waiting()

        self.loop.call_soon_threadsafe(note)

    def soon(self, hook: Callable[[], Any], name: str) -> None:
        """Runs a hook of the adapter in the loop, plain or async. What it raises is logged."""

        async def run() -> None:
            try:
                result = hook()
                if hasattr(type(result), "__await__"):
                    await result
                leave_if_forked()
            except BaseException as error:  # noqa: BLE001 - it concerns no call
                leave_if_forked(error)
                print(f"snakepit_bridge: {name} raised {type(error).__name__}: {error}", file=sys.stderr, flush=True)

        def start() -> None:
            task = self.loop.create_task(run())
            self._hooks.add(task)
            task.add_done_callback(self._hooks.discard)

        self._soon(start)

    # ---------------------------------------------------------------------------------- in the loop

    def _arrived(self, call: Call) -> None:
        self._waiting.append(call)
        self._start_waiting()

    def _start_waiting(self) -> None:
        while self._waiting and len(self._tasks) < self._capacity:
            call = self._waiting.popleft()
            if self._table.start(call):
                self._start(call)
        if not self._tasks and not self._waiting:
            for callback in self._when_idle:
                callback()
            self._when_idle.clear()

    def _start(self, call: Call) -> None:
        task = self.loop.create_task(self._serve(call))
        self._tasks.add(task)
        # A task that is cancelled before its first step never runs at all: `_serve` shields the handler instead.
        call.stop = lambda: self._soon(task.cancel)

        def finished(_task: asyncio.Task[None]) -> None:
            if _task.cancelled():
                call.fail_cancelled()
            self._tasks.discard(task)
            self._table.finish(call)
            self._start_waiting()

        task.add_done_callback(finished)

    async def _serve(self, call: Call) -> None:
        try:
            if call.cancelled:
                raise CallCancelled
            value = await self._outcome(call)
            leave_if_forked()
        except Refusal as refusal:
            call.fail(refusal.failure)
        except BaseException as error:  # noqa: BLE001 - one call must not end the worker
            leave_if_forked(error)
            if call.cancelled and isinstance(error, (asyncio.CancelledError, CallCancelled)):
                call.fail_cancelled()
            else:
                call.fail(answers.handler_failed(error))
        else:
            call.succeed(value)

    async def _outcome(self, call: Call) -> Answer:
        bound = call.bound(self._commands)
        args = arguments.parse(call.args, bound)
        block = call.block
        if block is not None:
            await self._run_block(call, bound, portions(block, Items(block, args), bound), careful=block.careful)
            return b"null"
        return await self._one(call, bound, args)

    async def _run_block(self, call: Call, bound: Bound, todo: Iterable[Portion], *, careful: bool) -> None:
        """As BlockRun; other calls go on between two items and whenever a handler waits."""
        report = Report(call, careful=careful)
        for portion in todo:
            if monotonic() >= report.due:
                report.send()
                await asyncio.sleep(0)
                if report.room <= 0:
                    report.room = await self._wait_for_room(call, report.room)
            try:
                args = portion.arguments()
                if bound.wants_context:
                    call.renew()
                data = await self._one(call, bound, args)
                leave_if_forked()
                portion.answered(report, cast("bytes", data))
            except BaseException as error:  # noqa: BLE001 - one item must not end the block
                leave_if_forked(error)
                if call.cancelled and not isinstance(error, Refusal):
                    raise CallCancelled from None
                portion.failed(report, error)
        report.send(last=True)

    async def _one(self, call: Call, bound: Bound, args: dict[str, Any]) -> Answer:
        bound.check(args)
        value = bound(args, call.context() if bound.wants_context else None)
        if isinstance(value, AsyncGeneratorType):
            return await self._stream(call, value)
        if hasattr(type(value), "__await__"):
            value = await value
        return await self._settle(call, value)

    async def _settle(self, call: Call, value: Any) -> Answer:
        if isinstance(value, GeneratorType):
            value = stepwise(value)
        if isinstance(value, AsyncGeneratorType):
            return await self._stream(call, value)
        if not call.streams and (call.takes_parts or call.segments is not None):
            return whole_answer(call, value, self._limit())
        if not call.streams:
            return answers.encode(value, call.command, self._limit(), nan_is_null=call.nan_is_null)
        data = chunk_encoder(call)(value, call.command, self._limit())
        call.outbox.open_stream(call)
        chunk_sender(call)(data)
        return b"null"

    async def _stream(self, call: Call, chunks: AsyncGenerator[Any, None]) -> Answer:
        if not call.streams:
            return await self._collect(call, chunks)
        limit, outbox, room, due = self._limit(), call.outbox, call.room, 0.0
        encode, send = chunk_encoder(call), chunk_sender(call)
        outbox.open_stream(call)
        try:
            room = await self._wait_for_room(call, room)
            async for chunk in chunks:
                data = encode(unwrapped(chunk), call.command, limit)
                send(data)
                if monotonic() >= due:
                    outbox.wake()
                    due = monotonic() + MOMENT
                else:
                    outbox.later()
                room -= len(data) + 1
                if room <= 0:
                    outbox.wake()
                    room = await self._wait_for_room(call, room)
                if call.cancelled:
                    raise CallCancelled
        finally:
            await chunks.aclose()
        return b"null"

    async def _collect(self, call: Call, chunks: AsyncGenerator[Any, None]) -> Answer:
        collected = Collected(call, self._limit())
        try:
            async for chunk in chunks:
                collected.add(chunk)
        finally:
            await chunks.aclose()
        return collected.answer()

    async def _wait_for_room(self, call: Call, room: int) -> int:
        granted = asyncio.Event()
        call.notify = lambda: self._soon(granted.set)
        try:
            while room <= 0:
                granted.clear()
                if call.cancelled:
                    raise CallCancelled
                try:
                    room += call.credits.get_nowait()
                except queue.Empty:
                    await granted.wait()
        finally:
            call.notify = None
        return room

    def _soon(self, callback: Callable[[], Any]) -> None:
        self.loop.call_soon_threadsafe(callback)


async def _shielded(awaitable: Any) -> Any:
    try:
        value = await awaitable
    except (SystemExit, KeyboardInterrupt, CallCancelled) as error:
        leave_if_forked(error)
        raise Raised(error) from None
    except Exception as error:
        leave_if_forked(error)
        raise
    leave_if_forked()
    return value
