"""All pools of an instance: creates and ends them, routes calls to them, and passes on the warden's reports."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import difflib
import hmac
import itertools
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.ids import pool_of
from snakepit_cli.core.events import Affinity, Gate
from snakepit_cli.core.failures import resume_hint
from snakepit_cli.launch.plan import Launch, Spec, make
from snakepit_cli.server.calls.call import Call, Caller, Header, Trace
from snakepit_cli.server.calls.nested_calls import Answers, Asked
from snakepit_cli.server.calls.spool import Spools
from snakepit_cli.server.coalescer import Coalescer
from snakepit_cli.server.malloc_tuning import MallocTuning
from snakepit_cli.server.operations import Operations
from snakepit_cli.server.pools import specs
from snakepit_cli.server.pools.guests import Guest, describe
from snakepit_cli.server.pools.handover import Handover, recalled
from snakepit_cli.server.pools.pool import Pool
from snakepit_cli.server.segments import Segments
from snakepit_cli.server.serial_spin import SerialSpin
from snakepit_cli.server.state.state import State
from snakepit_cli.server.tools.registry import tool_of
from snakepit_cli.server.workers.gateway import NotAdmittedError, WorkerLink
from snakepit_cli.server.workers.warden_link import WardenLink
from snakepit_cli.server.workers.worker import Survivors, Worker
from snakepit_cli.settings.schema import Settings
from snakepit_cli.wire import worker_pb2 as pb
from snakepit_cli.wire.http2 import Status
from snakepit_cli.wire.ops import PoolRequest

_TRACES = 1000
_MOST_GUESTS = 1000
_MOST_SESSIONS = 10_000


WorkerQuery = Callable[[Asked], Callable[[], None]]


def _refuse(_: Asked) -> Callable[[], None]:
    raise PitError("unavailable", "the server is not ready")


class AttachedWorker:
    """A worker that is attached to the gateway, and its pool."""

    __slots__ = ("_pool", "_worker")

    def __init__(self, pool: Pool, worker: Worker) -> None:
        self._pool = pool
        self._worker = worker

    def heard(self, message: pb.FromWorker) -> None:
        self._pool.heard(self._worker, message)

    def hung_up(self) -> None:
        self._pool.hung_up(self._worker)


class Instance:
    def __init__(  # noqa: PLR0917
        self, instance: str, gateway: str, settings: Settings, warden: WardenLink, spools: Spools, state: State,
        segments: Segments | None = None,
    ) -> None:  # fmt: skip
        self.pools: dict[str, Pool] = {}
        self.guests: dict[str, Guest] = {}
        """By the name of the pool that each of them is."""
        self.settings = settings
        self.outdated: set[str] = set()
        """Pools that run as the configuration said before."""
        self.max_message_bytes = settings.max_message_bytes
        self.coalescer = Coalescer()
        self.segments = segments or Segments(None)
        self.spools = spools
        self.state = state
        state.home, state.ended = self.home, self.sessions_ended
        self.query: WorkerQuery = _refuse
        """Answers the queries of workers."""
        self._pinned = False
        self.last_used = time.monotonic()
        self._instance = instance
        self._gateway = gateway
        self._warden = warden
        self._closing = False
        self._next_call = itertools.count(1)
        self._pools_of: dict[str, str] = {}
        """The pool that each of the latest sessions was served by last."""
        self._next_guest = itertools.count(1)
        self._reaps: dict[int, asyncio.Future[list[Any]]] = {}
        self._memo = Handover(warden)
        self.malloc_tuning = MallocTuning()
        self.spin = SerialSpin()
        self.operations = Operations()
        self.traces: deque[Trace] = deque(maxlen=_TRACES)
        """Of the latest calls, the latest last."""

    # ------------------------------------------------------------------------------------------ pools

    def pool(self, name: str) -> Pool:
        """The pool, started if the configuration knows it. Raises PitError."""
        found = self.pools.get(name)
        if found is not None:
            return found
        if self._closing:
            raise PitError("unavailable", "the server is stopping")
        if self.settings.pool(name) is None:
            near = difflib.get_close_matches(name, [*self.pools, *self.settings.pools, "default"], n=1)
            raise PitError("pool_not_found", f"no pool {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        spec = specs.make(specs.of_configuration(name), self.settings)
        return self._create(spec, make(spec, self._instance, self._gateway))

    async def up(self, request: PoolRequest) -> tuple[Pool, bool]:
        """Creates or changes the pool as requested; the second value says whether it changed. Raises PitError."""
        while (known := self.pools.get(request.pool)) is not None and known.ending:
            await known.drained.wait()
        if self._closing:
            raise PitError("unavailable", "the server is stopping")
        spec = specs.make(request, self.settings)
        if known is None:
            pool, changed = self._create(spec, make(spec, self._instance, self._gateway)), True
        else:
            pool, changed = known, self._change(known, request, spec)
        self._pin()
        return pool, changed

    def configured(self, settings: Settings, outdated: set[str]) -> None:
        """Pools that start from now on are as these settings say; the `outdated` run as those before said."""
        self.outdated |= outdated
        self.settings = settings

    def _change(self, pool: Pool, request: PoolRequest, fresh: Spec) -> bool:
        """Whether the request changes the pool. Raises PitError; then nothing has changed."""
        shot = pool.snapshot()
        has = dataclasses.replace(pool.spec, size=shot["size"])
        outdated = request.adapter is None and request.pool in self.outdated
        wanted = fresh if outdated else specs.changed(has, request, fresh, failed=pool.failed)
        unfinished = shot["reason"] is not None and pool.old_workers()  # the rollout before has failed
        if outdated or unfinished or wanted != dataclasses.replace(has, size=wanted.size):
            pool.roll_out(wanted, make(wanted, self._instance, self._gateway))
            self.outdated.discard(request.pool)
            return True
        pool.resize(wanted.size)  # also when it is the same: a pause between restarts ends
        return wanted.size != has.size or shot["state"] != "open"

    @property
    def pinned(self) -> bool:
        """Whether `up` was used: then the server does not end when it is idle."""
        return self._pinned

    def _pin(self) -> None:
        if not self._pinned:
            self._pinned = True
            self._warden.send("pin")

    def _create(self, spec: Spec, launch: Launch, survivors: Survivors | None = None) -> Pool:
        pool = self.pools[spec.name] = Pool(
            spec, launch, self._warden, self.coalescer, self._changed, self, survivors, self.max_message_bytes
        )
        return pool

    def _changed(self, pool: Pool) -> None:
        """Called when the workers of a pool have changed. Forgets a pool that has ended, for whatever reason."""
        self._memo.changed(pool)
        if pool.drained.is_set() and self.pools.get(pool.spec.name) is pool:
            del self.pools[pool.spec.name]
            self.outdated.discard(pool.spec.name)

    def running(self, name: str) -> Pool:
        """Raises PitError."""
        pool = self.pools.get(name)
        if pool is None:
            raise PitError("pool_not_found", f"no pool {name!r} is running")
        return pool

    async def down(self, name: str, grace: float) -> int:
        """Stops one pool for good; how many workers it had. Raises PitError."""
        pool = self.running(name)
        count = len(pool.workers)
        pool.drain(grace)
        await pool.drained.wait()
        return count

    async def quiesce(self, grace: float) -> None:
        """Waits until no call waits or runs, or for `grace` seconds."""
        waits = [asyncio.create_task(pool.quiet.wait()) for pool in self.everything()]
        if waits:
            _, late = await asyncio.wait(waits, timeout=grace)
            for wait in late:
                wait.cancel()

    async def close(self, grace: float) -> tuple[int, int]:
        """Stops everything; pools and workers that there were. New calls are turned away from now on."""
        self._closing = True
        for guest in list(self.guests.values()):
            self.dismiss(guest, "the server has stopped")
        return await self.empty(grace)

    async def empty(self, grace: float) -> tuple[int, int]:
        """Stops all pools; the number of pools and workers. Calls that come later start their pools again."""
        pools = list(self.pools.values())
        workers = sum(len(pool.workers) for pool in pools)
        for pool in pools:
            pool.drain(grace)
        for pool in pools:
            await pool.drained.wait()
        await self.spools.settled()
        return len(pools), workers

    def kept(self) -> list[str]:
        """Pools that `up` made: only its user can make them again."""
        return sorted(self.pools) if self._pinned else []

    def busy(self) -> bool:
        """Whether any call waits or runs."""
        return any(shot["queued"] or shot["running"] for shot in (pool.snapshot() for pool in self.everything()))

    def everything(self) -> list[Pool]:
        """Pools, and guests."""
        # Also from the database's thread: a copy made in one step, which no change of the table can disturb.
        return [*self.pools.values(), *(guest.pool for guest in list(self.guests.values()))]

    def _serving(self, name: str) -> Pool | None:
        guest = self.guests.get(name)
        return self.pools.get(name) if guest is None else guest.pool

    # ------------------------------------------------------------------------------------------ calls

    def submit(self, caller: Caller, request: int, header: Header, args: bytes) -> tuple[Pool, Call]:
        """Accepts a call, or raises PitError."""
        self.last_used = time.monotonic()
        if header.tool:
            return self._submit_tool(caller, request, header, args)
        return self._submit(self.pool(header.pool), caller, request, header, args)

    def _submit_tool(self, caller: Caller, request: int, header: Header, args: bytes) -> tuple[Pool, Call]:
        """To the worker that offers it, and to no other."""
        tool = self.state.tools.get(header.session or "", header.command)
        pool = self._serving(tool.pool)
        if pool is None or header.items is not None:
            raise PitError("tool_unavailable", f"{tool.worker}, which offered {tool.name}, is gone")
        aimed = msgspec.structs.replace(header, pool=tool.pool, tool=tool.registered, affinity=Affinity.HINT)
        return self._submit(pool, caller, request, aimed, args, tool.worker)

    def _submit(  # noqa: PLR0917 — what a call is made of
        self, pool: Pool, caller: Caller, request: int, header: Header, args: bytes, only: str | None = None
    ) -> tuple[Pool, Call]:
        call = Call(next(self._next_call), caller, request, header, args)
        call.only = only
        self.traces.append(call.trace)
        if header.session:
            self.state.used(header.session)
            self._pools_of.pop(header.session, None)
            self._pools_of[header.session] = header.pool
            if len(self._pools_of) > _MOST_SESSIONS:
                del self._pools_of[next(iter(self._pools_of))]
        pool.submit(call)
        if header.session and call.open:
            call.holds = self.state.hold(header.session)
        if pool.gate is Gate.PAUSED and call.block is None:
            caller.note(request, f"pool {header.pool} is paused: the call waits; {resume_hint(header.pool)}")
        return pool, call

    def cancel(self, number: int) -> bool:
        """Cancels a call by its number; False when it is over or never existed."""
        return any(pool.cancel_number(number) for pool in self.everything())

    # --------------------------------------------------------------------------------------- sessions

    def home(self, session: str) -> str | None:
        """The worker that served a session last, of whatever pool."""
        latest = self._serving(self._pools_of.get(session, ""))
        if latest is not None and (home := latest.home(session)):
            return home
        return next((home for pool in self.everything() if (home := pool.home(session))), None)

    def sessions_ended(self, sessions: Sequence[str]) -> None:
        """Tells the workers that have served them, or offered tools in them."""
        told: dict[str, set[str]] = {}
        for session in sessions:
            homes = [pool.home(session) for pool in self.everything()]
            for worker in (*homes, *(tool.worker for tool in self.state.tools.listed(session))):
                if worker is not None:
                    told.setdefault(worker, set()).add(session)
            self.state.tools.session_ended(session)
        for name, ended in told.items():
            pool = self._serving(pool_of(name))
            if pool is not None and (known := pool.workers.get(name)) is not None:
                known.end_sessions(sorted(ended))

    def answer_worker(self, asked: Asked) -> Callable[[], None]:
        return self.query(asked)

    def settled(self, call: Call) -> None:
        """A call that holds its session is over."""
        self.state.release(call.header.session or "")

    def obeyed(self, link: Answers, numbers: Sequence[int]) -> None:
        self.state.leases.obeyed(link, numbers)

    def gone(self, link: Answers, worker: str) -> None:
        self.state.leases.gone(link)
        self.state.tools.worker_gone(worker)

    # ----------------------------------------------------------------------------------------- guests

    def invite(self, adapter: str) -> Guest:
        """Admits a worker that a client starts. Raises PitError."""
        if self._closing:
            raise PitError("unavailable", "the server is stopping")
        if len(self.guests) >= _MOST_GUESTS:
            raise PitError("quota_exceeded", f"{_MOST_GUESTS:,} processes may serve tools")
        name = f"tools:{next(self._next_guest)}"
        spec = describe(name, adapter, dict(self.settings.limits))
        guest = self.guests[name] = Guest(name, spec, self.coalescer, self)
        return guest

    @property
    def gateway(self) -> str:
        """The socket that workers dial."""
        return self._gateway

    def dismiss(self, guest: Guest, reason: str = "the client has ended it") -> None:
        guest.decline()
        guest.leave(reason)
        self.state.tools.worker_gone(guest.worker)
        self.guests.pop(guest.pool.spec.name, None)

    # ---------------------------------------------------------------------------------------- gateway

    def welcome(self, hello: pb.Hello, link: WorkerLink) -> AttachedWorker:
        pool, worker = self._who(hello.worker, hello.token)
        welcome = pb.Welcome(max_message_bytes=self.max_message_bytes)
        if link.protocol >= 2 and self.segments.folder is not None:
            worker.segments = self.segments.owner(worker.id, link.released)
            worker.segments.introduce(welcome)
        link.welcome(welcome)
        pool.attached(worker, hello, link)
        self._offer_again(hello)
        if (guest := self.guests.get(pool.spec.name)) is not None:
            guest.greeted(hello)
        return AttachedWorker(pool, worker)

    def start_failed(self, report: pb.StartFailure) -> None:
        pool, worker = self._who(report.worker, report.token)
        pool.start_failed(worker, report.failure)

    def _offer_again(self, hello: pb.Hello) -> None:
        """Tools of a worker that knew the server before us."""
        for spec in hello.tools:
            with contextlib.suppress(PitError):  # another worker offers one of this name by now
                self.state.tools.add([tool_of(spec, hello.worker, hello.language)])

    def _who(self, name: str, token: str) -> tuple[Pool, Worker]:
        pool = self._serving(pool_of(name))
        worker = pool.workers.get(name) if pool is not None else None
        if pool is None or worker is None or not hmac.compare_digest(worker.token.encode(), token.encode()):
            raise NotAdmittedError(Status.UNAUTHENTICATED, "no worker of this name and token is expected")
        if worker.link is not None:
            raise NotAdmittedError(Status.ALREADY_EXISTS, f"worker {name} is attached already")
        return pool, worker

    # ----------------------------------------------------------------------------------------- warden

    def reported(self, message: dict[str, Any]) -> None:
        """Passes on a report of the warden about a worker, a template or a reap."""
        event = message["event"]
        if event == "reaped":
            asked = self._reaps.pop(message["ticket"])
            if asked.done():
                pass  # its client has gone
            elif "error" in message:
                asked.set_exception(PitError.from_dict(message["error"]))
            else:
                asked.set_result(message["report"])
            return
        name = message["pool"] if event == "template" else pool_of(message["worker"])
        pool = self.pools.get(name)
        if pool is None:
            if "talk" in message:
                message["talk"].close()
            return
        if event == "template":
            pool.template_answered(message)
        elif event == "spawned":
            pool.spawned(message["worker"], message["pid"], message.get("talk"))
        elif event == "exited":
            pool.exited(message["worker"], message)

    async def reap(self, *, dry_run: bool) -> list[Any]:
        ticket = next(self._next_call)
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._reaps[ticket] = future
        self._warden.send("reap", ticket=ticket, dry_run=dry_run)
        return await future

    # ------------------------------------------------------------------------------------------- memo

    def recall(self, hello: Mapping[str, Any], memos: Sequence[Mapping[str, Any]]) -> None:
        """Goes on with the pools that the server before us had, and with those of their workers that live."""
        self._pinned = bool(hello["pinned"])
        alive, templates, expected = set(hello["workers"]), set(hello["templates"]), set()
        for one in memos:
            spec, survivors = recalled(one["memo"], alive, template=one["pool"] in templates)
            try:
                self._create(spec, make(spec, self._instance, self._gateway), survivors)
            except PitError as error:
                # Its program or adapter has been removed: that must not keep the other pools from being served.
                print(f"pool {spec.name} is given up: {error}", file=sys.stderr, flush=True)
                continue
            expected |= {worker.id for worker in survivors.workers}
        for stranger in alive - expected:  # started in the last moments, or of a pool that was being stopped
            self._warden.send("kill", worker=stranger)
        for pool in templates - self.pools.keys():
            self._warden.send("retire", pool=pool)
