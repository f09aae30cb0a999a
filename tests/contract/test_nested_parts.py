"""Calls that handlers make: arrays and bytes travel as they are, JSON goes to workers that take nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from snakepit_cli.base.errors import PitError
from snakepit_cli.client import api
from tests.contract.test_languages import ADAPTERS
from tests.harness.pit import Pit

INNER = """
import numpy as np
from snakepit_bridge import BaseAdapter, Binary, SessionContext, command

class Inner(BaseAdapter):
    @command
    def kind(self, x: np.ndarray):
        return [type(x).__name__, str(x.dtype), list(x.shape), float(x.sum())]

    @command
    def doubled(self, x):
        return {"doubled": np.asarray(x) * 2, "bytes": b"abc", "named": Binary(b"def", "image/png")}

    @command
    def big(self, n: int):
        return np.arange(n, dtype="float64")

    @command
    def offer(self, ctx: SessionContext):
        def steps(x: np.ndarray, n: int):
            for number in range(n):
                yield {"number": number, "x": x + number}
                yield number
        def twice(x):
            return x * 2
        return [ctx.register_tool(steps, streaming=True), ctx.register_tool(twice)]
"""
OUTER = """
import asyncio
import numpy as np
from snakepit_bridge import BaseAdapter, CallContext, command

class Outer(BaseAdapter):
    @command
    def ask(self, ctx: CallContext, command: str, x=None, pool: str = "inner"):
        return ctx.call(command, pool=pool, **({} if x is None else {"x": x}))

    @command
    async def many(self, ctx: CallContext, x: np.ndarray):
        found = await asyncio.gather(*(ctx.call_async("doubled", pool="inner", x=x + n) for n in range(4)))
        return [one["doubled"] for one in found]

    @command
    def types(self, ctx: CallContext, x: np.ndarray):
        found = ctx.call("doubled", pool="inner", x=x)
        names = [type(found[name]).__name__ for name in ("doubled", "bytes", "named")]
        return [*names, found["doubled"].flags.writeable]

    @command
    def big(self, ctx: CallContext, n: int):
        return float(ctx.call("big", pool="inner", n=n).sum())

    @command
    async def kinds(self, ctx: CallContext, n: int):
        x = np.ones(n)
        return [ctx.call("kind", pool="inner", x=x), await ctx.call_async("kind", pool="inner", x=x)]

    @command
    def cat(self, ctx: CallContext, x: np.ndarray):
        return ctx.call("json", pool="cat", x=x, b=b"abc")

    @command
    def plain(self, ctx: CallContext, x: int):
        return ctx.call("echo", pool="node", x=x, y=[x])

    @command
    def steps(self, ctx: CallContext, x: np.ndarray):
        return [one["x"] if isinstance(one, dict) else one for one in ctx.session.stream_tool("steps", x=x, n=3)]

    @command
    def twice(self, ctx: CallContext, x: np.ndarray):
        return ctx.session.call_tool("twice", x=x)

    @command
    def keep(self, ctx: CallContext, x: np.ndarray):
        return ctx.session.register_variable("x", "tensor", x)

    @command
    def own(self, ctx: CallContext, x: np.ndarray):
        ctx.session.register_tool(mine)
        return ctx.session.call_tool("mine", x=x)

def mine(x: np.ndarray):
    return [type(x).__name__, x + 1, b"abc"]
"""
LIAR = """
from snakepit_bridge import BaseAdapter, command
from snakepit_bridge.runtime import answers

class Liar(BaseAdapter):
    @command
    def lie(self):
        answers.message = lambda *_: [b"\\0SPB", b"x"]
        return b"x"
"""
ARRAY = np.arange(12, dtype="float32").reshape(3, 4)


@pytest.fixture(scope="module")
def pit() -> Iterator[Pit]:
    with Pit() as one:
        for name, source in {"inner": INNER, "outer": OUTER, "liar": LIAR}.items():
            (one.work / f"{name}.py").write_text(source)
        folder = one.work
        one.config.write_text(
            f'[pools.inner]\nadapter = "{folder}/inner.py:Inner"\nsize = 2\n'
            f'[pools.outer]\nadapter = "{folder}/outer.py:Outer"\nsize = 1\n'
            f'[pools.node]\nadapter = "{ADAPTERS["node"]}"\nsize = 1\n'
            f'[pools.go]\nadapter = "{ADAPTERS["go"]}"\nsize = 1\n'
            f'[pools.ruby]\nadapter = "{ADAPTERS["ruby"]}"\nsize = 1\n'
            f'[pools.liar]\nadapter = "{folder}/liar.py:Liar"\nsize = 1\n'
            '[pools.cat]\nadapter = "exec:cat"\nsize = 1\n'
        )
        for name in ("inner", "outer"):
            one.run("up", name)
        yield one


@pytest.fixture
def connection(pit: Pit) -> Iterator[api.Connection]:
    with pit.connection() as one:
        yield one


def test_arguments_are_arrays(connection: api.Connection) -> None:
    found = connection.call_value("ask", {"command": "kind", "x": ARRAY}, pool="outer")
    assert found == ["ndarray", "float32", [3, 4], 66.0]


def test_results_are_what_the_other_has_returned(connection: api.Connection) -> None:
    found = connection.call_value("ask", {"command": "doubled", "x": ARRAY}, pool="outer")
    assert (found["doubled"].dtype, found["bytes"], found["named"]) == (np.float32, b"abc", b"def")
    assert np.array_equal(found["doubled"], ARRAY * 2)
    assert connection.call_value("types", {"x": ARRAY}, pool="outer") == ["ndarray", "bytes", "bytes", False]


def test_async_handlers(connection: api.Connection) -> None:
    found = connection.call_value("many", {"x": ARRAY}, pool="outer")
    assert [np.array_equal(one, 2 * (ARRAY + n)) for n, one in enumerate(found)] == [True] * 4


def test_large_ones(connection: api.Connection) -> None:
    for n in (1_000_000, 5_000_000, 5_000_000):  # the latter are longer than a message
        assert connection.call_value("big", {"n": n}, pool="outer") == n * (n - 1) / 2
        assert connection.call_value("kinds", {"n": n}, pool="outer") == [["ndarray", "float64", [n], float(n)]] * 2


def test_other_languages(connection: api.Connection) -> None:
    found = connection.call_value("ask", {"command": "echo", "x": ARRAY, "pool": "node"}, pool="outer")
    assert np.array_equal(found["x"], ARRAY)
    assert connection.call_value("plain", {"x": 5}, pool="outer") == {"x": 5, "y": [5]}


@pytest.mark.parametrize("language", ["node", "ruby", "go"])
def test_calls_of_other_languages(connection: api.Connection, language: str) -> None:
    def ask(command: str, pool: str, **args: object) -> Any:
        return connection.call_value("ask", {"command": command, "args": args, "pool": pool}, pool=language)

    assert ask("kind", "inner", x=ARRAY) == ["ndarray", "float32", [3, 4], 66.0]
    found = ask("doubled", "inner", x=ARRAY)
    assert np.array_equal(found["doubled"], ARRAY * 2)
    assert found["bytes"] == b"abc"
    assert ask("json", "cat", x=ARRAY) == {"x": ARRAY.tolist()}
    assert ask("lie", "liar")[0] == "invalid_result"


@pytest.mark.parametrize("language", ["python", "node", "ruby", "go"])
@pytest.mark.parametrize("form", ["array", "text"])
def test_arguments_that_are_too_long_are_refused_and_the_worker_lives(
    pit: Pit, connection: api.Connection, language: str, form: str
) -> None:
    pool = "outer" if language == "python" else language

    def ask(x: Any) -> Any:
        args = {"x": x} if language == "python" else {"args": {"x": x}, "pool": "inner"}
        return connection.call_value("ask", {"command": "kind", **args}, pool=pool)

    def refusal() -> str:
        # A Python worker has 64 MiB in shared memory for them.
        size = (80 if language == "python" else 40) * 1_000_000
        given = np.zeros(size // 8) if form == "array" else "x" * size
        if language != "python":
            return ": ".join(ask(given))
        with pytest.raises(PitError) as raised:
            ask(given)
        return raised.value.message

    assert ask(ARRAY)[1] == "float32"
    before = restarts(pit, pool)
    found = re.search(r"invalid_arguments: the request has ([\d,]+) bytes; 33,554,432 are allowed", refusal())
    assert found
    assert int(found[1].replace(",", "")) > 33_554_432
    assert ask(ARRAY)[1] == "float32"
    assert restarts(pit, pool) == before


def restarts(pit: Pit, pool: str) -> int:
    return next((one["restarts"] for one in pit.status()["pools"] if one["name"] == pool), 0)


@pytest.mark.parametrize("way", ["keep", "twice"])
def test_values_and_tools_too(pit: Pit, connection: api.Connection, way: str) -> None:
    connection.call_value("offer", pool="inner", session="long")
    before = restarts(pit, "outer")
    with pytest.raises(PitError, match=r"the request has 80,000,\d{3} bytes"):
        connection.call_value(way, {"x": np.zeros(10_000_000)}, pool="outer", session="long")
    assert restarts(pit, "outer") == before


def test_programs_get_json(connection: api.Connection) -> None:
    assert connection.call_value("cat", {"x": ARRAY}, pool="outer") == {"x": ARRAY.tolist(), "b": "YWJj"}


def test_tools(connection: api.Connection) -> None:
    with_session = {"session": "tools"}
    assert connection.call_value("offer", pool="inner", **with_session) == ["steps", "twice"]
    found = connection.call_value("steps", {"x": ARRAY}, pool="outer", **with_session)
    assert [one if type(one) is int else one.tolist() for one in found] == [
        ARRAY.tolist(), 0, (ARRAY + 1).tolist(), 1, (ARRAY + 2).tolist(), 2,
    ]  # fmt: skip
    assert np.array_equal(connection.call_value("twice", {"x": ARRAY}, pool="outer", **with_session), ARRAY * 2)


def test_a_tool_of_its_own(connection: api.Connection) -> None:
    name, array, data = connection.call_value("own", {"x": ARRAY}, pool="outer", session="own")
    assert (name, data) == ("ndarray", b"abc")
    assert np.array_equal(array, ARRAY + 1)


def test_an_answer_that_lies_is_named(connection: api.Connection) -> None:
    with pytest.raises(PitError, match="invalid_result: the answer cannot be read: ") as raised:
        connection.call_value("ask", {"command": "lie", "pool": "liar"}, pool="outer")
    assert raised.value.kind == "command_failed"
