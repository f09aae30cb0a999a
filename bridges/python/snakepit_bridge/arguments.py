"""From a call's JSON arguments to a method call, and the refusals in between."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable

from snakepit_bridge import jsonio, loops, partarguments
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.annotations import Misfit, checks_of, converter_of
from snakepit_bridge.binary import BinaryError, Buffer, is_message
from snakepit_bridge.context import CallContext
from snakepit_bridge.describe import ANY, Command
from snakepit_bridge.failures import Refusal, did_you_mean, failure

if TYPE_CHECKING:
    from snakepit_bridge.hosts.per_call import PerCall
    from snakepit_bridge.runtime.items import Items

__all__ = ["Bound", "bind_all", "find", "parse"]


class Bound:
    """A command of one adapter object, ready to be called."""

    __slots__ = (
        "_accepted", "_announce", "_forms", "_fresh", "_general", "_method", "_required", "_set", "_simple", "_typed",
        "accepted", "command", "convert", "plain", "wants_context",
    )  # fmt: skip

    def __init__(self, adapter: Any, command: Command, fresh: PerCall | None = None) -> None:
        """`fresh`: makes the object for each call; `adapter` is the class then."""
        self.command = command
        self._fresh = fresh
        self._method: Callable[..., Any] = getattr(adapter, command.attribute)
        self._accepted = frozenset(one.name for one in command.parameters)
        self._required = frozenset(one.name for one in command.parameters if one.default is one.empty)
        checks = checks_of(self._method, command.parameters)
        self.accepted = {one.name: one.accepted for one in checks}
        """Types of JSON values that an argument may have as it comes. Arguments that are not here may have any."""
        self.convert = converter_of(checks)
        """Makes of the arguments what the annotations say; None when they say nothing."""
        self._forms: Mapping[str, Callable[..., Any]] | None = None
        """Of arguments that came as parts; found when the first one comes."""
        self._announce: Callable[[Any], Any] | None = None if fresh else announcer(adapter)
        self._set = tuple(name for name in (command.context, command.session) if name is not None)
        """Parameters that the bridge sets."""
        self.wants_context = bool(self._set) or self._announce is not None or fresh is not None
        """The call's context is needed."""
        special = command.whole or command.open or command.positional or self.wants_context
        self._simple = not (command.whole or command.positional or self.wants_context)
        """It takes keywords, and nothing else."""
        bare = inspect.isroutine(self._method) and not hasattr(self._method, "__wrapped__")
        self.plain: Callable[..., Any] | None = self._method if bare and not special else None
        """The method itself when it takes keywords and nothing else, and begins only if they fit: for blocks."""
        self._general: loops.Run | None = None
        self._typed: tuple[object, loops.Loop | None] = (None, None)

    @property
    def function(self) -> Callable[..., Any]:
        """The method that it calls."""
        return self._method

    @property
    def general(self) -> loops.Run:
        """The loop of `plain` over dicts of arguments."""
        if self._general is None:
            self._general = loops.general(self)
        return self._general

    def typed(self, fixed: bytes, items: Items) -> loops.Loop | None:
        """The loop of `plain` over lines like the first of these; None when there is none. `fixed` is what was parsed.

        The last one is kept: the blocks of a run are alike.
        """
        objects = items.lines[0].lstrip()[:1] == b"{"
        key = (fixed, items.name, objects)
        if self._typed[0] != key:
            self._typed = (key, loops.typed(self, items.fixed, items.name, objects=objects))
        return self._typed[1]

    def read_parts(self, data: Buffer) -> dict[str, Any]:
        """The arguments in a message with parts. Raises BinaryError, InvalidJson."""
        if self._forms is None:
            self._forms = partarguments.forms_of(self._method, self.command.parameters)
        return partarguments.read(data, self._forms)

    def check(self, args: dict[str, Any]) -> None:
        """Converts the arguments in place. Raises the refusal that names what is wrong with them."""
        command = self.command
        if command.whole is not None:
            return
        if self._required and not args.keys() >= self._required:
            missing = [one.name for one in command.parameters if one.name in self._required and one.name not in args]
            raise self._refusal(f"missing {_listed(missing)}{self._near(args, missing)}")
        if command.open:
            for name in self._set:
                if name in args:
                    raise self._refusal(f"`{name}` is set by the bridge, it cannot be an argument")
        elif not args.keys() <= self._accepted:
            unknown = [name for name in args if name not in self._accepted]
            hint = did_you_mean(unknown[0], self._accepted) or self._takes()
            raise self._refusal(f"unknown {_listed(unknown)}{hint}")
        if self.convert is not None:
            try:
                self.convert(args)
            except Misfit as misfit:
                raise self._refusal(str(misfit)) from None

    def __call__(self, args: dict[str, Any], context: CallContext | None) -> Any:
        """Calls the method. The arguments have been checked."""
        if self._simple:
            return self._method(**args)
        command = self.command
        keywords = self._prepare(context) if context is not None else {}
        method = self._method if self._fresh is None or context is None else self._fresh.method(command, context)
        if command.whole is not None:
            return method(args, **keywords)
        args.update(keywords)
        if not command.positional:
            return method(**args)
        return method(*self._take_positional(args), **args)

    def _prepare(self, context: CallContext) -> dict[str, Any]:
        """Tells the adapter its session; what the bridge sets, by parameter."""
        if self._announce is not None:
            self._announce(context.session)
        keywords: dict[str, Any] = {}
        if self.command.context is not None:
            keywords[self.command.context] = context
        if self.command.session is not None:
            keywords[self.command.session] = context.session
        return keywords

    def _take_positional(self, args: dict[str, Any]) -> list[Any]:
        values = []
        for name in self.command.positional:
            if name in args:
                values.append(args.pop(name))
            else:
                default = next(one.default for one in self.command.parameters if one.name == name)
                values.append(default)
        return values

    def _near(self, args: dict[str, Any], missing: list[str]) -> str:
        unknown = [name for name in args if name not in self._accepted]
        if not unknown or self.command.open:
            return self._takes()
        hint = did_you_mean(unknown[0], missing)
        return f"; unknown {_listed(unknown)}{hint}" if hint else f"; unknown {_listed(unknown)}"

    def _takes(self) -> str:
        names = [one.name if one.name in self._required else f"{one.name}?" for one in self.command.parameters]
        return f"; `{self.command.name}` takes {', '.join(names)}" if names else "; it takes none"

    def _refusal(self, message: str) -> Refusal:
        return Refusal(failure(pb.Failure.Kind.INVALID_ARGUMENTS, f"`{self.command.name}`: {message}"))


def _listed(names: list[str]) -> str:
    return ("argument " if len(names) == 1 else "arguments ") + ", ".join(f"`{name}`" for name in names[:10])


def announcer(adapter: Any) -> Callable[[Any], Any] | None:
    """The adapter's `set_session_context`. One that only a `__getattr__` makes up is none."""
    if inspect.getattr_static(adapter, "set_session_context", None) is None:
        return None
    method: Callable[[Any], Any] = adapter.set_session_context
    if inspect.iscoroutinefunction(method):
        raise TypeError("set_session_context() must not be async: it only keeps the context")
    return method


def bind_all(adapter: Any, commands: Mapping[str, Command], fresh: PerCall | None = None) -> dict[str, Bound]:
    """The commands of an adapter object by name. With `fresh`, of a class."""
    return {name: Bound(adapter, command, fresh) for name, command in commands.items()}


def find(commands: Mapping[str, Bound], name: str) -> Bound:
    """The command of that name, or the refusal with the near names."""
    found = commands.get(name) or commands.get(ANY)
    if found is not None:
        return found
    hint = did_you_mean(name, commands)
    if not hint:
        listed = ", ".join(sorted(commands)[:20])
        hint = f"; this adapter has {listed}" if listed else "; this adapter has no commands"
    raise Refusal(failure(pb.Failure.Kind.COMMAND_NOT_FOUND, f"no command `{name}`{hint}"))


def parse(data: Buffer, bound: Bound) -> dict[str, Any]:
    """The arguments of a call, or the refusal that says why they are none."""
    try:
        return bound.read_parts(data) if is_message(data) else jsonio.loads_object(bytes(data))
    except BinaryError as error:
        raise Refusal(failure(pb.Failure.Kind.INVALID_ARGUMENTS, f"`{bound.command.name}`: {error}")) from None
    except jsonio.InvalidJson as error:
        raise Refusal(failure(pb.Failure.Kind.INVALID_ARGUMENTS, str(error))) from None
