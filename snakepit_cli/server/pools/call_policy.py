"""Checks calls against what the configuration says of an adapter, before a worker sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from snakepit_cli.base.errors import PitError
from snakepit_cli.settings.schema import AdapterSettings
from snakepit_cli.wire.binary import is_message

_decode = msgspec.json.Decoder().decode


class CallPolicy:
    """Made once for a pool. Raises PitError for a schema that is none."""

    def __init__(self, name: str, settings: AdapterSettings) -> None:
        self._name = name
        self._settings = settings
        self._schemas = {command: _compiled(name, command, one) for command, one in settings.schemas.items()}

    def timeout(self, command: str) -> float | None:
        """Seconds of a call that names none."""
        return self._settings.timeouts.get(command)

    def knows(self, command: str) -> bool:
        """Whether it may be called."""
        return self._settings.commands is None or command in self._settings.commands

    def check(self, command: str, args: bytes, *, block: bool, calls: bool = False) -> None:
        """Raises PitError. The items of a block are the worker's to check, unless they are `calls`, which then have to
        come alone."""
        if not self.knows(command):
            known = ", ".join(sorted(self._settings.commands or ())) or "none"
            raise PitError("command_not_found", f"no command `{command}`; adapter {self._name} has {known}")
        required, schema = self._settings.required.get(command, ()), self._schemas.get(command)
        if not (required or schema):
            return
        if block and calls:
            text = f"`{command}`: its arguments are checked, so each call has to come alone"
            raise PitError("invalid_arguments", text, alone=True)
        if block:
            return
        if is_message(args):
            text = f"`{command}`: its arguments are checked, so they cannot be binary"
            raise PitError("invalid_arguments", text, wants_json=True)
        try:
            found = _decode(args or b"{}")
        except (msgspec.MsgspecError, RecursionError) as error:
            raise PitError("invalid_arguments", f"the arguments are no JSON: {error}") from None
        if not isinstance(found, dict):
            raise PitError("invalid_arguments", "the arguments must be a JSON object")
        if missing := [name for name in required if name not in found]:
            names = ", ".join(f"`{name}`" for name in missing)
            raise PitError("invalid_arguments", f"`{command}`: missing argument{'s' * (len(missing) > 1)} {names}")
        if schema is not None:
            schema(found)


def _compiled(name: str, command: str, schema: Mapping[str, Any]) -> Callable[[Any], None]:
    import fastjsonschema

    try:
        validate = fastjsonschema.compile(dict(schema))
    except Exception as error:  # noqa: BLE001 — whatever a schema makes of the compiler
        where = f"adapters.{name}.schemas.{command}"
        raise PitError("invalid_configuration", f"{where}: not a JSON Schema: {error}") from None

    def check(args: Any) -> None:
        try:
            validate(args)
        except fastjsonschema.JsonSchemaValueException as error:
            words = error.message.removeprefix("data").lstrip(" .")
            raise PitError("invalid_arguments", f"`{command}`: {words}") from None

    return check
