"""Sessions as clients and workers use them: watching, values that workers keep, tools, and whose session it is."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.server.calls import nested_calls
from snakepit_cli.server.state import leases
from snakepit_cli.server.store import database
from snakepit_cli.server.store.clock import Clock
from snakepit_cli.settings.schema import SessionSettings, Settings
from snakepit_cli.wire import ops
from snakepit_cli.wire import worker_pb2 as pb
from tests.unit.server.harness import Caller, Harness, Link, in_instance, small, until


def request(op: str, **fields: Any) -> Any:
    return ops.decode(json.dumps({"op": op, **fields}).encode())


async def ask(harness: Harness, op: str, **fields: Any) -> Any:
    return json.loads(ops.msgspec.json.encode(await harness.ask(request(op, **fields))))  # type: ignore[attr-defined]


class Worker:
    """A worker that serves a call, and asks for something meanwhile."""

    def __init__(self, harness: Harness, caller: Caller) -> None:
        self.call = caller.call
        self.name: str = caller.call.worker
        self.link: Link = harness.warden.links[self.name]
        self.number = 0

    def send(self, **fields: Any) -> int:
        self.number += 1
        self.link.hear(pb.FromWorker(requests=[pb.Request(id=self.number, parent=self.call.id, **fields)]))
        return self.number

    async def answer(self, number: int) -> pb.Result:
        await until(lambda: any(one.id == number for one in self.link.replies))
        return next(one for one in self.link.replies if one.id == number)

    async def ask(self, op: str, **fields: Any) -> Any:
        """The answer, or the kind of the error."""
        result = await self.answer(self.send(query=json.dumps({"op": op, **fields}).encode()))
        return result.failure.name if result.HasField("failure") else json.loads(result.value)


async def serving(harness: Harness, session: str | None = "s", **more: Any) -> Worker:
    caller = harness.call("wait", session=session, **more)
    await until(lambda: caller.call.worker)
    return Worker(harness, caller)


def run(test: Any, folder: Path, settings: Settings | None = None) -> None:
    async def closed(harness: Harness) -> None:
        try:
            await test(harness)
        finally:
            await harness.instance.state.close()

    in_instance(closed, folder, settings)


class Watcher:
    def __init__(self, harness: Harness, **fields: Any) -> None:
        self.lines: list[dict[str, Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.task = asyncio.get_running_loop().create_task(
            harness.desk.answer(request("var_watch", session="s", **fields), self._say)
        )

    async def _say(self, lines: bytes) -> None:
        self.lines += map(json.loads, lines.splitlines())
        await self.gate.wait()

    def versions(self) -> list[int]:
        return [one["version"] for one in self.lines]


def test_a_watcher_loses_nothing_however_slow_it_is(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        for number in range(10):
            await ask(harness, "var_set", session="s", name="x", value=number)
        quick, slow = Watcher(harness, version=4, pattern="x"), Watcher(harness, after=0, pattern="x")
        await until(lambda: len(quick.lines) == 6 and len(slow.lines) == 10)
        slow.gate.clear()
        for number in range(900):  # more than a feed keeps
            await ask(harness, "var_set", session="s", name="x", value=number)
        await until(lambda: len(quick.lines) == 906)
        assert len(slow.lines) < 20
        slow.gate.set()
        await until(lambda: len(slow.lines) == 910)
        assert quick.versions() == list(range(4, 910))
        assert slow.versions() == list(range(910))
        await ask(harness, "session_rm", session="s")
        assert [await one.task for one in (quick, slow)] == [{"reason": "the session has ended"}] * 2

    run(test, tmp_path)


def test_what_is_kept_for_watchers_has_a_limit(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await ask(harness, "session_create", session="s")
        feed = harness.instance.state.feeds.join("s")
        watcher = Watcher(harness, after=0)
        for number in range(20):
            await ask(harness, "var_set", session="s", name="x", value=str(number) * 100_000)
        kept = feed.since(19) or []
        assert [revision for revision, _, _ in kept] == [20]
        assert sum(len(text) for _, _, text in feed._latest) <= 1 << 20
        await until(lambda: len(watcher.lines) == 20)
        assert watcher.versions() == list(range(20))
        watcher.task.cancel()

    run(test, tmp_path)


def test_a_watcher_that_is_too_slow_is_told_that_changes_are_lost(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await ask(harness, "var_set", session="s", name="x", value=0)
        slow = Watcher(harness, after=0)
        await until(lambda: slow.lines)
        slow.gate.clear()
        for number in range(300):
            await ask(harness, "var_set", session="s", name="x", value=number)
        slow.gate.set()
        with pytest.raises(PitError) as caught:
            await slow.task
        assert caught.value.kind == "history_lost"
        for wrong, kind in ((301, "history_lost"), (302, "invalid_value")):
            with pytest.raises(PitError) as caught:
                await Watcher(harness, after=wrong - 290 if kind == "history_lost" else wrong).task
            assert caught.value.kind == kind

    run(test, tmp_path, small(session=SessionSettings(history=10)))


def test_a_thousand_watchers_of_which_ten_never_read(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await ask(harness, "var_set", session="s", name="x", value=0)
        watchers = [Watcher(harness, after=0) for _ in range(1000)]
        await until(lambda: all(one.lines for one in watchers))
        for watcher in watchers[:10]:
            watcher.gate.clear()
        for number in range(1, 101):
            await ask(harness, "var_set", session="s", name="x", value=number)
        await until(lambda: all(len(one.lines) == 101 for one in watchers[10:]))
        assert all(one.versions() == list(range(101)) for one in watchers[10:])
        assert all(len(one.lines) < 101 for one in watchers[:10])
        for watcher in watchers[:10]:
            watcher.gate.set()
        await until(lambda: all(len(one.lines) == 101 for one in watchers))
        await ask(harness, "session_rm", session="s")
        await asyncio.gather(*(one.task for one in watchers))

    run(test, tmp_path)


def test_only_what_matches_is_told(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await ask(harness, "session_create", session="s")
        watcher = Watcher(harness, pattern="a*")
        await until(lambda: harness.instance.state.feeds.join("s").watchers > 1)
        await asyncio.sleep(0)
        await ask(harness, "var_mset", session="s", values={"b": 1, "ab": 2})
        await ask(harness, "var_rm", session="s", name="ab")
        await until(lambda: len(watcher.lines) == 2)
        assert [(one["name"], one["event"], one["value"]) for one in watcher.lines] == [
            ("ab", "register", 2), ("ab", "rm", None),
        ]  # fmt: skip
        watcher.task.cancel()

    run(test, tmp_path)


def test_a_worker_reaches_only_the_session_of_its_call(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await ask(harness, "var_set", session="other", name="x", value=1)
        worker = await serving(harness)
        assert (await worker.ask("var_set", name="x", value=2))["version"] == 0
        assert (await worker.ask("var_get", session="s", name="x"))["value"] == 2
        for op, more in (("var_get", {"name": "x"}), ("session_rm", {}), ("program_list", {}), ("tool_list", {})):
            assert await worker.ask(op, session="other", **more) == "not_yours"
        for op in ("session_list", "session_create", "session_stats", "session_gc", "tool_serve", "status", "reap"):
            assert await worker.ask(op, **({"dry_run": True} if op == "reap" else {})) == "not_yours"
        assert (await worker.ask("program_put", id="p", data=1, **{"global": True}))["session"] is None
        assert (await worker.ask("var_history", name="x"))[0]["source"] == worker.name
        alone = await serving(harness, None)
        assert await alone.ask("var_get", name="x") == "session_not_found"
        assert await alone.ask("var_get", name="x", session="other") == "not_yours"
        worker.link.hear(pb.FromWorker(requests=[pb.Request(id=99, parent=12345, query=b"{}")]))
        assert (await worker.answer(99)).failure.name == "cancelled"
        worker.link.hear(pb.FromWorker(requests=[pb.Request(id=98, query=b'{"op":"var_list","session":"s"}')]))
        assert (await worker.answer(98)).failure.name == "not_yours"

    run(test, tmp_path)


def test_a_watch_that_a_worker_gives_up_at_once_is_answered(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        worker = await serving(harness)
        query = json.dumps({"op": "var_watch"}).encode()
        asked = pb.Request(id=7, parent=worker.call.id, query=query, stream=True)
        worker.link.hear(pb.FromWorker(requests=[asked], withdrawals=[7]))
        assert (await worker.answer(7)).failure.name == "cancelled"
        assert not worker.call.children

    run(test, tmp_path)


@pytest.mark.parametrize(("limit", "size", "words"), [("_MOST", 1, "no answer yet"), ("_ASKED", 1 << 20, "bytes")])
def test_requests_of_a_worker_without_an_answer_have_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, size: int, words: str
) -> None:
    async def test(harness: Harness) -> None:
        monkeypatch.setattr(nested_calls, limit, 3)
        harness.instance.max_message_bytes = 1 << 20
        worker = await serving(harness)
        numbers = [worker.send(query=b" " * size + b'{"op": "var_watch"}', stream=True) for _ in range(4)]
        refused = (await worker.answer(numbers[-1])).failure
        assert refused.name == "pool_saturated"
        assert words in refused.message
        worker.link.hear(pb.FromWorker(withdrawals=numbers))
        await worker.answer(numbers[0])
        assert await worker.ask("var_set", name="x", value=1) == {"name": "x", "version": 0}

    run(test, tmp_path)


def test_answers_that_a_worker_does_not_read_have_a_limit(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await ask(harness, "var_set", session="s", name="x", value="long")
        worker = await serving(harness)
        worker.link.unread = 8 * harness.instance.max_message_bytes
        assert await worker.ask("var_get", name="x") == "pool_saturated"
        worker.link.unread = 0
        assert (await worker.ask("var_get", name="x"))["value"] == "long"

    run(test, tmp_path)


def test_a_write_waits_until_no_worker_uses_the_old_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "SECONDS", 60.0)

    async def test(harness: Harness) -> None:
        await ask(harness, "var_set", session="s", name="x", value=1)
        first, second = await serving(harness), await serving(harness)
        assert first.link is not second.link
        assert (await first.ask("var_get", name="x", lease=True))["lease"] == 60
        writing = asyncio.ensure_future(ask(harness, "var_set", session="s", name="x", value=2))
        await until(lambda: first.link.invalidations)
        number, session, names = first.link.invalidations[0]
        assert (session, names) == ("s", ["x"])
        second.link.hear(pb.FromWorker(invalidated=[number]))  # it was not asked
        assert (await second.ask("var_get", name="x"))["value"] == 2  # it is on disk, but not acknowledged
        assert not writing.done()
        first.link.hear(pb.FromWorker(invalidated=[number]))
        await writing
        assert await first.ask("var_set", name="x", value=3) == {"name": "x", "version": 2}
        assert (await first.ask("var_get", name="x", lease=True))["value"] == 3
        assert (await first.ask("var_set", name="x", value=4))["version"] == 3  # it knows by itself
        assert len(first.link.invalidations) == 1

    run(test, tmp_path)


def test_a_variable_with_a_time_of_its_own_is_not_leased(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await ask(harness, "var_register", session="s", name="x", type="float", value=1, ttl=60)
        await ask(harness, "var_register", session="s", name="y", type="string", value='"ttl":null}')
        worker = await serving(harness)
        assert "lease" not in await worker.ask("var_get", name="x", lease=True)
        assert (await worker.ask("var_get", name="y", lease=True))["lease"] > 0

    run(test, tmp_path)


def test_a_worker_that_hangs_delays_a_write_only_until_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "SECONDS", 0.2)

    async def test(harness: Harness) -> None:
        await ask(harness, "var_set", session="s", name="x", value=1)
        worker = await serving(harness)
        await worker.ask("var_get", name="x", lease=True)
        granted = time.monotonic()
        await ask(harness, "var_set", session="s", name="x", value=2)
        assert worker.link.invalidations
        assert time.monotonic() - granted > 0.1

    run(test, tmp_path)


def test_a_worker_that_dies_delays_no_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "SECONDS", 600.0)

    async def test(harness: Harness) -> None:
        await ask(harness, "var_set", session="s", name="x", value=1)
        worker = await serving(harness)
        await worker.ask("var_get", name="x", lease=True)
        writing = asyncio.ensure_future(ask(harness, "var_set", session="s", name="x", value=2))
        await until(lambda: worker.link.invalidations)
        harness.instance.reported({"event": "exited", "worker": worker.name, "code": -9, "log": []})
        await writing
        assert isinstance(await worker.call.caller.answer, PitError)

    run(test, tmp_path)


def test_workers_are_told_of_sessions_that_have_ended(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        worker = await serving(harness)
        await worker.ask("var_set", name="x", value=1)
        assert (await ask(harness, "session_show", session="s"))["worker"] == worker.name
        assert (await ask(harness, "session_show", session="s"))["calls"] == 0  # made before the session was
        other = await serving(harness, "other")
        await ask(harness, "session_rm", session="s")
        assert worker.link.ended_sessions == ["s"]
        assert other.link.ended_sessions == []

    run(test, tmp_path)


def test_calls_count_and_keep_a_session(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await ask(harness, "session_create", session="s")
        for _ in range(3):
            await harness.call(session="s").answer
        assert (await ask(harness, "session_show", session="s"))["calls"] == 3
        await harness.instance.state.flush()
        assert (await ask(harness, "session_show", session="s"))["calls"] == 3

    run(test, tmp_path)


def test_uses_that_could_not_be_written_down_are_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: str) -> None:
        raise OSError(28, "No space left on device")

    async def test(harness: Harness) -> None:
        await ask(harness, "session_create", session="s")
        await harness.call(session="s").answer
        with monkeypatch.context() as patch:
            patch.setattr(database, "failpoint", full)
            with pytest.raises(PitError):
                await harness.instance.state.flush()
        await harness.call(session="s").answer
        await harness.instance.state.flush()
        assert (await ask(harness, "session_show", session="s"))["calls"] == 2

    run(test, tmp_path)


def test_looking_at_a_session_leaves_its_time_as_it_is(tmp_path: Path) -> None:
    async def left(harness: Harness, op: str) -> float:
        return float((await ask(harness, op, session="s"))["left"])

    async def test(harness: Harness) -> None:
        await ask(harness, "session_create", session="s", ttl=100)
        assert 100 > await left(harness, "session_show") > await left(harness, "session_show")
        assert await left(harness, "session_touch") == 100
        with pytest.raises(PitError) as raised:
            await ask(harness, "session_show", session="other")
        assert raised.value.kind == "session_not_found"
        with pytest.raises(PitError) as raised:
            await ask(harness, "session_show")
        assert raised.value.kind == "usage"

    run(test, tmp_path)


def test_a_session_outlives_a_call_that_is_longer_than_its_time(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await ask(harness, "session_create", session="s", ttl=1)
        worker = await serving(harness)
        touches = harness.instance.state.touches
        assert touches.last("s", time.time(), 1) == float("inf")
        worker.link.finish(worker.call.id)
        await worker.call.caller.answer
        assert touches.last("s", time.time(), 1) < float("inf")

    run(test, tmp_path)


def test_calls_without_a_session_do_not_touch_the_store(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.call().answer
        await harness.call(session="unknown").answer

    run(test, tmp_path)
    assert not list(tmp_path.glob("sessions.db*"))


def test_sessions_are_swept(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        state = harness.instance.state
        watch = asyncio.ensure_future(state.watch())
        await ask(harness, "session_create", session="s", ttl=1)
        await ask(harness, "var_set", session="kept", name="x", value=1)
        await ask(harness, "var_register", session="kept", name="y", type="integer", value=1, ttl=0.05)
        watcher = Watcher(harness)
        assert await watcher.task == {"reason": "the session has ended"}
        await until(lambda: harness.instance.state.counts["expired"])
        stats = await ask(harness, "session_stats")
        assert (stats["sessions"], stats["expired"], stats["created"]) == (1, 1, 2)
        assert (await ask(harness, "session_show", session="kept"))["variables"] == 1
        watch.cancel()

    run(test, tmp_path, small(session=SessionSettings(cleanup_interval=0.1)))


# ------------------------------------------------------------------------------------------------ tools


def described(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, **more} for name in names]


def test_a_tool_is_run_by_the_worker_that_offers_it(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        provider, asker = await serving(harness), await serving(harness)
        assert await provider.ask("tool_register", tools=described("t", description="d")) == {"registered": ["t"]}
        assert await provider.ask("tool_register", tools=described("t")) == {"registered": ["t"]}
        assert await asker.ask("tool_register", tools=described("u", "t")) == "already_exists"
        (listed,) = await ask(harness, "tool_list", session="s")
        assert (listed["name"], listed["worker"], listed["pool"]) == ("t", provider.name, "default")
        assert (await ask(harness, "session_show", session="s"))["tools"] == 1
        assert await ask(harness, "tool_list", session="other") == []
        provider.link.finish(provider.call.id)
        await provider.call.caller.answer
        number = asker.send(command="t", args=b'{"a":1}', tool=True)
        await until(lambda: len(provider.link.calls) == 2)
        provider.link.finish(provider.link.calls[-1], b'"done"')
        assert (await asker.answer(number)).value == b'"done"'
        client = harness.call("t", session="s", tool=True)
        await until(lambda: len(provider.link.calls) == 3)
        provider.link.finish(provider.link.calls[-1], b"2")
        assert await client.answer == b"2"
        with pytest.raises(PitError) as caught:
            harness.call("T", session="s", tool=True)
        assert caught.value.message == "session s has no tool 'T'; did you mean 't'?" or "no tool" in str(caught.value)
        with pytest.raises(PitError) as caught:
            harness.call("t", session="other", tool=True)
        assert caught.value.kind == "tool_not_found"
        assert await asker.ask("tool_rm", name="t") == "not_yours"
        await ask(harness, "session_rm", session="s")
        assert provider.link.ended_sessions == ["s"]
        assert harness.instance.state.tools.count("s") == 0

    run(test, tmp_path)


def test_a_provider_that_dies_fails_its_calls_and_takes_its_tools_along(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        provider, asker = await serving(harness), await serving(harness)
        await provider.ask("tool_register", tools=described("t"))
        provider.link.finish(provider.call.id)
        await provider.call.caller.answer
        running = asker.send(command="t", tool=True)
        await until(lambda: len(provider.link.calls) == 2)
        waiting = harness.call("t", session="s", tool=True)
        harness.instance.reported({"event": "exited", "worker": provider.name, "code": -9, "log": []})
        assert (await asker.answer(running)).failure.name == "worker_crashed"
        assert (await waiting.answer).kind == "tool_unavailable"
        late = await asker.answer(asker.send(command="t", tool=True))
        assert late.failure.name == "tool_not_found"

    run(test, tmp_path)


def test_a_call_that_would_wait_for_itself_is_refused(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        worker = await serving(harness)
        await worker.ask("tool_register", tools=described("mine"))
        assert (await worker.answer(worker.send(command="mine", tool=True))).failure.name == "call_loop"
        through = await worker.answer(worker.send(command="echo", args=b"1"))  # the other worker is free
        assert through.value == b"1"
        other = await serving(harness)
        deeper = other.send(command="mine", tool=True)  # it waits: another call holds the provider
        worker.link.finish(worker.call.id)
        await until(lambda: len(worker.link.calls) >= 2)
        inner = Worker(harness, worker.call.caller)
        inner.call = type("Call", (), {"id": worker.link.calls[-1]})
        inner.number = 1000
        assert (await inner.answer(inner.send(command="wait"))).failure.name == "call_loop"
        worker.link.finish(worker.link.calls[-1], b"3")
        assert (await other.answer(deeper)).value == b"3"

    run(test, tmp_path)


@pytest.mark.parametrize("name", ["", "-x", "a b", "x" * 65, "é", "a/b"])
def test_names_of_tools(tmp_path: Path, name: str) -> None:
    async def test(harness: Harness) -> None:
        worker = await serving(harness)
        assert await worker.ask("tool_register", tools=described("good", name)) == "usage"
        assert await ask(harness, "tool_list", session="s") == []
        big = {str(number): 1 for number in range(33)}
        assert await worker.ask("tool_register", tools=described("good", metadata=big)) == "quota_exceeded"
        assert (
            await worker.ask("tool_register", tools=described("good", metadata={"a": "x" * 5000})) == "quota_exceeded"
        )

    run(test, tmp_path)


class Guest:
    """Somebody who serves tools from a worker of their own."""

    def __init__(self, harness: Harness, session: str = "s") -> None:
        self.said: list[dict[str, Any]] = []
        self.link = Link()
        self.harness = harness
        self.task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(self._serve(session))

    def _serve(self, session: str) -> Coroutine[Any, Any, Any]:
        async def say(lines: bytes) -> None:
            self.said += map(json.loads, lines.splitlines())

        return self.harness.desk.answer(request("tool_serve", session=session), say)

    async def attach(self, *commands: str) -> None:
        await until(lambda: self.said)
        way = self.said[0]
        hello = pb.Hello(
            worker=way["worker"], token=way["token"], capacity=1, language="node",
            commands=[pb.CommandSpec(name=name) for name in commands],
        )  # fmt: skip
        guest = self.harness.instance.welcome(hello, self.link)  # type: ignore[arg-type]
        self.link.hear = guest.heard  # type: ignore[assignment]
        self.hang_up = guest.hung_up


def test_somebody_serves_tools(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        guest = Guest(harness)
        await guest.attach("echo", "other")
        await until(lambda: len(guest.said) == 2)
        assert [one["name"] for one in guest.said[1]["tools"]] == ["echo", "other"]
        assert await harness.call("echo", session="s", tool=True).answer == b'{"a":1}'
        second = Guest(harness)
        await second.attach("echo")
        with pytest.raises(PitError) as caught:
            await second.task
        assert caught.value.kind == "already_exists"
        assert (await harness.ask(ops.Status()))["pools"] == []  # a guest is no pool
        guest.task.cancel()
        await until(lambda: not harness.instance.guests)
        await until(lambda: guest.link.closed)
        assert await ask(harness, "tool_list", session="s") == []

    run(test, tmp_path)


def test_a_guest_that_goes_ends_its_calls(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        guest = Guest(harness)
        await guest.attach("wait")
        await until(lambda: len(guest.said) == 2)
        caller = harness.call("wait", session="s", tool=True)
        await until(lambda: guest.link.calls)
        guest.hang_up()
        assert (await caller.answer).kind == "worker_crashed"
        assert await guest.task == {"reason": "the worker has gone"}
        assert not harness.instance.guests

    run(test, tmp_path)


def test_a_session_that_is_removed_while_a_tool_is_registered_leaves_no_tool(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        worker = await serving(harness)
        for _ in range(20):
            number = worker.send(query=b'{"op": "tool_register", "tools": [{"name": "t"}]}')
            await asyncio.sleep(0)
            removal = asyncio.ensure_future(ask(harness, "session_rm", session="s"))
            assert (await worker.answer(number)).value == b'{"registered":["t"]}'
            await removal
            assert await ask(harness, "tool_list", session="s") == []

    run(test, tmp_path)


def test_a_guest_ends_with_its_session(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        guest = Guest(harness)
        await guest.attach("wait")
        await until(lambda: len(guest.said) == 2)
        await ask(harness, "session_rm", session="s")
        assert await guest.task == {"reason": "the session has ended"}

    run(test, tmp_path)


def test_tools_are_served_in_a_session_that_takes_the_place_of_an_expired_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(harness: Harness) -> None:
        await ask(harness, "session_create", session="s", ttl=1)
        monkeypatch.setattr(Clock, "now", lambda _: time.time() + 5)
        guest = Guest(harness)
        await guest.attach("echo")
        await until(lambda: len(guest.said) == 2)
        assert await harness.call("echo", session="s", tool=True).answer == b'{"a":1}'
        assert not guest.task.done()
        guest.task.cancel()

    run(test, tmp_path)


def test_serving_that_is_given_up_at_any_moment_leaves_nothing(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        for turns in range(12):
            guest = Guest(harness)
            for _ in range(turns):
                await asyncio.sleep(0)
            guest.task.cancel()
            await asyncio.gather(guest.task, return_exceptions=True)
            assert not harness.instance.guests
            assert not harness.instance.state.feeds._of

    run(test, tmp_path)


def test_nobody_comes_in_without_the_token(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        guest = Guest(harness)
        await until(lambda: guest.said)
        guest.said[0]["token"] = "x"
        with pytest.raises(Exception, match="no worker of this name and token"):
            await guest.attach("wait")
        guest.task.cancel()

    run(test, tmp_path, small())
