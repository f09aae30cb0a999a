"""Commands over the variables of a session, which the server keeps: they are the same in every worker."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from snakepit_bridge.adapters.base import command
from snakepit_bridge.errors import AlreadyExistsError, VariableNotFoundError, VersionConflictError
from snakepit_bridge.session_context import SessionContext

__all__ = ["VariableCommands"]

_COUNTER, _STARTED = "counter", "demo_started"
_ATTEMPTS = 100


class VariableCommands:
    """register_variable, set_variable, …, and a counter."""

    @command
    def register_variable(
        self,
        name: str,
        type: str,  # noqa: A002 - the argument's name
        initial_value: Any,
        constraints: dict[str, Any] | None = None,
        *,
        session: SessionContext,
    ) -> dict[str, Any]:
        """Makes a variable of the call's session.

        Args:
            name: Its name.
            type: float, integer, string, boolean, choice, module, embedding, tensor, map or list.
            initial_value: Its value.
            constraints: As {"min": 0, "max": 1}.
        """
        made = session.register_variable(name, type, initial_value, constraints)
        return {"variable_id": made, "name": name, "type": type, "initial_value": initial_value}

    @command
    def get_variable(self, name: str, session: SessionContext) -> dict[str, Any]:
        """The value of a variable of the call's session.

        Args:
            name: Its name.
        """
        return {"name": name, "value": session.get_variable(name)}

    @command
    def set_variable(self, name: str, value: Any, session: SessionContext) -> dict[str, Any]:
        """Sets a variable that exists.

        Args:
            name: Its name.
            value: Its value.
        """
        version = session.update_variable(name, value)
        return {"name": name, "value": value, "success": True, "version": version}

    @command
    def set_variable_with_history(
        self, name: str, value: Any, metadata: dict[str, Any] | None = None, *, session: SessionContext
    ) -> dict[str, Any]:
        """Sets a variable, and says what it was before. `snakepit var history` lists all its values.

        Args:
            name: Its name.
            value: Its value.
            metadata: Kept with the change.
        """
        before = session.get_variable(name)
        session.update_variable(name, value, metadata)
        return {"name": name, "value": value, "previous_value": before, "metadata": metadata or {}}

    @command
    def get_variables(self, names: list[str], session: SessionContext) -> dict[str, Any]:
        """The values of several variables.

        Args:
            names: Of the variables.
        """
        found = session.get_variables(names)
        return {"variables": found, "count": len(found)}

    @command
    def set_variables(
        self, updates: dict[str, Any], atomic: bool = False, *, session: SessionContext
    ) -> dict[str, Any]:
        """Sets several variables that exist.

        Args:
            updates: Name and value of each.
            atomic: All or none.
        """
        results = session.update_variables(updates, atomic=atomic)
        good = [name for name, one in results.items() if one is True]
        bad = [name for name in results if name not in good]
        return {
            "total": len(results),
            "updated_count": len(good),
            "failed_count": len(bad),
            "successful": good,
            "failed": bad,
            "results": results,
        }

    # ------------------------------------------------------------------------------------------------ a counter

    @command
    def init_session(self, /, session: SessionContext, **facts: Any) -> dict[str, Any]:
        """Begins a demonstration in the call's session: the counter is 0."""
        now = time.time()
        session.register_variable(_COUNTER, "integer", 0, replace=True)
        session.register_variable(_STARTED, "float", now, metadata=facts or None, replace=True)
        return {"timestamp": now, "worker_pid": os.getpid(), "session_id": session.session_id}

    @command("cleanup")
    def end_session(self, session: SessionContext) -> dict[str, Any]:
        """Ends the demonstration: removes the session, and says how long it took and how far the counter came."""
        started, count = session.get_variable(_STARTED), session.get_variable(_COUNTER)
        session.cleanup()
        return {"duration_ms": round(1000 * (time.time() - started), 3), "command_count": count}

    @command
    def set_counter(self, value: int, session: SessionContext) -> dict[str, int]:
        """Sets the session's counter."""
        session[_COUNTER] = value
        return {"value": value}

    @command
    def get_counter(self, session: SessionContext) -> dict[str, int]:
        """The session's counter; 0 when it was never set."""
        try:
            return {"value": session.get_variable(_COUNTER)}
        except VariableNotFoundError:
            return {"value": 0}

    @command
    def increment_counter(self, session: SessionContext) -> dict[str, int]:
        """Adds 1 to the session's counter: no call is lost, however many do it at once."""
        value = next((found for _ in range(_ATTEMPTS) if (found := _incremented(session)) is not None), None)
        if value is None:
            raise RuntimeError(f"the counter was changed by others {_ATTEMPTS} times")
        return {"value": value}

    @command
    def get_worker_info(self, call_number: int = 0, *, session: SessionContext) -> dict[str, Any]:
        """Which worker answers.

        Args:
            call_number: Sent back.
        """
        return {"worker_pid": str(os.getpid()), "call_number": call_number, "session_id": session.session_id}


def _incremented(session: SessionContext) -> int | None:
    """The new value; None when another was faster."""
    try:
        found = session.describe(_COUNTER)
        session.update_variable(_COUNTER, found["value"] + 1, expected_version=found["version"])
    except VersionConflictError:
        return None
    except VariableNotFoundError:
        with contextlib.suppress(AlreadyExistsError):
            session.register_variable(_COUNTER, "integer", 0)
        return None
    return int(found["value"]) + 1
