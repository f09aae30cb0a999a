# ruff: noqa: ASYNC222 - that is what they do
"""Handlers that fork, each in a way that has been seen in real programs. They return what the worker should answer."""

from __future__ import annotations

import multiprocessing
import os
import pty
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from snakepit_bridge import BaseAdapter, command


class Plain(BaseAdapter):
    @command
    def pid(self) -> int:
        return os.getpid()

    @command
    def split(self, how: str, item: int = 0) -> Any:
        pid = os.fork()
        if pid == 0:
            _end(how)
            return f"child {item}"
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    @command
    def chunks(self) -> Iterator[Any]:
        yield "first"
        pid = os.fork()
        yield "child" if pid == 0 else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    @command
    def terminal(self) -> int:
        return os.waitstatus_to_exitcode(pty.spawn(["no-such-program"]))

    @command
    def terminated(self) -> Any:
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
        child.start()
        child.terminate()
        child.join()
        return child.exitcode

    @command
    def pooled(self) -> Any:
        with multiprocessing.get_context("fork").Pool(2) as pool:
            return pool.map(abs, [-1, -2, -3])

    @command
    def prepared(self) -> Any:
        return subprocess.run(["true"], preexec_fn=lambda: None, check=False).returncode


class Asynchronous(BaseAdapter):
    capacity = 3

    @command
    async def pid(self) -> int:
        return os.getpid()

    @command
    async def split(self, how: str, item: int = 0) -> Any:
        pid = os.fork()
        if pid == 0:
            _end(how)
            return f"child {item}"
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    @command
    async def chunks(self) -> AsyncIterator[Any]:
        yield "first"
        pid = os.fork()
        yield "child" if pid == 0 else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class AtTheStart(Plain):
    def initialize(self) -> None:
        pid = os.fork()
        if pid == 0:
            sys.exit(3)
        os.waitpid(pid, 0)


def _end(how: str) -> None:
    if how == "exit":
        sys.exit(3)
    if how == "raise":
        raise LookupError("in the child")
