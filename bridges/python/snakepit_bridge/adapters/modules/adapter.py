"""The commands of the adapter `python`."""

from __future__ import annotations

import inspect
import os
import re
from types import ModuleType
from typing import Any

from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.adapters.base import BaseAdapter, command
from snakepit_bridge.adapters.modules.objects import Objects, StoreError
from snakepit_bridge.adapters.modules.targets import TargetError, Targets, step
from snakepit_bridge.context import CallContext
from snakepit_bridge.failures import Refusal, failure
from snakepit_bridge.forms import name_of

__all__ = ["ModulesAdapter"]

_STORED = re.compile(r"stored\.([A-Za-z_][A-Za-z0-9_-]*)((?:\.\w+)*)\Z")
_MOST_MEMBERS = 200
_MOST_TEXT = 4096


class ModulesAdapter(BaseAdapter):
    """Calls functions of the modules that the pool names, and keeps objects between calls.

    What a call stores belongs to its session, and ends with it; without a session it belongs to the worker.
    """

    def __init__(self) -> None:
        modules = [one for one in os.environ.get("SNAKEPIT_MODULES", "").split(",") if one]
        pool = os.environ.get("SNAKEPIT_WORKER_ID", "").rpartition("-")[0] or "default"
        self._targets = Targets(modules, pool)
        self._objects = Objects()

    @command
    def call(
        self,
        target: str,
        args: list[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        store_as: str | None = None,
        *,
        ctx: CallContext,
    ) -> Any:
        """Calls a function, a class, or a method of a stored object.

        Args:
            target: `statistics.mean`, or `stored.NAME.method`.
            args: Its arguments. A text `stored.NAME` is the object of that name.
            kwargs: Its named arguments.
            store_as: Keep the result under this name, and answer with its type.
        """
        try:
            function = self._find(target.removesuffix(".__call__"), ctx.session_id)
            if not callable(function):
                raise TargetError(f"`{target}` is of type {name_of(type(function))}, which cannot be called")
            given = [self._resolved(one, ctx.session_id) for one in args or []]
            named = {name: self._resolved(one, ctx.session_id) for name, one in (kwargs or {}).items()}
        except (TargetError, StoreError) as error:
            raise _refusal("call", error) from None
        result = function(*given, **named)
        return self.shown(result) if store_as is None else self._keep("call", store_as, result, ctx)

    @command
    def store(self, id: str, value: Any, ctx: CallContext) -> dict[str, Any]:  # noqa: A002 - the argument's name
        """Keeps a value for later calls of this session, or of this worker.

        Args:
            id: Its name.
            value: Any JSON.
        """
        return self._keep("store", id, value, ctx)

    @command
    def retrieve(self, id: str, ctx: CallContext) -> Any:  # noqa: A002
        """The stored object, when it has a JSON form.

        Args:
            id: Its name.
        """
        try:
            return self.shown(self._objects.get(ctx.session_id, id))
        except StoreError as error:
            raise _refusal("retrieve", error) from None

    @command
    def list_stored(self, ctx: CallContext) -> dict[str, Any]:
        """Names and types of what is stored for this session, or for this worker."""
        types = self._objects.types(ctx.session_id)
        return {"stored": [{"id": name, "type": kind} for name, kind in types.items()], "scope": _scope(ctx)}

    @command
    def delete_stored(self, id: str, ctx: CallContext) -> dict[str, Any]:  # noqa: A002
        """Forgets a stored object.

        Args:
            id: Its name.
        """
        return {"id": id, "deleted": self._objects.delete(ctx.session_id, id)}

    @command
    def inspect(self, target: str, ctx: CallContext) -> dict[str, Any]:
        """Describes a module, a function, a class or a stored object.

        Args:
            target: As `call` takes it.
        """
        try:
            found = self._find(target, ctx.session_id)
        except (TargetError, StoreError) as error:
            raise _refusal("inspect", error) from None
        members = [one for one in dir(found) if not one.startswith("_")]
        return {
            "target": target,
            "type": name_of(type(found)),
            "callable": callable(found),
            "signature": _signature(found),
            "doc": (inspect.getdoc(found) or "")[:_MOST_TEXT],
            "members": members[:_MOST_MEMBERS],
        }

    def shown(self, result: Any) -> Any:
        """An object as the caller gets it. For subclasses that know the objects of their modules."""
        return result

    def session_ended(self, session_id: str) -> None:
        """What was stored for the session goes."""
        self._objects.drop(session_id)

    def _find(self, target: str, session: str) -> Any:
        stored = _STORED.match(target)
        if stored is None:
            return self._targets.find(target)
        path, found = f"stored.{stored[1]}", self._objects.get(session, stored[1])
        for name in stored[2].split(".")[1:]:
            found, path = step(found, path, name), f"{path}.{name}"
            if isinstance(found, ModuleType):
                raise TargetError(f"`{path}` is a module: name it itself")
        return found

    def _resolved(self, value: Any, session: str) -> Any:
        if isinstance(value, str) and (stored := _STORED.match(value)) is not None and not stored[2]:
            return self._objects.get(session, stored[1])
        if isinstance(value, list):
            return [self._resolved(one, session) for one in value]
        if isinstance(value, dict):
            return {name: self._resolved(one, session) for name, one in value.items()}
        return value

    def _keep(self, name: str, as_: str, value: Any, ctx: CallContext) -> dict[str, Any]:
        try:
            self._objects.put(ctx.session_id, as_, value)
        except StoreError as error:
            raise _refusal(name, error) from None
        return {"id": as_, "type": name_of(type(value)), "scope": _scope(ctx)}


def _scope(ctx: CallContext) -> str:
    return "session" if ctx.session_id else "worker"


def _signature(found: Any) -> str | None:
    try:
        return str(inspect.signature(found))[:_MOST_TEXT]
    except (TypeError, ValueError):
        return None


def _refusal(name: str, error: Exception) -> Refusal:
    return Refusal(failure(pb.Failure.Kind.INVALID_ARGUMENTS, f"`{name}`: {error}"))
