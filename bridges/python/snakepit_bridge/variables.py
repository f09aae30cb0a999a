"""Shorter ways to a session's variables: proxies, attributes, batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from snakepit_bridge.runtime.state import failed_updates

if TYPE_CHECKING:
    from snakepit_bridge.session_context import SessionContext

__all__ = ["BatchUpdates", "VariableNamespace", "VariableProxy"]


class VariableProxy:
    """One variable: `temperature = ctx.variable("temperature")`, then `temperature.value`. Nothing is read before."""

    __slots__ = ("_session", "name")

    def __init__(self, session: SessionContext, name: str) -> None:
        self._session = session
        self.name = name

    @property
    def value(self) -> Any:
        """The value. Setting it is `ctx.update_variable(name, value)`: the variable must exist."""
        return self._session[self.name]

    @value.setter
    def value(self, new_value: Any) -> None:
        self._session.update_variable(self.name, new_value)

    @property
    def info(self) -> dict[str, Any]:
        """Everything about it, as `list_variables` shows it."""
        return dict(self._session.describe(self.name))

    @property
    def type(self) -> str:
        return str(self.info["type"])

    @property
    def version(self) -> int:
        return int(self.info["version"])

    @property
    def constraints(self) -> dict[str, Any]:
        return dict(self.info["constraints"])

    @property
    def metadata(self) -> dict[str, Any]:
        return dict(self.info["metadata"])

    def __repr__(self) -> str:
        return f"VariableProxy({self.name!r})"


class VariableNamespace:
    """`ctx.v`: variables as attributes. `ctx.v.temperature = 0.9` is `ctx["temperature"] = 0.9`."""

    __slots__ = ("_session",)

    def __init__(self, session: SessionContext) -> None:
        object.__setattr__(self, "_session", session)

    def __getattr__(self, name: str) -> Any:
        # Python asks for such names by itself, to copy or to pickle.
        if name.startswith("__"):
            raise AttributeError(name)
        return self._session[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self._session[name] = value

    def __delattr__(self, name: str) -> None:
        del self._session[name]


class BatchUpdates:
    """Collects changes and makes them at once at the end of the block:

        with ctx.batch_updates() as batch:
            batch["temperature"] = 0.9
            batch["top_k"] = 40

    A block that raises changes nothing. In event loops: `async with`. When values are not taken, InvalidValueError
    names them; the others have been set, unless the batch is atomic.
    """

    def __init__(self, session: SessionContext, *, atomic: bool = False) -> None:
        self._session = session
        self._atomic = atomic
        self._updates: dict[str, Any] = {}
        self.results: dict[str, Any] = {}
        """After the commit, by name: True, or why the value was not taken."""

    def __setitem__(self, name: str, value: Any) -> None:
        self._updates[name] = value

    def set(self, name: str, value: Any) -> None:
        """The same as `batch[name] = value`."""
        self._updates[name] = value

    def __len__(self) -> int:
        return len(self._updates)

    def __iter__(self) -> Iterator[str]:
        return iter(self._updates)

    def commit(self, atomic: bool | None = None) -> dict[str, Any]:
        """Makes the changes that have been collected. By name: True, or why the value was not taken."""
        updates, self._updates = self._updates, {}
        self.results = dict(self._session.commit(updates, atomic=self._atomic if atomic is None else atomic))
        return self.results

    def __enter__(self) -> BatchUpdates:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()
            self._raise()

    async def __aenter__(self) -> BatchUpdates:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            updates, self._updates = self._updates, {}
            self.results = dict(await self._session.commit(updates, atomic=self._atomic))
            self._raise()

    def _raise(self) -> None:
        error = failed_updates(self.results)
        if error is not None:
            raise error
