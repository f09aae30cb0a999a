"""What a client may ask about one pool: whether it takes calls, new workers, where a call's time went."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.core.events import Gate
from snakepit_cli.server.calls import Trace
from snakepit_cli.server.pit import Pit
from snakepit_cli.server.pool import Pool

Fields = dict[str, Any]
_REPLACE_SECONDS = 300.0


def _running(pit: Pit, fields: Fields) -> Pool:
    pool = pit.pools.get(fields["pool"])
    if pool is None:
        raise PitError("pool_not_found", f"no pool {fields['pool']!r} is running")
    return pool


async def _scale(pit: Pit, fields: Fields) -> Any:
    pool, size = _running(pit, fields), fields["size"]
    pit.check_size(size)
    pool.resize(size)
    return await pool.settled(fields.get("timeout") or _REPLACE_SECONDS)


async def _admit(pit: Pit, fields: Fields) -> Any:
    pool = _running(pit, fields)
    pool.admit(Gate(fields["gate"]))
    return pool.snapshot()


async def _drain(pit: Pit, fields: Fields) -> Any:
    """No new calls from now on; answers when the pool has none any more."""
    pool = _running(pit, fields)
    pool.admit(Gate.CLOSED)
    try:
        await asyncio.wait_for(pool.quiet.wait(), fields.get("timeout"))
    except TimeoutError:
        shot = pool.snapshot()
        left = f"{shot['running']} running and {shot['queued']} waiting calls are left of pool {pool.spec.name}"
        raise PitError(
            "worker_timeout", left, hint="it takes no new ones; wait again, or run `snakepit down`"
        ) from None
    return pool.snapshot()


async def _replace(pit: Pit, fields: Fields) -> Any:
    """A worker, or all of a pool; answers when the new ones are ready and the old ones gone."""
    worker = fields.get("worker")
    pool = _running(pit, {"pool": worker.rpartition("-")[0]} if worker else fields)
    if worker is not None and worker not in pool.workers:
        raise PitError("pool_not_found", f"no worker {worker!r} is running", hint="list them with `snakepit workers`")
    wanted = [worker] if worker else [one.id for one in pool.workers.values() if one.link is not None]
    pool.replace(wanted, anew=worker is None)
    await pool.replaced(wanted, fields.get("timeout") or _REPLACE_SECONDS)
    return {**pool.snapshot(), "replaced": wanted}


async def _explain(pit: Pit, fields: Fields) -> Any:
    """One call, or the latest ones."""
    wanted = fields.get("call")
    if wanted is None:
        return [_row(pit, trace) for trace in list(pit.traces)[-int(fields.get("count") or 20) :]]
    found = next((trace for trace in reversed(pit.traces) if wanted in {"last", trace.call}), None)
    if found is None:
        what = (
            "no call has been made yet" if wanted == "last" else f"no call {wanted} among the latest {len(pit.traces)}"
        )
        raise PitError("usage", what, hint="list them with `snakepit explain --recent`")
    return [_row(pit, found)]


def _row(pit: Pit, trace: Trace) -> Fields:
    """Seconds of each part; they add up to `total`."""
    now = time.monotonic()
    pool = pit.pools.get(trace.pool)
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


OPS: dict[str, Callable[[Pit, Fields], Coroutine[Any, Any, Any]]] = {
    "scale": _scale,
    "admit": _admit,
    "drain": _drain,
    "replace": _replace,
    "explain": _explain,
}
