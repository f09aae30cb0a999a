"""The commands of an adapter class, read from its methods' signatures, annotations and docstrings."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

from snakepit_bridge import docstrings, jsonio
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.adapters.base import COMMAND_MARK, TOOL_MARK

__all__ = ["Command", "commands_of", "has_commands", "read"]

PREFIX = "execute_"
_MAPPINGS = frozenset({"dict", "Dict", "Mapping", "MutableMapping"})
DISPATCHER = "execute_tool"
"""Runs whatever command it is given the name of: hosts/dispatch.py. It is no command itself."""
_HOOKS = frozenset({
    "initialize", "cleanup", "session_ended", "set_session_context", "get_tools", "call_tool", "get_info",
    "register_with_session", DISPATCHER,
})  # fmt: skip
"""Methods that mean something else than a command, whatever they take."""
HIDDEN = "__snakepit_hidden__"
"""Attributes of a class that are no commands of it."""
ANY = "*"
"""Name of a command that is called when no other has the name that is asked for."""
_STREAMS = frozenset({"Iterator", "Generator", "AsyncIterator", "AsyncGenerator"})


@dataclass
class Command:
    """One command: where it is found and what it takes."""

    name: str
    attribute: str
    summary: str = ""
    is_async: bool = False
    streaming: bool = False
    open: bool = False
    whole: str | None = None
    """The one parameter that takes all arguments as a dict."""
    context: str | None = None
    """The parameter that takes the CallContext."""
    session: str | None = None
    """The parameter that takes the SessionContext."""
    positional: list[str] = field(default_factory=list)
    """Positional-only parameters, in order."""
    parameters: list[inspect.Parameter] = field(default_factory=list)
    parameter_docs: dict[str, str] = field(default_factory=dict)

    def to_spec(self) -> pb.CommandSpec:
        """The description that the server is given."""
        spec = pb.CommandSpec(name=self.name, summary=self.summary, streaming=self.streaming, open=self.open)
        for parameter in self.parameters:
            required = parameter.default is parameter.empty
            spec.parameters.add(
                name=parameter.name,
                type=_type_text(parameter.annotation),
                required=required,
                default_json="" if required else _default_json(parameter.default),
                summary=self.parameter_docs.get(parameter.name, ""),
            )
        return spec


def has_commands(cls: type) -> bool:
    """Whether the class has anything that could be called."""
    return bool(_names(cls))


def is_hooks(cls: type) -> bool:
    """Whether it is a class of adapters/hooks.py: one that says how another program is started and what it can do."""
    return all(callable(getattr(cls, name, None)) for name in ("executable_path", "supported_commands"))


def commands_of(cls: type) -> dict[str, Command]:
    """All commands of the class by name, base classes first, in the order of definition."""
    commands: dict[str, Command] = {}
    for attribute, name in _names(cls).items():
        if name in commands:
            raise ValueError(f"command `{name}` is defined twice, by {commands[name].attribute} and {attribute}")
        commands[name] = read(cls, attribute, name)
    return commands


def _names(cls: type) -> dict[str, str]:
    """Attribute to command name. An override stays a command even when it is not decorated again."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        for attribute, value in vars(base).items():
            function = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
            mark = _mark(function) if callable(function) else None
            if mark is not None:
                found[attribute] = mark or attribute
            elif attribute == DISPATCHER:
                continue
            elif not callable(function):
                found.pop(attribute, None)  # `execute_old = None` takes a command away
            elif attribute.startswith(PREFIX) and len(attribute) > len(PREFIX):
                found.setdefault(attribute, attribute[len(PREFIX) :])
    for attribute in getattr(cls, HIDDEN, ()):
        found.pop(attribute, None)
    return found or _session_methods(cls)


def _mark(function: Any) -> str | None:
    """The name that a decorator gives; empty for the method's own, None without a decorator."""
    mark = getattr(function, COMMAND_MARK, None)
    if isinstance(mark, str):
        return mark
    return "" if hasattr(function, TOOL_MARK) else None


def _session_methods(cls: type) -> dict[str, str]:
    """Public methods that take a SessionContext, of a class that names no commands.

    All public methods, if the class itself takes one.
    """
    every = session_parameter(cls) is not None
    found = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            if base is object or name.startswith("_") or name in _HOOKS or not inspect.isfunction(value):
                continue
            if every or _session_name(value) is not None:
                found[name] = name
    return found


def session_parameter(cls: type) -> str | None:
    """The parameter by which the class takes a SessionContext when it is made."""
    made = inspect.getattr_static(cls, "__init__", None)
    return _session_name(made) if inspect.isfunction(made) else None


def _session_name(function: Any) -> str | None:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return next((one.name for one in parameters if _is_annotated(one, "SessionContext")), None)


def read(cls: type, attribute: str, name: str) -> Command:
    """What a method of the class is as a command."""
    function = getattr(cls, attribute)
    inner = inspect.unwrap(function)
    summary, docs = docstrings.parse(function)
    told = getattr(function, TOOL_MARK, None)
    summary = getattr(told, "description", "") or summary
    is_async = any(inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in (function, inner))
    signature = _signature(cls, attribute)
    streaming = any(inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in (function, inner))
    streaming = streaming or _head(_type_text(signature.return_annotation)) in _STREAMS
    streaming = streaming or bool(getattr(told, "supports_streaming", False))
    command = Command(name, attribute, summary, is_async, streaming, parameter_docs=docs)
    for parameter in signature.parameters.values():
        _classify(command, parameter)
    _find_whole(command)
    return command


def _signature(cls: type, attribute: str) -> inspect.Signature:
    """The signature that a caller sees: without `self`, whatever kind of method it is."""
    raw = inspect.getattr_static(cls, attribute)
    try:
        signature = inspect.signature(getattr(cls, attribute))
    except (TypeError, ValueError):
        anything = inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)
        return inspect.Signature([anything])
    if isinstance(raw, (staticmethod, classmethod)):
        return signature
    parameters = list(signature.parameters.values())
    takes_self = parameters and parameters[0].kind in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )
    return signature.replace(parameters=parameters[1:] if takes_self else parameters)


def _classify(command: Command, parameter: inspect.Parameter) -> None:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return
    if parameter.kind is parameter.VAR_KEYWORD:
        command.open = True
        return
    for role, kind in (("context", "CallContext"), ("session", "SessionContext")):
        if getattr(command, role) is None and _is_annotated(parameter, kind):
            setattr(command, role, parameter.name)
            return
    if parameter.kind is parameter.POSITIONAL_ONLY:
        command.positional.append(parameter.name)
    command.parameters.append(parameter)


def _is_annotated(parameter: inspect.Parameter, kind: str) -> bool:
    text = _type_text(parameter.annotation).replace(" ", "")
    if text.startswith("Optional["):
        text = text[text.index("[") + 1 : -1]
    return any(part.rsplit(".", 1)[-1] == kind for part in text.split("|"))


def _find_whole(command: Command) -> None:
    """Exactly one parameter, a dict by its annotation, or `args` without one: it takes all arguments."""
    if len(command.parameters) != 1 or command.open:
        return
    only = command.parameters[0]
    bare = only.name == "args" and only.annotation is only.empty and only.default is only.empty
    if bare or _head(_type_text(only.annotation)) in _MAPPINGS:
        command.whole = only.name
        command.parameters.clear()
        command.open = True


def _type_text(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return text.strip().strip("'\"").replace("typing.", "")


def _head(text: str) -> str:
    return text.split("[", 1)[0].strip().rsplit(".", 1)[-1]


def _default_json(default: Any) -> str:
    try:
        return jsonio.dumps(default).decode("utf-8")
    except Exception:  # noqa: BLE001 - the contract: empty when it has no JSON form
        return ""
