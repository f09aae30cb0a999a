"""A worker that reads requests and writes replies as lines of JSON: docs/reference/stdio-protocol.md, `exec-json:`."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from types import GeneratorType
from typing import Any, Callable, Protocol

from snakepit_bridge import jsonio
from snakepit_bridge.failures import describe_error, format_trimmed
from snakepit_bridge.runtime.stream_chunks import unwrapped

__all__ = ["serve"]

_LOOK = 0.2
"""Seconds after which a request to stop is noticed while nothing comes."""
_READ = 1 << 16


class Handler(Protocol):
    """core.BaseCommandHandler"""

    def get_supported_commands(self) -> list[str]: ...
    def process_command(self, command: str, args: dict[str, Any]) -> Any: ...


def serve(handler: Handler, stopped: Callable[[], bool]) -> None:
    """Until the input ends, or `stopped` says so. What handlers print goes to the log."""
    sys.stdout.flush()
    out = os.dup(1)
    os.dup2(2, 1)
    _write(out, {"hello": {"language": "python", "commands": handler.get_supported_commands()}})
    for line in _requests(sys.stdin.fileno(), stopped):
        request = jsonio.loads(line)
        if isinstance(request, dict) and "command" in request:
            _answer(handler, out, request)


def _requests(source: int, stopped: Callable[[], bool]) -> Iterator[bytes]:
    waiting = b""
    while not stopped():
        line, found, rest = waiting.partition(b"\n")
        if found:
            waiting = rest
            yield line
        elif select.select([source], [], [], _LOOK)[0]:
            data = os.read(source, _READ)
            if not data:
                return
            waiting += data


def _answer(handler: Handler, out: int, request: dict[str, Any]) -> None:
    number = request["id"]
    try:
        result = handler.process_command(request["command"], request.get("args") or {})
        if isinstance(result, GeneratorType):
            chunks = map(unwrapped, result)
            if request.get("stream"):
                for chunk in chunks:
                    _write(out, {"id": number, "chunk": chunk})
                result = None
            else:
                result = list(chunks)
        _write(out, {"id": number, "result": result})
    except Exception as error:  # noqa: BLE001 - one request must not end the worker
        facts = {"message": describe_error(error), "type": type(error).__name__, "traceback": format_trimmed(error)}
        _write(out, {"id": number, "error": facts})


def _write(out: int, what: dict[str, Any]) -> None:
    data = memoryview(jsonio.dumps(what) + b"\n")
    while data:
        data = data[os.write(out, data) :]
