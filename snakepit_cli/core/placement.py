"""Decides which worker runs which call, and when."""

from __future__ import annotations

from snakepit_cli.core import failures
from snakepit_cli.core.call import Call
from snakepit_cli.core.effects import Dispatch
from snakepit_cli.core.events import Affinity, Gate
from snakepit_cli.core.state import Effects, State
from snakepit_cli.core.worker import Serving


def assign(pool: State, now: float, out: Effects) -> None:
    """Dispatches queued calls to workers that have room."""
    if pool.gate is Gate.PAUSED:
        return
    queue = pool.queue
    if queue.held:
        _assign_held(pool, now, out)
    while (call := queue.head()) is not None:
        if call.strict and _home(pool, call) is not None:
            send_home(pool, call, now, out)  # another call of its session has found a home meanwhile
            _assign_held(pool, now, out)
            continue
        worker = _place(pool, call)
        if worker is None:
            return
        queue.remove(call.id)
        _dispatch(pool, worker, call, now, out)


def _assign_held(pool: State, now: float, out: Effects) -> None:
    for home in list(pool.queue.held):
        serves = isinstance(pool.roster.workers.get(home), Serving)
        while home in pool.queue.held and (not serves or pool.roster.has_room(home)):
            call = next(iter(pool.queue.held[home].values()))
            pool.queue.remove(call.id)
            if serves:
                _dispatch(pool, home, call, now, out)
            else:
                _lose(pool, home, call, now, out)


def send_home(pool: State, call: Call, now: float, out: Effects) -> bool:
    """Queues a strict call for its home, or fails it. False when its session has no home yet."""
    home = _home(pool, call)
    if home is None:
        return False
    full = not pool.roster.has_room(home) or home in pool.queue.held
    if not isinstance(pool.roster.workers.get(home), Serving):
        _lose(pool, home, call, now, out)
    elif full and call.affinity is Affinity.STRICT_FAIL_FAST and pool.gate is not Gate.PAUSED:
        pool.queue.remove(call.id)
        pool.settle_all([call], failures.worker_busy(call.session or "", home), now, out)
    else:
        pool.queue.hold(call, home, now)
    return True


def _home(pool: State, call: Call) -> str | None:
    """The worker that must run it, if it is strict."""
    return call.only or pool.homes.get(call.session or "")


def _lose(pool: State, home: str, call: Call, now: float, out: Effects) -> None:
    """The session's home is gone, and its state with it. Its next call gets another home."""
    session = call.session or ""
    pool.queue.remove(call.id)
    if call.only is not None:
        pool.settle_all([call], failures.provider_gone(call.command, call.only), now, out)
        return
    if pool.homes.get(session) == home:
        pool.homes.forget(session)
    pool.settle_all([call], failures.session_lost(session, home), now, out)


def _place(pool: State, call: Call) -> str | None:
    roster = pool.roster
    home = None if call.session is None else pool.homes.get(call.session)
    depth = 1 if call.allowance else pool.paces.depth(call.command)
    call.quick = depth > 1
    worker = roster.choose(home)
    if worker is None and call.quick and roster.stacked:
        worker = roster.stack(home, depth)
    return worker


def _dispatch(pool: State, worker: str, call: Call, now: float, out: Effects) -> None:
    if call.session is not None and call.only is None:
        pool.homes.put(call.session, worker)
    if call.allowance:
        call.deadline = now + call.allowance
        pool.deadlines.push(call)
        timeout = call.allowance
    else:
        timeout = call.deadline - now
    pool.roster.take(worker, call, now)
    out.append(Dispatch(worker, call.id, timeout))
