"""What tests/contract/test_state_doors.py asks of a program that reads and writes lines.

docs/reference/stdio-protocol.md says what they mean.

It runs one request at a time. What comes while it waits for an answer is kept for later.
"""

from __future__ import annotations

import json
import os
import select
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

_kept: deque[dict[str, Any]] = deque()
_numbers = count(1)
_ended: list[str] = []


class AskError(Exception):
    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


class CancelledError(Exception):
    pass


def say(**line: Any) -> None:
    print(json.dumps(line), flush=True)


class Input:
    """What the server says, a line at a time. It can be looked at without waiting."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._rest = b""

    def read(self) -> dict[str, Any]:
        while not self._lines:
            self._more()
        said: dict[str, Any] = json.loads(self._lines.popleft())
        return said

    def has_line(self) -> bool:
        while not self._lines and select.select([0], [], [], 0)[0]:
            self._more()
        return bool(self._lines)

    def _more(self) -> None:
        data = os.read(0, 1 << 16)
        if not data:
            raise SystemExit(0)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._lines.extend(lines)


_input = Input()


class Asking:
    """What one request can ask."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request

    def each(self, **wish: Any) -> Iterator[tuple[str, Any]]:
        """("chunk", value)… and ("value", value). Leaving it gives it up."""
        number, over = next(_numbers), False
        say(ask=number, **{"in": self.request["id"]}, **wish)
        try:
            while not over:
                line = self._about(number)
                over = "chunk" not in line
                if "error" in line:
                    raise AskError(line["error"])
                yield ("value", line["value"]) if over else ("chunk", line["chunk"])
        finally:
            if not over:
                say(cancel=number)

    def ask(self, **wish: Any) -> Any:
        *_, (_, value) = self.each(**wish)
        return value

    def query(self, op: str, **fields: Any) -> Any:
        return self.ask(query={"op": op, **fields})

    def first(self, count: int | None, **wish: Any) -> list[Any]:
        found: list[Any] = []
        for kind, value in self.each(**wish, stream=True):
            if kind == "chunk":
                found.append(value)
            if len(found) == count:
                break
        return found

    def _about(self, number: int) -> dict[str, Any]:
        while True:
            line = _input.read()
            if line.get("answer") == number:
                return line
            if line.get("cancel") == self.request["id"]:
                raise CancelledError
            if "answer" not in line:
                _kept.append(line)


def named(found: Any, key: str = "name") -> list[str]:
    return [one[key] for one in found]


def everywhere(fields: dict[str, Any]) -> dict[str, Any]:
    return {"global" if name == "everywhere" else name: value for name, value in fields.items()}


def has(at: Asking, name: str) -> bool:
    try:
        at.query("var_get", name=name)
    except AskError as error:
        if error.error["kind"] != "variable_not_found":
            raise
        return False
    return True


def get_many(at: Asking, names: list[str]) -> Any:
    answer = at.query("var_mget", names=names)
    if answer["missing"]:
        raise AskError({"kind": "variable_not_found", "message": str(answer["missing"])})
    return {name: one["value"] for name, one in answer["found"].items()}


def set_many(at: Asking, **fields: Any) -> Any:
    results = at.query("var_mset", **fields)["results"]
    return {name: one["error"]["message"] if "error" in one else True for name, one in results.items()}


def watch(at: Asking, pattern: str, count: int, **more: Any) -> Any:
    changes = at.first(count, query={"op": "var_watch", "pattern": pattern, **more})
    return _pick(changes, "event", "name", "value")


def _pick(changes: list[dict[str, Any]], *names: str) -> list[list[Any]]:
    return [[one[name] for name in names] for one in changes]


def offer(at: Asking, name: str, **more: Any) -> Any:
    return at.query("tool_register", tools=[{"name": name, **TOOLS[name], **more}])["registered"][0]


def withdraw(at: Asking, name: str) -> None:
    at.query("tool_rm", name=name)


def delete(at: Asking, op: str, **fields: Any) -> None:
    at.query(op, **everywhere(fields))


OPS: dict[str, Callable[..., Any]] = {
    "metadata": lambda at: at.request.get("metadata", {}),
    "get": lambda at, name: at.query("var_get", name=name)["value"],
    "stale": lambda at, name: at.query("var_get", name=name)["stale"],
    "has": has,
    "set": lambda at, **fields: at.query("var_set", **fields)["version"],
    "register": lambda at, **fields: at.query("var_register", **fields)["version"],
    "delete": lambda at, **fields: delete(at, "var_rm", **fields),
    "list": lambda at, pattern: named(at.query("var_list", pattern=pattern)),
    "get_many": get_many,
    "set_many": set_many,
    "history": lambda at, name: [
        [one["event"], one["version"], one["value"]] for one in at.query("var_history", name=name)
    ],
    "rollback": lambda at, **fields: at.query("var_rollback", **fields)["version"],
    "depend": lambda at, **fields: at.query("var_depend", **fields)["on"],
    "watch": watch,
    "program_put": lambda at, **fields: at.query("program_put", **everywhere(fields))["id"],
    "program_get": lambda at, **fields: at.query("program_get", **everywhere(fields))["data"],
    "program_list": lambda at, **fields: named(at.query("program_list", **everywhere(fields)), "id"),
    "program_delete": lambda at, **fields: delete(at, "program_rm", **fields),
    "tools": lambda at, pattern="*": named(at.query("tool_list", pattern=pattern)),
    "tool": lambda at, name: at.query("tool_show", name=name),
    "offer": offer,
    "withdraw": withdraw,
    "call_tool": lambda at, name, args: at.ask(tool=name, args=args),
    "stream_tool": lambda at, name, args, count=None: at.first(count, tool=name, args=args),
    "call": lambda at, command, args, pool: at.ask(command=command, args=args, pool=pool),
    "query": lambda at, query: at.ask(query=query),
    "ask": lambda at, ask: at.ask(**ask),
}


def steps(at: Asking, steps: list[Any]) -> Any:
    outcomes: list[dict[str, Any]] = []
    for op, fields in steps:
        try:
            outcomes.append({"value": OPS[op](at, **fields)})
        except AskError as error:
            outcomes.append({"error": error.error["kind"], "type": "", **_facts(error.error)})
    return outcomes


def _facts(error: dict[str, Any]) -> dict[str, Any]:
    return {name: error[name] for name in ("message", "type") if name in error}


def fail(_: Asking, message: str) -> None:
    raise IndexError(message)


def counted(at: Asking, n: int) -> Any:
    for number in range(n):
        say(id=at.request["id"], chunk=number)
        while _input.has_line():
            line = _input.read()
            if line.get("cancel") == at.request["id"]:
                raise CancelledError
            _kept.append(line)


def counted_all(at: Asking, n: int) -> Any:
    if at.request.get("stream"):
        return counted(at, n)
    return list(range(n))


def forever(at: Asking, name: str) -> None:
    for kind, value in at.each(tool=name, args={"n": 10**9}, stream=True):
        if kind == "chunk":
            say(id=at.request["id"], chunk=value)


COMMANDS: dict[str, Callable[..., Any]] = {
    "steps": steps,
    "ended": lambda _: _ended,
    "forever": forever,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": lambda _, a, b=1: a + b,
    "count": counted_all,
    "fail": fail,
    "nested": lambda at, name: at.query("var_get", name=name)["value"],
}
_A, _B = {"name": "a", "required": True}, {"name": "b", "default": 1}
TOOLS: dict[str, dict[str, Any]] = {
    "add": {"description": "Adds.", "parameters": [_A, _B]},
    "count": {"streaming": True},
    "fail": {},
    "nested": {},
}


def serve(request: dict[str, Any]) -> None:
    functions = FUNCTIONS if request.get("tool") else COMMANDS
    try:
        say(id=request["id"], result=functions[request["command"]](Asking(request), **request["args"]))
    except CancelledError:
        say(id=request["id"], error={"kind": "cancelled", "message": "given up"})
    except Exception as error:  # noqa: BLE001 - it is the answer
        said = {"message": str(error), "type": type(error).__name__}
        say(id=request["id"], error=said if not isinstance(error, TypeError) else {**said, "kind": "invalid_arguments"})


def main() -> None:
    say(hello={"commands": [{"name": name, "streaming": name == "forever"} for name in COMMANDS], "language": "lines"})
    while True:
        line = _kept.popleft() if _kept else _input.read()
        if "ended_session" in line:
            _ended.append(line["ended_session"])
        elif "id" in line:
            serve(line)


if __name__ == "__main__":
    main()
