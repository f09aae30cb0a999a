"""Calls that would wait for themselves: they are refused at once, because they could only end by their timeout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.calls.call import Call, Caller
from snakepit_cli.server.calls.nested_calls import Asked
from snakepit_cli.server.workers.worker import Worker


def check(call: Call, caller: Asked, workers: Mapping[str, Worker], size: Callable[[], int]) -> None:
    """`workers` and `size` are those of the pool that is to run the call.

    Raises PitError `call_loop` when every worker that could run it waits for it.
    """
    waiting = Counter(one.worker for one in _ancestors(caller) if one.worker in workers)
    if not waiting:
        return
    if (only := call.only) is not None:
        if waiting[only] >= workers[only].capacity:
            raise PitError("call_loop", f"{call.header.command}: {only} would run it, and waits for it", worker=only)
        return
    attached = [one for one in workers.values() if one.link is not None]
    if len(attached) >= size() and all(waiting[one.id] >= one.capacity for one in attached):
        pool = call.header.pool
        raise PitError("call_loop", f"{call.header.command}: all workers of pool {pool} wait for this call", pool=pool)


def _ancestors(asked: Asked) -> Iterator[Call]:
    """The calls within which it is made, the nearest first."""
    caller: Caller = asked
    while isinstance(caller, Asked) and caller.parent is not None:
        yield caller.parent
        caller = caller.parent.caller
