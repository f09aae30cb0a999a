"""Which session offers which tools, and which worker provides them. In memory: a tool lives as long as its provider."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.ids import pool_of
from snakepit_cli.server.store import globs
from snakepit_cli.wire import worker_pb2 as pb

MOST = 1_000
"""Tools of a session."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
_RULE = "a name has 1 to 64 letters, digits, `_`, `.` or `-`, and begins with a letter or digit"
_TAKEN = "use another name or another session, or end the process that offers it"
_MOST_ENTRIES = 32
_MOST_METADATA = 4096


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """`worker` provides it. `registered`: by its worker, which knows it by its name; else it is one of its commands."""

    session: str
    name: str
    description: str = ""
    streaming: bool = False
    parameters: list[dict[str, Any]] = []
    metadata: dict[str, Any] = {}
    worker: str
    language: str = ""
    registered: bool = True

    @property
    def pool(self) -> str:
        return pool_of(self.worker)

    def answer(self) -> dict[str, Any]:
        """TOOL."""
        facts = msgspec.to_builtins(self)
        del facts["registered"]
        return {**facts, "pool": self.pool}


class Registry:
    def __init__(self) -> None:
        self._of: dict[str, dict[str, Tool]] = {}

    def add(self, tools: Iterable[Tool]) -> None:
        """All or none. A worker may register its own again. Raises PitError."""
        fresh: dict[tuple[str, str], Tool] = {}
        for tool in tools:
            _check(tool)
            known = self._of.get(tool.session, {}).get(tool.name)
            if (tool.session, tool.name) in fresh or (known is not None and known.worker != tool.worker):
                who = tool.worker if known is None else known.worker
                text = f"tool {tool.name}: {who} offers one of this name in {tool.session}"
                raise PitError("already_exists", text, hint=_TAKEN)
            fresh[tool.session, tool.name] = tool
        for session in {session for session, _ in fresh}:
            names = self._of.get(session, {}).keys() | {name for one, name in fresh if one == session}
            if len(names) > MOST:
                raise PitError("quota_exceeded", f"session {session}: {MOST:,} tools are allowed")
        for (session, name), tool in fresh.items():
            self._of.setdefault(session, {})[name] = tool

    def get(self, session: str, name: str) -> Tool:
        """Raises PitError `tool_not_found`."""
        if not session:
            raise PitError("usage", "no session is named", hint="name one with --session or SNAKEPIT_SESSION")
        offered = self._of.get(session, {})
        if (tool := offered.get(name)) is None:
            near = difflib.get_close_matches(name, offered, n=1)
            text = f"session {session} has no tool {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            raise PitError("tool_not_found", text)
        return tool

    def listed(self, session: str, pattern: str = "*") -> list[Tool]:
        return [one for name, one in sorted(self._of.get(session, {}).items()) if globs.matches(name, pattern)]

    def count(self, session: str) -> int:
        return len(self._of.get(session, ()))

    def of_worker(self, worker: str) -> list[Tool]:
        return [tool for tools in self._of.values() for tool in tools.values() if tool.worker == worker]

    def remove(self, session: str, name: str, worker: str) -> None:
        """By the worker that provides it. Raises PitError."""
        if self.get(session, name).worker != worker:
            raise PitError("not_yours", f"tool {name}: another worker offers it")
        self._drop(session, name)

    def worker_gone(self, worker: str) -> None:
        for tool in self.of_worker(worker):
            self._drop(tool.session, tool.name)

    def session_ended(self, session: str) -> None:
        self._of.pop(session, None)

    def _drop(self, session: str, name: str) -> None:
        offered = self._of[session]
        del offered[name]
        if not offered:
            del self._of[session]


def tool_of(spec: pb.ToolSpec, worker: str, language: str) -> Tool:
    """As a worker describes it when it attaches again."""
    return Tool(
        session=spec.session, name=spec.name, description=spec.description, streaming=spec.streaming,
        parameters=[_parameter(one) for one in spec.parameters],
        metadata=msgspec.json.decode(spec.metadata) if spec.metadata else {}, worker=worker, language=language,
    )  # fmt: skip


def of_command(command: pb.CommandSpec, session: str, worker: str, language: str) -> Tool:
    """A command of a worker that serves nothing but tools."""
    return Tool(
        session=session, name=command.name, description=command.summary, streaming=command.streaming,
        parameters=[_parameter(one) for one in command.parameters], worker=worker, language=language, registered=False,
    )  # fmt: skip


def _parameter(spec: pb.ParameterSpec) -> dict[str, Any]:
    try:
        default = msgspec.json.decode(spec.default_json) if spec.default_json else None
    except (msgspec.MsgspecError, RecursionError):
        default = None
    return {
        "name": spec.name, "type": spec.type, "required": spec.required, "default": default, "summary": spec.summary,
    }  # fmt: skip


def _check(tool: Tool) -> None:
    if not _NAME.fullmatch(tool.name):
        raise PitError("usage", f"tool {tool.name[:80]!r}: {_RULE}")
    size = len(msgspec.json.encode(tool.metadata)) if tool.metadata else 0
    if len(tool.metadata) > _MOST_ENTRIES or size > _MOST_METADATA:
        allowed = f"{_MOST_ENTRIES} entries and {_MOST_METADATA:,} bytes are allowed"
        raise PitError("quota_exceeded", f"tool {tool.name}: metadata has {len(tool.metadata)} and {size:,}; {allowed}")
