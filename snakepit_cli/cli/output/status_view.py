"""The server and its pools as text. The fast path comes here: nothing heavy is imported."""

from __future__ import annotations

from snakepit_cli.base import paths
from snakepit_cli.base.durations import show
from snakepit_cli.cli.output import table
from snakepit_cli.client.call.request import Shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HEAD = ("POOL", "STATE", "WORKERS", "BUSY", "QUEUED", "CALLS", "ERRORS", "RESTARTS", "ADAPTER")
_LEAST = ("RESTARTS", "ERRORS", "ADAPTER", "CALLS", "QUEUED", "BUSY")


def draw(answer: dict[str, Any], shared: Shared) -> None:
    """Writes it to stdout. `answer`: of the query `status` (docs/reference/front-protocol.md)."""
    for line in _head(answer):
        table.text(line)
    pools = answer["pools"]
    if pools:
        table.text("")
        table.show(_HEAD, [_pool(pool) for pool in pools], shared, least=_LEAST, path="ADAPTER")
    for pool in pools:
        for note in _notes(pool):
            table.text(f"pool {pool['name']}: {note}")


def _head(answer: dict[str, Any]) -> list[str]:
    server = answer["server"]
    times = server["restarts"]
    restarts = f", restarted {times} time{'' if times == 1 else 's'}" if times else ""
    lines = [
        f"instance {answer['instance']}: up {show(answer['uptime'])}, version {answer['version']}",
        f"server pid {server['pid']}{restarts}, warden pid {answer['warden']['pid']}",
    ]
    if answer["idle_exit"] is not None:
        lines.append(f"ends after {show(answer['idle_exit'])} without use (`snakepit up` keeps it)")
    if (broken := answer.get("configuration")) is not None:
        lines.append(f"goes on with the last good settings: {broken['message']}")
    lines += _outdated(answer.get("outdated") or {"pools": [], "server": False})
    if (moved := paths.displaced()) is not None:
        lines.append(moved)
    if not answer["pools"]:
        lines.append("no pools (`snakepit up` starts one)")
    return lines


def _outdated(what: dict[str, Any]) -> list[str]:
    """What the configuration file says that is not in force, and what applies it."""
    lines = [f"pool {name}: its configuration has changed; `snakepit up {name}` applies it" for name in what["pools"]]
    if what["server"]:
        lines.append("[server] of the configuration has changed; `snakepit server restart` applies it")
    return lines


def _pool(pool: dict[str, Any]) -> tuple[str, ...]:
    numbers = (pool["busy"], pool["queued"], pool["requests"], pool["errors"], pool["restarts"])
    ready, spare = ready_workers(pool)
    workers = f"{ready}/{pool['size']}" + (f"+{spare}" if pool["spare"] else "")
    return (pool["name"], _state(pool), workers, *map(str, numbers), pool["adapter"])


def ready_workers(pool: dict[str, Any]) -> tuple[int, int]:
    """How many ready workers count towards its size, and how many are spare."""
    ready = min(pool["ready"], pool["size"])
    return ready, pool["ready"] - ready


def workers_ready(pool: dict[str, Any]) -> str:
    """`3 workers ready and 1 spare`, `2 of 3 workers ready`."""
    ready, spare = ready_workers(pool)
    of = f" of {pool['size']}" if ready < pool["size"] else ""
    workers = "worker" if pool["size"] == 1 else "workers"
    return f"{ready}{of} {workers} ready" + (f" and {spare} spare" if spare and pool["spare"] else "")


def _state(pool: dict[str, Any]) -> str:
    """`starting` until the first worker is ready."""
    return "starting" if pool["state"] == "open" and not pool["ready"] and pool["starting"] else str(pool["state"])


def _notes(pool: dict[str, Any]) -> list[str]:
    notes = []
    if reason := pool.get("reason"):
        notes.append(reason["message"])
    if pool.get("breaker", "closed") != "closed":
        notes.append("calls have killed one worker after another: turned away for some seconds")
    if note := pool.get("note"):
        notes.append(note)
    return notes
