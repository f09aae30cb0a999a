"""Runs calls one after another in the main thread."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from time import monotonic
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Callable

from snakepit_bridge import arguments
from snakepit_bridge.arguments import Bound
from snakepit_bridge.context import CallCancelled
from snakepit_bridge.failures import Refusal
from snakepit_bridge.runtime import answers
from snakepit_bridge.runtime.asyncside import AsyncSide
from snakepit_bridge.runtime.batches import BatchRun
from snakepit_bridge.runtime.blocks import BlockRun
from snakepit_bridge.runtime.calls import Answer, Call, CallTable, wait_for_room
from snakepit_bridge.runtime.chunks import chunk_encoder, chunk_sender
from snakepit_bridge.runtime.collected import Collected, whole_answer
from snakepit_bridge.runtime.forks import leave_if_forked
from snakepit_bridge.runtime.interrupts import Interrupts
from snakepit_bridge.runtime.standby_reader import MOMENT
from snakepit_bridge.runtime.stream_chunks import PLAIN, unwrapped

__all__ = ["Runner"]


class Runner:
    """The main thread's way with a call: check it, run it, answer it exactly once."""

    def __init__(self, commands: Mapping[str, Bound], table: CallTable, limit: Callable[[], int]) -> None:
        self._commands = commands
        self._table = table
        self._limit = limit
        self.interrupts = Interrupts()
        self._async: AsyncSide | None = None

    def use_async(self, side: AsyncSide) -> None:
        """Handlers that turn out to be async run there."""
        self._async = side

    def serve(self, call: Call) -> None:
        if not self._table.start(call):
            return
        try:
            call.stop = self.interrupts.poke
            value = self._outcome(call)
            leave_if_forked()
        except Refusal as refusal:
            call.fail(refusal.failure)
        except CallCancelled as error:
            leave_if_forked()
            if call.cancelled:
                call.fail_cancelled()
            else:
                call.fail(answers.handler_failed(error))
        except BaseException as error:  # noqa: BLE001 - SystemExit too: one call must not end the worker
            leave_if_forked(error)
            if call.cancelled and _is_cancellation(error):
                call.fail_cancelled()
            else:
                call.fail(answers.handler_failed(error))
        else:
            call.succeed(value, later=self._table.more)
        finally:
            self._table.finish(call)

    def _outcome(self, call: Call) -> Answer:
        bound = call.bound(self._commands)
        args = arguments.parse(call.args, bound)
        block = call.block
        if block is not None:
            (BatchRun if block.batch else BlockRun)(call, block, args, bound, self).run()
            return b"null"
        return self.one(call, bound, args)

    def one(self, call: Call, bound: Bound, args: dict[str, Any]) -> Answer:
        """The answer to these arguments."""
        bound.check(args)
        return self.settle(call, self._invoke(call, bound, args))

    def settle(self, call: Call, value: Any) -> Answer:
        """The answer that a handler's value is."""
        kind = type(value)
        if kind is GeneratorType:
            return self._stream(call, value) if call.streams else self._collect(call, value)
        if kind is CoroutineType or kind is AsyncGeneratorType or hasattr(kind, "__await__"):
            answer: Answer = self._async_side().run(call, value)
            return answer
        if not call.streams and (call.takes_parts or call.segments is not None):
            return whole_answer(call, value, self._limit())
        if not call.streams:
            return answers.encode(value, call.command, self._limit(), nan_is_null=call.nan_is_null)
        data = chunk_encoder(call)(value, call.command, self._limit())
        call.outbox.open_stream(call)
        chunk_sender(call)(data)
        return b"null"

    def _async_side(self) -> AsyncSide:
        if self._async is None:
            self._async = AsyncSide(self._commands, self._table, self._limit)
        return self._async

    def _invoke(self, call: Call, bound: Bound, args: dict[str, Any]) -> Any:
        context = call.context() if bound.wants_context else None
        interrupts = self.interrupts
        try:
            interrupts.armed = call
            if call.cancelled:
                raise CallCancelled
            return bound(args, context)
        finally:
            interrupts.armed = None

    def _stream(self, call: Call, chunks: Generator[Any, None, Any]) -> Answer:
        """Sends the chunks as they come: the first at once, those that follow within a moment together.

        This is the hot loop: about a microsecond a chunk.
        """
        interrupts, outbox, command, clock = self.interrupts, call.outbox, call.command, monotonic
        encode, limit, send = chunk_encoder(call), self._limit(), chunk_sender(call)
        step, room, due = chunks.__next__, call.room, 0.0
        outbox.open_stream(call)
        try:
            room = wait_for_room(call, room)
            while True:
                interrupts.armed = call
                if call.cancelled:
                    raise CallCancelled
                chunk = step()
                interrupts.armed = None
                if type(chunk) not in PLAIN:
                    chunk = unwrapped(chunk)
                data = encode(chunk, command, limit)
                room -= len(data) + 1
                send(data)
                if clock() >= due:
                    outbox.wake()
                    due = clock() + MOMENT
                else:
                    outbox.later()
                if room <= 0:
                    outbox.wake()
                    room = wait_for_room(call, room)
        except StopIteration as stop:
            value = stop.value
        finally:
            interrupts.armed = None
            _close(chunks)
        return answers.encode(value, command, limit, nan_is_null=call.nan_is_null)

    def _collect(self, call: Call, chunks: Generator[Any, None, Any]) -> Answer:
        """All chunks as one JSON array, for a caller that did not ask for a stream."""
        interrupts, collected = self.interrupts, Collected(call, self._limit())
        try:
            while True:
                interrupts.armed = call
                if call.cancelled:
                    raise CallCancelled
                chunk = next(chunks)
                interrupts.armed = None
                collected.add(chunk)
        except StopIteration:
            pass
        finally:
            interrupts.armed = None
            _close(chunks)
        return collected.answer()


def _close(chunks: Generator[Any, None, Any]) -> None:
    """Runs the generator's `finally` blocks when it has been left early."""
    try:
        chunks.close()
    except BaseException as error:  # noqa: BLE001 - the call's outcome is decided already
        print(f"closing the stream: {type(error).__name__}: {error}")


def _is_cancellation(error: BaseException) -> bool:
    return type(error).__name__ == "CancelledError" or isinstance(error, CallCancelled)
