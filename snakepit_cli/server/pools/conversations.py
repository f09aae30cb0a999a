"""Conversations with programs that talk by lines, over their standard input and output."""

from __future__ import annotations

import asyncio
from typing import Protocol

from snakepit_cli.base.pipe_pair import Ends
from snakepit_cli.server.workers.pipes import converse
from snakepit_cli.server.workers.stdio import Filter, ProgramCallbacks
from snakepit_cli.server.workers.stdio_json import Program
from snakepit_cli.server.workers.worker import Worker
from snakepit_cli.server.workers.worker_link import Link
from snakepit_cli.wire import worker_pb2 as pb


class Pool(Protocol):
    """The pool of the programs."""

    def attached(self, worker: Worker, hello: pb.Hello, link: Link) -> None: ...
    def heard(self, worker: Worker, message: pb.FromWorker) -> None: ...
    def broken(self, worker: Worker, why: str) -> None: ...
    def hung_up(self, worker: Worker) -> None: ...


class Conversations:
    def __init__(self, pool: Pool, longest: int) -> None:
        """`longest`: bytes of a line."""
        self._pool = pool
        self._longest = longest
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, worker: Worker, ends: Ends, dialect: str | None) -> None:
        """`ends`: the other ends of the program's pipes, which belong to the conversation from now on."""
        task = asyncio.get_running_loop().create_task(self._converse(worker, ends, dialect))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, worker: Worker, ends: Ends, dialect: str | None) -> None:
        pool = self._pool
        callbacks = ProgramCallbacks(
            lambda hello: pool.attached(worker, hello, talker),
            lambda message: pool.heard(worker, message),
            lambda why: pool.broken(worker, why),
            lambda: pool.hung_up(worker),
            self._longest,
        )
        talker = Program(callbacks) if dialect == "json" else Filter(callbacks)
        await converse(talker, ends)
