"""A pool and its workers as `status`, `workers` and the handover show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.core.snapshot import Snapshot
from snakepit_cli.launch.plan import Spec
from snakepit_cli.server.calls import error_mapping
from snakepit_cli.server.calls.call import Call
from snakepit_cli.server.pools.births import Births
from snakepit_cli.server.pools.readiness import not_ready
from snakepit_cli.server.workers.worker import Worker

_NUMBERS = (
    "name", "state", "size", "ready", "busy", "starting", "queued", "running", "requests", "errors", "queue_timeouts",
    "pool_saturated", "restarts", "breaker",
)  # fmt: skip


def of_pool(spec: Spec, births: Births, seen: Snapshot, beyond: int) -> dict[str, Any]:
    """POOL of docs/reference/front-protocol.md. `beyond`: items of blocks, less the blocks, which are requests."""
    return {
        **{name: getattr(seen, name) for name in _NUMBERS},
        "requests": seen.requests + beyond,
        "adapter": spec.adapter,
        "language": spec.language,
        "contain": spec.contain,
        "spare": spec.spare,
        "start": births.via,
        "note": births.note,
        "reason": None if seen.reason is None else error_mapping.of_core(seen.reason, spec.name).as_dict(),
    }


def of_workers(
    workers: Mapping[str, Worker], seen: Snapshot, calls: Iterable[Call], now: float
) -> Iterator[dict[str, Any]]:
    """WORKER of docs/reference/front-protocol.md."""
    doing: dict[str, list[dict[str, Any]]] = {}
    for call in calls:
        if call.worker is not None:
            doing.setdefault(call.worker, []).append(_of_call(call, now))
    for name, state, running in seen.workers:
        worker = workers.get(name)
        if worker is not None:
            yield {
                "id": name,
                "pool": seen.name,
                "pid": worker.pid,
                "state": state,
                "running": running,
                "requests": worker.requests,
                "uptime": now - worker.started,
                "calls": doing.get(name, []),
            }


def _of_call(call: Call, now: float) -> dict[str, Any]:
    header = call.header
    return {
        "call": call.id, "command": header.command, "session": header.session, "items": header.items,
        "seconds": now - call.trace.dispatched,
    }  # fmt: skip


def not_replaced(seen: Snapshot, seconds: float, old: set[str], calls: Iterable[Call]) -> PitError:
    """Some of the `old` workers are there still, or the new ones are not ready."""
    left = [name for name, _, _ in seen.workers if name in old]
    if not left:
        return not_ready(seen, seconds)
    busy = sorted({call.worker for call in calls if call.worker in left})
    why = f"; {', '.join(busy)} {'is' if len(busy) == 1 else 'are'} busy" if busy else ""
    hint = "the others follow when their calls are done; see `snakepit workers`"
    if seen.starting:
        why = "; the new ones have not got ready"
        hint = "the old ones serve until then; see `snakepit workers` and `snakepit logs`"
    done = f"{len(old) - len(left)} of {len(old)} workers of pool {seen.name} were replaced within {seconds:g} s{why}"
    return PitError("worker_timeout", done, hint=hint)
