"""What tests/contract/test_state_doors.py asks of a worker in Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from snakepit_bridge import CallContext, CallFailedError


def add(a: int, b: int = 1) -> int:
    return a + b


def count(n: int) -> Iterator[int]:
    yield from range(n)


def fail(message: str) -> None:
    raise IndexError(message)


def nested(name: str, ctx: CallContext) -> Any:
    return ctx.session.get_variable(name)


TOOLS: dict[str, Callable[..., Any]] = {"add": add, "count": count, "fail": fail, "nested": nested}


class Door:
    def __init__(self) -> None:
        self.ended: list[str] = []
        self.last: list[str] = []

    def session_ended(self, session: str) -> None:
        self.ended.append(session)

    def execute_ended(self) -> list[str]:
        return self.ended

    def execute_twice(self, number: int) -> int:
        return 2 * number

    def execute_raise(self, message: str) -> None:
        raise IndexError(message)

    def execute_wait(self, name: str, ctx: CallContext) -> None:
        """Waits for a change that does not come, asks again a second later, and notes why neither was answered."""
        told: list[str] = []
        ctx.session.update_variable("begun", True)
        for step in (
            lambda: next(ctx.session.watch_variables(name)),
            lambda: time.sleep(1),
            lambda: ctx.session.describe(name),
        ):
            try:
                step()
            except BaseException as error:  # noqa: BLE001 - the cancel comes once, at any time
                told.append(getattr(error, "kind", "cancelled"))
        self.last = told

    def execute_last(self) -> list[str]:
        return self.last

    def execute_forever(self, name: str, ctx: CallContext) -> Iterator[Any]:
        yield from ctx.session.stream_tool(name, n=10**9)

    def execute_steps(self, steps: list[Any], ctx: CallContext) -> list[dict[str, Any]]:
        """Each step is [op, fields]; its outcome {"value"} or {"error", "message", "type"}."""
        outcomes: list[dict[str, Any]] = []
        for op, fields in steps:
            try:
                outcomes.append({"value": getattr(Steps(ctx), op)(**fields)})
            except CallFailedError as error:
                outcomes.append({"error": error.kind, "message": error.message, "type": error.type})
        return outcomes


class Steps:
    """One method for each op."""

    def __init__(self, ctx: CallContext) -> None:
        self._ctx = ctx
        self._session = ctx.session

    def id(self) -> Any:
        return self._session.session_id

    def metadata(self) -> Any:
        return self._ctx.metadata

    def get(self, name: str) -> Any:
        return self._session.get_variable(name)

    def stale(self, name: str) -> Any:
        return self._session.describe(name)["stale"]

    def has(self, name: str) -> Any:
        return name in self._session

    def set(self, name: str, value: Any, expect: int | None = None, create: bool = True) -> Any:
        if expect is None and create:
            self._session[name] = value
            return self._session.describe(name)["version"]
        return self._session.update_variable(name, value, expected_version=expect)

    def register(self, name: str, type: str, value: Any, **more: Any) -> Any:  # noqa: A002 - its name in the table
        self._session.register_variable(name, type, value, **more)
        return self._session.describe(name)["version"]

    def delete(self, name: str) -> Any:
        return self._session.delete_variable(name)

    def list(self, pattern: str = "*") -> Any:
        return [one["name"] for one in self._session.list_variables(pattern)]

    def get_many(self, names: Any) -> Any:
        return self._session.get_variables(names)

    def set_many(
        self, values: dict[str, Any], atomic: bool = False, create: bool = True, expect: dict[str, int] | None = None
    ) -> Any:
        if create and expect is None:
            return self._session.commit(values, atomic=atomic)
        return self._session.update_variables(values, atomic, expected_versions=expect)

    def history(self, name: str) -> Any:
        return [[one["event"], one["version"], one["value"]] for one in self._session.history(name)]

    def rollback(self, name: str, version: int) -> Any:
        return self._session.rollback(name, version)

    def depend(self, name: str, on: Any) -> Any:
        return self._session.depend(name, on)

    def watch(self, pattern: str, count: int, **more: Any) -> Any:
        with self._session.watch_variables(pattern, **more) as changes:
            return [[one["event"], one["name"], one["value"]] for one in islice(changes, count)]

    def program_put(self, id: str, data: Any, **more: Any) -> Any:  # noqa: A002 - its name in the table
        return self._session.put_program(id, data, **more)["id"]

    def program_get(self, id: str, **more: Any) -> Any:  # noqa: A002 - its name in the table
        return self._session.get_program(id, **more)

    def program_list(self, pattern: str = "*", **more: Any) -> Any:
        return [one["id"] for one in self._session.list_programs(pattern, **more)]

    def program_delete(self, id: str, **more: Any) -> Any:  # noqa: A002 - its name in the table
        self._session.delete_program(id, **more)

    def tools(self, pattern: str = "*") -> Any:
        return [one["name"] for one in self._session.list_tools(pattern)]

    def tool(self, name: str) -> Any:
        return self._session.list_tools(name)[0]

    def offer(self, name: str, **more: Any) -> Any:
        return self._session.register_tool(TOOLS[name], **more)

    def withdraw(self, name: str) -> Any:
        return self._session.unregister_tool(name)

    def call_tool(self, name: str, args: dict[str, Any]) -> Any:
        return self._session.call_tool(name, **args)

    def stream_tool(self, name: str, args: dict[str, Any], count: int | None = None) -> Any:
        return list(islice(self._session.stream_tool(name, **args), count))

    def call(self, command: str, args: dict[str, Any], pool: str) -> Any:
        return self._ctx.call(command, pool=pool, **args)

    def query(self, query: dict[str, Any]) -> Any:
        """What the public methods cannot ask for."""
        return self._session._use().query(query)
