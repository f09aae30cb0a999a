"""A message to a worker and its answer: our gRPC transport, beside the same stream over grpcio at both ends.

The same protobuf messages, one stream, one worker process that answers at once; no pool, no client.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import uvloop

from benchmarks.installation import ROOT
from benchmarks.instance import Instance
from benchmarks.processes import BenchmarkError
from benchmarks.rows import Peer, Row
from benchmarks.stats import median
from benchmarks.trials import Trials
from snakepit_cli.server.coalescer import Coalescer
from snakepit_cli.server.workers import gateway
from snakepit_cli.wire import worker_pb2 as pb

_WARM_UP = 300
_LOOK_SECONDS = 0.1
_LONGEST = 600.0
_CALL = {"command": "ping", "args": b"{}", "session": "", "timeout": 30.0, "stream": False, "cwd": "/"}
OPTIONS = (("grpc.default_authority", "localhost"), ("grpc.so_reuseport", 0))


def measure(instance: Instance, trials: Trials) -> list[Row]:
    calls = trials.serial_calls * trials.serial_rounds // 2
    ours = uvloop.run(finite(_ours(instance.folder / "ours.sock", calls), _LONGEST))
    theirs = uvloop.run(finite(_theirs(instance.folder / "grpcio.sock", calls), _LONGEST))
    return [Row("message to a worker and back", median(ours) * 1e3, "ms", calls, Peer("grpcio", median(theirs) * 1e3))]


async def finite(work: Awaitable[list[float]], seconds: float) -> list[float]:
    """Raises BenchmarkError when it takes longer: uvloop swallows what a signal handler raises."""
    try:
        return await asyncio.wait_for(work, seconds)
    except TimeoutError:
        raise BenchmarkError(f"the worker did not answer all calls within {seconds:g} s") from None


class _Ours:
    """The host of a gateway with one worker, whose answers it waits for."""

    max_message_bytes = 4 << 20

    def __init__(self) -> None:
        self.coalescer = Coalescer()
        self.link: gateway.WorkerLink | None = None
        self.answered = asyncio.Event()

    def welcome(self, hello: pb.Hello, link: gateway.WorkerLink) -> _Ours:  # noqa: ARG002 — the protocol's
        self.link = link
        self.answered.set()
        return self

    def start_failed(self, report: pb.StartFailure) -> None:
        raise AssertionError(report)

    def heard(self, message: pb.FromWorker) -> None:  # noqa: ARG002 — the protocol's
        self.answered.set()

    def hung_up(self) -> None:
        """The worker has been ended."""


async def _ours(path: Path, calls: int) -> list[float]:
    host = _Ours()
    # uvloop does not end as long as it listens.
    door = await gateway.listen(host, str(path))
    try:
        return await _our_times(host, path, calls)
    finally:
        door.close()


async def _our_times(host: _Ours, path: Path, calls: int) -> list[float]:
    with _Worker("ours", path) as worker:
        await worker.attached(host.answered)
        link = host.link
        assert link is not None

        async def once(number: int) -> None:
            host.answered.clear()
            host.coalescer.held = True
            link.call(number, **_CALL)  # type: ignore[arg-type]
            host.coalescer.flush()
            await host.answered.wait()

        return await _times(once, calls)


async def _theirs(path: Path, calls: int) -> list[float]:
    ready = asyncio.Event()
    stream: list[Any] = []

    async def attach(_: AsyncIterator[bytes], context: Any) -> None:
        await context.read()
        stream.append(context)
        ready.set()
        await asyncio.Event().wait()

    handler = grpc.stream_stream_rpc_method_handler(attach)
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("snakepit.worker.v1.Gateway", {"Attach": handler}),)
    )
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    try:
        return await _their_times(ready, stream, path, calls)
    finally:
        await server.stop(None)


async def _their_times(ready: asyncio.Event, stream: list[Any], path: Path, calls: int) -> list[float]:
    with _Worker("grpcio", path) as worker:
        await worker.attached(ready)

        async def once(number: int) -> None:
            call = pb.Call(id=number, command="ping", args=b"{}", timeout_seconds=30.0, cwd="/")
            await stream[0].write(pb.ToWorker(calls=[call]).SerializeToString())
            pb.FromWorker.FromString(await stream[0].read())

        return await _times(once, calls)


async def _times(once: Callable[[int], Awaitable[None]], calls: int) -> list[float]:
    taken = []
    for number in range(1, calls + _WARM_UP + 1):
        started = time.perf_counter()
        await once(number)
        taken.append(time.perf_counter() - started)
    return taken[_WARM_UP:]


class _Worker:
    """The process at the other end, ended at the end of the block."""

    def __init__(self, kind: str, path: Path) -> None:
        argv = [sys.executable, "-m", "benchmarks.echo_worker", kind, f"unix:{path}"]
        # Where it finds `benchmarks`, which is not installed.
        self._process = subprocess.Popen(argv, cwd=ROOT)

    def __enter__(self) -> _Worker:
        return self

    async def attached(self, event: asyncio.Event) -> None:
        """Waits for the event. Raises BenchmarkError when the process ends before."""
        waiting = asyncio.ensure_future(event.wait())
        while not (await asyncio.wait({waiting}, timeout=_LOOK_SECONDS))[0]:
            if self._process.poll() is not None:
                waiting.cancel()
                raise BenchmarkError(f"the worker ended with status {self._process.returncode} before it attached")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
