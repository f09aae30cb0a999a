"""All pools of an instance: which exist, which call goes where, and who is told what the warden reports."""

from __future__ import annotations

import asyncio
import difflib
import hmac
import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from snakepit_cli.base import bridges, environment, paths
from snakepit_cli.base.errors import PitError
from snakepit_cli.base.settings import LIMITS, MOST_WORKERS, PoolSettings, Settings
from snakepit_cli.core.limits import Limits
from snakepit_cli.server import launch
from snakepit_cli.server.calls import Call, Caller, Header, Trace
from snakepit_cli.server.gateway import RefusedError, WorkerLink
from snakepit_cli.server.hoard import Hoard
from snakepit_cli.server.memo import Memo, recalled
from snakepit_cli.server.pool import Pool
from snakepit_cli.server.post import Post
from snakepit_cli.server.spool import Spools
from snakepit_cli.server.warden import WardenLink
from snakepit_cli.server.workers import Survivors, Worker
from snakepit_cli.wire import worker_pb2 as pb
from snakepit_cli.wire.http2 import Status

_TRACES = 1000
_MOST_AT_ONCE = 10_000


class Attached:
    """A guest of the gateway: one worker of one pool."""

    __slots__ = ("_pool", "_worker")

    def __init__(self, pool: Pool, worker: Worker) -> None:
        self._pool = pool
        self._worker = worker

    def heard(self, message: pb.FromWorker) -> None:
        self._pool.heard(self._worker, message)

    def hung_up(self) -> None:
        self._pool.hung_up(self._worker)


class Pit:
    def __init__(self, instance: str, gateway: str, settings: Settings, warden: WardenLink, spools: Spools) -> None:
        self.pools: dict[str, Pool] = {}
        self.settings = settings
        self.max_message_bytes = settings.max_message_bytes
        self.post = Post()
        self.spools = spools
        self._pinned = False
        self.last_used = time.monotonic()
        self._instance = instance
        self._gateway = gateway
        self._warden = warden
        self._closing = False
        self._next_call = itertools.count(1)
        self._reaps: dict[int, asyncio.Future[list[Any]]] = {}
        self._memo = Memo(warden)
        self.hoard = Hoard()
        self.traces: deque[Trace] = deque(maxlen=_TRACES)
        """Of the latest calls, the latest last."""

    # ------------------------------------------------------------------------------------------ pools

    def pool(self, name: str) -> Pool:
        """The pool, started if the configuration knows it. Raises PitError."""
        found = self.pools.get(name)
        if found is not None:
            return found
        settings = self.settings.pool(name)
        if self._closing:
            raise PitError("unavailable", "the server is stopping")
        if settings is None:
            near = difflib.get_close_matches(name, [*self.pools, *self.settings.pools, "default"], n=1)
            raise PitError("pool_not_found", f"no pool {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return self._create(self._spec(name, settings, "/", environment.for_workers(os.environ)))

    def up(
        self, name: str, *, adapter: str | None, size: int | None, cwd: str, env: Mapping[str, str],
        startup: float | None, capacity: int | None = None, contain: str | None = None, spare: int | None = None,
    ) -> tuple[Pool, bool]:  # fmt: skip
        """Makes the pool what is asked for; the second value says whether that changed anything. Raises PitError."""
        self._pin()
        if self._closing:
            raise PitError("unavailable", "the server is stopping")
        self._check(name, size, capacity, contain, spare)
        if adapter is not None:
            adapter = _absolute(adapter, cwd)
        known = self.pools.get(name)
        if known is None:
            settings = self.settings.pool(name) or PoolSettings(limits=self.settings.limits)
            spec = self._spec(
                name,
                settings,
                cwd,
                environment.for_workers(env),
                adapter=adapter,
                size=size,
                startup=startup,
                capacity=capacity,
                contain=contain,
                spare=spare,
            )
            return self._create(spec), True
        if adapter is not None and adapter != known.spec.adapter:
            hint = f"run `snakepit down {name}` first, or give the new pool another name"
            raise PitError("usage", f"pool {name!r} already runs {known.spec.adapter}", hint=hint)
        _refuse_change(known.spec, capacity=capacity, contain=contain, spare=spare)
        size = known.snapshot()["size"] if size is None else size
        changed = size != known.snapshot()["size"] or known.snapshot()["state"] != "open"
        known.resize(size)  # also when nothing changes: whoever asks does not want to wait for the end of a pause
        return known, changed

    def _check(self, name: str, size: object, capacity: object, contain: object, spare: object) -> None:
        """Raises PitError for what no pool can have."""
        if not paths.valid_name(name):
            raise PitError("usage", f"{name!r} cannot be the name of a pool")
        if size is not None:
            self.check_size(size)
        if capacity is not None and not (type(capacity) is int and 1 <= capacity <= _MOST_AT_ONCE):
            raise PitError("usage", f"a worker runs 1 to {_MOST_AT_ONCE} calls at a time, not {capacity}")
        if spare is not None and not (type(spare) is int and 0 <= spare < MOST_WORKERS):
            raise PitError("usage", f"a pool has 0 to {MOST_WORKERS - 1} spare workers, not {spare}")
        if contain not in {None, *launch.CONTAIN}:
            raise PitError("usage", f"contain: {contain!r}; choose one of {', '.join(launch.CONTAIN)}")

    @staticmethod
    def check_size(size: object) -> None:
        """Raises PitError for what cannot be the size of a pool."""
        if not (type(size) is int and 1 <= size <= MOST_WORKERS):
            raise PitError("usage", f"a pool has 1 to {MOST_WORKERS} workers, not {size}")

    @property
    def pinned(self) -> bool:
        """Somebody asked for this server by name: it does not end for want of use."""
        return self._pinned

    def _pin(self) -> None:
        if not self._pinned:
            self._pinned = True
            self._warden.send("pin")

    def _spec(
        self, name: str, settings: PoolSettings, cwd: str, env: Mapping[str, str], *, adapter: str | None = None,
        size: int | None = None, startup: float | None = None, capacity: int | None = None, contain: str | None = None,
        spare: int | None = None,
    ) -> launch.Spec:  # fmt: skip
        limits: dict[str, float] = dict(settings.limits)
        if startup is not None:
            limits["startup_timeout"] = max(startup, limits.get("startup_timeout", Limits().startup_timeout))
        adapter = adapter or _absolute(settings.adapter, cwd)
        custom = self.settings.adapters.get(adapter)
        env = {**env, **settings.env, **(custom.env if custom is not None else {})}
        if custom is not None and custom.directory is not None:
            cwd = custom.directory
        return launch.Spec(
            name=name,
            adapter=adapter,
            custom=custom,
            size=size or settings.size,
            spare=settings.spare if spare is None else spare,
            capacity=capacity or settings.capacity,
            contain=contain or settings.contain,
            cwd=cwd,
            env=env,
            limits={key: limits[key] for key in LIMITS if key in limits},
            python=launch.find_runtime(settings.python or sys.executable, name, env),
        )

    def _create(self, spec: launch.Spec, survivors: Survivors | None = None) -> Pool:
        plan = launch.make(spec, self._instance, self._gateway)
        pool = self.pools[spec.name] = Pool(
            spec, plan, self._warden, self.post, self._memo.changed, self.submit, survivors
        )
        return pool

    async def down(self, name: str, grace: float) -> int:
        """Stops one pool for good; how many workers it had. Raises PitError."""
        pool = self.pools.get(name)
        if pool is None:
            raise PitError("pool_not_found", f"no pool {name!r} is running")
        count = len(pool.workers)
        pool.drain(grace)
        await pool.drained.wait()
        if self.pools.get(name) is pool:
            del self.pools[name]
        return count

    async def quiesce(self, grace: float) -> None:
        """Waits until no call waits or runs, or for `grace` seconds."""
        waits = [asyncio.create_task(pool.quiet.wait()) for pool in self.pools.values()]
        if waits:
            _, late = await asyncio.wait(waits, timeout=grace)
            for wait in late:
                wait.cancel()

    async def close(self, grace: float) -> tuple[int, int]:
        """Stops everything; pools and workers that there were. New calls are turned away from now on."""
        self._closing = True
        names = list(self.pools)
        counts = await asyncio.gather(*(self.down(name, grace) for name in names), return_exceptions=True)
        return len(names), sum(count for count in counts if isinstance(count, int))

    def busy(self) -> bool:
        """Whether any call waits or runs."""
        return any(shot["queued"] or shot["running"] for shot in (pool.snapshot() for pool in self.pools.values()))

    # ------------------------------------------------------------------------------------------ calls

    def submit(self, caller: Caller, request: int, header: Header, args: bytes) -> tuple[Pool, Call]:
        """Accepts a call, or raises PitError."""
        self.last_used = time.monotonic()
        pool = self.pool(header.pool)
        call = Call(next(self._next_call), caller, request, header, args)
        self.traces.append(call.trace)
        pool.submit(call)
        return pool, call

    def cancel(self, number: int) -> bool:
        """Gives up a call by its number; False when it is over, or never was."""
        return any(pool.cancel_number(number) for pool in self.pools.values())

    # ---------------------------------------------------------------------------------------- gateway

    def welcome(self, hello: pb.Hello, link: WorkerLink) -> Attached:
        pool, worker = self._who(hello.worker, hello.token)
        pool.attached(worker, hello, link)
        return Attached(pool, worker)

    def start_failed(self, report: pb.StartFailure) -> None:
        pool, worker = self._who(report.worker, report.token)
        pool.start_failed(worker, report.failure)

    def _who(self, name: str, token: str) -> tuple[Pool, Worker]:
        pool = self.pools.get(name.rpartition("-")[0])
        worker = pool.workers.get(name) if pool is not None else None
        if pool is None or worker is None or not hmac.compare_digest(worker.token.encode(), token.encode()):
            raise RefusedError(Status.UNAUTHENTICATED, "no worker of this name and token is expected")
        if worker.link is not None:
            raise RefusedError(Status.ALREADY_EXISTS, f"worker {name} is attached already")
        return pool, worker

    # ----------------------------------------------------------------------------------------- warden

    def reported(self, message: dict[str, Any]) -> None:
        """Something that the warden says about a worker, a template or a reap."""
        event = message["event"]
        if event == "reaped":
            asked = self._reaps.pop(message["ticket"])
            if not asked.done():  # whoever asked may have gone
                asked.set_result(message["report"])
            return
        name = message["pool"] if event == "template" else message["worker"].rpartition("-")[0]
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
                self._create(spec, survivors)
            except PitError as error:
                # Its program or adapter has been removed: that must not keep the other pools from being served.
                print(f"pool {spec.name} is given up: {error}", file=sys.stderr, flush=True)
                continue
            expected |= {worker.id for worker in survivors.workers}
        for stranger in alive - expected:  # started in the last moments, or of a pool that was being stopped
            self._warden.send("kill", worker=stranger)
        for pool in templates - self.pools.keys():
            self._warden.send("retire", pool=pool)


def _refuse_change(spec: launch.Spec, **wanted: object) -> None:
    """Raises PitError for what a pool cannot become while it runs."""
    for what, value in wanted.items():
        if value is not None and value != getattr(spec, what):
            hint = f"run `snakepit down {spec.name}` first, or give the new pool another name"
            raise PitError("usage", f"pool {spec.name!r} runs with another {what}", hint=hint)


def _absolute(adapter: str, cwd: str) -> str:
    """A reference to a file is meant from where the caller is."""
    if adapter.startswith(tuple(launch.DIALECTS)):
        return adapter  # a command line: the program runs there
    language, colon, rest = adapter.partition(":")
    if language in bridges.LANGUAGES:
        return f"{language}:{os.path.normpath(os.path.join(cwd, rest))}"
    reference = rest if colon and language == "python" else adapter
    path = reference.partition(".py:")[0] + ".py" if ".py:" in reference else reference
    if path.endswith(".py") and not os.path.isabs(path):
        return os.path.normpath(os.path.join(cwd, path)) + reference[len(path) :]
    return reference
