"""Brings processes into the world: registered first, running second, by exec or by a template's fork."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakepit_cli.base import ends
from snakepit_cli.base.ends import Ends
from snakepit_cli.base.failpoints import failpoint
from snakepit_cli.registry import identity as ident
from snakepit_cli.warden import spawn, template
from snakepit_cli.warden.cages import Cages
from snakepit_cli.warden.children import Child
from snakepit_cli.warden.ledger import Ledger, Row
from snakepit_cli.warden.logs import CappedLog, Pump
from snakepit_cli.warden.loop import Loop
from snakepit_cli.warden.paths import Places

_BIRTH_SECONDS = 10.0

Born = Callable[[Child], None]
Failed = Callable[[str, str], None]


@dataclass(frozen=True)
class Program:
    """What is executed. `{worker}` in an argument becomes the id of the process."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str = "/"
    talks: bool = False
    """By lines on its stdin and stdout: it gets no token and no lifeline, the end of its input is one."""


class Nursery:
    """`born` is called for each child that may run, `failed` with id and reason for each that never will."""

    def __init__(
        self, loop: Loop, ledger: Ledger, places: Places, cages: Cages, marks: Mapping[str, str], *, born: Born,
        failed: Failed,
    ) -> None:  # fmt: skip
        self._loop = loop
        self._ledger = ledger
        self._places = places
        self._cages = cages
        self._marks = marks
        self._born = born
        self._failed = failed
        self._births: list[template.Birth] = []
        # The read end goes into every executed child; the write end stays here and closes when we die.
        self._lifeline, self._lifeline_write = os.pipe()

    @property
    def expecting(self) -> bool:
        """Children of templates may be on their way to us: an unknown child need not be a stray."""
        return bool(self._births)

    def expected(self, role: str) -> list[str]:
        """Ids of the children that are on their way."""
        return [child.id for birth in self._births for child in birth.unborn if child.role == role]

    def execute(
        self, role: str, pool: str, ids: Sequence[str], program: Program, *, tokens: Mapping[str, str] | None = None,
        descriptors: Mapping[str, int] | None = None, channel: socket.socket | None = None,
    ) -> None:  # fmt: skip
        """Starts one process for each id."""
        gated: list[tuple[str, spawn.Gated, Pump, Ends | None]] = []
        rows: list[Row] = []
        try:
            for name in ids:
                ours, theirs = ends.pair() if program.talks else (None, None)
                token = None if program.talks else (tokens or {}).get(name)
                one, pump = self._fork(name, program, token, descriptors or {}, theirs)
                gated.append((name, one, pump, ours))
                if found := ident.identify(one.pid):
                    rows.append((name, role, found))
            failpoint("warden.after-fork")
            self._ledger.register(rows)
        except (sqlite3.Error, OSError) as error:
            for _, one, pump, ours in gated:
                one.refuse()
                pump.close()
                if ours is not None:
                    ours.close()
            for name in ids:
                self._failed(name, f"cannot register it: {error}")
            return
        for name, one, pump, ours in gated:
            child = Child(name, role, pool, one.pid, pump, channel, ours, self._caged(role, name, one.pid))
            self._adopt(child)
            failpoint("warden.before-gate")
            one.open()
            failpoint("warden.after-gate")

    def _caged(self, role: str, name: str, pid: int) -> Path | None:
        """The cage that ends with this child. A base has one, too, but its templates stay in it when it dies."""
        if role == "server":
            return None
        cage = self._cages.hold(name, pid)
        return cage if role == "worker" else None

    def _fork(
        self, name: str, program: Program, token: str | None, extra: Mapping[str, int], talk: Ends | None
    ) -> tuple[spawn.Gated, Pump]:
        pump = self._pump(name)
        descriptors = dict(extra)
        if token is not None:
            descriptors |= {"SNAKEPIT_TOKEN_FD": _readable(token), "SNAKEPIT_LIFELINE_FD": self._lifeline}
        launch = spawn.Launch(
            argv=[part.replace("{worker}", name) for part in program.argv],
            env={**program.env, **self._marks, "SNAKEPIT_WORKER_ID": name},
            cwd=program.cwd,
            log=pump.write_end,
            talk=talk,
            descriptors=descriptors,
        )
        try:
            return spawn.fork(launch), pump
        finally:
            pump.close_write_end()
            if talk is not None:
                talk.close()
            if token is not None:
                os.close(descriptors["SNAKEPIT_TOKEN_FD"])

    def fork(self, parent: socket.socket, role: str, ids: Sequence[str], message: Mapping[str, Any],
             tokens: Mapping[str, str] | None = None) -> None:  # fmt: skip
        """Asks a template for one child for each id; `message` is what they are told when they may go."""
        for at in range(0, len(ids), template.BATCH):
            self._fork_batch(parent, role, ids[at : at + template.BATCH], message, tokens or {})

    def _fork_batch(
        self, parent: socket.socket, role: str, ids: Sequence[str], message: Mapping[str, Any],
        tokens: Mapping[str, str],
    ) -> None:  # fmt: skip
        birth = template.Birth([], time.monotonic() + _BIRTH_SECONDS)
        theirs: list[socket.socket] = []
        for name in ids:
            ours, other = template.pair()
            theirs.append(other)
            go = {
                **message,
                "role": role,
                "worker": name,
                "env": {**message["env"], **self._marks, "SNAKEPIT_WORKER_ID": name},
            }
            if name in tokens:
                go["token"] = tokens[name]
            birth.unborn.append(template.Unborn(name, role, go, self._pump(name), ours))
        asked = template.send(parent, {"op": "fork", "count": len(ids)}, [one.fileno() for one in theirs])
        for one in theirs:
            one.close()
        if not asked:
            self._abandon(birth, "the template is gone")
            return
        self._births.append(birth)
        for child in birth.unborn:
            self._loop.watch(child.gate, lambda child=child: self._said_pid(birth, child))  # type: ignore[misc]
        self._loop.at(birth.deadline, lambda: self._overdue(birth))

    def _said_pid(self, birth: template.Birth, child: template.Unborn) -> None:
        self._loop.forget(child.gate)
        birth.said_pid(child)
        if not birth.waiting():
            self._register(birth)

    def _overdue(self, birth: template.Birth) -> None:
        if birth in self._births:
            for child in birth.waiting():
                self._loop.forget(child.gate)
                birth.fail(child)
            self._register(birth)

    def _register(self, birth: template.Birth) -> None:
        """All have said who they are: one commit, then all gates open."""
        self._births.remove(birth)
        failpoint("warden.after-fork")
        try:
            self._ledger.register([(child.id, child.role, child.identity) for child in birth.unborn if child.identity])
        except (sqlite3.Error, OSError) as error:
            self._abandon(birth, f"cannot register it: {error}")
            return
        for unborn in birth.unborn:
            if unborn.identity is None:
                continue
            pid = unborn.identity.pid
            cage = self._cages.hold(unborn.id, pid) if unborn.role == "worker" else None
            child = Child(unborn.id, unborn.role, unborn.go["pool"], pid, unborn.pump, unborn.gate, None, cage)
            self._adopt(child)
            failpoint("warden.before-gate")
            template.send(unborn.gate, unborn.go, [unborn.pump.write_end])
            unborn.pump.close_write_end()
            failpoint("warden.after-gate")
        birth.unborn = []
        self._abandon(birth, "the template could not fork it")

    def _abandon(self, birth: template.Birth, reason: str) -> None:
        """Closing the gate makes a child exit without having run."""
        for child in birth.failed + birth.unborn:
            self._loop.forget(child.gate)
            child.gate.close()
            child.pump.close_write_end()
            child.pump.close()
            self._failed(child.id, reason)

    def _adopt(self, child: Child) -> None:
        self._loop.watch(child.pump.fd, lambda: self._pumped(child))
        self._born(child)

    def _pumped(self, child: Child) -> None:
        if child.pump.pump() is None:
            self._loop.forget(child.pump.fd)

    def _pump(self, name: str) -> Pump:
        return Pump(CappedLog(self._places.log(name)))


def _readable(secret: str) -> int:
    """Read end of a pipe that holds the secret and ends after it."""
    read, write = os.pipe()
    os.write(write, secret.encode())
    os.close(write)
    return read
