"""Long arrays as variables: kept and sent as they are from every door; JSON for readers that take no parts."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client import api, values
from snakepit_cli.client.state import Session
from snakepit_cli.wire.binary import pack, unpack
from tests.harness.pit import Pit

ADAPTER = """
import numpy as np
from snakepit_bridge import BaseAdapter, SessionContext, command

class Variables(BaseAdapter):
    @command
    def put(self, ctx: SessionContext, name: str, x: np.ndarray, type: str = ""):
        if type:
            return ctx.register_variable(name, type, x, replace=True)
        ctx[name] = x

    @command
    def take(self, ctx: SessionContext, name: str):
        value = ctx[name]
        return [sorted(value), value["data"]] if isinstance(value, dict) else ["bare", value]

    @command
    async def atake(self, ctx: SessionContext, name: str):
        value = await ctx.get_variable(name)
        return [sorted(value), value["data"]] if isinstance(value, dict) else ["bare", value]

    @command
    def twice(self, ctx: SessionContext, name: str):
        first, second = ctx[name], ctx[name]
        return first["data"] is second["data"]

    @command
    def many(self, ctx: SessionContext, x: np.ndarray):
        ctx.commit({"a": x, "b": x[:2], "c": 1})
        found = ctx.get_variables(["a", "c"])
        return [type(found["a"]["data"]).__name__, found["c"]]

    @command
    def ask(self, ctx: SessionContext, name: str):
        return ctx.get_variable(name)
"""
LONG = np.arange(6000, dtype="float32").reshape(60, 100)


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit() as one:
        (one.work / "variables.py").write_text(ADAPTER)
        one.run("up", "--adapter", f"{one.work / 'variables.py'}:Variables", "--size", "2")
        np.save(one.work / "long.npy", LONG)
        np.save(one.work / "short.npy", LONG[:2])
        np.save(one.work / "vector.npy", LONG.reshape(-1))
        yield one


@pytest.fixture
def connection(pit: Pit) -> Iterator[api.Connection]:
    with pit.connection() as one:
        yield one


@pytest.fixture
def session(connection: api.Connection, request: pytest.FixtureRequest) -> Session:
    return Session(connection, request.node.name[:100])


def as_numbers(session: Session, name: str) -> Any:
    """What a reader gets that takes no parts."""
    return session._connection.query("var_get", session=session.id, name=name)["value"]


def stored(pit: Pit, session: Session, name: str) -> bytes:
    with sqlite3.connect(next(pit.folder.glob("state/*/sessions.db"))) as db:
        found: bytes = db.execute(
            "SELECT value FROM variables JOIN sessions ON session = sessions.n WHERE id = ? AND name = ?",
            (session.id, name),
        ).fetchone()[0]
    db.close()
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "uint16", "int64", "uint64"])
def test_what_the_library_sets_comes_back(session: Session, dtype: str) -> None:
    given = np.arange(12_000).reshape(3, 40, 100).astype(dtype)
    session.register("t", "tensor", given, constraints={"shape": [3, 40, 100]})
    found = session.get("t")
    assert (found["type"], found["value"]["shape"]) == ("tensor", [3, 40, 100])
    assert found["value"]["data"].dtype == np.dtype(dtype)
    assert np.array_equal(found["value"]["data"], given)
    assert as_numbers(session, "t") == {"shape": [3, 40, 100], "data": given.reshape(-1).tolist()}


def test_embeddings(pit: Pit, session: Session) -> None:
    vector = LONG.reshape(-1)
    session.set("v", vector)
    found = session.get("v")
    assert (found["type"], found["value"].dtype, found["value"].tolist()) == ("embedding", np.float32, vector.tolist())
    session.register("b", "embedding", LONG, constraints={"dimensions": 100})
    assert np.array_equal(session.get("b")["value"], LONG)
    assert as_numbers(session, "b") == LONG.tolist()
    session.register("i", "embedding", np.arange(2000))
    assert as_numbers(session, "i") == [float(one) for one in range(2000)]
    assert len(stored(pit, session, "v")) < vector.nbytes + 300


def test_short_ones_are_json(pit: Pit, session: Session) -> None:
    session.set("t", LONG[:2])
    session.set("v", LONG[0])
    assert session.get("t")["value"] == {"shape": [2, 100], "data": LONG[:2].reshape(-1).tolist()}
    assert session.get("v")["value"] == LONG[0].tolist()
    assert stored(pit, session, "t")[:1] == b"{"
    session.set("t", LONG)
    assert stored(pit, session, "t")[:1] == b"\0"


def test_other_types_hold_lists(session: Session) -> None:
    numbers = np.arange(3000)
    session.register("l", "list", numbers)
    assert session.get("l")["value"] == numbers.tolist()
    session.set("whole", numbers)
    assert (session.get("whole")["type"], session.get("whole")["value"]) == ("list", numbers.tolist())
    with pytest.raises(PitError, match="f: cannot convert"):
        session.register("f", "float", numbers)


def test_workers_and_the_library_see_the_same(connection: api.Connection, session: Session) -> None:
    connection.call_value("put", {"name": "t", "x": LONG}, session=session.id)
    assert np.array_equal(session.get("t")["value"]["data"], LONG)
    for command in ("take", "atake"):
        keys, data = connection.call_value(command, {"name": "t"}, session=session.id)
        assert (keys, data.dtype) == (["data", "shape"], np.float32)
        assert np.array_equal(data, LONG)
    session.set("t", LONG * 2)
    assert connection.call_value("take", {"name": "t"}, session=session.id)[1][-1][-1] == LONG[-1][-1] * 2
    connection.call_value("put", {"name": "v", "x": LONG.reshape(-1), "type": "embedding"}, session=session.id)
    assert connection.call_value("take", {"name": "v"}, session=session.id)[1].shape == (6000,)


def test_a_worker_keeps_what_it_has_read(connection: api.Connection, session: Session) -> None:
    session.set("t", LONG)
    assert connection.call_value("twice", {"name": "t"}, session=session.id) is True


def test_batches(connection: api.Connection, session: Session) -> None:
    assert connection.call_value("many", {"x": LONG}, session=session.id) == ["ndarray", 1]
    found = session.mget(["a", "b", "c"])["found"]
    assert np.array_equal(found["a"]["value"]["data"], LONG)
    assert (found["b"]["value"]["shape"], found["c"]["value"]) == ([2, 100], 1)
    session.mset({"x": LONG + 1, "y": LONG + 2, "z": "text"}, atomic=True)
    assert [session.get(name)["value"]["data"][0][0] for name in "xy"] == [1, 2]


def test_whoever_takes_no_parts_gets_json(connection: api.Connection, session: Session) -> None:
    session.set("t", LONG)
    whole = {"shape": [60, 100], "data": LONG.reshape(-1).tolist()}
    assert session.list()[0]["value"] == whole
    assert session.export()[0]["value"] == whole
    assert session.history("t")[0]["value"] == whole
    with session.watch("t", version=0) as watch:
        assert next(watch)["value"] == whole
        session.set("t", LONG * 2)
        assert next(watch)["value"]["data"][-1] == LONG[-1][-1] * 2
        session.set("u", 1)
        session.set("t", 2 * LONG[:1])
        assert next(watch)["value"]["shape"] == [1, 100]


def test_a_rollback(session: Session) -> None:
    session.set("t", LONG)
    session.set("t", LONG * 2)
    session.set("t", LONG[:1])
    session.rollback("t", 1)
    assert np.array_equal(session.get("t")["value"]["data"], LONG * 2)


WRONG = [
    ("tensor", LONG, {"shape": [100, 60]}, "shape must be [100,60], got [60,100]"),
    ("embedding", LONG, {"dimensions": 60}, "must have exactly 60 dimensions, got 100"),
    ("embedding", LONG.reshape(6, 10, 100), {}, "must be a list of numbers"),
    ("tensor", np.full(3000, np.nan), {}, "NaN or an infinity"),
    ("tensor", {"shape": [3], "data": LONG}, {}, "data size doesn't match shape"),
    ("tensor", {"shape": [-1], "data": LONG}, {}, "the shape is a list of whole numbers"),
    ("embedding", {"shape": [60, 100], "data": LONG}, {}, "must be a list of numbers"),
]


@pytest.mark.parametrize(("kind", "value", "constraints", "said"), WRONG, ids=[one[3][:20] for one in WRONG])
def test_constraints_are_checked(session: Session, kind: str, value: Any, constraints: Any, said: str) -> None:
    with pytest.raises(PitError) as raised:
        session.register("x", kind, value, constraints=constraints)
    assert raised.value.kind == "invalid_value"
    assert said in raised.value.message


def test_a_later_value_must_meet_them_too(connection: api.Connection, session: Session) -> None:
    session.register("x", "tensor", LONG, constraints={"shape": [60, 100]})
    with pytest.raises(PitError, match=r"shape must be \[60,100\], got \[100,60\]"):
        session.set("x", LONG.reshape(100, 60))
    with pytest.raises(PitError, match="shape must be"):
        connection.call_value("put", {"name": "x", "x": LONG.reshape(100, 60)}, session=session.id)
    assert np.array_equal(session.get("x")["value"]["data"], LONG)


PLACE = '{"$binary":0,"dtype":"float64","shape":[2]}'
LIES = {
    "cut": b"".join(pack(b'{"op":"var_set","session":"s","name":"x","value":%b}' % PLACE.encode(), [bytes(16)]))[:-1],
    "shape": b"".join(pack(b'{"op":"var_set","session":"s","name":"x","value":%b}' % PLACE.encode(), [bytes(8)])),
    "no place": b"".join(pack(b'{"op":"var_set","session":"s","name":"x","value":1,"metadata":{"$binary":0}}', [b"x"])),
    "another query": b"".join(pack(b'{"op":"session_show","session":"s","x":{"$binary":0}}', [b"x"])),
    "no json": b"".join(pack(b'{"$binary":0', [b"x"])),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_query_that_lies_is_refused(connection: api.Connection, lie: str) -> None:
    with pytest.raises(PitError) as raised:
        connection.ask("var_set", LIES[lie])
    assert raised.value.kind == "usage"
    with pytest.raises(PitError) as raised:
        Session(connection, "s").get("x")
    assert raised.value.kind in {"session_not_found", "variable_not_found"}, "nothing was written"


def test_the_key_of_parts_in_metadata_is_no_harm(connection: api.Connection, session: Session) -> None:
    session.register("t", "tensor", LONG)
    query = {"op": "var_set", "session": session.id, "name": "t", "value": 0, "metadata": {"$binary": 1}}
    with pytest.raises(PitError):
        connection.ask("var_set", json.dumps(query).encode())  # the value is no tensor
    query["value"] = {"shape": [1], "data": [1]}
    connection.ask("var_set", json.dumps(query).encode())
    assert session.get("t")["metadata"] == {"$binary": 1}
    session.rollback("t", 0)
    assert session.get("t")["value"]["data"] == LONG.reshape(-1).tolist(), "as JSON: the key has two meanings"


def test_a_session_has_no_more_bytes_than_it_may(pit: Pit, connection: api.Connection, session: Session) -> None:
    size = connection.query("session_create", session=session.id)["bytes"]
    session.set("t", LONG)
    grown = connection.query("session_show", session=session.id)["bytes"] - size
    assert LONG.nbytes <= grown < LONG.nbytes + 300


def test_an_answer_is_a_message_only_for_who_asks(connection: api.Connection, session: Session) -> None:
    session.set("t", LONG)
    query = {"op": "var_get", "session": session.id, "name": "t"}
    assert connection.ask("var_get", json.dumps(query).encode())[:1] == b"{"
    body = connection.ask("var_get", json.dumps({**query, "binary": True}).encode())
    text, parts = unpack(body)
    assert len(parts) == 1
    assert json.loads(bytes(text))["value"]["data"]["dtype"] == "float32"
    assert values.decode(body)["value"]["shape"] == [60, 100]


def test_on_the_command_line(pit: Pit, session: Session) -> None:
    where = ("--session", session.id)
    pit.run("var", "set", "t", "@long.npy", *where)
    pit.run("var", "register", "v", "embedding", "@vector.npy", "--constraint", "dimensions:=6000", *where)
    assert np.array_equal(session.get("t")["value"]["data"], LONG)
    assert np.array_equal(session.get("v")["value"], LONG.reshape(-1))
    for name, shape in (("t", LONG.shape), ("v", (6000,))):
        pit.run("var", "get", name, "-o", f"{name}.npy", *where)
        found = np.load(pit.work / f"{name}.npy")
        assert (found.dtype, found.shape) == (np.float32, shape)
        assert np.array_equal(found.reshape(-1), LONG.reshape(-1))
    printed = json.loads(pit.run("var", "get", "t", *where).stdout)
    assert (printed["shape"], printed["data"].keys()) == ([60, 100], {"dtype", "shape", "base64"})
    assert base64.b64decode(printed["data"]["base64"]) == LONG.tobytes()
    assert pit.run("var", "get", "t", "--field", "shape", *where).stdout == "[60,100]\n"
    assert pit.json("var", "get", "t", "--json", *where)["type"] == "tensor"
    pit.run("var", "get", "t", "--output-file", "t.json", *where)
    assert json.loads((pit.work / "t.json").read_text()) == printed
    pit.run("var", "get", "t", "-o", "t.bin", *where)
    assert (pit.work / "t.bin").read_bytes() == LONG.tobytes()
    wrong = pit.run("var", "register", "w", "tensor", "@long.npy", "--constraint", "shape:=[1]", *where, check=False)
    assert (wrong.returncode, "shape must be [1], got [60,100]" in wrong.stderr) == (65, True)


def test_short_ones_go_into_files_too(pit: Pit, session: Session) -> None:
    where = ("--session", session.id)
    pit.run("var", "set", "t", "@short.npy", *where)
    pit.run("var", "set", "n", "[[1, 2], [3, 4]]", *where)
    pit.run("var", "set", "x", "text", *where)
    for name, value in (("t", LONG[:2]), ("n", np.array([[1, 2], [3, 4]]))):
        pit.run("var", "get", name, "-o", f"{name}.npy", *where)
        assert np.array_equal(np.load(pit.work / f"{name}.npy"), value)
    for odd in ('"abc"', "5", "[-1, -1]", "[1.0]", "[true]", "[[1]]", json.dumps([1] * 33)):
        pit.run("var", "set", "odd", f'{{"shape": {odd}, "data": [1]}}', *where)
        unfit = pit.run("var", "get", "odd", "-o", "odd.npy", *where, check=False)
        assert (unfit.returncode, "odd.npy: the result is JSON" in unfit.stderr) == (65, True), odd
    refused = pit.run("var", "get", "x", "-o", "x.npy", *where, check=False)
    assert (refused.returncode, (pit.work / "x.npy").exists()) == (65, False)
    early = pit.run("var", "get", "t", "-o", "nowhere/x.npy", *where, check=False)
    assert "there is no directory" in early.stderr


def test_they_outlive_the_server(pit: Pit, session: Session) -> None:
    session.set("kept", LONG)
    pit.run("server", "restart")
    with pit.connection() as connection:
        found = Session(connection, session.id).get("kept")["value"]
        assert np.array_equal(found["data"], LONG)
        data = connection.call_value("take", {"name": "kept"}, session=session.id)[1]
        assert np.array_equal(data, LONG)
