"""An instance in this process: the real pools and queries, with a warden and workers that only pretend."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from snakepit_cli.server.calls.spool import Spools
from snakepit_cli.server.instance import Instance as Server
from snakepit_cli.server.ops.instance import Desk
from snakepit_cli.server.segments import Lent, Segments
from snakepit_cli.server.state.state import State
from snakepit_cli.settings.schema import PoolSettings, Settings
from snakepit_cli.wire import ops
from snakepit_cli.wire import worker_pb2 as pb


class Link:
    """A worker that remembers what it is told, and answers calls of `echo` at once."""

    why_silent = ""
    runs_batches = True

    def __init__(self) -> None:
        self.protocol = 2
        self.welcomed: pb.Welcome | None = None
        self.segments_released: list[str] = []
        self.calls: list[int] = []
        self.sent: dict[int, dict[str, Any]] = {}
        """What else is said of each of them."""
        self.take_parts: list[int] = []
        self.cancelled: list[int] = []
        self.pings = 0
        self.replies: list[pb.Result] = []
        self.unread = 0
        self.reply_lines: dict[int, bytes] = {}
        self.invalidations: list[tuple[int, str, list[str]]] = []
        self.ended_sessions: list[str] = []
        self.granted = 0
        self.hear: Callable[[pb.FromWorker], None]
        self.fails: Exception | None = None

    def call(self, call_id: int, command: str, args: bytes, *, takes_parts: bool, **more: Any) -> None:
        if self.fails is not None:
            raise self.fails
        self.calls.append(call_id)
        self.sent[call_id] = more
        if takes_parts:
            self.take_parts.append(call_id)
        if command == "echo":
            self.finish(call_id, args)

    def finish(self, call_id: int, value: bytes = b"null") -> None:
        message = pb.FromWorker(results=[pb.Result(id=call_id, value=value)])
        self.hear_soon(message)

    def cancel(self, call_id: int) -> None:
        self.cancelled.append(call_id)
        failure = pb.Failure(kind=pb.Failure.CANCELLED, message="cancelled")
        self.hear_soon(pb.FromWorker(results=[pb.Result(id=call_id, failure=failure)]))

    def hear_soon(self, message: pb.FromWorker) -> None:
        asyncio.get_running_loop().call_soon(lambda: self.hear(message))  # known when it has been welcomed

    def welcome(self, welcome: pb.Welcome) -> None:
        self.welcomed = welcome

    def released(self, path: str) -> None:
        self.segments_released.append(path)

    def segment_bytes(self, count: int) -> None:
        self.segment_room = count

    def recall(self, call_ids: Iterable[int]) -> None:
        pass

    def reply(self, result: pb.Result) -> None:
        self.replies.append(result)

    def reply_chunks(self, request: int, lines: bytes) -> None:
        self.reply_lines[request] = self.reply_lines.get(request, b"") + lines

    def invalidate(self, number: int, session: str, names: Iterable[str]) -> None:
        self.invalidations.append((number, session, list(names)))

    def end_sessions(self, sessions: Iterable[str]) -> None:
        self.ended_sessions += sessions

    def credit(self, call_id: int, count: int) -> None:
        self.granted += count

    def close(self) -> None:
        self.closed = True

    def ping(self, nonce: int) -> None:
        self.pings += 1

    def drain(self) -> None:
        pass


class Warden:
    """Starts and ends pretended workers a turn of the event loop after it was asked."""

    def __init__(self) -> None:
        self.instance: Server
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.links: dict[str, Link] = {}
        self.broken: set[str] = set()
        """Adapters that cannot be loaded."""
        self.slow: set[str] = set()
        """Pools whose workers never get ready."""
        self.lost = 0
        """How often the workers of a pool are lost, because their template has died."""
        self.dead_bases = 0
        """How often a template is lost, because its base has died."""
        self.full_disk = 0
        """How many processes cannot be registered."""
        self.threads = False
        """Templates cannot be used."""
        self._pids = itertools.count(1000)

    def send(self, op: str, **fields: Any) -> None:
        self.said.append((op, fields))
        if handler := getattr(self, f"_{op}", None):
            asyncio.get_running_loop().call_soon(lambda: handler(**fields))

    def ops(self, *names: str) -> list[dict[str, Any]]:
        return [fields for op, fields in self.said if op in names]

    def _template(self, pool: str, go: dict[str, Any], request: int, **_: Any) -> None:
        message: dict[str, Any] = {"event": "template", "pool": pool, "ready": True, "request": request}
        if self.dead_bases:
            self.dead_bases -= 1
            message = {**message, "ready": False, "lost": True, "reason": "it is gone"}
        elif self.full_disk:
            self.full_disk -= 1
            message = {**message, "ready": False, "reason": "cannot be registered: disk full"}
        elif self.threads:
            message = {**message, "ready": False, "reason": "has threads"}
        if go["adapter"] in self.broken:
            message = {**message, "ready": False, "failure": {"kind": "adapter_failed", "message": "broken"}}
        self.instance.reported(message)

    def _spawn(self, pool: str, tokens: dict[str, str], **_: Any) -> None:
        if self.lost:
            self.lost -= 1
            for worker in tokens:
                why = {"reason": "its template is gone", "log": [], "lost": True}
                self.instance.reported({"event": "exited", "worker": worker, **why})
            request = self.ops("template")[-1]["request"]
            died = {"request": request, "ready": False, "reason": "the template ended", "log": [], "died": True}
            self.instance.reported({"event": "template", "pool": pool, **died})
            return
        for worker, token in tokens.items():
            if self.full_disk:
                self.full_disk -= 1
                why = {"reason": "cannot be registered: disk full", "log": []}
                self.instance.reported({"event": "exited", "worker": worker, **why})
                continue
            self.instance.reported({"event": "spawned", "worker": worker, "pid": next(self._pids)})
            if pool not in self.slow:
                link = self.links[worker] = Link()
                hello = pb.Hello(worker=worker, token=token, capacity=1, commands=[pb.CommandSpec(name="echo")])
                link.hear = self.instance.welcome(hello, link).heard  # type: ignore[arg-type]

    def _stop(self, worker: str, **_: Any) -> None:
        self.instance.reported({"event": "exited", "worker": worker, "code": 0, "log": []})

    def _kill(self, worker: str) -> None:
        self.instance.reported({"event": "exited", "worker": worker, "code": -9, "log": []})

    def _reap(self, ticket: int, **_: Any) -> None:
        self.instance.reported({"event": "reaped", "ticket": ticket, "report": []})


class Harness:
    def __init__(self, folder: Path, settings: Settings) -> None:
        self.warden = Warden()
        spools = Spools(folder, settings.spool_max_bytes, settings.spool_keep)
        spools.recall()
        segments = folder / "shared"
        segments.mkdir(exist_ok=True)
        state = State(folder / "sessions.db", settings.session)
        self.instance = self.warden.instance = Server(
            "test",
            "/nowhere",
            settings,
            self.warden,
            spools,
            state,  # type: ignore[arg-type]
            Segments.of(str(segments), 16 << 20),
        )
        hello = {
            "instance": "test",
            "warden": 1,
            "started": 0.0,
            "restarts": 0,
            "containment": [],
            "state": str(folder),
        }
        self.turned_away = 0
        self.desk = Desk(self.instance, self.warden, hello, set(), self._turn_away)  # type: ignore[arg-type]

    def _turn_away(self) -> None:
        self.turned_away += 1

    def ask(self, request: ops.Request) -> Coroutine[Any, Any, Any]:
        return self.desk.answer(request, _nobody_listens)

    async def up(self, pool: str = "default", **fields: Any) -> Any:
        return await self.ask(ops.Up(pool=pool, cwd="/", env={}, **fields))

    def call(
        self, command: str = "echo", pool: str = "default", args: bytes = b'{"a":1}', **header: Any
    ) -> Caller:  # fmt: skip
        from snakepit_cli.server.calls.call import Header

        caller = Caller()
        fields = {"version": "1", "command": command, "cwd": "/", "pool": pool, **header}
        caller.pool, caller.call = self.instance.submit(caller, 1, Header(**fields), args)
        return caller


class Caller:
    """Remembers its answer."""

    congested = False

    def __init__(self) -> None:
        self.pool: Any
        self.call: Any
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.lines = b""
        self.lent: list[Lent] = []
        self.notes: list[str] = []

    def result(self, request: int, value: bytes) -> None:
        self.answer.set_result(value)

    def error(self, request: int, error: Any) -> None:
        self.answer.set_result(error)

    def note(self, request: int, text: str) -> None:
        self.notes.append(text)

    def chunks(self, request: int, lines: bytes) -> None:
        self.lines += lines

    def answers(self, request: int, lines: bytes, failed: Any) -> None:
        self.lines += lines

    def result_ref(self, request: int, lent: Lent) -> None:
        self.lent.append(lent)
        self.answer.set_result(lent)

    def chunks_ref(self, request: int, lent: Lent) -> None:
        self.lent.append(lent)

    def answers_ref(self, request: int, lent: Lent, count: int, failed: Any) -> None:
        self.lent.append(lent)


async def _nobody_listens(_: bytes) -> None:
    pass


def in_instance(
    test: Callable[[Harness], Coroutine[Any, Any, None]], folder: Path, settings: Settings | None = None
) -> None:
    """Runs the test; what goes wrong in the event loop fails it."""

    async def main() -> None:
        wrong: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
        await test(Harness(folder, settings or small()))
        assert not wrong

    asyncio.run(main())


def small(**fields: Any) -> Settings:
    return Settings(pools={"default": PoolSettings(size=2)}, **fields)


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Lets the event loop come round until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 — anything may be waited for
            await asyncio.sleep(0.001)
