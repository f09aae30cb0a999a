"""Handlers use their session: what they ask the server, what they make of its answers, what they keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from snakepit_bridge import worker_pb2 as pb

from tests.unit.bridge.conftest import Start
from tests.unit.bridge.gateway import Attached, Gateway

ADAPTER = Path(__file__).parent / "adapters" / "remembering.py"


@pytest.fixture
def worker(start: Start, gateway: Gateway) -> Attached:
    start(f"{ADAPTER}:Remembering")
    return gateway.next()


def variable(name: str, value: Any, **more: Any) -> dict[str, Any]:
    kind = "float" if isinstance(value, float) else "integer" if isinstance(value, int) else "list"
    return {"id": f"var_{name}_1", "name": name, "type": kind, "value": value, "version": 0, **more}


def begin(worker: Attached, command: str, session: str = "s", **args: Any) -> int:
    return worker.call(command, json.dumps(args).encode(), session=session)


def value(worker: Attached, call: int) -> Any:
    result = worker.result(call)
    assert result.WhichOneof("outcome") == "value", result.failure
    return json.loads(result.value)


def serve(worker: Attached, call: int, *replies: Any) -> list[dict[str, Any]]:
    """Answers what the handler asks, in order; what it asked."""
    asked = []
    for reply in replies:
        number, query = worker.query()
        asked.append(query)
        worker.reply(number, reply)
    return asked


def lease(worker: Attached, name: str, of: Any, session: str = "s") -> None:
    """Has the worker read a variable that it may keep."""
    call = begin(worker, "get", session, name=name)
    serve(worker, call, variable(name, of, lease=60))
    assert value(worker, call) == of


# ------------------------------------------------------------------------------------------------ asking


def test_a_value_is_asked_of_the_calls_own_session(worker: Attached) -> None:
    call = begin(worker, "get", name="t")
    request = worker.request()
    assert request.parent == call
    assert not request.command
    assert json.loads(request.query) == {"op": "var_get", "name": "t", "lease": True}
    worker.reply(request.id, variable("t", 0.5))
    assert value(worker, call) == 0.5


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("variable_not_found", "VariableNotFoundError"),
        ("session_not_found", "VariableNotFoundError"),
        ("quota_exceeded", "QuotaExceededError"),
        ("internal", "CallFailedError"),
    ],
)
def test_errors_have_classes_of_their_own(worker: Attached, kind: str, name: str) -> None:
    call = begin(worker, "fails", name="t")
    worker.refuse(worker.query()[0], kind, "that is why")
    told = value(worker, call)
    assert told[0] == name
    assert told[3] is (name == "VariableNotFoundError")
    assert told[1:3] == [kind, f"{kind}: that is why"] or kind == "session_not_found"


def test_an_error_that_is_not_caught_is_the_handlers(worker: Attached) -> None:
    call = begin(worker, "get", name="t")
    worker.refuse(worker.query()[0], "variable_not_found", "no variable `t`")
    failure = worker.result(call).failure
    assert (failure.kind, failure.type) == (pb.Failure.Kind.COMMAND_FAILED, "VariableNotFoundError")
    assert failure.message == "variable_not_found: no variable `t`"


def test_without_a_session_there_are_no_variables(worker: Attached) -> None:
    failure = worker.failure("get", b'{"name":"t"}')
    assert failure.type == "NoSessionError"
    assert "--session" in failure.message
    assert json.loads(worker.value("metadata")) == [{}, {}, "", False, True]
    assert not worker.requests


def test_metadata_of_the_call(worker: Attached) -> None:
    call = worker.call("metadata", session="s", metadata=b'{"user":"ann"}')
    assert value(worker, call) == [{"user": "ann"}, {"user": "ann"}, "s", True, True]


def test_registering(worker: Attached) -> None:
    call = begin(worker, "register")
    [asked] = serve(worker, call, variable("t", 1.0))
    assert asked == {
        "op": "var_register", "name": "t", "type": "float", "value": "Infinity",
        "constraints": {"min": 0}, "metadata": {"unit": "K"}, "ttl": 60,
    }  # fmt: skip
    assert value(worker, call) == "var_t_1"


@pytest.mark.parametrize("strict", [False, True])
def test_assigning_registers_unless_it_is_strict(worker: Attached, strict: bool) -> None:
    call = begin(worker, "assign", name="t", value=3, strict=strict)
    [asked] = serve(worker, call, {"name": "t", "version": 0})
    assert asked == {"op": "var_set", "name": "t", "value": 3, "create": not strict}
    assert value(worker, call) is None


def test_a_proxy_sets_what_exists(worker: Attached) -> None:
    call = begin(worker, "proxy", name="t", value=3)
    number, asked = worker.query()
    assert asked == {"op": "var_set", "name": "t", "value": 3, "create": False}
    worker.refuse(number, "variable_not_found")
    assert worker.result(call).failure.type == "VariableNotFoundError"


def test_every_method(worker: Attached) -> None:
    call = begin(worker, "use_all")
    program = {"id": "p", "data": {"x": 1}, "session": "s"}
    found = {"found": {"a": variable("a", 1), "b": variable("b", 2)}, "missing": []}
    results = {"results": {"a": {"version": 1}, "b": {"error": {"message": "must be a number"}}}}
    past = [{"name": "b", "type": "float", "value": "Infinity"}]
    asked = serve(
        worker, call, [variable("t", "NaN", type="float")], found, results, {"removed": True},
        variable("a", 1), variable("b", 2), variable("b", 2, version=5), past, {"name": "b", "version": 4},
        {"on": ["c"]}, program, program, [program], {"removed": True}, {"removed": True},
    )  # fmt: skip
    assert [one["op"] for one in asked] == [
        "var_list", "var_mget", "var_mset", "var_rm", "var_get", "var_get", "var_get", "var_history",
        "var_rollback", "var_depend", "program_put", "program_get", "program_list", "program_rm", "session_rm",
    ]  # fmt: skip
    assert asked[2] == {
        "op": "var_mset", "values": {"a": 1, "b": "hot"}, "atomic": False, "create": False
    }  # fmt: skip
    assert asked[8] == {"op": "var_rollback", "name": "b", "version": 0, "expect": 3}
    assert asked[13]["global"] is True
    failure = worker.result(call).failure
    assert failure.kind == pb.Failure.Kind.INVALID_RESULT, "list_variables gave a NaN, which JSON cannot hold"
    assert "NaN" in failure.message


def test_a_batch_is_one_request(worker: Attached) -> None:
    call = begin(worker, "batch")
    [asked] = serve(worker, call, {"results": {"a": {"version": 0}, "b": {"version": 0}}})
    assert asked["values"] == {"a": 1, "b": 2}
    assert (asked["atomic"], asked["create"]) == (True, True)
    assert value(worker, call) == {"a": True, "b": True}


def test_a_batch_that_raises_asks_nothing(worker: Attached) -> None:
    assert worker.failure("batch", b'{"fail":true}', session="s").message == "not now"
    assert not worker.requests


def test_a_batch_whose_values_are_not_taken_raises(worker: Attached) -> None:
    call = begin(worker, "batch")
    serve(worker, call, {"results": {"a": {"version": 0}, "b": {"error": {"message": "b: must be a list"}}}})
    failure = worker.result(call).failure
    assert (failure.type, "b: must be a list" in failure.message) == ("InvalidValueError", True)


def test_giving_up_the_call_gives_up_the_request(worker: Attached) -> None:
    call = begin(worker, "get", name="t")
    number, _ = worker.query()
    worker.cancel(call)
    assert worker.result(call).failure.kind == pb.Failure.Kind.CANCELLED
    worker.until(lambda: number in worker.withdrawals)
    worker.reply(number, variable("t", 1.0, lease=60))
    call = begin(worker, "get", name="t")
    assert serve(worker, call, variable("t", 2.0))
    assert value(worker, call) == 2.0


# ----------------------------------------------------------------------------------- with await and without


def test_async_handlers_await(worker: Attached) -> None:
    call = begin(worker, "awaits", name="flag")
    serve(worker, call, variable("flag", True, type="boolean"))
    assert value(worker, call) == ["bool", True]


def test_async_handlers_need_not_await(worker: Attached) -> None:
    call = begin(worker, "uses_plainly", name="t")
    serve(worker, call, variable("t", 0.5), variable("t", 0.5))
    assert value(worker, call) == {"value": 0.5, "more": 1.5, "same": True, "item": 0.5}


def test_async_handlers_gather(worker: Attached) -> None:
    call = begin(worker, "gathers")
    serve(worker, call, variable("a", [1], lease=60), variable("b", 2), variable("c", 3.0))
    assert value(worker, call) == [[[1], 2], 3.0]


def test_a_plain_handler_may_run_a_loop_of_its_own(worker: Attached) -> None:
    call = begin(worker, "runs_a_loop")
    serve(worker, call, variable("a", 1), variable("b", 2))
    assert value(worker, call) == [1, 3]


def test_threads_of_a_handler_ask_too(worker: Attached) -> None:
    call = begin(worker, "asks_from_threads")
    for _ in range(2):
        number, asked = worker.query()
        worker.reply(number, variable(asked["name"], {"a": 1, "b": 2}[asked["name"]]))
    assert value(worker, call) == [1, 2]


def test_giving_up_the_call_ends_a_loop_of_its_own(worker: Attached) -> None:
    call = begin(worker, "runs_a_loop")
    number, _ = worker.query()
    worker.cancel(call)
    assert worker.result(call).failure.kind == pb.Failure.Kind.CANCELLED
    worker.until(lambda: number in worker.withdrawals)
    again = begin(worker, "get", name="t")
    serve(worker, again, variable("t", 1))
    assert value(worker, again) == 1


def test_async_writes(worker: Attached) -> None:
    call = begin(worker, "awaits_writes")
    serve(worker, call, {"results": {"a": {"version": 0}}}, {"version": 1}, {"removed": True})
    assert value(worker, call) == [1, None, {"a": True}]


@pytest.mark.parametrize("plainly", [False, True])
def test_async_errors_are_raised_where_they_happen(worker: Attached, plainly: bool) -> None:
    call = begin(worker, "missing", name="t", plainly=plainly)
    worker.refuse(worker.query()[0], "variable_not_found", "no `t`")
    assert value(worker, call) == "no `t`"


@pytest.mark.parametrize("command", ["awaits", "plainly"])
def test_concurrent_calls_each_have_their_session(start: Start, gateway: Gateway, command: str) -> None:
    start(f"{ADAPTER}:Concurrent")
    worker = gateway.next()
    calls = {begin(worker, command, f"s{n}", name="t"): n for n in range(4)}
    for _ in calls:
        request = worker.request()
        worker.reply(request.id, variable("t", calls[request.parent], lease=60))
    assert [value(worker, call) for call in calls] == [[f"s{n}", 2 * n] for n in range(4)]
    worker.say(ended_sessions=["s1"])
    assert json.loads(worker.value("ends")) == "s1"


# ----------------------------------------------------------------------------------------------- announced


def test_an_adapter_is_told_its_session_before_each_call(start: Start, gateway: Gateway) -> None:
    start(f"{ADAPTER}:Announced")
    worker = gateway.next()
    assert json.loads(worker.value("told", session="one")) == ["one", True]
    assert json.loads(worker.value("told")) == ["", False]
    assert worker.failure("get", b'{"name":"t"}').type == "NoSessionError"
    call = begin(worker, "get", name="t")
    serve(worker, call, variable("t", 1))
    assert value(worker, call) == 1


def test_an_adapter_is_told_that_a_session_has_ended(worker: Attached) -> None:
    lease(worker, "t", 1)
    worker.say(ended_sessions=["s", "never seen"])
    assert json.loads(worker.value("ends")) == ["s", "never seen"]
    call = begin(worker, "get", name="t")
    assert serve(worker, call, variable("t", 2)), "what was kept of it is gone"


# -------------------------------------------------------------------------------------------------- keeping


def test_a_leased_value_is_not_asked_for_again(worker: Attached) -> None:
    call = begin(worker, "get_twice", name="t")
    serve(worker, call, variable("t", 1, lease=60))
    assert value(worker, call) == [1, 1]
    assert json.loads(worker.value("get", b'{"name":"t"}', session="s")) == 1
    call = begin(worker, "get", "other", name="t")
    serve(worker, call, variable("t", 2))
    assert value(worker, call) == 2, "another session's variable"


def test_a_value_without_a_lease_is_asked_for_again(worker: Attached) -> None:
    call = begin(worker, "get_twice", name="t")
    serve(worker, call, variable("t", 1), variable("t", 2))
    assert value(worker, call) == [1, 2]


def test_a_value_that_was_asked_for_by_id_is_not_kept(worker: Attached) -> None:
    call = begin(worker, "get_twice", name="var_t_1")
    serve(worker, call, variable("t", 1, lease=60), variable("t", 2, lease=60))
    assert value(worker, call) == [1, 2]


def test_what_a_handler_does_to_a_value_is_its_own_business(worker: Attached) -> None:
    call = begin(worker, "get_again", name="t")
    serve(worker, call, variable("t", [1], lease=60))
    assert value(worker, call) == [[1, "mine"], [1]]


def test_an_invalidation_is_obeyed_and_confirmed(worker: Attached) -> None:
    lease(worker, "t", 1)
    lease(worker, "u", 1)
    worker.invalidate(9, "s", "t")
    worker.until(lambda: worker.invalidated == [9])
    call = begin(worker, "get", name="t")
    serve(worker, call, variable("t", 2))
    assert value(worker, call) == 2
    assert worker.value("get", b'{"name":"u"}', session="s") == b"1", "only what it names"
    worker.invalidate(10, "s")
    worker.until(lambda: worker.invalidated == [9, 10])
    call = begin(worker, "get", name="u")
    assert serve(worker, call, variable("u", 2))


def test_an_invalidation_is_confirmed_while_a_handler_is_busy(worker: Attached) -> None:
    lease(worker, "t", 1)
    call = begin(worker, "get", name="slow")
    number, _ = worker.query()
    worker.invalidate(9, "s", "t")
    worker.until(lambda: worker.invalidated == [9])
    worker.reply(number, variable("slow", 1))
    assert value(worker, call) == 1


def test_a_reply_that_an_invalidation_overtakes_is_not_kept(worker: Attached) -> None:
    call = begin(worker, "get_twice", name="t")
    number, _ = worker.query()
    worker.invalidate(9, "s", "t")
    worker.until(lambda: worker.invalidated == [9])
    worker.reply(number, variable("t", 1, lease=60))
    serve(worker, call, variable("t", 2))
    assert value(worker, call) == [1, 2]


def test_an_own_write_drops_what_was_kept(worker: Attached) -> None:
    call = begin(worker, "read_write_read", name="t", value=2)
    serve(worker, call, variable("t", 1, lease=60), {"version": 1}, variable("t", 2, lease=60))
    assert value(worker, call) == [1, 1, 2]


def test_a_write_that_was_given_up_drops_what_was_read_before_its_reply(worker: Attached) -> None:
    call = begin(worker, "assign", name="t", value=2)
    write, _ = worker.query()
    worker.cancel(call)
    assert worker.result(call).failure.kind == pb.Failure.Kind.CANCELLED
    lease(worker, "t", 1)
    assert worker.value("get", b'{"name":"t"}', session="s") == b"1"
    worker.reply(write, {"name": "t", "version": 1})
    call = begin(worker, "get", name="t")
    serve(worker, call, variable("t", 2))
    assert value(worker, call) == 2


def test_a_write_by_id_drops_all_of_the_session(worker: Attached) -> None:
    lease(worker, "t", 1)
    call = begin(worker, "assign", name="var_t_1", value=2)
    serve(worker, call, {"name": "t", "version": 1})
    assert value(worker, call) is None
    call = begin(worker, "get", name="t")
    assert serve(worker, call, variable("t", 2))


def test_a_forked_child_uses_no_kept_value(worker: Attached) -> None:
    """No invalidation reaches it."""
    call = begin(worker, "in_a_child", name="t")
    serve(worker, call, variable("t", 1, lease=60))
    assert value(worker, call) == "unavailable"
    assert worker.value("get", b'{"name":"t"}', session="s") == b"1", "the parent still does"


def test_when_the_server_is_lost_nothing_is_kept(worker: Attached, gateway: Gateway) -> None:
    lease(worker, "t", 1)
    worker.hang_up()
    again = gateway.next()
    call = begin(again, "get", name="t")
    serve(again, call, variable("t", 2))
    assert value(again, call) == 2


# ------------------------------------------------------------------------------------------------- watching


def change(of: Any) -> dict[str, Any]:
    return {"name": "t", "event": "set", "type": "float", "value": of}


def test_a_handler_watches(worker: Attached) -> None:
    call = worker.call("watch", b'{"most":3}', session="s", stream=True)
    request = worker.request()
    assert json.loads(request.query) == {"op": "var_watch", "pattern": "t*", "after": 7}
    assert request.stream
    assert request.credit_bytes > 0
    worker.reply_part(request.id, change(1.0), change(2.0))
    worker.until(lambda: worker.lines.get(call) == b"1.0\n2.0\n")
    worker.reply_part(request.id, change(3.0))
    assert worker.result(call).value == b"null"
    worker.until(lambda: request.id in worker.withdrawals)


def test_watching_ends_with_the_reply(worker: Attached) -> None:
    call = worker.call("watch", b'{"most":9}', session="s", stream=True)
    request = worker.request()
    worker.reply_part(request.id, change(1.0))
    worker.reply(request.id, {"reason": "the session has ended"})
    assert worker.result(call).value == b"null"
    assert worker.lines[call] == b"1.0\n"
    assert not worker.withdrawals


def test_watching_fails_with_the_reply(worker: Attached) -> None:
    call = worker.call("awatch", session="s", stream=True)
    request = worker.request()
    worker.reply_part(request.id, change(1.0))
    worker.until(lambda: worker.lines.get(call) == b"1.0\n")
    worker.refuse(request.id, "session_not_found")
    assert worker.result(call).failure.type == "SessionExpiredError"


def test_a_watcher_grants_room_for_what_it_has_read(worker: Attached) -> None:
    call = worker.call("watch", b'{"most":4}', session="s", stream=True, credit=1 << 22)
    request = worker.request()
    large = {**change(1.0), "metadata": {"pad": "x" * (request.credit_bytes // 3)}}
    for _ in range(2):
        worker.reply_part(request.id, large)
    worker.until(lambda: worker.granted.get(request.id, 0) > request.credit_bytes // 2)
    worker.reply_part(request.id, large, change(1.0))
    assert worker.result(call).value == b"null"
