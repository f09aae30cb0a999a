"""Classes of the shapes that the original has, as adapters: what they offer, and what they are given."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from snakepit_bridge import BaseAdapter, BaseCommandHandler, CallContext, SessionContext, jsonio
from snakepit_bridge.adapters.template import TemplateAdapter
from snakepit_bridge.arguments import bind_all, find
from snakepit_bridge.base_adapter import StreamChunk, ToolRegistration, tool
from snakepit_bridge.describe import commands_of
from snakepit_bridge.hosts import dispatch, handlers
from snakepit_bridge.hosts.per_call import PerCall
from snakepit_bridge.runtime.stream_chunks import stepwise, unwrapped

from tests.unit.bridge.conftest import Start
from tests.unit.bridge.gateway import Gateway
from tests.unit.bridge.processes import PYTHON, environment

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "original"


def call(cls: type, name: str, session: str = "", **args: Any) -> Any:
    """As a worker calls it, with an object for each call where the class wants that."""
    fresh = PerCall.of(cls)
    bound = find(bind_all(cls if fresh else cls(), commands_of(cls), fresh), name)
    bound.check(args)
    return bound(args, CallContext(name, session) if bound.wants_context else None)


# ------------------------------------------------------------------------------------------------- tools


class Marked(BaseAdapter):
    @tool(description="Adds", required_variables=["scale"])
    def add(self, a: int, b: float = 1.5, **more: Any) -> float:
        return a + b

    @tool(supports_streaming=True)
    def count(self) -> Any:
        """Counts.

        At length.
        """
        return iter([1])

    def helper(self) -> None: ...


def test_marked_methods_are_commands() -> None:
    commands = commands_of(Marked)
    assert list(commands) == ["add", "count"]
    assert (commands["add"].summary, commands["add"].streaming) == ("Adds", False)
    assert (commands["count"].summary, commands["count"].streaming) == ("Counts.", True)
    assert call(Marked, "add", a=1) == 2.5


def test_an_adapter_lists_its_tools() -> None:
    add, count = Marked().get_tools()
    assert (add.name, add.description, add.supports_streaming) == ("add", "Adds", False)
    assert [(one.name, one.type, one.required) for one in add.parameters] == [("a", "int", True), ("b", "float", False)]
    assert json.loads(add.parameters[1].validation_json) == {"default": 1.5}
    assert json.loads(add.metadata["required_variables"]) == ["scale"]
    assert (count.description, count.supports_streaming) == ("Counts.", True)
    assert Marked().call_tool("add", a=1) == 2.5
    with pytest.raises(AttributeError, match="no tool `helper`"):
        Marked().call_tool("helper")


def test_an_adapter_registers_its_tools_with_the_session() -> None:
    class Context:
        def register_tools(self, functions: list[Callable[..., Any]]) -> list[str]:
            return [one.__name__ for one in functions]

    adapter: Any = Marked()
    assert adapter.register_with_session(Context()) == ["add", "count"]
    with pytest.raises(TypeError, match="SessionContext"):
        adapter.register_with_session("s", None)
    adapter.session_context = Context()
    assert adapter.register_with_session("s", None) == ["add", "count"]


# ------------------------------------------------------------------------------------------- all arguments as a dict


class Bare:
    def execute_bare(self, args) -> Any:  # type: ignore[no-untyped-def]
        return args

    def execute_typed(self, args: list[int]) -> Any:
        return args

    def execute_two(self, args, more=1) -> Any:  # type: ignore[no-untyped-def]
        return [args, more]

    def execute_default(self, args=None) -> Any:  # type: ignore[no-untyped-def]
        return args


def test_a_parameter_named_args_takes_all_arguments() -> None:
    assert call(Bare, "bare", x=1, y=2) == {"x": 1, "y": 2}
    assert call(Bare, "bare") == {}
    assert call(Bare, "typed", args=[1]) == [1]
    assert call(Bare, "two", args=1) == [1, 1]
    assert call(Bare, "default") is None


# ------------------------------------------------------------------------------------------------ dispatchers


class Silent(TemplateAdapter):
    def execute_tool(self, tool_name: str, arguments: dict[str, Any], context: SessionContext) -> Any:
        return [tool_name, arguments, context.session_id]


class Listed(Silent):
    def get_tools(self) -> list[Any]:
        return ["one", {"name": "two", "description": "The second"}, ToolRegistration("three", supports_streaming=True)]


class Dispatched(Marked):
    """Tools behind the dispatcher, and a command beside it."""

    def execute_tool(self, tool_name: str, arguments: dict[str, Any]) -> Any:
        return ["dispatched", self.call_tool(tool_name, **arguments)]

    def execute_native(self) -> str:
        return "native"


class Later(Silent):
    capacity = 2

    @classmethod
    def get_tools(cls) -> list[Any]:
        return ["soon"]

    async def execute_tool(self, tool_name: str, arguments: dict[str, Any], context: Any) -> Any:  # type: ignore[override]
        await asyncio.sleep(0)
        return [tool_name, arguments]


def test_a_dispatcher_without_a_list_gets_every_command() -> None:
    cls = dispatch.hosted(Silent)
    assert list(commands_of(cls)) == ["*"]
    assert call(cls, "whatever", "s", x=1) == ["whatever", {"x": 1}, "s"]
    assert call(cls, "tool") == ["tool", {}, ""]


def test_a_dispatcher_offers_what_it_lists() -> None:
    commands = commands_of(dispatch.hosted(Listed))
    assert list(commands) == ["one", "two", "three"]
    assert (commands["two"].summary, commands["three"].streaming) == ("The second", True)
    assert call(dispatch.hosted(Listed), "two", "s", x=1) == ["two", {"x": 1}, "s"]


def test_marked_methods_of_a_dispatcher_are_reached_through_it() -> None:
    cls = dispatch.hosted(Dispatched)
    assert set(commands_of(cls)) == {"add", "count", "native"}
    assert call(cls, "add", a=1, b=2) == ["dispatched", 3]
    assert call(cls, "native") == "native"
    assert not dispatch.is_dispatcher(cls), "it is made only once"


def test_an_async_dispatcher_has_async_commands() -> None:
    cls = dispatch.hosted(Later)
    assert commands_of(cls)["soon"].is_async
    assert asyncio.run(call(cls, "soon", x=1)) == ["soon", {"x": 1}]


def test_the_template_says_what_is_missing() -> None:
    with pytest.raises(NotImplementedError, match="write its execute_tool"):
        call(dispatch.hosted(TemplateAdapter), "anything")


# --------------------------------------------------------------------------------------------------- handlers


class Shouter(BaseCommandHandler):
    def _register_commands(self) -> None:
        self.register_command("shout", self.handle_shout)
        self.register_command("twice", lambda args: [args["x"]] * 2)

    def handle_shout(self, args: dict[str, Any]) -> Any:
        """Shouts."""
        return {"result": args["text"].upper(), "count": self.request_count}


def test_a_handlers_commands() -> None:
    cls = handlers.hosted(Shouter)
    commands = commands_of(cls)
    assert {name: one.summary for name, one in commands.items()} == {"shout": "Shouts.", "twice": ""}
    assert call(cls, "shout", text="a") == {"result": "A", "count": 1}
    assert call(cls, "twice", x=1) == [1, 1]


def test_a_handler_by_itself() -> None:
    handler = Shouter()
    assert handler.process_command("shout", {"text": "a"})["result"] == "A"
    unknown = handler.process_command("whisper", {})
    assert (unknown["status"], unknown["supported_commands"]) == ("error", ["shout", "twice"])
    with pytest.raises(NotImplementedError, match="_register_commands"):
        BaseCommandHandler()


def test_a_handlers_script_reads_and_writes_lines() -> None:
    requests = [
        {"id": 1, "command": "uppercase", "args": {"text": "a"}},
        {"id": 2, "command": "letters", "args": {"text": "ab"}, "stream": True},
        {"cancel": 2},
        {"id": 3, "command": "letters", "args": {"text": "ab"}},
        {"id": 4, "command": "uppercase", "args": {"text": 7}},
        {"id": 5, "command": "uppercase"},
    ]
    lines = "".join(json.dumps(one) + "\n" for one in requests)
    command = [PYTHON, str(EXAMPLES / "my_simple_adapter.py")]
    done = subprocess.run(
        command, input=lines, capture_output=True, text=True, env=environment(), timeout=60, check=True
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert said[0] == {"hello": {"language": "python", "commands": ["uppercase", "word_count", "letters"]}}
    error = said[6].pop("error")
    assert said[1:] == [
        {"id": 1, "result": {"result": "A"}}, {"id": 2, "chunk": "a"}, {"id": 2, "chunk": "b"},
        {"id": 2, "result": None},
        {"id": 3, "result": ["a", "b"]}, {"id": 4}, {"id": 5, "result": {"result": ""}},
    ]  # fmt: skip
    assert (error["type"], "upper" in error["message"]) == ("AttributeError", True)
    assert "on its way to the log" in done.stderr


def test_a_handlers_script_ends_after_the_request_that_runs(tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(
        "import os, signal\n"
        "from snakepit_bridge.core import BaseCommandHandler, ProtocolHandler, setup_graceful_shutdown\n"
        "class Slow(BaseCommandHandler):\n"
        "    def _register_commands(self):\n"
        "        self.register_command('end', lambda args: os.kill(os.getpid(), signal.SIGTERM) or 'done')\n"
        "handler = ProtocolHandler(Slow())\n"
        "setup_graceful_shutdown(handler)\n"
        "handler.run()\n"
    )
    lines = '{"id":1,"command":"end"}\n{"id":2,"command":"end"}\n'
    command = [PYTHON, str(script)]
    done = subprocess.run(
        command, input=lines, capture_output=True, text=True, env=environment(), timeout=60, check=True
    )
    assert not done.stderr
    assert [json.loads(line).get("id") for line in done.stdout.splitlines()] == [None, 1]


# ------------------------------------------------------------------------------------- classes that take a session


class Plain:
    def one(self, ctx: SessionContext, x: int) -> Any:
        return [ctx.session_id, x]

    def helper(self, x: int) -> int:
        return x

    def _hidden(self, ctx: SessionContext) -> None: ...

    def set_session_context(self, ctx: SessionContext) -> None: ...


class Made:
    made = 0

    def __init__(self, session: SessionContext) -> None:
        Made.made += 1
        self.session = session

    def one(self, x: int) -> Any:
        return [self.session.session_id, x, Made.made]

    def _hidden(self) -> None: ...


class Command:
    """Names its commands: the other methods are none."""

    def execute_named(self) -> None: ...

    def other(self, ctx: SessionContext) -> None: ...


def test_methods_that_take_a_session_are_commands_of_a_class_that_names_none() -> None:
    assert list(commands_of(Plain)) == ["one"]
    assert call(Plain, "one", "s", x=1) == ["s", 1]
    assert list(commands_of(Command)) == ["named"]
    assert not commands_of(dict)


def test_a_class_that_takes_a_session_is_made_for_each_call() -> None:
    assert list(commands_of(Made)) == ["one"]
    before = Made.made
    assert call(Made, "one", "s", x=1) == ["s", 1, before + 1]
    assert call(Made, "one", x=1) == ["", 1, before + 2]


# ------------------------------------------------------------------------------------------- an object for each call


class Recording(BaseAdapter):
    notes: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self.notes.append("made")

    def set_session_context(self, context: SessionContext) -> None:
        self.notes.append(f"session {context.session_id}")

    async def initialize(self) -> None:
        self.notes.append("initialized")

    async def cleanup(self) -> None:
        self.notes.append("cleaned")

    def execute_plain(self, fail: bool = False) -> str:
        if fail:
            raise LookupError
        return "done"

    def execute_chunks(self) -> Iterator[int]:
        yield 1
        self.notes.append("between")
        yield 2

    async def execute_later(self, fail: bool = False) -> str:
        return self.execute_plain(fail)

    async def execute_generator(self) -> Any:
        return self.execute_chunks()


LIFE = ["made", "session s", "initialized"]


@pytest.fixture
def notes() -> list[str]:
    Recording.notes.clear()
    return Recording.notes


def recorded(name: str, **args: Any) -> Any:
    fresh = PerCall.of(Recording, "call")
    return find(bind_all(Recording, commands_of(Recording), fresh), name)(args, CallContext(name, "s"))


def test_one_object_serves_all_calls_unless_it_is_asked_for() -> None:
    assert PerCall.of(Recording) is None
    assert PerCall.of(Recording, "worker") is None


def test_an_object_lives_for_one_call(notes: list[str]) -> None:
    assert recorded("plain") == "done"
    assert notes == [*LIFE, "cleaned"]


def test_it_is_cleaned_up_when_the_command_fails(notes: list[str]) -> None:
    with pytest.raises(LookupError):
        recorded("plain", fail=True)
    assert notes == [*LIFE, "cleaned"]
    notes.clear()
    with pytest.raises(LookupError):
        asyncio.run(recorded("later", fail=True))
    assert notes == [*LIFE, "cleaned"]


def test_it_lives_as_long_as_its_stream(notes: list[str]) -> None:
    chunks = recorded("chunks")
    assert next(chunks) == 1
    assert notes == LIFE
    assert list(chunks) == [2]
    assert notes == [*LIFE, "between", "cleaned"]
    notes.clear()
    left = recorded("chunks")
    next(left)
    left.close()
    assert notes == [*LIFE, "cleaned"]


def test_it_lives_as_long_as_its_async_command(notes: list[str]) -> None:
    assert asyncio.run(recorded("later")) == "done"
    assert notes == [*LIFE, "cleaned"]


def test_a_generator_of_an_async_command_streams(notes: list[str]) -> None:
    async def run() -> list[int]:
        return [chunk async for chunk in await recorded("generator")]

    assert asyncio.run(run()) == [1, 2]
    assert notes == [*LIFE, "between", "cleaned"]


def test_a_worker_makes_an_object_for_each_call(start: Start, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "counting.py").write_text(
        "class Counting:\n"
        "    def __init__(self): self.calls = 0\n"
        "    def execute_count(self):\n"
        "        self.calls += 1\n"
        "        return self.calls\n"
    )
    start("counting.py", SNAKEPIT_ADAPTER_OBJECT="call")
    worker = gateway.next()
    assert [worker.value("count") for _ in range(3)] == [b"1"] * 3
    start("counting.py")
    worker = gateway.next()
    assert [worker.value("count") for _ in range(3)] == [b"1", b"2", b"3"]


# ------------------------------------------------------------------------------------------------------- chunks


def test_chunks_of_the_originals_form_are_unwrapped() -> None:
    class Other:
        data = (1,)
        is_final = 0

    assert unwrapped(StreamChunk({"x": 1})) == {"x": 1, "is_final": False}
    assert unwrapped(StreamChunk("text", is_final=True)) == {"data": "text", "is_final": True}
    assert unwrapped(Other()) == {"data": (1,), "is_final": False}
    same: list[Any] = [{"data": 1, "is_final": True}, [1], "a", None, os]
    assert [unwrapped(one) is one for one in same] == [True] * len(same)


def test_a_plain_generator_is_closed_when_it_is_left_in_a_loop() -> None:
    ended = []

    def chunks() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append(True)

    async def run() -> None:
        steps = stepwise(chunks())  # type: ignore[arg-type]
        assert await steps.__anext__() == 1
        await steps.aclose()

    asyncio.run(run())
    assert ended


def test_types_of_columns_have_their_name_as_json() -> None:
    class dtype:  # noqa: N801
        def __str__(self) -> str:
            return "int64"

    class Int64DType(dtype): ...

    assert jsonio.dumps({"a": Int64DType()}) == b'{"a":"int64"}'
