"""The warden: parent of every process of an instance.

It holds the lock, the registry and the listening socket; it starts the server again when that dies; it does
what the server asks (`_OPS`) and tells it what happened to its workers. Nothing here knows what a call is.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from snakepit_cli.base.ends import Ends
from snakepit_cli.base.failpoints import failpoint
from snakepit_cli.registry import identity as ident
from snakepit_cli.registry.store import Registry
from snakepit_cli.warden import cages, contain, helpers, keeper, oom, reap, serverlink
from snakepit_cli.warden.cages import Cages
from snakepit_cli.warden.children import Child
from snakepit_cli.warden.ledger import Ledger
from snakepit_cli.warden.logs import CappedLog, Journal
from snakepit_cli.warden.loop import Loop
from snakepit_cli.warden.nursery import Nursery, Program
from snakepit_cli.warden.paths import Places
from snakepit_cli.warden.restarts import Restarts
from snakepit_cli.warden.templates import Templates
from snakepit_cli.warden.watchdog import Watchdog

_DRAIN_SECONDS = 10.0
_STOP_SECONDS = 5.0
_STRAY_SECONDS = 2.0

Message = dict[str, Any]


class Warden:
    def __init__(
        self, places: Places, registry: Registry, secret: str, run: str, say: Callable[[Message], None],
        *, foreground: bool,
    ) -> None:  # fmt: skip
        """`say` is told once whether the instance accepts commands, or why it does not."""
        self.places = places
        self.run_id = run
        self.started = time.time()
        self.failure: Message | None = None
        self._secret = secret
        self._say = say
        self._journal = Journal(CappedLog(places.log("warden")), foreground=foreground)
        self._loop = Loop()
        marks = {"SNAKEPIT_INSTANCE": places.instance, reap.COOKIE: secret, reap.RUN: run}
        self._ledger = Ledger(registry, run, self._journal)
        self._cages = Cages.build(places.state, secret, run)
        self._nursery = Nursery(
            self._loop, self._ledger, places, self._cages, marks, born=self._born, failed=self._never_ran
        )  # fmt: skip
        self._children: dict[int, Child] = {}
        self._link: serverlink.ServerLink | None = None
        self._templates = Templates(self._loop, self._nursery, self._children, self._tell)
        self._memos: dict[str, Message] = {}  # pool → what the next server has to know of it
        self._pinned = False
        self._restarts = Restarts()
        self._watchdog = Watchdog(self._loop, lambda: self._signal_server(signal.SIGABRT), self._kill_server)
        self._oom = oom.OutOfMemory()
        self._subreaper = contain.become_subreaper()
        self._kept = keeper.present()
        self._stopping = False
        self._buried: list[str] = []

    # ------------------------------------------------------------------------------------------- life

    def run(self) -> None:
        """Until everything has ended. The caller holds the lock."""
        self._loop.on_signal(signal.SIGCHLD, self._children_changed)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._loop.on_signal(number, self._asked_to_stop)
        self._listener = self.places.listen()
        self.places.publish(
            {
                "front": str(self.places.front),
                "pid": os.getpid(),
                "identity": asdict(ident.own()),
                "run": self.run_id,
                "started": self.started,
            }
        )
        failpoint("warden.listening")
        self._journal(f"warden started: instance {self.places.instance}, pid {os.getpid()}, run {self.run_id}")
        self._start_server()
        self._loop.run()
        self._end_strays()
        self._cages.close(self.places.state)
        failpoint("warden.ended")
        self._ledger.forget(self._buried)
        self._ledger.close()
        self._journal("warden ended: nothing is left")

    def _start_server(self) -> None:
        if self._stopping:
            return
        ours, theirs = serverlink.pair()
        self._link = serverlink.ServerLink(self._loop, ours, self._asked)
        self._link.send(
            {
                "event": "hello",
                "instance": self.places.instance,
                "gateway": str(self.places.gateway),
                "state": str(self.places.state),
                "warden": os.getpid(),
                "started": self.started,
                "restarts": self._restarts.count,
                "containment": self._containment(),
                "pinned": self._pinned,
                "pools": len(self._memos),
                "workers": [child.id for child in self._children.values() if child.role == "worker"]
                + self._nursery.expected("worker"),
                "templates": [
                    child.pool for child in self._children.values() if child.role == "template" and child.pool
                ],
            }
        )
        for pool, memo in self._memos.items():
            self._link.send({"pool": pool, "memo": memo})
        argv = [sys.executable, "-m", "snakepit_cli.server", "--instance", self.places.instance]
        descriptors = {"SNAKEPIT_CONTROL_FD": theirs.fileno(), "SNAKEPIT_FRONT_FD": self._listener.fileno()}
        self._nursery.execute("server", "", ["server"], Program(argv, os.environ), descriptors=descriptors)
        theirs.close()
        self._watchdog.heard()

    def _signal_server(self, number: int) -> None:
        for child in self._children.values():
            if child.role == "server":
                self._journal("the server's event loop is stuck: its stacks are in the server's log")
                contain.kill_own_child(child.pid, number)

    def _kill_server(self) -> None:
        for child in self._children.values():
            if child.role == "server":
                child.kill()

    def _containment(self) -> list[str]:
        rungs = ["lifeline"]
        if sys.platform == "linux":
            rungs += ["session", "pdeathsig"]
        there = {"subreaper": self._subreaper, "keeper": self._kept, "cgroup": self._cages.there}
        return rungs + [rung for rung, found in there.items() if found]

    def _asked_to_stop(self) -> None:
        """TERM, INT (foreground) or HUP: the server lets running calls finish, then asks for the end.

        The kernel sends TERM, too, when the keeper has died: what handlers have started could outlive us then.
        """
        if self._kept and not keeper.present():
            self._journal("the keeper was killed: ending everything")
        if self._link is None:
            self._shutdown(_STOP_SECONDS)
            return
        self._link.send({"event": "drain", "grace": _DRAIN_SECONDS})
        self._loop.at(time.monotonic() + _DRAIN_SECONDS + _STOP_SECONDS, lambda: self._shutdown(_STOP_SECONDS))

    def _shutdown(self, grace: float) -> None:
        """Everything ends now. First out of sight, so that the next command starts anew instead of talking to us."""
        if self._stopping:
            return
        self._stopping = True
        self._journal("stopping everything")
        failpoint("warden.stopping")
        self.places.unpublish()
        self._listener.close()
        deadline = time.monotonic() + grace
        for child in self._children.values():
            child.stop(deadline)
        self._loop.at(deadline, self._enforce)
        self._maybe_done()

    def _maybe_done(self) -> None:
        if self._stopping and not self._children and not self._nursery.expecting:
            self._loop.stop()

    def _end_strays(self) -> None:
        """Descendants that our workers left behind came to us as subreaper: none may stay."""
        deadline = time.monotonic() + _STRAY_SECONDS
        while (strays := contain.own_children()) and time.monotonic() < deadline:
            for pid in strays:
                contain.kill_own_child(pid)
            for pid in strays:
                try:
                    os.waitpid(pid, 0)
                except ChildProcessError:
                    pass

    # --------------------------------------------------------------------------------------- children

    def _born(self, child: Child) -> None:
        self._children[child.pid] = child
        self._journal(f"{child.role} {child.id}: pid {child.pid}")
        if child.role == "worker":
            along, child.talk = child.talk, None
            self._tell({"event": "spawned", "worker": child.id, "pid": child.pid}, along)
        elif child.role == "template":
            self._templates.born(child)
        if self._stopping:
            child.stop(time.monotonic() + _STOP_SECONDS)

    def _never_ran(self, name: str, reason: str) -> None:
        self._journal(f"{name}: not started: {reason}")
        if name == "server":
            self._server_gone(reason, [])
        elif name.startswith("template:"):
            self._templates.never_ran(name.partition(":")[2], reason)
        else:
            self._tell({"event": "exited", "worker": name, "reason": reason, "log": []})
        self._maybe_done()

    def _children_changed(self) -> None:
        """Buries all the dead: signals coalesce, so one may stand for many."""
        orphaned = False
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if found is None:
                break
            failpoint("warden.child-died")
            child = self._children.pop(found.si_pid, None)
            orphaned |= child is None or child.role == "worker"
            if child is not None and os.getsid(found.si_pid) == found.si_pid:
                # Before the leader is reaped: afterwards its id could be a stranger's.
                contain.kill_group(found.si_pid)
            starved = found.si_status == signal.SIGKILL and self._oom.happened()
            limit = oom.limit() if starved else None
            _, status = os.waitpid(found.si_pid, 0)
            if child is not None:
                self._bury(child, os.waitstatus_to_exitcode(status), {"limit": limit} if starved else None)
        self._cages.clear()
        if orphaned:
            self._end_helpers()
        self._forget_buried()
        self._maybe_done()

    def _end_helpers(self) -> None:
        """What workers have started and left behind came to us as subreaper; it ends with its worker."""
        living = {child.id for child in self._children.values()}
        living.update(*(self._nursery.expected(role) for role in ("worker", "template")))
        for pid in helpers.of_the_dead(self._secret, contain.own_children() - self._children.keys(), living):
            self._journal(f"pid {pid} has outlived the worker that started it: killed")
            contain.kill_own_child(pid)

    def _bury(self, child: Child, code: int, starved: Message | None) -> None:
        """`starved`: the kernel killed it for want of memory; holds the limit in bytes, if there is one."""
        self._loop.forget(child.pump.fd)
        if child.channel is not None:
            self._loop.forget(child.channel)
        child.close()
        self._cages.leave(child.cage)
        self._buried.append(child.id)
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        self._journal(f"{child.role} {child.id}: {how}")
        if child.role == "server":
            self._server_gone(how, child.pump.tail(), asked=child.kill_at is not None)
        elif child.role == "worker":
            facts = {"code": code, "asked": child.kill_at is not None, "oom": starved, "log": child.pump.tail()}
            self._tell({"event": "exited", "worker": child.id, **facts})
        else:
            self._templates.gone(child, how)

    def _forget_buried(self) -> None:
        """Rows of the dead go with the next commit: a row too many costs nothing, the next reap finds nobody."""
        self._ledger.forget(self._buried)
        self._buried.clear()

    def _server_gone(self, how: str, tail: list[str], *, asked: bool = False) -> None:
        """Its workers live on and dial home to the new server, which is told what the old one knew of them."""
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._stopping:
            return
        self._watchdog.gone()
        failpoint("warden.server-gone")
        pause = self._restarts.ended(time.monotonic(), asked=asked)
        if pause is None:
            text = f"the server ends before it is ready, time and again, the last one with {how}"
            self._give_up({"kind": "unavailable", "message": text, "log": tail})
            return
        self._journal(f"starting the server again{f' in {pause:.1f} s' if pause else ''}")
        self._loop.at(time.monotonic() + pause, self._start_server)

    def _give_up(self, error: Message) -> None:
        self.failure = error
        self._journal(f"giving up: {error['message']}")
        self._say({"error": error})
        self._shutdown(_STOP_SECONDS)

    # ------------------------------------------------------------------------------------- the server

    def _tell(self, message: Message, along: Ends | None = None) -> None:
        if self._link is not None:
            self._link.send(message, along)
        elif along is not None:
            along.close()

    def _asked(self, message: Message) -> None:
        failpoint("warden.asked")
        _OPS[message["op"]](self, message)

    def _op_ready(self, _: Message) -> None:
        self._restarts.ready()
        self._say({"accepting": str(self.places.front), "pid": os.getpid()})

    def _op_tick(self, _: Message) -> None:
        self._watchdog.heard()

    def _op_failed(self, message: Message) -> None:
        """The server cannot serve, and another one could not either."""
        self._give_up(message["error"])

    def _op_restart(self, _: Message) -> None:
        """The server has finished its calls and wants to be replaced by a new one, which gets its workers."""
        for child in self._children.values():
            if child.role == "server":
                child.stop(time.monotonic() + _STOP_SECONDS)
        self._loop.at(time.monotonic() + _STOP_SECONDS, self._enforce)

    def _op_base(self, message: Message) -> None:
        self._templates.base(message)

    def _op_template(self, message: Message) -> None:
        self._templates.fork(message)

    def _op_spawn(self, message: Message) -> None:
        tokens: dict[str, str] = message["tokens"]
        pool = message["pool"]
        if message["via"] == "exec":
            program = Program(message["argv"], message["go"]["env"], message["go"]["cwd"], message["talks"])
            self._nursery.execute("worker", pool, list(tokens), program, tokens=tokens)
            return
        template = self._templates.of(pool)
        if template is None or template.channel is None:
            for name in tokens:
                self._never_ran(name, "its template is gone")
            return
        self._nursery.fork(template.channel, "worker", list(tokens), message["go"], tokens)

    def _worker(self, name: str) -> Child | None:
        return next((child for child in self._children.values() if child.id == name), None)

    def _op_stop(self, message: Message) -> None:
        child = self._worker(message["worker"])
        if child is not None:
            deadline = time.monotonic() + float(message["grace"])
            child.stop(deadline)
            self._loop.at(deadline, self._enforce)

    def _enforce(self) -> None:
        """Kills whoever was asked to stop and has had the time."""
        now = time.monotonic()
        for child in self._children.values():
            if child.kill_at is not None and child.kill_at <= now:
                child.kill()

    def _op_kill(self, message: Message) -> None:
        child = self._worker(message["worker"])
        if child is not None:
            child.kill()

    def _op_retire(self, message: Message) -> None:
        """The pool is gone: so is its template."""
        template = self._templates.of(message["pool"])
        if template is not None:
            deadline = time.monotonic() + _STOP_SECONDS
            template.stop(deadline)
            self._loop.at(deadline, self._enforce)

    def _op_memo(self, message: Message) -> None:
        """What the next server has to know of a pool; None: nothing any more."""
        if message["memo"] is None:
            self._memos.pop(message["pool"], None)
        else:
            self._memos[message["pool"]] = message["memo"]

    def _op_pin(self, _: Message) -> None:
        self._pinned = True

    def _op_reap(self, message: Message) -> None:
        dry = bool(message["dry_run"])
        dead = cages.abandoned(self.places.state, self._secret, self.run_id)
        try:
            report = reap.reap(self._ledger.registry, self._secret, self.run_id, dead, dry_run=dry)
        except (sqlite3.Error, OSError) as error:
            # What the file knew of dead runs was reaped when we started; the environment still tells.
            self._ledger.renew(str(error))
            report = reap.reap(self._ledger.registry, self._secret, self.run_id, dead, dry_run=dry)
        self._tell({"event": "reaped", "ticket": message["ticket"], "report": report})

    def _op_shutdown(self, message: Message) -> None:
        self._shutdown(float(message["grace"]))


_OPS: dict[str, Callable[[Warden, Message], None]] = {
    "ready": Warden._op_ready,  # noqa: SLF001 — the table belongs to the class
    "tick": Warden._op_tick,  # noqa: SLF001
    "failed": Warden._op_failed,  # noqa: SLF001
    "restart": Warden._op_restart,  # noqa: SLF001
    "base": Warden._op_base,  # noqa: SLF001
    "template": Warden._op_template,  # noqa: SLF001
    "spawn": Warden._op_spawn,  # noqa: SLF001
    "stop": Warden._op_stop,  # noqa: SLF001
    "kill": Warden._op_kill,  # noqa: SLF001
    "retire": Warden._op_retire,  # noqa: SLF001
    "memo": Warden._op_memo,  # noqa: SLF001
    "pin": Warden._op_pin,  # noqa: SLF001
    "reap": Warden._op_reap,  # noqa: SLF001
    "shutdown": Warden._op_shutdown,  # noqa: SLF001
}


def tell(descriptor: int | None, message: Message) -> None:
    """One line into the pipe of the client that waits for us; it may have gone."""
    if descriptor is None:
        return
    try:
        os.write(descriptor, json.dumps(message).encode() + b"\n")
    except OSError:
        pass
    os.close(descriptor)
