"""Orders of the server: spawn, stop and kill workers; templates.

Every order about a worker is answered: by the exit of its process or, when there is none, at once. A worker that is
being started counts as existing: to stop it means that it never runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from snakepit_cli.warden.births.child import Child, Children
from snakepit_cli.warden.births.spawner import Program, Spawner
from snakepit_cli.warden.births.template_set import Templates
from snakepit_cli.warden.loop import Loop

_TEMPLATE_SECONDS = 5.0
_UNWANTED = "is not wanted any more"
_UNKNOWN = "does not run"

Message = Mapping[str, Any]


class Orders:
    """`never_ran` is told of each worker that will not run, with the reason; `lost` of one whose template died."""

    def __init__(
        self, loop: Loop, spawner: Spawner, templates: Templates, children: Children,
        never_ran: Callable[[str, str], None], *, lost: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._loop = loop
        self._spawner = spawner
        self._templates = templates
        self._children = children
        self._never_ran = never_ran
        self._lost = lost

    def spawn(self, message: Message) -> None:
        tokens: dict[str, str] = message["tokens"]
        try:
            self._spawn(message, tokens)
        except Exception as error:
            known = {*self._children.ids("worker"), *self._spawner.expected("worker")}
            for name in tokens.keys() - known:
                self._never_ran(name, f"cannot be started: {type(error).__name__}: {error}")
            raise

    def _spawn(self, message: Message, tokens: dict[str, str]) -> None:
        pool = message["pool"]
        if message["via"] == "exec":
            program = Program(message["argv"], message["go"]["env"], message["go"]["cwd"], message["talks"])
            self._spawner.execute("worker", pool, list(tokens), program, tokens=tokens)
            return
        template = self._templates.of(pool)
        if template is None or template.channel is None:
            for name in tokens:
                self._lost(name, "its template is gone")
            return
        self._spawner.fork(template.channel, "worker", list(tokens), message["go"], tokens)

    def stop(self, message: Message) -> None:
        if (child := self._worker(message)) is not None:
            self._stop(child, float(message["grace"]))

    def kill(self, message: Message) -> None:
        if (child := self._worker(message)) is not None:
            child.kill()

    def _worker(self, message: Message) -> Child | None:
        """None when it does not run; the server has been told so."""
        name = message["worker"]
        child = self._children.named(name)
        if child is None:
            self._never_ran(name, _UNWANTED if self._spawner.cancel(name) else _UNKNOWN)
        return child

    def base(self, message: Message) -> None:
        self._templates.base(message)

    def template(self, message: Message) -> None:
        try:
            self._templates.fork(message)
        except Exception as error:
            self._templates.never_ran(message["pool"], f"{type(error).__name__}: {error}")
            raise

    def retire(self, message: Message) -> None:
        """Stops the template of a pool that is gone."""
        self._spawner.cancel(f"template:{message['pool']}")
        template = self._templates.of(message["pool"])
        if template is not None:
            self._stop(template, _TEMPLATE_SECONDS)

    def _stop(self, child: Child, grace: float) -> None:
        deadline = time.monotonic() + grace
        child.stop(deadline)
        self._loop.at(deadline, lambda: self._children.enforce(time.monotonic()))
