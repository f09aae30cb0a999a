"""Sessions, variables and programs as a library sees them: what is sent, what comes back, what is never sent."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client import api
from snakepit_cli.client.connect.find import connect
from snakepit_cli.client.json_text import JsonText
from snakepit_cli.client.state import Programs, Session, Sessions
from snakepit_cli.wire import front, ops
from tests.unit.client.fake import Fake, Peer, error

Call = Callable[[api.Connection], Any]


@pytest.fixture
def connection(fake: Fake) -> Iterator[api.Connection]:
    with api.Connection(connect("default")) as one:
        yield one


CALLS: list[tuple[Call, dict[str, Any]]] = [
    (lambda c: Sessions(c).create(), {"op": "session_create"}),
    (
        lambda c: Sessions(c).create("s", ttl=60, metadata={"a": "b"}),
        {"op": "session_create", "session": "s", "ttl": 60, "metadata": {"a": "b"}},
    ),
    (lambda c: Sessions(c).show("s"), {"op": "session_show", "session": "s"}),
    (lambda c: Sessions(c).touch("s"), {"op": "session_touch", "session": "s"}),
    (
        lambda c: Sessions(c).update("s", metadata={"a": None}),
        {"op": "session_update", "session": "s", "metadata": {"a": None}},
    ),
    (lambda c: Sessions(c).rm("s"), {"op": "session_rm", "session": "s"}),
    (lambda c: Sessions(c).stats(), {"op": "session_stats"}),
    (lambda c: Sessions(c).gc(), {"op": "session_gc"}),
    (
        lambda c: Session(c, "s").register("t", "float", 0.5, constraints={"max": 1}, ttl=9, replace=True),
        {
            "op": "var_register", "session": "s", "name": "t", "type": "float", "value": 0.5,
            "constraints": {"max": 1}, "ttl": 9, "replace": True,
        },
    ),
    (lambda c: Session(c, "s").set("t", None), {"op": "var_set", "session": "s", "name": "t", "value": None}),
    (
        lambda c: Session(c, "s").set("t", [1, {"ä": "ü"}], expect=0, create=False, metadata={"by": 1}),
        {
            "op": "var_set", "session": "s", "name": "t", "value": [1, {"ä": "ü"}], "expect": 0, "create": False,
            "metadata": {"by": 1},
        },
    ),
    (lambda c: Session(c, "s").get("t"), {"op": "var_get", "session": "s", "name": "t", "binary": True}),
    (lambda c: Session(c, "s").list("t*"), {"op": "var_list", "session": "s", "pattern": "t*"}),
    (lambda c: Session(c, "s").rm("t", expect=3), {"op": "var_rm", "session": "s", "name": "t", "expect": 3}),
    (
        lambda c: Session(c, "s").mget(("a", "b")),
        {"op": "var_mget", "session": "s", "names": ["a", "b"], "binary": True},
    ),
    (
        lambda c: Session(c, "s").mset({"a": 1, "b": None}, atomic=True, create=False, expect={"a": 0}),
        {
            "op": "var_mset", "session": "s", "values": {"a": 1, "b": None}, "atomic": True, "create": False,
            "expect": {"a": 0},
        },
    ),
    (lambda c: Session(c, "s").export(), {"op": "var_export", "session": "s", "pattern": "*"}),
    (
        lambda c: Session(c, "s").import_(({"name": "a", "type": "list", "value": []},)),
        {"op": "var_import", "session": "s", "variables": [{"name": "a", "type": "list", "value": []}]},
    ),
    (
        lambda c: Session(c, "s").history("t", limit=5),
        {"op": "var_history", "session": "s", "name": "t", "limit": 5},
    ),
    (
        lambda c: Session(c, "s").rollback("t", 0, expect=2),
        {"op": "var_rollback", "session": "s", "name": "t", "version": 0, "expect": 2},
    ),
    (lambda c: Session(c, "s").depend("t", []), {"op": "var_depend", "session": "s", "name": "t", "on": []}),
    (lambda c: Session(c, "s").tools("a*"), {"op": "tool_list", "session": "s", "pattern": "a*"}),
    (
        lambda c: Programs(c, "s").put("p", {"a": 1}, create=True),
        {"op": "program_put", "session": "s", "id": "p", "data": {"a": 1}, "create": True},
    ),
    (
        lambda c: Programs(c, None).put("p", "x"),
        {"op": "program_put", "global": True, "id": "p", "data": "x"},
    ),
    (lambda c: Session(c, "s").programs.get("p"), {"op": "program_get", "session": "s", "id": "p"}),
    (lambda c: Programs(c, None).list(), {"op": "program_list", "global": True, "pattern": "*"}),
    (lambda c: Programs(c, "s").rm("p"), {"op": "program_rm", "session": "s", "id": "p"}),
]  # fmt: skip


@pytest.mark.parametrize(("call", "query"), CALLS, ids=lambda one: one.get("op", "") if isinstance(one, dict) else "")
def test_each_method_sends_its_query_and_returns_the_answer(
    fake: Fake, connection: api.Connection, call: Call, query: dict[str, Any]
) -> None:
    fake.queries[query["op"]] = {"answer": [1.0]}
    assert call(connection) == {"answer": [1.0]}
    assert fake.asked == [query]


def test_there_is_a_method_for_every_query(fake: Fake, connection: api.Connection) -> None:
    """And each is sent as the server's own check of queries accepts it."""
    fake.queries |= {name: {"sessions": [], "next": None} for name in ops.OPS}
    for call, _ in CALLS:
        call(connection)
    list(Sessions(connection).list())
    Session(connection, "s").watch("t", version=0).close()
    connection.query("ping")  # so that all have been read
    state = [name for name in ops.OPS if name.startswith(("session_", "var_", "program_"))]
    assert {one["op"] for one in fake.asked} >= set(state)
    for one in fake.asked:
        assert type(ops.decode(api.json.dumps(one).encode())).__name__.lower() == one["op"].replace("_", "")


def test_pages_of_sessions(fake: Fake, connection: api.Connection) -> None:
    pages = {None: ([{"id": "a"}, {"id": "b"}], 7), 7: ([{"id": "c"}], 9), 9: ([], None)}

    def page(peer: Peer, request: int, query: dict[str, Any]) -> None:
        sessions, after = pages[query.get("after")]
        peer.send(front.RESULT, request, {"sessions": sessions, "next": after})

    fake.queries["session_list"] = page
    assert [one["id"] for one in Sessions(connection).list("?")] == ["a", "b", "c"]
    assert [one["pattern"] for one in fake.asked] == ["?"] * 3


class Odd:
    pass


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (math.nan, "$ is NaN, which JSON cannot hold"),
        ({"a": [0, -math.inf]}, "$.a[1] is -Infinity, which JSON cannot hold"),
        ([1, {"b c": Odd()}], '$[1]["b c"] is of type Odd, which has no JSON form'),
        ({"x": {(1, 2): 3}}, "$.x has a key of type tuple"),
        ({"x": b"raw"}, "$.x is of type bytes, which has no JSON form"),
        (["\ud800"], "$[0] holds half of a surrogate pair, which UTF-8 cannot hold"),
        ([math.inf, Odd()], "$[0] is Infinity, which JSON cannot hold"),
        (LOOP, "$ has no JSON form: Circular reference detected"),
    ],
)
def test_what_json_cannot_hold_is_never_sent(fake: Fake, connection: api.Connection, value: Any, said: str) -> None:
    session = Session(connection, "s")
    for call in (
        lambda: session.set("t", value),
        lambda: session.register("t", "list", value),
        lambda: session.mset({"fine": 1, "t": value}),
        lambda: Programs(connection, "s").put("t", value),
    ):
        with pytest.raises(PitError) as raised:
            call()
        assert (raised.value.kind, raised.value.message) == ("invalid_value", f"t: {said}")
    assert fake.asked == []


def test_json_text_is_sent_as_it_is(connection: api.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    monkeypatch.setattr(connection, "ask", lambda op, body, patience: sent.append(body) or b"{}")
    session = Session(connection, "s")
    session.set("t", JsonText("1.10e400"))
    session.mset({"t": JsonText("1.0")})
    session.import_(JsonText('[{"value":1.0}]'))
    assert [body.partition(b',"name"')[2] or body.partition(b'"s",')[2] for body in sent] == [
        b':"t","value":1.10e400}', b'"values":{"t":1.0}}', b'"variables":[{"value":1.0}]}',
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------- watch


def change(revision: int) -> dict[str, Any]:
    return {"revision": revision, "name": "t", "event": "set", "value": revision}


def test_a_watch_yields_changes_and_says_why_it_ended(fake: Fake, connection: api.Connection) -> None:
    def changes(peer: Peer, request: int, _: Any) -> None:
        lines = [api.json.dumps(change(n)).encode() + b"\n" for n in range(5)]
        peer.send(front.CHUNKS, request, lines[0] + lines[1])
        peer.send(front.NOTE, request, b"something to know")
        peer.send(front.CHUNKS, request, b"".join(lines[2:]))
        peer.send(front.RESULT, request, {"reason": "removed"})

    fake.queries["var_watch"] = changes
    watch = Session(connection, "s").watch("t", after=3)
    assert watch.reason is None
    assert [one["value"] for one in watch] == [0, 1, 2, 3, 4]
    assert watch.reason == "removed"
    assert list(watch) == []
    assert fake.asked == [{"op": "var_watch", "session": "s", "pattern": "t", "after": 3}]
    watch.close()
    connection.query("ping")
    assert not fake.cancelled.is_set()


def test_closing_a_watch_cancels_it(fake: Fake, connection: api.Connection) -> None:
    fake.queries["var_watch"] = lambda peer, request, _: peer.send(front.CHUNKS, request, b'{"revision":1}\n')
    with Session(connection, "s").watch() as watch:
        assert next(watch) == {"revision": 1}
    assert fake.cancelled.wait(10)
    assert list(watch) == []
    assert connection.call("ping") == b'"pong"'


def test_a_watch_that_was_never_read_is_cancelled_too(fake: Fake, connection: api.Connection) -> None:
    fake.queries["var_watch"] = lambda *_: None
    Session(connection, "s").watch().close()
    assert fake.cancelled.wait(10)


def test_other_requests_on_the_connection_lose_no_change(fake: Fake, connection: api.Connection) -> None:
    watching: list[int] = []
    fake.queries["var_watch"] = lambda _, request, __: watching.append(request)

    def changed(peer: Peer, request: int, query: dict[str, Any]) -> None:
        for one in watching:
            peer.send(front.CHUNKS, one, change(query["value"]) | {"watch": one})
        peer.send(front.RESULT, request, {"version": query["value"]})

    fake.queries["var_set"] = changed
    session = Session(connection, "s")
    first, second = session.watch(), session.watch()
    for n in range(3):
        session.set("t", n)
    assert [next(second)["value"] for _ in range(3)] == [0, 1, 2]
    assert [next(first)["value"] for _ in range(3)] == [0, 1, 2]


def test_a_watch_that_falls_too_far_behind_says_so(
    fake: Fake, connection: api.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MOST_KEPT", 3)
    fake.queries["var_watch"] = lambda peer, request, _: [peer.send(front.CHUNKS, request, change(n)) for n in range(5)]
    with Session(connection, "s").watch() as watch:
        connection.query("ping")
        with pytest.raises(PitError) as raised:
            next(watch)
    assert raised.value.kind == "history_lost"
    assert fake.cancelled.wait(10), "the server need not go on"


def test_a_watch_that_fails(fake: Fake, connection: api.Connection) -> None:
    def refuse(peer: Peer, request: int, _: Any) -> None:
        peer.send(front.ERROR, request, error("session_not_found", "there is no session s"))

    fake.queries["var_watch"] = refuse
    watch = Session(connection, "s").watch()
    with pytest.raises(PitError) as raised:
        next(watch)
    assert raised.value.kind == "session_not_found"
    assert list(watch) == []


def test_a_watch_whose_server_is_lost(fake: Fake, connection: api.Connection) -> None:
    fake.queries["var_watch"] = lambda peer, *_: peer.sock.shutdown(2)
    with pytest.raises(PitError) as raised:
        next(Session(connection, "s").watch())
    assert raised.value.kind == "server_restarted"


def test_a_tool_is_called_in_its_session(fake: Fake, connection: api.Connection) -> None:
    given = {"name": "an argument", "self": [None], "text": "ä"}
    assert Session(connection, "s").call_tool("echo", **given) == given
    (header, arguments) = fake.calls[0]
    assert (header["command"], header["session"], header["tool"]) == ("echo", "s", True)
    assert "ä".encode() in arguments


def test_what_a_tool_raises_and_arguments_that_are_never_sent(fake: Fake, connection: api.Connection) -> None:
    session = Session(connection, "s")
    with pytest.raises(PitError, match="it is gone") as failed:
        session.call_tool("fail", kind="tool_unavailable", message="it is gone")
    assert failed.value.kind == "tool_unavailable"
    with pytest.raises(PitError, match=r"arguments: \$\.x"):
        session.call_tool("echo", x=math.nan)
    assert len(fake.calls) == 1


def test_chunks_of_a_tool(fake: Fake, connection: api.Connection) -> None:
    session = Session(connection, "s")
    assert [one["i"] for one in session.stream_tool("count", n=5, block=2)] == [0, 1, 2, 3, 4]
    header, _ = fake.calls[0]
    assert (header["tool"], header["stream"], header["session"]) == (True, True, "s")


def test_leaving_the_chunks_of_a_tool_cancels_it(fake: Fake, connection: api.Connection) -> None:
    def endless(peer: Peer, request: int, *_: Any) -> None:
        peer.send(front.CHUNKS, request, b"1\n2\n")

    fake.answers["endless"] = endless
    with contextlib.closing(Session(connection, "s").stream_tool("endless")) as chunks:
        assert next(chunks) == 1
        assert not fake.cancelled.is_set()
    assert fake.cancelled.wait(10)
