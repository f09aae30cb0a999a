"""A store with many sessions beside an empty one: what an operation takes, what a sweep does to calls, memory."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.instance import Instance
from benchmarks.processes import BenchmarkError
from benchmarks.rows import Peer, Row
from benchmarks.stats import median, percentile
from benchmarks.trials import Trials
from snakepit_cli.client import api
from snakepit_cli.wire import front

_OPERATIONS = 500
_VARIABLES = 10
"""Of each session."""
_OUTSTANDING = 32
_EMPTY = "an empty store"
_SECONDS = 120.0


def measure(instance: Instance, trials: Trials) -> list[Row]:
    instance.pool("calls", 2)
    with instance.connect() as connection:
        _operations(connection, "warm")
        empty = _operations(connection, "empty")
        _fill(connection, "full", trials.sessions, 3600.0)
        full = _operations(connection, "late")
        rows = [
            Row(f"{name}, full store", full[name] * 1e6, "µs", _OPERATIONS, Peer(_EMPTY, empty[name] * 1e6))
            for name in empty
        ]
        rows.append(_sweep(instance, connection, trials.sessions // 5))
    return [*rows, _memory(instance)]


def _operations(connection: api.Connection, prefix: str) -> dict[str, float]:
    """Median seconds of each operation."""
    taken: dict[str, list[float]] = {"session create": [], "variable get": [], "variable list": []}
    for number in range(_OPERATIONS):
        session = f"{prefix}-{number}"
        taken["session create"].append(_timed(connection, "session_create", session=session))
        values = {f"x{one}": one for one in range(_VARIABLES)}
        connection.query("var_mset", session=session, values=values)
        taken["variable get"].append(_timed(connection, "var_get", session=session, name="x5"))
        taken["variable list"].append(_timed(connection, "var_list", session=session))
    return {name: median(values) for name, values in taken.items()}


def _timed(connection: api.Connection, op: str, **fields: Any) -> float:
    started = time.perf_counter()
    connection.query(op, **fields)
    return time.perf_counter() - started


def _fill(connection: api.Connection, prefix: str, sessions: int, ttl: float) -> None:
    """Sessions with variables."""
    values = {f"x{number}": number for number in range(_VARIABLES)}
    _pipelined(
        connection,
        (
            {"op": op, "session": f"{prefix}-{number}", **more}
            for number in range(sessions)
            for op, more in (("session_create", {"ttl": ttl}), ("var_mset", {"values": values}))
        ),
    )


def _pipelined(connection: api.Connection, queries: Iterator[dict[str, Any]]) -> None:
    """Many queries on their way at a time. Raises BenchmarkError."""
    sock, buffer, sent, answered, more = connection.sock, bytearray(), 0, 0, True
    while more or answered < sent:
        while more and sent - answered < _OUTSTANDING:
            query = next(queries, None)
            more = query is not None
            if query is not None:
                sent += 1
                sock.sendall(front.frame(front.QUERY, 1000 + sent, json.dumps(query).encode()))
        if answered == sent:
            break
        buffer += sock.recv(1 << 16)
        while len(buffer) >= front.HEADER:
            size = 5 + int.from_bytes(buffer[1:5], "big")
            if len(buffer) < size:
                break
            if buffer[0] != front.RESULT:
                raise BenchmarkError(bytes(buffer[:size]).decode(errors="replace"))
            del buffer[:size]
            answered += 1


def _sweep(instance: Instance, connection: api.Connection, sessions: int) -> Row:
    """What a call takes while sessions are removed."""
    _fill(connection, "short", sessions, 1.0)
    time.sleep(1.1)
    over = threading.Event()

    def sweep() -> None:
        with instance.connect() as other:
            other.query("session_gc", patience=_SECONDS)
            over.set()

    sweeping = threading.Thread(target=sweep)
    sweeping.start()
    taken: list[float] = []
    while not over.is_set() or len(taken) < 100:
        started = time.perf_counter()
        connection.call("ping", pool="calls")
        taken.append(time.perf_counter() - started)
    sweeping.join()
    return Row("call during a sweep, p99", percentile(taken, 99) * 1e3, "ms", len(taken))


def _memory(instance: Instance) -> Row:
    """Resident memory of the server."""
    pid = instance.json("status", "--json")["server"]["pid"]
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Row("memory of the server, full store", pages * 4096 / 1e6, "MB", 1)
