"""The doors to sessions: workers of each language, and the client library with which the command line asks."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from snakepit_cli.base.errors import PitError
from snakepit_cli.client.state import Programs, Session
from tests.contract.state_cases import Step
from tests.harness.pit import Pit

FOLDER = Path(__file__).resolve().parents[1] / "puppets" / "doors"
ADAPTERS = {
    "python": f"{FOLDER}/door.py:Door",
    "node": f"node:{FOLDER}/door.mjs",
    "ruby": f"ruby:{FOLDER}/door.rb:Door",
    "go": f"go:{FOLDER}/go",
    "lines": f"exec-json:{shlex.join([sys.executable, f'{FOLDER}/door_lines.py'])}",
}
RAISED = dict.fromkeys(ADAPTERS, "IndexError") | {"node": "RangeError", "go": "main.RangeError"}
DIALLING = [name for name in ADAPTERS if name != "lines"]
"""Their workers outlive the server."""
CONFIG = f'[pools.default]\nadapter = "{ADAPTERS["python"]}"\nsize = 2\n' + "".join(
    f'[pools.{name}]\nadapter = "{adapter}"\nsize = 1\n' for name, adapter in ADAPTERS.items()
)


class Door(Protocol):
    """One way to sessions."""

    def run(self, session: str | None, steps: Sequence[Step], metadata: dict[str, str] | None = None) -> Any:
        """The outcome of each step."""


class Worker:
    """A pool of one language. Its handler makes the requests."""

    def __init__(self, pit: Pit, name: str) -> None:
        self.pit = pit
        self.name = name

    def run(self, session: str | None, steps: Sequence[Step], metadata: dict[str, str] | None = None) -> Any:
        """The outcome of each step."""
        words = [[one.op, {"pool": "default"} | one.fields if one.op == "call" else one.fields] for one in steps]
        return self.call("steps", session, {"steps": words}, metadata)

    def call(
        self, command: str, session: str | None = None, args: Any = None, metadata: dict[str, str] | None = None
    ) -> Any:
        with self.pit.connection() as connection:
            header = {"pool": self.name, "session": session, "metadata": metadata, "timeout": 30.0}
            answer = connection.call(
                command, json.dumps(args or {}).encode(), **{key: one for key, one in header.items() if one is not None}
            )
        return json.loads(answer)


class Client:
    """The client library."""

    def __init__(self, pit: Pit) -> None:
        self.pit = pit

    def run(self, session: str | None, steps: Sequence[Step], metadata: dict[str, str] | None = None) -> Any:
        assert session
        assert not metadata
        outcomes: list[dict[str, Any]] = []
        with self.pit.connection() as connection:
            asking = _Asking(connection, session)
            for step in steps:
                try:
                    outcomes.append({"value": getattr(asking, step.op)(**step.fields)})
                except PitError as error:
                    said = {"error": error.kind, "message": error.message, "type": error.detail.get("type", "")}
                    outcomes.append(said)
        return outcomes


class _Asking:
    """One method for each op."""

    def __init__(self, connection: Any, session: str) -> None:
        self._connection = connection
        self._session = Session(connection, session)

    def get(self, name: str) -> Any:
        return self._describe(name)["value"]

    def stale(self, name: str) -> Any:
        return self._describe(name)["stale"]

    def has(self, name: str) -> Any:
        try:
            self._session.get(name)
        except PitError as error:
            if error.kind != "variable_not_found":
                raise
            return False
        return True

    def set(self, name: str, value: Any, **more: Any) -> Any:
        return self._session.set(name, value, **more)["version"]

    def register(self, name: str, type: str, value: Any, **more: Any) -> Any:  # noqa: A002 - its name in the table
        return self._session.register(name, type, value, **more)["version"]

    def delete(self, name: str) -> Any:
        self._session.rm(name)

    def list(self, pattern: str) -> Any:
        return [one["name"] for one in self._session.list(pattern)]

    def get_many(self, names: Any) -> Any:
        answer = self._session.mget(names)
        if answer["missing"]:
            raise PitError("variable_not_found", str(answer["missing"]))
        return {name: one["value"] for name, one in answer["found"].items()}

    def set_many(self, values: dict[str, Any], **more: Any) -> Any:
        results = self._session.mset(values, **more)["results"]
        return {name: one["error"]["message"] if "error" in one else True for name, one in results.items()}

    def history(self, name: str) -> Any:
        return [[one["event"], one["version"], one["value"]] for one in self._session.history(name)]

    def rollback(self, name: str, version: int) -> Any:
        return self._session.rollback(name, version)["version"]

    def depend(self, name: str, on: Any) -> Any:
        return self._session.depend(name, on)["on"]

    def watch(self, pattern: str, count: int, **more: Any) -> Any:
        with self._session.watch(pattern, **more) as changes:
            return [[one["event"], one["name"], one["value"]] for one in islice(changes, count)]

    def program_put(self, id: str, data: Any, create: bool = False, everywhere: bool = False) -> Any:  # noqa: A002
        return self._programs(everywhere).put(id, data, create=create)["id"]

    def program_get(self, id: str, everywhere: bool = False) -> Any:  # noqa: A002 - its name in the table
        return self._programs(everywhere).get(id)["data"]

    def program_list(self, pattern: str, everywhere: bool = False) -> Any:
        return [one["id"] for one in self._programs(everywhere).list(pattern)]

    def program_delete(self, id: str, everywhere: bool = False) -> Any:  # noqa: A002 - its name in the table
        self._programs(everywhere).rm(id)

    def tools(self, pattern: str = "*") -> Any:
        return [one["name"] for one in self._query("tool_list", pattern=pattern)]

    def tool(self, name: str) -> Any:
        return self._query("tool_show", name=name)

    def call_tool(self, name: str, args: dict[str, Any]) -> Any:
        return json.loads(self._connection.call(name, json.dumps(args).encode(), **self._header()))

    def stream_tool(self, name: str, args: dict[str, Any], count: int | None = None) -> Any:
        blocks = self._connection.stream(name, json.dumps(args).encode(), **self._header())
        found = list(islice(_lines(blocks), count))
        blocks.close()
        return found

    def _header(self) -> dict[str, Any]:
        return {"session": self._session.id, "tool": True, "timeout": 30.0}

    def _query(self, op: str, **fields: Any) -> Any:
        return self._connection.query(op, session=self._session.id, **fields)

    def _describe(self, name: str) -> Any:
        return self._session.get(name)

    def _programs(self, everywhere: bool) -> Any:
        return Programs(self._connection, None) if everywhere else self._session.programs


def _lines(blocks: Iterator[bytes]) -> Iterator[Any]:
    for block in blocks:
        yield from map(json.loads, block.splitlines())
