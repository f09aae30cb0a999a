"""Sessions, variables, programs and tools answer the same through every door."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.state import Sessions
from tests.contract.state_cases import CASES, Case, Step, fails, gives
from tests.contract.state_doors import ADAPTERS, CONFIG, DIALLING, RAISED, Client, Door, Worker
from tests.harness import procs, wait
from tests.harness.pit import Pit

WRONG = {"lines": "command_failed"}
"""Programs check their arguments themselves, and have no kinds of error."""
RUNS_ITS_OWN = frozenset(DIALLING)
"""A call of a tool by a handler of the worker that offers it runs within that handler. Programs do that themselves."""
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shared() -> Iterator[Pit]:
    with Pit(CONFIG) as one:
        for name in ["default", *ADAPTERS]:
            one.run("up", name)
        yield one


@pytest.fixture(params=[*ADAPTERS, "client"])
def door(request: pytest.FixtureRequest, shared: Pit) -> Door:
    return door_of(shared, request.param)


@pytest.fixture(params=ADAPTERS)
def worker(request: pytest.FixtureRequest, shared: Pit) -> Worker:
    return Worker(shared, request.param)


@pytest.fixture
def session(shared: Pit) -> str:
    with shared.connection() as connection:
        name: str = Sessions(connection).create(f"s{next(_numbers)}")["id"]
    return name


def door_of(pit: Pit, name: str) -> Door:
    return Client(pit) if name == "client" else Worker(pit, name)


def check(door: Door, session: str | None, *steps: Step, metadata: dict[str, str] | None = None) -> None:
    outcomes = door.run(session, steps, metadata)
    told = list(zip(steps, outcomes, strict=True))
    wrong = [
        f"{step.op} {step.fields}: {outcome}, not {step.outcome}" for step, outcome in told if not step.met(outcome)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_door_answers_the_same(door: Door, case: Case, session: str) -> None:
    if case.workers_only and isinstance(door, Client):
        return
    check(door, session if case.session else None, *case.steps, metadata=case.metadata)


@pytest.mark.parametrize("provider", ADAPTERS)
def test_tools_are_called_from_everywhere(shared: Pit, door: Door, provider: str, session: str) -> None:
    offering = Worker(shared, provider)
    check(
        offering, session,
        gives("offer", "add", name="add", description="Adds.", metadata={"kind": "sum"}),
        gives("offer", "add", name="add", description="Adds.", metadata={"kind": "sum"}),
        *(gives("offer", name, name=name) for name in ("count", "fail", "nested")),
    )  # fmt: skip
    [told] = door.run(session, [Step("tool", {"name": "add"}, {})])
    facts = {key: told["value"][key] for key in ("name", "description", "streaming", "metadata", "language")}
    assert facts == {
        "name": "add", "description": "Adds.", "streaming": False, "metadata": {"kind": "sum"}, "language": provider,
    }  # fmt: skip
    assert [one["name"] for one in told["value"]["parameters"]] == ["a", "b"]
    if isinstance(door, Worker) and door.name == provider:
        # The worker is busy with the call within which it asks.
        if provider not in RUNS_ITS_OWN:
            check(door, session, fails("call_tool", "call_loop", name="add", args={"a": 1}))
            return
        check(
            door, session,
            gives("call_tool", 2, name="add", args={"a": 1}),
            gives("call_tool", [0, 1, 2], name="count", args={"n": 3}),
            fails("call_tool", "invalid_arguments", name="add", args={"c": 1}),
            Step(
                "call_tool", {"name": "fail", "args": {"message": "no way"}},
                {"error": "command_failed", "type": RAISED[provider]},
            ),
            gives("set", 0, name="t", value="seen"),
            gives("call_tool", "seen", name="nested", args={"name": "t"}),
            fails("stream_tool", "call_loop", name="count", args={"n": 3}),
        )  # fmt: skip
        return
    check(
        door, session,
        gives("tools", ["add", "count", "fail", "nested"]),
        gives("tools", ["add", "count"], pattern="*[dn]?"),
        gives("call_tool", 3, name="add", args={"a": 1, "b": 2}),
        gives("call_tool", 2, name="add", args={"a": 1}),
        gives("call_tool", [0, 1, 2], name="count", args={"n": 3}),
        gives("stream_tool", list(range(500)), name="count", args={"n": 500}),
        gives("stream_tool", [0, 1], name="count", args={"n": 10**9}, count=2),
        fails("call_tool", "tool_not_found", name="nothing", args={}),
        fails("stream_tool", "tool_not_found", name="nothing", args={}),
        fails("call_tool", WRONG.get(provider, "invalid_arguments"), name="add", args={"c": 1}),
        Step(
            "call_tool", {"name": "fail", "args": {"message": "no way"}},
            {"error": "command_failed", "type": RAISED[provider]},
        ),
        gives("set", 0, name="t", value="seen"),
        gives("call_tool", "seen", name="nested", args={"name": "t"}),
    )  # fmt: skip
    check(
        offering, session,
        gives("withdraw", None, name="add"),
        fails("withdraw", "tool_not_found", name="add"),
    )  # fmt: skip
    check(
        door, session, gives("tools", ["count", "fail", "nested"]),
        fails("call_tool", "tool_not_found", name="add", args={"a": 1}),
    )  # fmt: skip


def test_one_worker_cannot_take_the_name_of_anothers_tool(shared: Pit, worker: Worker, session: str) -> None:
    check(Worker(shared, "default"), session, gives("offer", "add", name="add"))
    check(
        worker, session,
        fails("offer", "already_exists", name="add"),
        fails("offer", "quota_exceeded", name="count", metadata={str(n): "x" for n in range(40)}),
        fails("withdraw", "not_yours", name="add"),
        gives("offer", "count", name="count"),
    )  # fmt: skip


def test_workers_are_told_of_the_end_of_a_session(shared: Pit, worker: Worker, session: str) -> None:
    check(worker, session, gives("offer", "add", name="add"))
    with shared.connection() as connection:
        Sessions(connection).rm(session)
    wait.until(lambda: session in worker.call("ended"), "the word of its end")


@pytest.mark.parametrize("worker", DIALLING, indirect=True)
def test_tools_outlive_the_server(shared: Pit, worker: Worker, session: str) -> None:
    check(worker, session, gives("offer", "add", name="add"), gives("offer", "count", name="count"))
    check(worker, session, gives("withdraw", None, name="count"), gives("set", 0, name="v", value=1))
    procs.kill(shared.status()["server"]["pid"])
    client = Client(shared)
    wait.until(lambda: outcomes(client, session, Step("tools", {}, {})) == [{"value": ["add"]}], "its tools")
    check(client, session, gives("call_tool", 3, name="add", args={"a": 1, "b": 2}), gives("get", 1, name="v"))


@pytest.mark.parametrize("worker", DIALLING, indirect=True)
def test_what_a_handler_waits_for_fails_when_the_server_dies(shared: Pit, worker: Worker, session: str) -> None:
    """It is told, also when it asks again beside the next server, so that the worker is free at once."""
    check(worker, session, gives("set", 0, name="begun", value=False))
    with shared.connection() as connection:
        for _ in range(2):
            connection.send_call("wait", [b'{"name":"x"}'], {"pool": worker.name, "session": session})
        wait.until(lambda: Client(shared).run(session, [Step("get", {"name": "begun"}, {})]) == [{"value": True}], "it")
        procs.kill(shared.status()["server"]["pid"])
    shared.until_pool("the worker to be free", name=worker.name, ready=1, busy=0)
    told = wait.until(lambda: worker.call("last"), "what it was told")
    assert len(told) >= 2
    assert set(told) <= {"server_restarted", "cancelled"}  # the call itself is over, too
    check(worker, session, gives("set", 0, name="v", value=1))


def test_a_call_that_is_given_up_gives_its_requests_up(shared: Pit, worker: Worker, session: str) -> None:
    check(Worker(shared, "default"), session, gives("offer", "count", name="count"))
    run = shared.start("stream", "forever", "name=count", "--pool", worker.name, "--session", session)
    assert run.stdout is not None
    assert [run.stdout.readline() for _ in range(3)] == ["0\n", "1\n", "2\n"]
    shared.until_pool("the tool to run", running=1)
    run.send_signal(2)
    run.communicate(timeout=20)
    assert run.returncode == 130
    shared.until_pool("the tool to end", busy=0)
    shared.until_pool("its caller to be free", name=worker.name, busy=0)
    check(worker, session, gives("set", 0, name="v", value=1))


def test_a_slow_reader_of_a_tool_stops_it(shared: Pit, worker: Worker, session: str) -> None:
    """Its handler reads no more than its own reader does, and the tool is no further than its credit."""
    check(Worker(shared, "default"), session, gives("offer", "count", name="count"))
    provider = shared.workers("default")
    with shared.connection() as connection:
        stream = connection.stream("forever", b'{"name":"count"}', pool=worker.name, session=session)
        assert next(stream).startswith(b"0\n")
        pids = [one["pid"] for one in [*provider, *shared.workers(worker.name)]]
        wait.until(lambda: at_rest(pids), "the tool and its caller to rest")
        stream.close()
    shared.until_pool("the tool to end", busy=0)
    shared.until_pool("its caller to be free", name=worker.name, busy=0)


def test_a_tool_is_offered_though_a_session_of_this_name_has_just_expired(shared: Pit, worker: Worker) -> None:
    """The worker learns of that end while it offers."""
    with shared.connection() as connection:
        sessions = Sessions(connection)
        name = sessions.create(f"s{next(_numbers)}", ttl=1)["id"]
        wait.until(lambda: not exists(sessions, name), "the session to expire")
        check(worker, name, gives("offer", "add", name="add"))
        assert connection.call("add", b'{"a":1,"b":2}', session=name, tool=True) == b"3"


def exists(sessions: Sessions, name: str) -> bool:
    try:
        return bool(sessions.show(name))
    except PitError:
        return False


def outcomes(door: Door, session: str, step: Step) -> object:
    """None while there is no server."""
    try:
        return door.run(session, [step])
    except PitError:
        return None


def at_rest(pids: list[int]) -> bool:
    """Measured: the share of a processor that they take."""
    before = [procs.cpu_seconds(pid) for pid in pids]
    time.sleep(0.2)
    return all(procs.cpu_seconds(pid) - one < 0.03 for pid, one in zip(pids, before, strict=True))
