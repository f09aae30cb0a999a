"""Requests about one pool: scale, pause, drain, replace workers, explain a call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.ids import pool_of
from snakepit_cli.core.events import Gate
from snakepit_cli.server.calls.call import Trace
from snakepit_cli.server.instance import Instance
from snakepit_cli.wire import ops
from snakepit_cli.wire.fields import Op

_REPLACE_SECONDS = 300.0


async def _scale(instance: Instance, request: ops.Scale) -> Any:
    pool = instance.running(request.pool)
    pool.resize(request.size)
    return await pool.settled(request.timeout or _REPLACE_SECONDS)


async def _admit(instance: Instance, request: ops.Admit) -> Any:
    pool = instance.running(request.pool)
    pool.admit(Gate(request.gate))
    return pool.snapshot()


async def _drain(instance: Instance, request: ops.Drain) -> Any:
    """No new calls from now on; answers when the pool has none any more."""
    pool = instance.running(request.pool)
    pool.admit(Gate.CLOSED)
    try:
        async with asyncio.timeout(request.timeout):
            await pool.quiet.wait()
    except TimeoutError:
        shot = pool.snapshot()
        left = f"{shot['running']} running and {shot['queued']} waiting calls are left of pool {pool.spec.name}"
        raise PitError(
            "worker_timeout", left, hint="it takes no new ones; wait again, or run `snakepit down`"
        ) from None
    return pool.snapshot()


async def _replace(instance: Instance, request: ops.Replace) -> Any:
    """A worker, or all of a pool; answers when the new ones are ready and the old ones gone."""
    worker = request.worker
    pool = instance.running(request.pool or pool_of(worker or ""))
    if worker is not None and worker not in pool.workers:
        raise PitError("pool_not_found", f"no worker {worker!r} is running", hint="list them with `snakepit workers`")
    wanted = [worker] if worker else [one.id for one in pool.workers.values() if one.link is not None]
    pool.replace(wanted, anew=worker is None)
    await pool.replaced(wanted, request.timeout or _REPLACE_SECONDS)
    return {**pool.snapshot(), "replaced": wanted}


async def _explain(instance: Instance, request: ops.Explain) -> Any:
    """One call, or the latest ones."""
    wanted = request.call
    if wanted is None:
        return [_row(instance, trace) for trace in list(instance.traces)[-(request.count or 20) :]]
    found = next((trace for trace in reversed(instance.traces) if wanted in {"last", trace.call}), None)
    if found is None:
        what = (
            "no call has been made yet"
            if wanted == "last"
            else f"no call {wanted} among the latest {len(instance.traces)}"
        )
        raise PitError("usage", what, hint="list them with `snakepit explain --recent`")
    return [_row(instance, found)]


def _row(instance: Instance, trace: Trace) -> dict[str, Any]:
    """Seconds of each part; they add up to `total`."""
    now = time.monotonic()
    pool = instance.pools.get(trace.pool)
    ready = pool.served_since if pool is not None else 0.0
    end = trace.settled or now
    seated = trace.dispatched or end
    start = min(max(0.0, ready - trace.submitted), seated - trace.submitted) if ready else seated - trace.submitted
    under_way = end - seated
    ran = under_way if trace.ran is None else min(under_way, trace.ran)
    return {
        "call": trace.call, "command": trace.command, "pool": trace.pool, "worker": trace.worker,
        "state": ("done" if trace.settled else "running" if trace.dispatched else "queued"),
        "outcome": trace.outcome if trace.settled else None,
        "total": end - trace.submitted, "start": start, "queue": seated - trace.submitted - start,
        "dispatch": under_way - ran, "run": ran,
    }  # fmt: skip


OPS: dict[type[Op], Callable[[Instance, Any], Coroutine[Any, Any, Any]]] = {
    ops.Scale: _scale,
    ops.Admit: _admit,
    ops.Drain: _drain,
    ops.Replace: _replace,
    ops.Explain: _explain,
}
