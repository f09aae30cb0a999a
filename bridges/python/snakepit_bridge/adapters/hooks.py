"""Another program behind a Python class: the class says how it is started, and looks at what goes in and comes out.

The class has the methods of `Hooks`, deriving from it or not. The program reads requests on its standard input and
writes answers on its standard output, one JSON object a line (docs/reference/stdio-protocol.md, the *json* dialect;
answers with `success` are understood, too). Whatever a hook raises, and however long it takes, concerns only the call
that it was for.
"""

# ruff: noqa: ARG002 - hooks that are left out look at nothing

from __future__ import annotations

import itertools
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from typing import Any

from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.adapters.base import COMMAND_MARK, BaseAdapter
from snakepit_bridge.failures import Refusal, failure

__all__ = ["Hooks", "hosted"]

_READ = 1 << 16
_LAST_SECONDS = 1.0


class Hooks:
    """What an adapter of this kind is asked. Only the first and `supported_commands` must be there."""

    def executable_path(self) -> str:
        """The program: on PATH, or a path."""
        raise NotImplementedError

    def supported_commands(self) -> list[str]:
        """Names of what can be called; asked once."""
        raise NotImplementedError

    def script_path(self) -> str | None:
        """The program's first argument, if it is an interpreter."""
        return None

    def script_args(self) -> list[str]:
        """The arguments after that."""
        return []

    def validate_command(self, command: str, args: dict[str, Any]) -> Any:
        """What is wrong with a call, as text; nothing, None or True when it is in order. It may raise, too."""

    def prepare_args(self, command: str, args: dict[str, Any]) -> dict[str, Any]:
        """The arguments that the program gets."""
        return args

    def process_response(self, command: str, response: Any) -> Any:
        """What the caller gets for what the program said."""
        return response

    def command_timeout(self, command: str, args: dict[str, Any]) -> float | None:
        """Seconds that the program is given; None for as long as the caller waits."""
        return None


def hosted(cls: type) -> type[BaseAdapter]:
    """An adapter that does what the hooks say."""
    # Hooks that are left out do as those of the base class do.
    hooks = cls() if issubclass(cls, Hooks) else type(cls.__name__, (cls, Hooks), {})()
    methods: dict[str, Any] = {"hooks": hooks}
    for name in hooks.supported_commands():
        methods[f"run {name}"] = _command(name)
    return type(cls.__name__, (Hosted,), methods)


def _command(name: str) -> Any:
    def run(self: Hosted, **args: Any) -> Any:
        return self.perform(name, args)

    setattr(run, COMMAND_MARK, name)
    return run


class Hosted(BaseAdapter):
    """One program, started with the first call and again when it was lost."""

    hooks: Hooks
    _program: Program | None = None

    def perform(self, command: str, args: dict[str, Any]) -> Any:
        hooks = self.hooks
        wrong = hooks.validate_command(command, args)
        if wrong is not None and wrong is not True:
            text = wrong if isinstance(wrong, str) else f"`{command}` does not take these arguments"
            raise Refusal(failure(pb.Failure.Kind.INVALID_ARGUMENTS, text))
        prepared = hooks.prepare_args(command, args)
        seconds = hooks.command_timeout(command, args)
        if self._program is not None and self._program.ended:
            self.cleanup()
        if self._program is None:
            self._program = Program(hooks)
        chunks = self._program.ask(command, prepared, seconds)
        for first in chunks:
            return (hooks.process_response(command, one) for one in itertools.chain([first], chunks))
        return hooks.process_response(command, self._program.result)

    def cleanup(self) -> None:
        if self._program is not None:
            self._program.close()
            self._program = None


class Program:
    """A process that is spoken to by lines."""

    def __init__(self, hooks: Hooks) -> None:
        script = hooks.script_path()
        argv = [hooks.executable_path(), *([] if script is None else [script]), *hooks.script_args()]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._sink: Any = self._process.stdin
        self._source: Any = self._process.stdout
        self._buffer = b""
        self._next = 0
        self._killed = False
        self.result: Any = None

    @property
    def ended(self) -> bool:
        # One that has been killed may go on for a moment.
        return self._killed or self._process.poll() is not None

    def ask(self, command: str, args: dict[str, Any], seconds: float | None) -> Iterator[Any]:
        """Chunks; at the end `result` is there. Raises what the program says, or TimeoutError."""
        self._next += 1
        number, deadline = self._next, None if seconds is None else time.monotonic() + seconds
        try:
            self._sink.write(json.dumps({"id": number, "command": command, "args": args}).encode() + b"\n")
            while True:
                said = self._hear(number, command, deadline)
                if "chunk" in said:
                    yield said["chunk"]
                    continue
                if said.get("error") is not None or said.get("success") is False:
                    raise _error(said.get("error"))
                self.result = said.get("result")
                return
        except BaseException as error:
            if not getattr(error, "of_program", False):
                self._process.kill()  # what it would say next belongs to a call that is over
                self._killed = True
            raise

    def _hear(self, number: int, command: str, deadline: float | None) -> dict[str, Any]:
        while True:
            line, found, rest = self._buffer.partition(b"\n")
            if found:
                self._buffer = rest
                said = json.loads(line)
                if said.get("id") == number:
                    return dict(said)
                continue
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._source], [], [], left)[0]:
                raise TimeoutError(f"the program has not answered `{command}` in time")
            data = os.read(self._source.fileno(), _READ)
            if not data:
                raise ChildProcessError(f"the program has ended with status {self._process.wait()}")
            self._buffer += data

    def close(self) -> None:
        self._sink.close()
        try:
            self._process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._source.close()


def _error(said: Any) -> Exception:
    """What the program says, under the name that it gives it."""
    facts = said if isinstance(said, dict) else {"message": str(said)}
    name = str(facts.get("type") or "ProgramError")
    error: Exception = type(name, (Exception,), {"of_program": True})(str(facts.get("message", "")))
    return error
