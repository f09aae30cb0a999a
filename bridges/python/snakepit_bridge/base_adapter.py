"""Names that adapters written for the original import: the decorator `tool`, and what an adapter says of its tools.

A method under `@tool` is a command, as under `@command`.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, field
from typing import Any, Callable, TypeVar

from snakepit_bridge.adapters.base import TOOL_MARK, BaseAdapter

__all__ = ["BaseAdapter", "ParameterSpec", "StreamChunk", "ToolMetadata", "ToolRegistration", "tool"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class ToolMetadata:
    """What `@tool` says of a method."""

    description: str = ""
    supports_streaming: bool = False
    parameters: list[Any] = field(default_factory=list)
    required_variables: list[str] = field(default_factory=list)


@dataclass
class ParameterSpec:
    """One parameter of a tool."""

    name: str
    type: str = "any"
    description: str = ""
    required: bool = True
    default_value: Any = None
    validation_json: str = ""


@dataclass
class ToolRegistration:
    """A tool, as `get_tools()` lists it."""

    name: str
    description: str = ""
    parameters: list[ParameterSpec] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    supports_streaming: bool = False


class StreamChunk:
    """One part of a stream. Any object with `data` and `is_final` is taken for one."""

    def __init__(self, data: Any, is_final: bool = False, metadata: dict[str, Any] | None = None) -> None:
        self.data = data
        self.is_final = is_final
        self.metadata = metadata or {}


def tool(
    description: str = "", supports_streaming: bool = False, required_variables: list[str] | None = None
) -> Callable[[F], F]:
    """Makes a method a command.

    Args:
        description: What is shown of it; the docstring when it is empty.
        supports_streaming: It answers in chunks. Generators do so whatever is said here.
        required_variables: Variables of the session that it reads, for people.
    """

    def mark(function: F) -> F:
        metadata = ToolMetadata(
            description=description or (inspect.getdoc(function) or "").partition("\n\n")[0],
            supports_streaming=supports_streaming,
            required_variables=list(required_variables or ()),
        )
        setattr(function, TOOL_MARK, metadata)
        return function

    return mark


def tools_of(cls: type) -> list[ToolRegistration]:
    """The methods of a class that are marked with `@tool`, base classes first."""
    found: dict[str, ToolRegistration] = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            metadata = getattr(value, TOOL_MARK, None)
            if isinstance(metadata, ToolMetadata):
                found[name] = _registration(cls, name, value, metadata)
    return list(found.values())


def _registration(cls: type, name: str, function: Any, metadata: ToolMetadata) -> ToolRegistration:
    facts = {"adapter_class": cls.__name__, "module": cls.__module__}
    if metadata.required_variables:
        facts["required_variables"] = json.dumps(metadata.required_variables)
    parameters = [_parameter(one) for one in list(inspect.signature(function).parameters.values())[1:]]
    metadata.parameters = [one for one in parameters if one is not None]
    return ToolRegistration(name, metadata.description, metadata.parameters, facts, metadata.supports_streaming)


def _parameter(one: inspect.Parameter) -> ParameterSpec | None:
    if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
        return None
    annotation = one.annotation
    kind = "any" if annotation is one.empty else getattr(annotation, "__name__", str(annotation)).lower()
    if one.default is one.empty:
        return ParameterSpec(one.name, kind)
    default = json.dumps({"default": one.default}, default=str)
    return ParameterSpec(one.name, kind, required=False, default_value=one.default, validation_json=default)
