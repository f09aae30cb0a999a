"""Workers that the warden has not spawned: a client starts one, and it attaches with a token from the server."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.launch.plan import Launch, Spec
from snakepit_cli.server.calls.nested_calls import Host
from snakepit_cli.server.coalescer import Coalescer
from snakepit_cli.server.pools.pool import Pool
from snakepit_cli.server.workers.worker import Survivor, Survivors
from snakepit_cli.wire import worker_pb2 as pb

_NO_PROGRAM = Launch(argv=(), template=None, why_cold=None, env={}, template_env={}, key="", go={})
_NOT_WANTED = {"reason": "is not wanted any more", "log": []}


class _NoWarden:
    """Starts no process, and ends none: to end a worker, it closes its stream."""

    def __init__(self) -> None:
        self.guest: Guest

    def send(self, op: str, **fields: Any) -> None:
        loop = asyncio.get_running_loop()
        if op == "spawn":  # in the place of the guest, which is gone
            for worker in fields["tokens"]:
                loop.call_soon(self.guest.pool.exited, worker, _NOT_WANTED)
        elif op in {"stop", "kill"}:
            loop.call_soon(self.guest.turn_out, fields["worker"])


class Guest:
    """A worker by itself. It is a pool of one, so that its calls wait, end and are cancelled like all others."""

    def __init__(self, name: str, spec: Spec, coalescer: Coalescer, host: Host) -> None:
        warden = _NoWarden()
        warden.guest = self
        self.worker = f"{name}-1"
        self.token = secrets.token_hex(16)
        self.hello: asyncio.Future[pb.Hello] = asyncio.get_running_loop().create_future()
        """Raises PitError when it cannot get ready."""
        self.over = asyncio.Event()
        """It is gone."""
        self.reason = ""
        """Why."""
        survivor = Survivor(self.worker, self.token, None, 0, time.monotonic())
        self.pool = Pool(
            spec, _NO_PROGRAM, warden, coalescer, self._changed, host,  # type: ignore[arg-type]
            Survivors([survivor], 2, "exec", None),
        )  # fmt: skip

    def greeted(self, hello: pb.Hello) -> None:
        """It is attached."""
        if not self.hello.done():
            self.hello.set_result(hello)

    def turn_out(self, worker: str) -> None:
        """Ends its stream. It exits by itself."""
        known = self.pool.workers.get(worker)
        if known is not None and known.link is not None:
            known.drain()
            known.link.close()
        self.pool.exited(worker, {"reason": "has gone", "log": []})
        self.leave()

    def decline(self) -> None:
        """The client does not wait for its hello any more."""
        if not self.hello.done():
            self.hello.set_exception(PitError("unavailable", "the client does not wait for it any more"))
            self.hello.exception()  # looked at, so that asyncio does not complain

    def leave(self, reason: str = "the worker has gone") -> None:
        """No further calls; those that run fail because it is gone."""
        if not self.over.is_set():
            self.reason = reason
            self.over.set()
            self.turn_out(self.worker)
            self.pool.drain(0.0)

    def _changed(self, pool: Pool) -> None:
        reason = pool.snapshot()["reason"]
        if reason is not None and not self.hello.done():
            self.hello.set_exception(PitError.from_dict(reason))
        if self.worker not in pool.workers or pool.drained.is_set():
            if not self.hello.done():
                self.hello.set_exception(PitError("worker_crashed", "it has gone before it was ready"))
            asyncio.get_running_loop().call_soon(self.leave)


def describe(name: str, adapter: str, limits: dict[str, float]) -> Spec:
    return Spec(name=name, adapter=adapter, size=1, cwd="/", env={}, limits=limits)
