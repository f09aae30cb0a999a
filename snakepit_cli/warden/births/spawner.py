"""Starts children by exec or template fork: registered first, running second.

What cannot be had for one child (a descriptor, a process, a row on a full disk) fails that child, with the reason, and
leaves nothing open.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from snakepit_cli.base import identity as ident
from snakepit_cli.base import pipe_pair
from snakepit_cli.base.failpoints import failpoint
from snakepit_cli.base.identity import Identity
from snakepit_cli.base.pipe_pair import Ends
from snakepit_cli.warden import limits
from snakepit_cli.warden.births import spawn, template_protocol
from snakepit_cli.warden.births.child import Child
from snakepit_cli.warden.burial.cgroups import Cgroups
from snakepit_cli.warden.loop import Loop
from snakepit_cli.warden.records.ledger import Ledger
from snakepit_cli.warden.records.logs import CappedLog, Pump
from snakepit_cli.warden.records.paths import Places

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


class _Waiting(NamedTuple):
    """A child at its gate."""

    name: str
    gated: spawn.Gated
    identity: Identity
    pump: Pump
    talk: Ends | None

    def refuse(self) -> None:
        self.gated.refuse()
        self.pump.close()
        if self.talk is not None:
            self.talk.close()


class Spawner:
    """`born` is called for each child that may run, `failed` with id and reason for each that never will.

    `lost` is called instead of `failed` when that is because the template died: another template could fork it.
    """

    def __init__(
        self, loop: Loop, ledger: Ledger, places: Places, cages: Cgroups, marks: Mapping[str, str], *, born: Born,
        failed: Failed, lost: Failed | None = None, open_files: limits.Limit | None = None,
    ) -> None:  # fmt: skip
        """`open_files`: the limit that workers and templates get."""
        self._loop = loop
        self._ledger = ledger
        self._places = places
        self._cgroups = cages
        self._marks = marks
        self._born = born
        self._failed = failed
        self._lost = lost or failed
        self._open_files = open_files
        self._births: list[template_protocol.Birth] = []
        # The read end goes into every executed child; the write end stays here and closes when we die.
        self._lifeline, self._lifeline_write = os.pipe()

    @property
    def expecting(self) -> bool:
        """Children of templates may be on their way to us: an unknown child need not be a stray."""
        return bool(self._births)

    def expected(self, role: str) -> list[str]:
        """Ids of the children that are on their way."""
        return [child.id for birth in self._births for child in birth.unborn if child.role == role]

    def cancel(self, name: str) -> bool:
        """A child that is on its way shall never run. False when there is none of this name. `failed` is not called."""
        for birth in list(self._births):
            for child in birth.unborn:
                if child.id == name:
                    birth.unborn.remove(child)
                    self._release(child)
                    self._look(birth)
                    return True
        return False

    # ------------------------------------------------------------------------------------------- exec

    def execute(
        self, role: str, pool: str, ids: Sequence[str], program: Program, *, tokens: Mapping[str, str] | None = None,
        descriptors: Mapping[str, int] | None = None, channel: socket.socket | None = None,
    ) -> None:  # fmt: skip
        """Starts one process for each id. `channel` is closed when there is none."""
        waiting: list[_Waiting] = []
        failed: dict[str, str] = {}
        for name in ids:
            token = None if program.talks else (tokens or {}).get(name)
            try:
                waiting.append(self._fork(role, name, program, token, descriptors or {}))
            except (OSError, ValueError) as error:
                failed[name] = f"cannot be started: {limits.why(error)}"
        try:
            failpoint("warden.after-fork")
            self._ledger.register([(one.name, role, one.identity) for one in waiting])
        except (sqlite3.Error, OSError) as error:
            for one in waiting:
                one.refuse()
                failed[one.name] = f"cannot be registered: {limits.why(error)}"
            waiting.clear()
        for one in waiting:
            pid = one.gated.pid
            child = Child(one.name, role, pool, pid, one.pump, channel, one.talk, self._caged(role, one.name, pid))
            self._let_go(child, one.gated.open)
        if not waiting and channel is not None:
            channel.close()
        for name, reason in failed.items():
            self._failed(name, reason)

    def _caged(self, role: str, name: str, pid: int) -> Path | None:
        """The cage that ends with this child. A base has one, too, but its templates stay in it when it dies."""
        if role == "server":
            return None
        cage = self._cgroups.hold(name, pid)
        return cage if role == "worker" else None

    def _fork(
        self, role: str, name: str, program: Program, token: str | None, extra: Mapping[str, int]
    ) -> _Waiting:  # fmt: skip
        """Raises OSError, with nothing left open."""
        descriptors = dict(extra)
        with ExitStack() as undo, ExitStack() as theirs:
            pump = self._pump(role, name, undo)
            theirs.callback(pump.close_write_end)
            ours, talk = pipe_pair.pair() if program.talks else (None, None)
            if ours is not None and talk is not None:
                undo.callback(ours.close)
                theirs.callback(talk.close)
            if token is not None:
                readable = _readable(token)
                theirs.callback(os.close, readable)
                descriptors |= {"SNAKEPIT_TOKEN_FD": readable, "SNAKEPIT_LIFELINE_FD": self._lifeline}
            launch = spawn.Launch(
                argv=[part.replace("{worker}", name) for part in program.argv],
                env={**program.env, **self._marks, "SNAKEPIT_WORKER_ID": name},
                cwd=program.cwd,
                log=pump.write_end,
                talk=talk,
                descriptors=descriptors,
                open_files=None if role == "server" else self._open_files,
            )
            gated = spawn.fork(launch)
            undo.callback(gated.refuse)
            identity = ident.identify(gated.pid)
            if identity is None:  # what cannot be registered must not run
                raise OSError(f"/proc/{gated.pid}/stat cannot be read")
            undo.pop_all()
            return _Waiting(name, gated, identity, pump, ours)

    # ------------------------------------------------------------------------------------------- fork

    def fork(self, parent: socket.socket, role: str, ids: Sequence[str], message: Mapping[str, Any],
             tokens: Mapping[str, str] | None = None) -> None:  # fmt: skip
        """Asks a template for one child for each id; `message` is what they are told when they may go."""
        for at in range(0, len(ids), template_protocol.BATCH):
            self._fork_batch(parent, role, ids[at : at + template_protocol.BATCH], message, tokens or {})

    def _fork_batch(
        self, parent: socket.socket, role: str, ids: Sequence[str], message: Mapping[str, Any],
        tokens: Mapping[str, str],
    ) -> None:  # fmt: skip
        birth = template_protocol.Birth([], time.monotonic() + _BIRTH_SECONDS, parent)
        failed: dict[str, str] = {}
        with ExitStack() as theirs:
            gates = []
            for name in ids:
                try:
                    child, gate = self._conceive(role, name, {**message, "role": role, "worker": name}, tokens)
                except OSError as error:
                    failed[name] = f"cannot be started: {limits.why(error)}"
                    continue
                theirs.callback(gate.close)
                gates.append(gate.fileno())
                birth.unborn.append(child)
            refused = template_protocol.send(parent, {"op": "fork", "count": len(gates)}, gates) if gates else None
        if refused is not None:
            self._fail(birth.unborn, f"cannot be forked from the template: {refused}", parent)
            birth.unborn = []
        if birth.unborn:
            self._births.append(birth)
            self._loop.at(birth.deadline, lambda: self._overdue(birth))
        for child in birth.unborn:
            self._loop.watch(
                child.gate, lambda child=child: self._said_pid(birth, child),  # type: ignore[misc]
                lambda child=child: self._miscarried(birth, child),  # type: ignore[misc]
            )  # fmt: skip
        for name, reason in failed.items():
            self._failed(name, reason)

    def _conceive(
        self, role: str, name: str, go: dict[str, Any], tokens: Mapping[str, str]
    ) -> tuple[template_protocol.Unborn, socket.socket]:
        """The child and its end of the gate. Raises OSError."""
        go["env"] = {**go["env"], **self._marks, "SNAKEPIT_WORKER_ID": name}
        if name in tokens:
            go["token"] = tokens[name]
        with ExitStack() as undo:
            pump = self._pump(role, name, undo)
            ours, other = template_protocol.pair()
            undo.pop_all()
        return template_protocol.Unborn(name, role, go, pump, ours), other

    def _said_pid(self, birth: template_protocol.Birth, child: template_protocol.Unborn) -> None:
        self._loop.forget(child.gate)
        if template_protocol.said_pid(child):
            self._look(birth)
        else:
            self._miscarried(birth, child)

    def _miscarried(self, birth: template_protocol.Birth, child: template_protocol.Unborn) -> None:
        if child in birth.unborn:
            birth.unborn.remove(child)
            self._fail([child], "the template could not fork it", birth.parent)
            self._look(birth)

    def _overdue(self, birth: template_protocol.Birth) -> None:
        for child in birth.waiting():
            self._miscarried(birth, child)

    def _look(self, birth: template_protocol.Birth) -> None:
        """Registers the children of a batch together, once all have reported their pid."""
        if birth in self._births and not birth.waiting():
            self._births.remove(birth)
            if birth.unborn:
                self._register(birth.unborn)

    def _register(self, unborn: list[template_protocol.Unborn]) -> None:
        """One commit, then all gates open."""
        try:
            failpoint("warden.after-fork")
            self._ledger.register([(child.id, child.role, child.identity) for child in unborn if child.identity])
        except (sqlite3.Error, OSError) as error:
            self._fail(unborn, f"cannot be registered: {limits.why(error)}")
            return
        for one in unborn:
            if one.identity is None:
                continue
            pid = one.identity.pid
            cage = self._cgroups.hold(one.id, pid) if one.role == "worker" else None
            child = Child(one.id, one.role, one.go["pool"], pid, one.pump, one.gate, None, cage)
            self._let_go(child, lambda one=one: template_protocol.send(one.gate, one.go, [one.pump.write_end]))  # type: ignore[misc]
            one.pump.close_write_end()

    def _let_go(self, child: Child, go: Callable[[], str | None]) -> None:
        """`go` opens its gate and returns None, or why that cannot be: then this child ends, and no other."""
        try:
            self._adopt(child)
            failpoint("warden.before-gate")
            refused = go()
            failpoint("warden.after-gate")
        except Exception as error:  # noqa: BLE001 - the rest of its batch wait at their gates
            refused = limits.why(error)
        if refused is not None:
            child.kill(f"could not be told to run: {refused}")

    def _fail(
        self, unborn: Sequence[template_protocol.Unborn], reason: str, parent: socket.socket | None = None
    ) -> None:
        """`parent`: of a template that did not do what it was asked for."""
        tell = self._lost if parent is not None and template_protocol.hung_up(parent) else self._failed
        for child in unborn:
            self._release(child)
            tell(child.id, reason)

    def _release(self, child: template_protocol.Unborn) -> None:
        """Closing the gate makes a child exit without having run."""
        self._loop.forget(child.gate)
        child.gate.close()
        child.pump.close()

    # ----------------------------------------------------------------------------------------- output

    def _adopt(self, child: Child) -> None:
        self._born(child)  # first: whatever fails after this, its death is noticed
        # A full pipe without a reader blocks its writer for good.
        self._loop.watch(child.pump.fd, lambda: self._pumped(child), lambda: child.kill("its output could not be read"))

    def _pumped(self, child: Child) -> None:
        if child.pump.pump() is None:
            self._loop.forget(child.pump.fd)

    def _pump(self, role: str, name: str, undo: ExitStack) -> Pump:
        pump = Pump(CappedLog(self._places.log(name)))
        undo.callback(pump.close)
        if role != "server":
            limits.leave_reserve(pump.write_end)
        return pump


def _readable(secret: str) -> int:
    """Read end of a pipe that holds the secret and ends after it."""
    read, write = os.pipe()
    os.write(write, secret.encode())
    os.close(write)
    return read
