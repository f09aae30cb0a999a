"""Offers the functions of a file as tools of a session: a worker that is a child of this process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.reference import DIALECTS, absolute
from snakepit_cli.client.api import Connection
from snakepit_cli.launch.plan import Spec, make

_MOMENT = 0.5
_LAST_SECONDS = 5.0
"""For the worker to exit by itself."""

Json = dict[str, Any]


def serve(connection: Connection, adapter: str, session: str, told: Callable[[list[Json]], None]) -> str:
    """Why it has ended. `told` gets the tools when they can be called. Raises PitError, KeyboardInterrupt.

    The worker ends when this process ends, however it ends.
    """
    if adapter.startswith(tuple(DIALECTS)):
        raise PitError("usage", "a program that talks by lines cannot serve tools", hint="name a file with functions")
    cwd = os.getcwd()
    spec = Spec("tools", absolute(adapter, cwd), 1, cwd, dict(os.environ), {}, python=sys.executable)
    make(spec, "", "")  # an adapter that cannot be started fails before the server is asked
    answers = connection.follow(json.dumps({"op": "tool_serve", "session": session, "adapter": adapter}).encode())
    served = False
    with _Worker(connection.sock) as worker:
        try:
            for body in answers:
                said = json.loads(body)
                if "token" in said:
                    worker.start(spec, said)
                else:
                    told(said["tools"])
                    served = True
        except PitError as error:
            if (status := worker.ended_with) is None or error.kind != "server_restarted":
                error.detail.pop("traceback", None)  # the worker has written it
                raise
            hint = "see what it has written above"
            if served:
                raise PitError("tool_unavailable", f"the worker {_how(status)}", hint=hint) from None
            raise PitError("adapter_failed", f"the worker {_how(status)} before it was ready", hint=hint) from None
        if status := worker.last_words():
            raise PitError("tool_unavailable", f"the worker {_how(status)}", hint="see what it has written above")
        return str((answers.result or {}).get("reason", "the server has ended it"))


def _how(status: int) -> str:
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"


class _Worker:
    """It reads its token from a pipe, and ends when its lifeline is closed."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline = -1
        self.ended_with: int | None = None

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_words(self) -> int | None:
        """The exit code of a worker that has ended, or is about to; None when it goes on."""
        try:
            return None if self._process is None else self._process.wait(_MOMENT)
        except subprocess.TimeoutExpired:
            return None

    def start(self, spec: Spec, way: Json) -> None:
        """Raises PitError."""
        launch = make(spec, "", way["gateway"])
        token_read, token_write = os.pipe()
        lifeline_read, self._lifeline = os.pipe()
        os.write(token_write, str(way["token"]).encode())
        os.close(token_write)
        env = {
            **launch.env, "SNAKEPIT_WORKER_ID": str(way["worker"]), "SNAKEPIT_TOKEN_FD": str(token_read),
            "SNAKEPIT_LIFELINE_FD": str(lifeline_read),
        }  # fmt: skip
        argv = [part.replace("{worker}", str(way["worker"])) for part in launch.argv]
        try:
            self._process = subprocess.Popen(
                argv, env=env, stdin=subprocess.DEVNULL, stdout=sys.stderr, pass_fds=(token_read, lifeline_read)
            )
        except OSError as error:
            raise PitError("runtime_not_executable", f"{argv[0]}: {error.strerror}") from None
        finally:
            os.close(token_read)
            os.close(lifeline_read)
        threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Ends the query when the worker has died: the server would wait for its hello.

        Only the sending side is closed. When the server has refused the worker, its reason is still read.
        """
        self.ended_with = process.wait()
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it is closed already
