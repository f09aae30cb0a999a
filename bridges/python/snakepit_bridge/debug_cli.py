"""One command in this process, without a pit: for debugging an adapter."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
from types import AsyncGeneratorType
from typing import Any

from snakepit_bridge import arguments, jsonio
from snakepit_bridge.context import CallContext
from snakepit_bridge.describe import commands_of
from snakepit_bridge.failures import Refusal, format_trimmed
from snakepit_bridge.hosts.per_call import PerCall
from snakepit_bridge.resolve import resolve

__all__ = ["call", "describe"]


def describe(given: dict[str, str]) -> int:
    """Prints the commands of an adapter as one JSON document."""
    if "adapter" not in given:
        return _usage("describe --adapter REF")
    try:
        commands = commands_of(resolve(given["adapter"], given.get("cwd")))
    except Refusal as refusal:
        return _refused(refusal)
    listed = []
    for command in commands.values():
        spec = command.to_spec()
        parameters = [
            {
                "name": one.name,
                "type": one.type,
                "required": one.required,
                **({"default": json.loads(one.default_json)} if one.default_json else {}),
                "summary": one.summary,
            }
            for one in spec.parameters
        ]
        listed.append(
            {
                "name": spec.name,
                "summary": spec.summary,
                "streaming": spec.streaming,
                "open": spec.open,
                "parameters": parameters,
            }
        )
    print(json.dumps({"adapter": given["adapter"], "commands": listed}, indent=2, ensure_ascii=False))
    return 0


def call(given: dict[str, str], words: list[str]) -> int:
    """Loads the adapter here, runs one command, prints its JSON; chunks as lines."""
    if "adapter" not in given or not words:
        return _usage("call --adapter REF COMMAND key=value key:=json")
    adapter: Any = None
    try:
        args = _parse_words(words[1:])
        cls = resolve(given["adapter"], given.get("cwd"))
        fresh = PerCall.of(cls)
        adapter = None if fresh else cls()
        bound = arguments.find(arguments.bind_all(cls if fresh else adapter, commands_of(cls), fresh), words[0])
        return asyncio.run(_run(adapter, bound, words[0], args))
    except Refusal as refusal:
        return _refused(refusal)
    except (jsonio.NoJsonForm, WordError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, WordError) else 1
    except BaseException as error:  # noqa: BLE001 - shown as Python shows it
        print(format_trimmed(error), file=sys.stderr, end="")
        return 1


class WordError(ValueError):
    """An argument is not of the form key=value."""


def _parse_words(words: list[str]) -> dict[str, Any]:
    args: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.strip(":"):
            raise WordError(f"`{word}` is not key=value or key:=json")
        if not key.endswith(":"):
            args[key] = text
            continue
        try:
            args[key[:-1]] = jsonio.loads_object(f'{{"value":{text}}}'.encode())["value"]
        except (jsonio.InvalidJson, KeyError):
            raise WordError(f"`{text}` (for {key[:-1]}) is not JSON") from None
    return args


async def _run(adapter: Any, bound: arguments.Bound, name: str, args: dict[str, Any]) -> int:
    bound.check(args)
    await _hook(adapter, "initialize")
    try:
        value = bound(args, CallContext(name, cwd=os.getcwd()))
        if hasattr(type(value), "__await__"):
            value = await value
        if isinstance(value, AsyncGeneratorType):
            async for chunk in value:
                _show(chunk)
        elif inspect.isgenerator(value):
            for chunk in value:
                _show(chunk)
        else:
            _show(value)
    finally:
        await _hook(adapter, "cleanup")
    return 0


async def _hook(adapter: Any, name: str) -> None:
    result: Any = getattr(adapter, name)() if inspect.getattr_static(adapter, name, None) is not None else None
    if hasattr(type(result), "__await__"):
        await result


def _show(value: Any) -> None:
    print(jsonio.dumps(value).decode(), flush=True)


def _usage(form: str) -> int:
    print(f"usage: python -m snakepit_bridge {form}", file=sys.stderr)
    return 2


def _refused(refusal: Refusal) -> int:
    print(f"error: {refusal.failure.message}", file=sys.stderr)
    if refusal.failure.traceback:
        print(refusal.failure.traceback, file=sys.stderr, end="")
    return 1
