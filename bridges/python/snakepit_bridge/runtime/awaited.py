"""Methods that can be used with and without `await`.

What such a method returns depends on where it is called:

no event loop runs in this thread (plain handlers, threads of their own)
    It blocks and returns the value.
in an event loop, directly behind `await`: `await ctx.get_variable("x")`
    It returns a coroutine; the loop goes on meanwhile.
in an event loop, used plainly: `ctx.get_variable("x") + 1`
    It blocks the loop until the server has answered, usually for a fraction of a millisecond, or not at all when the
    value is kept. Replies are read by another thread, so this ends. It returns the value, of a subclass of its type
    that can be awaited as well. So `asyncio.gather(ctx.get_variable("a"), …)` and `await self.helper()` work, too,
    where `helper` returns what such a method returned. It compares, prints, pickles and becomes JSON like the value;
    only `type(x) is float` tells it apart. True and False have no subclasses and are returned as they are.
    An error is raised at once.

Whether `await` comes next is read from the code of the caller. Code that is not Python's bytecode (Cython) is taken for
plain use.
"""

from __future__ import annotations

from asyncio import _get_running_loop
from collections.abc import Generator
from functools import partial
from sys import _getframe as _frame
from types import CodeType, FrameType
from typing import Any, Callable, Protocol, Union

from snakepit_bridge.errors import CallFailedError
from snakepit_bridge.tools import ToolCall

__all__ = ["Queries", "Steps", "answer", "later", "now", "ready"]

Query = Union[dict[str, Any], ToolCall]
Steps = Generator[Query, Any, Any]
"""Yields queries, is sent their answers (or thrown their errors), returns a value."""
_MOST_PLACES = 10_000


class Queries(Protocol):
    """Asks the server."""

    def query(self, query: Query) -> Any: ...

    async def query_later(self, query: Query) -> Any: ...


def answer(queries: Queries, steps: Steps) -> Any:
    """What the steps return. To be called by the very method that is used with or without `await`."""
    if _get_running_loop() is None:
        return now(queries, steps)
    if _is_awaited(_frame(2)):
        return later(queries, steps)
    return _awaitable(now(queries, steps))


def ready(value: Any) -> Any:
    """As `answer`, for a value that is known already."""
    if _get_running_loop() is None:
        return value
    return _Ready(value) if _is_awaited(_frame(2)) else _awaitable(value)


def now(queries: Queries, steps: Steps) -> Any:
    """Blocks until the steps are done."""
    step: Callable[[], Query] = partial(next, steps)
    try:
        while True:
            query = step()
            try:
                step = partial(steps.send, queries.query(query))
            except CallFailedError as error:
                step = partial(steps.throw, error)
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()


async def later(queries: Queries, steps: Steps) -> Any:
    """Waits in the event loop until the steps are done."""
    step: Callable[[], Query] = partial(next, steps)
    try:
        while True:
            query = step()
            try:
                step = partial(steps.send, await queries.query_later(query))
            except CallFailedError as error:
                step = partial(steps.throw, error)
    except StopIteration as stop:
        return stop.value
    finally:
        steps.close()


# -------------------------------------------------------------------------------------- is `await` what comes next?

_places: dict[tuple[CodeType, int], bool] = {}


def _is_awaited(frame: FrameType) -> bool:
    place = (frame.f_code, frame.f_lasti)
    found = _places.get(place)
    if found is None:
        if len(_places) >= _MOST_PLACES:
            _places.clear()
        found = _places[place] = _await_follows(*place)
    return found


def _await_follows(code: CodeType, at: int) -> bool:
    import dis

    after = (one.opname for one in dis.get_instructions(code) if one.offset > at)
    return next(after, "") == "GET_AWAITABLE"


# ----------------------------------------------------------------------------------------- values that can be awaited


class _Ready:
    """Can be awaited, and nothing else."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._value
        yield  # a generator that never stops


def _subclass(kind: type) -> type:
    """A type whose values can be awaited and are otherwise those of `kind`."""

    def await_(self: Any) -> Generator[Any, Any, Any]:
        return kind(self)
        yield

    def reduce(self: Any, _protocol: Any = None) -> tuple[Any, ...]:
        return kind, (kind(self),)

    members: dict[str, Any] = {"__slots__": (), "__await__": await_, "__reduce_ex__": reduce}
    if kind.__hash__ is None:
        members["__hash__"] = object.__hash__  # asyncio.gather() looks its arguments up in a dict
    return type(kind.__name__, (kind,), members)


class _Nothing:
    """Stands for None, which cannot be awaited."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "None"

    def item(self) -> None:
        """Its JSON form, which is null."""

    def __await__(self) -> Generator[Any, Any, Any]:
        return None
        yield


_SUBCLASSES: dict[type, Callable[[Any], Any]] = {kind: _subclass(kind) for kind in (int, float, str, list, dict)}
_nothing = _Nothing()


def _awaitable(value: Any) -> Any:
    if value is None:
        return _nothing
    make = _SUBCLASSES.get(type(value))
    return value if make is None else make(value)
