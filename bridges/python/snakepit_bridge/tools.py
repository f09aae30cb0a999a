"""Tools: functions that this worker offers to all that use a session, and those that others offer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple, Protocol

from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.adapters.base import COMMAND_MARK
from snakepit_bridge.describe import Command, read
from snakepit_bridge.errors import ToolNotFoundError

__all__ = ["Offered", "OfferedTools", "Tool", "ToolCall", "Tools", "offer"]


class ToolCall(NamedTuple):
    """Asks the server to call a tool."""

    name: str
    arguments: dict[str, Any]
    session: str = ""


@dataclass
class Offered:
    """A tool of this worker."""

    adapter: Any
    """Has the function as an attribute."""
    command: Command
    metadata: dict[str, Any]
    bound: Any = None
    """Ready to be called, when it has been called once."""

    def described(self) -> dict[str, Any]:
        """As the server is told of it."""
        spec = self.command.to_spec()
        return {
            "name": self.command.name, "description": spec.summary, "streaming": spec.streaming,
            "parameters": [_parameter(one) for one in spec.parameters], "metadata": self.metadata,
        }  # fmt: skip

    def to_spec(self, session: str) -> pb.ToolSpec:
        """As the next server is told of it."""
        spec = self.command.to_spec()
        return pb.ToolSpec(
            session=session, name=self.command.name, description=spec.summary, streaming=spec.streaming,
            parameters=spec.parameters, metadata=json.dumps(self.metadata).encode(),
        )  # fmt: skip


def offer(
    function: Callable[..., Any],
    name: str | None = None,
    description: str | None = None,
    streaming: bool | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Offered:
    """A function as a tool. What is not said is taken from its `@tool`, its signature and its docstring."""
    if not callable(function):
        raise TypeError(f"a tool is a function, not {type(function).__name__}; its name comes second")
    facts = getattr(function, "_tool_metadata", None)
    mark = str(getattr(function, COMMAND_MARK, "") or "")
    title = name or mark or str(getattr(function, "__name__", ""))
    holder = type("Tools", (), {"function": staticmethod(function)})
    command = read(holder, "function", title)
    command.summary = description or getattr(facts, "description", "") or command.summary
    if streaming or getattr(facts, "supports_streaming", False):
        command.streaming = True
    return Offered(holder(), command, dict(metadata or {}))


def _parameter(spec: pb.ParameterSpec) -> dict[str, Any]:
    default = json.loads(spec.default_json) if spec.default_json else None
    return {
        "name": spec.name, "type": spec.type, "required": spec.required, "default": default, "summary": spec.summary,
    }  # fmt: skip


class OfferedTools:
    """The tools of this worker, by session and name."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], Offered] = {}

    def add(self, session: str, offered: Offered) -> None:
        self._of[session, offered.command.name] = offered

    def get(self, session: str, name: str) -> Offered | None:
        return self._of.get((session, name))

    def remove(self, session: str, name: str) -> None:
        self._of.pop((session, name), None)

    def end(self, session: str) -> None:
        """The session has ended."""
        for key in [one for one in self._of if one[0] == session]:
            self._of.pop(key, None)

    def specs(self) -> list[pb.ToolSpec]:
        return [offered.to_spec(session) for (session, _), offered in list(self._of.items())]


class Caller(Protocol):
    """A SessionContext."""

    def call_tool(self, tool_name: str, /, **arguments: Any) -> Any: ...

    def stream_tool(self, tool_name: str, /, **arguments: Any) -> Any: ...

    def list_tools(self, pattern: str = "*") -> Any: ...


class Tool:
    """A tool that can be called: `ctx.tools["parse_json"](json_string="{}")`. Also a dict of what is known of it."""

    def __init__(self, caller: Caller, facts: dict[str, Any]) -> None:
        self._caller = caller
        self.facts = facts
        self.name: str = facts["name"]
        self.description: str = facts["description"]
        self.parameters: list[dict[str, Any]] = facts["parameters"]

    def __call__(self, **arguments: Any) -> Any:
        return self._caller.call_tool(self.name, **arguments)

    def stream(self, **arguments: Any) -> Any:
        """Its chunks as they come."""
        return self._caller.stream_tool(self.name, **arguments)

    def __getitem__(self, fact: str) -> Any:
        return self.facts[fact]

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"


class Tools(Mapping[str, Tool]):
    """The tools that a session has now, by name."""

    def __init__(self, caller: Caller, found: list[dict[str, Any]]) -> None:
        self._tools = {one["name"]: Tool(caller, one) for one in found}

    def __getitem__(self, name: str) -> Tool:
        if name not in self._tools:
            raise ToolNotFoundError("tool_not_found", f"the session has no tool {name!r}")
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def __repr__(self) -> str:
        return f"Tools({list(self._tools)})"
