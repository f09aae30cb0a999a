"""The templates of an instance: a base for each interpreter, and one that each pool's workers are forked from."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

from snakepit_cli.warden import limits
from snakepit_cli.warden.births.child import Child, Children
from snakepit_cli.warden.births.spawner import Program, Spawner
from snakepit_cli.warden.births.template_protocol import hung_up, pair, receive
from snakepit_cli.warden.loop import Loop

Message = Mapping[str, Any]


class Templates:
    """`children` is the warden's own table of living processes; `tell` reaches the server, `note` the log."""

    def __init__(
        self, loop: Loop, spawner: Spawner, children: Children, tell: Callable[[dict[str, Any]], None],
        note: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._loop = loop
        self._spawner = spawner
        self._children = children
        self._tell = tell
        self._note = note
        self._bases: dict[str, str] = {}  # interpreter and its start-up environment → id of its base
        self._requests: dict[str, int | None] = {}  # pool → number of the server's last request for a template
        self._numbers = itertools.count(1)  # never reused: a name always means the same interpreter

    def base(self, message: Message) -> Child | None:
        """The template that has imported the bridge for this interpreter, started on first use. Or None."""
        name = self._bases.get(message["key"])
        if name is not None and (found := self._children.named(name)) and not _is_deaf(found):
            return found
        name = f"template:base-{next(self._numbers)}"
        try:
            ours, theirs = pair()
        except OSError as error:
            self._note(f"{name}: not started: {limits.why(error)}")
            return None
        self._bases[message["key"]] = name
        self._spawner.execute(
            "template", "", [name], Program(message["argv"], message["env"]),
            descriptors={"SNAKEPIT_CONTROL_FD": theirs.fileno()}, channel=ours,
        )  # fmt: skip
        theirs.close()
        return self._children.named(name)

    def of(self, pool: str) -> Child | None:
        """The template of a pool, unless it is on its way out."""
        mine = (c for c in self._children.values() if c.role == "template" and c.pool == pool)
        return next((child for child in mine if child.kill_at is None), None)

    def fork(self, message: Message) -> None:
        """A template for a pool, from the base of its interpreter. The answer goes to the server."""
        base = self.base(message)
        pool = message["pool"]
        self._requests[pool] = message.get("request")
        self._spawner.cancel(f"template:{pool}")
        if stale := self.of(pool):  # it is still importing the adapter, and no worker waits for it any more
            stale.stop(time.monotonic())
            stale.kill()
        if base is None or base.channel is None:
            self.never_ran(pool, "no template for this interpreter")
            return
        self._spawner.fork(base.channel, "template", [f"template:{pool}"], message["go"])

    def born(self, child: Child) -> None:
        if child.channel is not None:
            self._loop.watch(child.channel, lambda: self._said(child), lambda: child.kill("what it said made no sense"))

    def never_ran(self, pool: str, reason: str, *, lost: bool = False) -> None:
        """`lost`: because its base died; from another one it may run."""
        self._answer(pool, {"ready": False, "reason": reason, **({"lost": True} if lost else {})})

    def gone(self, child: Child, how: str) -> None:
        if not child.pool:
            self._bases = {key: name for key, name in self._bases.items() if name != child.id}
        elif child.kill_at is None:
            reason = f"the template {child.why or f'ended with {how}'}"
            # The death of one that was ready is no answer to a server that asks for the next one.
            died = {"died": True} if child.ready else {}
            self._answer(child.pool, {"ready": False, "reason": reason, "log": child.pump.tail(), **died})

    def _said(self, child: Child) -> None:
        message = receive(child.channel) if child.channel is not None else None
        if message is None:
            if child.channel is not None:
                self._loop.forget(child.channel)
        elif child.pool and child.kill_at is None:  # else another one has taken its place
            child.ready = bool(message.get("ready"))
            if not child.ready:
                child.stop(time.monotonic())  # it ends by itself; that will be no news
            self._answer(child.pool, message)

    def _answer(self, pool: str, message: Message) -> None:
        self._tell({**message, "event": "template", "pool": pool, "request": self._requests.get(pool)})


def _is_deaf(base: Child) -> bool:
    """It has died, though it is not buried yet."""
    return base.channel is None or hung_up(base.channel)
