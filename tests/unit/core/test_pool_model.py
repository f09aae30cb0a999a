"""A hostile world against the pool, judged by a ledger that knows nothing of its code.

The ledger keeps what an outsider can see: which calls wait in which order, which sit on which process, which
processes were asked to end. Everything the pool says is checked against it, and after every step it is asked
whether the pool has forgotten something.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from snakepit_cli.core.effects import Dispatch, Drained, Effect, Interrupt, Kill, Recall, Settle, Spawn, Stop
from snakepit_cli.core.events import (
    Admit,
    Adopt,
    Affinity,
    Attached,
    Cancel,
    Drain,
    Event,
    Exited,
    Failure,
    Finished,
    Gate,
    Progress,
    Replace,
    Resize,
    Returned,
    Rollout,
    StartFailed,
    Submit,
    Tick,
)
from snakepit_cli.core.limits import Limits
from snakepit_cli.core.pool import Pool
from snakepit_cli.core.state import KILL_AGAIN

LIMITS = Limits(
    queue_size=5,
    queue_timeout=4.0,
    request_timeout=9.0,
    stream_timeout=20.0,
    startup_timeout=6.0,
    cancel_grace=2.0,
    stop_grace=3.0,
    give_up_after=3,
)
GONE = Failure("worker_crashed", "gone")
INDEX = st.integers(0, 1000)


@dataclass
class Call:
    session: str | None
    queued: float
    """When it came into the queue, for the last time."""
    deadline: float
    bulk: bool = False
    allowed: float = 0.0
    affinity: Affinity = Affinity.HINT
    deaths: int = -1
    """How many more it may survive; -1 for a call that is not idempotent."""
    only: str | None = None

    @property
    def strict(self) -> bool:
        return self.only is not None or (self.session is not None and self.affinity is not Affinity.HINT)


@dataclass
class Process:
    """A worker as the world has it. `holds` are the calls it was given and has not answered: True until settled."""

    capacity: int = 0
    attached: bool = False
    stopped: bool = False
    killed: bool = False
    killed_at: float = 0.0
    holds: dict[int, bool] = field(default_factory=dict)
    doubt: dict[int, float] = field(default_factory=dict)
    recalled: set[int] = field(default_factory=set)

    @property
    def stackable(self) -> bool:
        """It may hold more than it runs: those that are believed to be quick."""
        return self.capacity == 1 and all(self.holds.values()) and len(self.holds) < 256

    @property
    def room(self) -> bool:
        return self.attached and not self.stopped and not self.killed and len(self.holds) < self.capacity


def turned_away(effects: list[Effect], call: int, pool: str) -> bool:
    """By the breaker."""
    said = f"each of the last calls to pool {pool!r}"
    return any(isinstance(e, Settle) and e.call == call and isinstance(e.outcome, Failure)
               and e.outcome.message.startswith(said) for e in effects)  # fmt: skip


class World(RuleBasedStateMachine):
    @initialize(size=st.integers(0, 4), first=st.integers(1, 3), seed=st.integers(0, 9), left=st.integers(0, 5))
    def begin(self, size: int, first: int, seed: int, left: int) -> None:
        """`left`: how many workers an earlier server has left behind."""
        self.now = 100.0
        self.pool = Pool("p", size, LIMITS, rng=random.Random(seed), first_worker=first + left)
        self.calls = 0
        self.known: dict[int, Call] = {}
        self.waiting: list[int] = []
        self.settled: set[int] = set()
        self.alive: dict[str, Process] = {}
        self.dead: list[str] = []
        self.homes: dict[str, str] = {}
        self.size = size
        self.serving_since = -1.0
        self.draining = False
        self.drained = 0
        self.steps = 0
        self.gate = Gate.OPEN
        self.replacing = False
        survivors = tuple(f"p-{n}" for n in range(first, first + left))
        self.alive |= {worker: Process() for worker in survivors}
        self.pool.handle(Adopt(survivors), self.now)
        self.send(Resize(size))

    # -- the judge --

    def send(self, event: Event) -> list[Effect]:
        self.steps += 1
        ready = self.pool.snapshot().ready
        if isinstance(event, Attached) and ready == 0 and self.pool.snapshot().workers:
            self.serving_since = self.now
        effects = self.pool.handle(event, self.now)
        self.serves = {w for w, state, _ in self.pool.snapshot().workers if state in {"idle", "busy"}}
        for effect in effects:
            self.judge(effect, event)
        self.pool.check()
        self.nothing_forgotten()
        return effects

    def judge(self, effect: Effect, event: Event) -> None:
        match effect:
            case Spawn(workers):
                assert workers
                assert not self.draining
                for worker in workers:
                    assert worker not in self.alive
                    assert worker not in self.dead
                    self.alive[worker] = Process()
            case Dispatch(worker, call, timeout):
                self.judge_dispatch(worker, call, timeout)
            case Settle(call, outcome):
                self.judge_settle(call, outcome, event)
            case Recall(worker, calls):
                assert calls
                assert set(calls) <= self.alive[worker].holds.keys()
                self.alive[worker].recalled |= set(calls)
            case Interrupt(worker, call):
                assert call in self.settled
                assert call in self.alive[worker].holds
            case Stop(worker, grace):
                process = self.alive[worker]
                assert grace == LIMITS.stop_grace
                assert not process.stopped
                assert not process.killed
                assert not any(process.holds.values()), "stopped with a live call"
                process.stopped = True
            case Kill(worker):
                process = self.alive[worker]
                assert not process.killed or self.now >= process.killed_at + KILL_AGAIN
                process.killed, process.killed_at = True, self.now
            case Drained():
                assert self.draining
                assert not self.alive
                self.drained += 1

    def judge_dispatch(self, worker: str, call: int, timeout: float) -> None:
        process, said = self.alive[worker], self.known[call]
        attached = process.attached and not process.stopped and not process.killed
        assert process.room or (attached and process.stackable and not said.bulk), "no room there"
        assert worker in self.serves
        assert self.gate is not Gate.PAUSED
        home = said.only or (None if said.session is None else self.homes.get(said.session))
        if said.strict and home is not None:
            assert worker == home, "a strict session has left its home"
            # A block may be overtaken by a single call, which comes before bulk work.
            alike = (c for c in self.waiting if self.wants(c) == home and self.known[c].bulk == said.bulk)
            assert next(alike) == call, "not first in, first out at home"
        else:
            free = [c for c in self.waiting if self.wants(c) is None]
            people = [c for c in free if not self.known[c].bulk]
            assert (people or free)[0] == call, "not first in, first out"
        if said.bulk:
            said.deadline = self.now + said.allowed
        assert 0 < timeout == (said.allowed if said.bulk else said.deadline - self.now)
        if said.session is not None and said.only is None:
            if home in self.serves and self.alive[home].room:
                assert worker == home, "a session was moved although its home was free"
            self.homes[said.session] = worker
        self.waiting.remove(call)
        process.holds[call] = True

    def wants(self, call: int) -> str | None:
        """The only worker that may have it."""
        said = self.known[call]
        return (said.only or self.homes.get(said.session or "")) if said.strict else None

    def judge_settle(self, call: int, outcome: Any, event: Event) -> None:
        assert call in self.known, "never submitted"
        assert call not in self.settled, "settled twice"
        self.settled.add(call)
        waited = call in self.waiting
        worker = next((w for w, p in self.alive.items() if p.holds.get(call)), None)
        if waited:
            self.waiting.remove(call)
        elif worker is not None:
            self.alive[worker].holds[call] = False
        said = self.known[call]
        if not isinstance(outcome, Failure):
            assert isinstance(event, Finished)
            assert outcome is event.reply
            assert (worker, call) == (event.worker, event.call)
            del self.alive[event.worker].holds[call]
            return
        match outcome.kind:
            case "queue_timeout":
                assert waited
                assert self.now >= said.deadline or self.waited(call) >= LIMITS.queue_timeout
            case "worker_timeout":
                assert worker is not None
                assert self.now >= said.deadline
            case "session_lost":
                assert said.strict
                assert self.homes.pop(said.session or "", None) not in self.serves
            case "tool_unavailable":
                assert said.only is not None
                assert said.only not in self.serves
            case "worker_busy":
                assert said.affinity is Affinity.STRICT_FAIL_FAST
            case "cancelled":
                assert event == Cancel(call)
            case "pool_saturated":
                assert isinstance(event, Submit)
                assert len(self.waiting) >= LIMITS.queue_size
            case "pool_unavailable":
                assert self.draining or self.gate is Gate.CLOSED or self.pool.snapshot().breaker != "closed"
        if worker is not None and not isinstance(event, Exited) and not self.draining:
            self.alive[worker].doubt[call] = self.now

    def nothing_forgotten(self) -> None:
        at = self.pool.next_deadline()
        assert at is None or at > self.now, "a deadline in the past"
        if self.gate is not Gate.PAUSED:
            with_room = {w for w in self.serves if self.alive[w].room}
            for call in self.waiting:
                wants = self.wants(call)
                assert not (with_room if wants is None else wants in with_room), "never assigned"
        for call in self.waiting:
            said = self.known[call]
            assert said.deadline > self.now
            if said.bulk or self.gate is Gate.PAUSED:
                continue
            assert not self.serves or self.waited(call) < LIMITS.queue_timeout, "waits for longer than promised"
        for worker, process in self.alive.items():
            for call, live in process.holds.items():
                assert not live or self.known[call].deadline > self.now, "forgot a deadline"
            if worker in self.serves:
                assert all(since + LIMITS.cancel_grace > self.now for since in process.doubt.values()), "in doubt"
        seen = self.pool.snapshot()
        assert seen.starting + seen.ready <= self.size + self.replacing or self.draining
        assert seen.queued == len(self.waiting)
        assert seen.running == sum(sum(p.holds.values()) for p in self.alive.values())
        assert len(seen.workers) == len(self.alive)
        assert seen.requests == len(self.known)
        if seen.state == "failed":
            assert not self.waiting

    # -- helpers of the world --

    def waited(self, call: int) -> float:
        """Seconds since it came into the queue, for which workers were there and the gate was not shut."""
        return self.now - max(self.known[call].queued, self.serving_since)

    def some(self, index: int, wanted: Any) -> str | None:
        names = [worker for worker, process in self.alive.items() if wanted(process)]
        return names[index % len(names)] if names else None

    def leave(self, event: Exited | StartFailed) -> None:
        process = self.alive.pop(event.worker)
        self.dead.append(event.worker)
        live = {call for call, unsettled in process.holds.items() if unsettled}
        again = [call for call in live if self.known[call].deaths > 0 and self.known[call].deadline > self.now]
        if self.pool.snapshot().state in {"open", "paused", "closed"}:
            for call in sorted(again, key=list(process.holds).index, reverse=True):
                self.known[call].deaths -= 1
                self.waiting.insert(0, call)
                self.known[call].queued = self.now
        else:
            again = []
        effects = self.send(event)
        answered = {e.call for e in effects if isinstance(e, Settle) and e.outcome is event.failure}
        assert live - set(again) <= answered, "calls died unheard with their worker"
        assert not set(again) & answered, "calls that could run again died with their worker"

    # -- rules --

    @rule(
        n=st.integers(1, 3),
        command=st.sampled_from(["ping", "ping", "train"]),
        session=st.sampled_from([None, None, None, "a", "b", "strict"]),
        timeout=st.sampled_from([None, None, 0.0, 1.0, 5.0, 30.0]),
        kind=st.sampled_from(["call", "call", "stream", "bulk"]),
        strict=st.sampled_from([Affinity.STRICT_QUEUE, Affinity.STRICT_FAIL_FAST]),
        idempotent=st.sampled_from([False, False, True]),
        pinned=st.sampled_from([None, None, None, 0, 1, 2]),
    )
    def submit(
        self, n: int, command: str, session: str | None, timeout: float | None, kind: str, strict: Affinity,
        idempotent: bool, pinned: int | None,
    ) -> None:  # fmt: skip
        only = f"{self.pool.name}-{pinned + 1}" if pinned is not None and kind != "bulk" else None
        stream, bulk = kind != "call", kind == "bulk"
        affinity = strict if session == "strict" else Affinity.HINT
        for _ in range(n):
            self.calls += 1
            default = LIMITS.stream_timeout if kind == "stream" else LIMITS.request_timeout
            allowed = default if timeout is None else timeout
            self.known[self.calls] = Call(
                session, self.now, float("inf") if bulk else self.now + allowed, bulk, max(allowed, 1e-3), affinity,
                2 if idempotent else -1, only,
            )  # fmt: skip
            full = len(self.waiting) >= LIMITS.queue_size and not any(self.alive[w].room for w in self.serves)
            refused = self.draining or full or self.gate is Gate.CLOSED
            tripped = not bulk and self.pool.snapshot().breaker != "closed"
            if not refused:
                self.waiting.append(self.calls)
            failed = self.pool.snapshot().state == "failed"
            event = Submit(self.calls, command, session, timeout, stream, bulk, affinity, idempotent, only)
            effects = self.send(event)
            assert not refused or self.calls in self.settled
            tried_again = bool(self.alive) or any(isinstance(effect, Spawn) for effect in effects)
            assert not failed or self.calls in self.settled or tried_again or self.size == 0
            assert tripped or refused or not turned_away(effects, self.calls, self.pool.name)

    @rule(index=INDEX)
    def progress(self, index: int) -> None:
        worker = self.some(index, lambda p: any(live and self.known[c].bulk for c, live in p.holds.items()))
        if worker is not None:
            call = next(c for c, live in self.alive[worker].holds.items() if live and self.known[c].bulk)
            self.known[call].deadline = self.now + self.known[call].allowed
            self.send(Progress(call))

    @rule(index=INDEX)
    def give_back(self, index: int) -> None:
        """A worker that was asked to returns a call, settled or not."""
        worker = self.some(index, lambda p: p.recalled & p.holds.keys())
        if worker is not None:
            process = self.alive[worker]
            call = min(process.recalled & process.holds.keys())
            live = process.holds.pop(call)
            process.doubt.pop(call, None)
            if live and not self.draining:
                self.waiting.insert(0, call)
                self.known[call].queued = self.now
            elif live:
                self.known[call].deadline = self.now  # settled by the drain
                process.holds[call] = True
            self.send(Returned(worker, call))
            process.holds.pop(call, None) if self.draining else None

    @rule(gate=st.sampled_from(Gate))
    def admit(self, gate: Gate) -> None:
        if not self.draining:
            if self.gate is Gate.PAUSED:
                self.serving_since = self.now
            self.gate = gate
        self.send(Admit(gate))

    @rule(index=INDEX)
    def replace(self, index: int) -> None:
        worker = self.some(index, lambda p: p.attached)
        if worker is not None:
            self.replacing = True
            self.send(Replace((worker,)))

    @rule(index=INDEX, capacity=st.integers(1, 3))
    def attach(self, index: int, capacity: int) -> None:
        """Also those that were asked to end while they started."""
        worker = self.some(index, lambda p: not p.attached)
        if worker is not None:
            process = self.alive[worker]
            process.attached, process.capacity = True, capacity
            if process.stopped or process.killed:
                assert not [e for e in self.send_late(Attached(worker, capacity)) if isinstance(e, Dispatch)]
            else:
                self.send(Attached(worker, capacity))

    def send_late(self, event: Event) -> list[Effect]:
        since, ready = self.serving_since, self.pool.snapshot().ready
        effects = self.send(event)
        if ready == 0:
            self.serving_since = since
        return effects

    @rule(index=INDEX, which=INDEX, failed=st.booleans())
    def finish(self, index: int, which: int, failed: bool) -> None:
        """An answer, late or not, to a call that the worker holds."""
        worker = self.some(index, lambda p: p.holds)
        if worker is not None:
            holds = self.alive[worker].holds
            call = list(holds)[which % len(holds)]
            if not holds[call]:
                del holds[call]
                self.alive[worker].doubt.pop(call, None)
            live = call in holds
            self.send(Finished(worker, call, object(), failed))
            assert not live or call in self.settled

    @rule(index=INDEX, permanent=st.sampled_from([False, False, True]))
    def start_fail(self, index: int, permanent: bool) -> None:
        worker = self.some(index, lambda p: not p.attached)
        if worker is not None:
            self.leave(StartFailed(worker, Failure("adapter_failed", "broken"), permanent))

    @rule(index=INDEX)
    def crash(self, index: int) -> None:
        worker = self.some(index, lambda p: True)
        if worker is not None:
            self.leave(Exited(worker, Failure("worker_crashed", "signal 9")))

    @rule(index=INDEX)
    def die_as_asked(self, index: int) -> None:
        worker = self.some(index, lambda p: p.stopped or p.killed)
        if worker is not None:
            self.leave(Exited(worker, Failure("worker_crashed", "signal 15")))

    @rule(index=INDEX)
    def cancel(self, index: int) -> None:
        """Any call there ever was, and one there was not."""
        call = index % (self.calls + 2)
        unsettled = call in self.known and call not in self.settled
        effects = self.send(Cancel(call))
        assert not unsettled or effects[0] == Settle(call, Failure("cancelled", "the call was cancelled"))

    @rule(back=st.integers(0, 3))
    def cancel_recent(self, back: int) -> None:
        if self.calls > back:
            self.cancel(self.calls - back)

    @rule(size=st.integers(0, 4))
    def resize(self, size: int) -> None:
        if not self.draining:
            self.size = size
        self.send(Resize(size))

    @rule(size=st.integers(0, 4))
    def roll_out(self, size: int) -> None:
        if not self.draining:
            self.size, self.replacing = size, True
        starting = [process for process in self.alive.values() if not process.attached]
        self.send(Rollout(size, 0, LIMITS))
        assert self.draining or all(process.stopped or process.killed for process in starting)

    @precondition(lambda self: self.steps > 25)
    @rule(grace=st.sampled_from([0.0, 1.0, 5.0, 20.0]))
    def drain(self, grace: float) -> None:
        self.draining = True
        self.send(Drain(grace))

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 3.0, 10.0, 60.0]), quiet=st.booleans())
    def sleep(self, seconds: float, quiet: bool) -> None:
        """Time passes, maybe over several deadlines; the Tick may be late."""
        self.now += seconds
        if not quiet:
            self.send(Tick())

    @rule()
    def wake(self) -> None:
        """The Tick comes exactly when it was asked for."""
        at = self.pool.next_deadline()
        if at is not None:
            self.now = max(at, self.now)
            self.send(Tick())

    @rule(index=INDEX, call=INDEX)
    def say_it_again(self, index: int, call: int) -> None:
        """Duplicates, and events about those that are gone or never were."""
        for worker in (self.dead[index % len(self.dead)] if self.dead else "p-0", "q-1"):
            for event in (
                Exited(worker, GONE),
                StartFailed(worker, GONE, permanent=True),
                Finished(worker, call % (self.calls + 1), object()),
            ):
                self.send(event)
            self.send_late(Attached(worker, 9))
        attached = self.some(index, lambda p: p.attached)
        if attached is not None:
            self.send_late(Attached(attached, 9))
            foreign = call % (self.calls + 2)
            if foreign not in self.alive[attached].holds:
                self.send(Finished(attached, foreign, object()))
        unsettled = sorted(self.known.keys() - self.settled)
        if unsettled:
            self.send(Submit(unsettled[call % len(unsettled)], "ping"))

    @rule()
    def good_times(self) -> None:
        """When the dead are buried and every start succeeds, the pool reaches its size."""
        if self.draining or self.pool.snapshot().state == "failed":
            return
        for _ in range(20):
            for worker, process in list(self.alive.items()):
                if process.stopped or process.killed:
                    self.leave(Exited(worker, GONE))
                elif not process.attached:
                    process.attached, process.capacity = True, 1
                    self.send(Attached(worker, 1))
            seen = self.pool.snapshot()
            if seen.ready == self.size or seen.state == "failed":  # it may have been too late for some
                return
            if not seen.starting:
                self.wake()
        raise AssertionError(f"size {self.size} not reached: {self.pool.snapshot()}")

    def teardown(self) -> None:
        """Whatever happened before: a drain ends, and then every call has been answered."""
        if not hasattr(self, "pool"):
            return
        self.draining = True
        self.send(Drain(5.0))
        self.now += 5.0
        self.send(Tick())
        assert not any(p.attached and not p.stopped and not p.killed for p in self.alive.values()), "not asked to end"
        self.now += LIMITS.stream_timeout + 30.0
        self.send(Tick())
        assert self.known.keys() == self.settled, "without an answer"
        for worker in list(self.alive):
            assert self.drained == 0
            self.leave(Exited(worker, GONE))
        assert self.drained == 1
        assert self.pool.next_deadline() is None


TestPoolModel = World.TestCase
TestPoolModel.settings = settings(
    deadline=None,
    max_examples=300,
    stateful_step_count=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
