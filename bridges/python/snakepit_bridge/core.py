"""The original's simple kind of adapter: a handler with functions by name, and a script that runs it.

    class Shouter(BaseCommandHandler):
        def _register_commands(self):
            self.register_command("shout", self.handle_shout)

        def handle_shout(self, args):
            return {"result": args["text"].upper()}

    if __name__ == "__main__":
        ProtocolHandler(Shouter()).run()

A pool takes it as an adapter (`snakepit up --adapter shouter.py`), or as a program (`--adapter 'exec-json:python
shouter.py'`).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import time
from types import FrameType
from typing import Any, Callable

__all__ = ["BaseCommandHandler", "ProtocolHandler", "setup_broken_pipe_suppression", "setup_graceful_shutdown"]

Handler = Callable[[dict[str, Any]], Any]


class BaseCommandHandler:
    """Functions by name. A subclass registers its own in `_register_commands`."""

    def __init__(self) -> None:
        self.start_time = time.time()
        self.request_count = 0
        self._command_registry: dict[str, Handler] = {}
        self._register_commands()

    def _register_commands(self) -> None:
        """Calls `register_command` for each command."""
        raise NotImplementedError(f"{type(self).__name__} registers no commands: write its _register_commands()")

    def register_command(self, name: str, handler: Handler) -> None:
        """`handler` gets the arguments as a dict; what it returns is the answer. A generator streams."""
        self._command_registry[name] = handler

    def get_supported_commands(self) -> list[str]:
        return list(self._command_registry)

    def process_command(self, command: str, args: dict[str, Any]) -> Any:
        """The answer of a command; one with the status `error` when there is no such command."""
        self.request_count += 1
        handler = self._command_registry.get(command)
        if handler is None:
            return {
                "status": "error",
                "error": f"Unknown command: {command}",
                "supported_commands": self.get_supported_commands(),
                "timestamp": time.time(),
            }
        return handler(args)


class ProtocolHandler:
    """Runs a handler as a worker, in whichever way snakepit has started this program."""

    def __init__(self, command_handler: BaseCommandHandler, protocol: str = "auto", quiet: bool = False) -> None:
        """`protocol` and `quiet` are accepted for old scripts, and mean nothing here."""
        self.command_handler = command_handler
        self.protocol = protocol
        self.quiet = quiet
        self._stop = False

    def run(self) -> None:
        """Serves until the pool ends. A worker that dials in ends the process; one that reads lines returns."""
        from snakepit_bridge.__main__ import REQUIRED, worker

        if all(name in os.environ for name in REQUIRED):
            from snakepit_bridge.hosts.handlers import hosted

            handler = self.command_handler
            sys.exit(worker({"adapter": type(handler).__name__}, hosted(type(handler), handler)))
        if sys.stdin.isatty():
            file = os.path.basename(sys.argv[0])
            print(f"{file} is a worker: snakepit starts it, with `snakepit up --adapter {file}`", file=sys.stderr)
            sys.exit(2)
        from snakepit_bridge.lines import serve

        serve(self.command_handler, lambda: self._stop)

    def request_shutdown(self) -> None:
        """The request that runs is finished, no further one is begun."""
        self._stop = True


def setup_graceful_shutdown(protocol_handler: ProtocolHandler) -> None:
    """SIGTERM and SIGINT end the program when the request that runs is finished.

    A worker that dials in has rules of its own for these, which take their place.
    """

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        protocol_handler.request_shutdown()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def setup_broken_pipe_suppression() -> None:
    """A reader that has gone away is no reason for a traceback at the end."""

    def at_exit() -> None:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (BrokenPipeError, ValueError):  # noqa: PERF203 - there are two
                # Else the interpreter tries again, and complains.
                with contextlib.suppress(OSError, ValueError):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

    atexit.register(at_exit)
