"""A pool and its workers as status, workers and the memo show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from snakepit_cli.core.snapshot import Snapshot
from snakepit_cli.launch.plan import Spec
from snakepit_cli.server.calls import error_mapping
from snakepit_cli.server.workers.worker import Start, Worker

_NUMBERS = (
    "name", "state", "size", "ready", "busy", "starting", "queued", "running", "requests", "errors", "queue_timeouts",
    "pool_saturated", "restarts", "breaker",
)  # fmt: skip


def of_pool(spec: Spec, start: Start, seen: Snapshot) -> dict[str, Any]:
    """POOL of docs/reference/front-protocol.md."""
    return {
        **{name: getattr(seen, name) for name in _NUMBERS},
        "adapter": spec.adapter,
        "language": spec.language,
        "contain": spec.contain,
        "spare": spec.spare,
        "start": start.via,
        "note": start.note,
        "reason": None if seen.reason is None else error_mapping.of_core(seen.reason).as_dict(),
    }


def of_workers(pool: str, workers: Mapping[str, Worker], seen: Snapshot, now: float) -> Iterator[dict[str, Any]]:
    for name, state, running in seen.workers:
        worker = workers.get(name)
        if worker is not None:
            yield {
                "id": name,
                "pool": pool,
                "pid": worker.pid,
                "state": state,
                "running": running,
                "requests": worker.requests,
                "uptime": now - worker.started,
            }
