"""The warden: parent of every process of an instance.

It holds the lock, the registry and the listening socket; it starts the server again when that dies; it does
what the server asks (`_OPS`) and tells it what happened to its workers. Nothing here knows what a call is.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from snakepit_cli.base import identity as ident
from snakepit_cli.base.failpoints import failpoint
from snakepit_cli.base.pipe_pair import Ends
from snakepit_cli.warden import keeper, limits, serverlink
from snakepit_cli.warden.births.child import Child, Children
from snakepit_cli.warden.births.spawner import Program, Spawner
from snakepit_cli.warden.births.template_set import Templates
from snakepit_cli.warden.burial import helpers, oom, prctl, reap
from snakepit_cli.warden.burial.cgroups import Cgroups
from snakepit_cli.warden.instance_files import Door
from snakepit_cli.warden.loop import Loop
from snakepit_cli.warden.orders import Orders
from snakepit_cli.warden.reaper import Reaper
from snakepit_cli.warden.records.ledger import Ledger
from snakepit_cli.warden.records.logs import CappedLog, Journal, OldLogs
from snakepit_cli.warden.records.paths import Places
from snakepit_cli.warden.records.segments import Segments
from snakepit_cli.warden.records.store import Registry
from snakepit_cli.warden.restarts import Restarts
from snakepit_cli.warden.watchdog import Watchdog

_DRAIN_SECONDS = 10.0
_STOP_SECONDS = 5.0
_STRAY_SECONDS = 2.0
_DEATH_SECONDS = 2.0
"""What a killed process gets to die before we end without it: one that runs a set-user-id program cannot be killed."""
_LOOK_SECONDS = 1.0

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
        self._loop = Loop(self._journal)
        marks = {"SNAKEPIT_INSTANCE": places.instance, reap.COOKIE: secret, reap.RUN: run}
        self._ledger = Ledger(registry, run, self._journal)
        self._segments = Segments(secret, places.runtime, self._journal)
        self._cgroups = Cgroups.build(places.state, secret, run)
        self._spawner = Spawner(
            self._loop, self._ledger, places, self._cgroups, marks, born=self._born, failed=self._never_ran,
            lost=self._lost, open_files=limits.raise_open_files(),
        )  # fmt: skip
        self._children = Children()
        self._logs = OldLogs()
        self._link: serverlink.ServerLink | None = None
        self._templates = Templates(self._loop, self._spawner, self._children, self._tell, self._journal)
        self._orders = Orders(
            self._loop, self._spawner, self._templates, self._children, self._never_ran, lost=self._lost
        )
        self._reaper = Reaper(places, self._ledger, secret, run, tell=self._tell, mend=lambda: self._door.look(None))
        self._memos: dict[str, Message] = {}  # pool → what the next server has to know of it
        self._pinned = False
        self._restarts = Restarts()
        self._watchdog = Watchdog(self._loop, lambda: self._signal_server(signal.SIGABRT), self._kill_server)
        self._oom = oom.OutOfMemory()
        self._subreaper = prctl.become_subreaper()
        self._kept = keeper.present()
        self._stopping = False
        self._ready = False
        """Whether the server accepts connections."""
        self._buried: list[str] = []

    # ------------------------------------------------------------------------------------------- life

    def run(self) -> None:
        """Runs until everything has ended. The caller holds the lock."""
        self._loop.on_signal(signal.SIGCHLD, self._children_changed)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._loop.on_signal(number, self._asked_to_stop)
        facts = {
            "front": str(self.places.front),
            "pid": os.getpid(),
            "identity": asdict(ident.own()),
            "run": self.run_id,
            "started": self.started,
        }
        self._door = Door(self.places, facts, self._secret, self._journal)
        failpoint("warden.listening")
        self._journal(f"warden started: instance {self.places.instance}, pid {os.getpid()}, run {self.run_id}")
        self._look()
        self._start_server()
        self._loop.run()
        self._end_strays()
        self._cgroups.close(self.places.state)
        self._segments.close()
        failpoint("warden.ended")
        self._ledger.forget(self._buried)
        self._ledger.close()
        self._journal("warden ended: nothing is left")

    def _start_server(self) -> None:
        if self._stopping:
            return
        try:
            ours, theirs = serverlink.pair()
        except OSError as error:
            self._never_ran("server", limits.why(error))
            return
        self._link = serverlink.ServerLink(
            self._loop, ours, self._asked, note=self._journal, broken=self._kill_server
        )  # fmt: skip
        self._link.send(self._hello())
        for pool, memo in self._memos.items():
            self._link.send({"pool": pool, "memo": memo})
        argv = [sys.executable, "-m", "snakepit_cli.server", "--instance", self.places.instance]
        descriptors = {"SNAKEPIT_CONTROL_FD": theirs.fileno(), "SNAKEPIT_FRONT_FD": self._door.listener.fileno()}
        self._spawner.execute("server", "", ["server"], Program(argv, os.environ), descriptors=descriptors)
        theirs.close()
        self._watchdog.heard()

    def _look(self) -> None:
        self._loop.at(time.monotonic() + _LOOK_SECONDS, self._look)
        self._oom.look()
        if not self._stopping and not self._door.look(self._new_sockets if self._ready else None):
            self._journal("another warden has taken over: ending")
            self._shutdown(_STOP_SECONDS)

    def _new_sockets(self, listener: socket.socket | None) -> None:
        """The server takes connections at the new front socket, too, and makes its gateway again."""
        if self._link is not None:
            self._link.send({"event": "sockets"}, given=[] if listener is None else [os.dup(listener.fileno())])

    def _hello(self) -> Message:
        return {
            "event": "hello",
            "instance": self.places.instance,
            "gateway": str(self.places.gateway),
            "state": str(self.places.state),
            "segments": self._segments.for_server(),
            "warden": os.getpid(),
            "started": self.started,
            "restarts": self._restarts.count,
            "containment": self._containment(),
            "pinned": self._pinned,
            "pools": len(self._memos),
            "workers": self._children.ids("worker") + self._spawner.expected("worker"),
            "templates": [child.pool for child in self._children.of_role("template") if child.pool],
        }

    def _signal_server(self, number: int) -> None:
        for child in self._children.of_role("server"):
            self._journal("the server's event loop is stuck: its stacks are in the server's log")
            prctl.kill_own_child(child.pid, number)

    def _kill_server(self) -> None:
        for child in self._children.of_role("server"):
            child.kill()

    def _containment(self) -> list[str]:
        rungs = ["lifeline"]
        if sys.platform == "linux":
            rungs += ["session", "pdeathsig"]
        there = {"subreaper": self._subreaper, "keeper": self._kept, "cgroup": self._cgroups.there}
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
        """Ends everything. The sockets go first, so that the next command starts a new warden."""
        if self._stopping:
            return
        self._stopping = True
        self._journal("stopping everything")
        failpoint("warden.stopping")
        self._door.close()
        deadline = time.monotonic() + grace
        for child in self._children.values():
            child.stop(deadline)
        self._loop.at(deadline, self._enforce)
        self._loop.at(deadline + _DEATH_SECONDS, self._loop.stop)
        self._maybe_done()

    def _maybe_done(self) -> None:
        if self._stopping and not self._children and not self._spawner.expecting:
            self._loop.stop()

    def _end_strays(self) -> None:
        """Kills descendants that workers left behind: as subreaper we are their parent now."""
        for pid in prctl.end_own_children(_STRAY_SECONDS):
            self._journal(f"pid {pid} has not ended: it may not be killed by us, or does not die")

    # --------------------------------------------------------------------------------------- children

    def _born(self, child: Child) -> None:
        self._children[child.pid] = child
        self._logs.born(child.pump.log.path)
        self._journal(f"{child.role} {child.id}: pid {child.pid}")
        if child.role == "worker":
            along, child.talk = child.talk, None
            self._tell({"event": "spawned", "worker": child.id, "pid": child.pid}, along)
        elif child.role == "template":
            self._templates.born(child)
        if self._stopping:
            child.stop(time.monotonic() + _STOP_SECONDS)

    def _lost(self, name: str, reason: str) -> None:
        """Its template died before it could fork it: the server may ask for it again."""
        self._never_ran(name, reason, lost=True)

    def _never_ran(self, name: str, reason: str, *, lost: bool = False) -> None:
        self._journal(f"{name}: not started: {reason}")
        if name == "server":
            self._server_gone(reason, [], ran=False)
        elif name.startswith("template:"):
            self._templates.never_ran(name.partition(":")[2], reason, lost=lost)
        else:
            self._tell({"event": "exited", "worker": name, "reason": reason, "log": [], "lost": lost})
        self._maybe_done()

    def _children_changed(self) -> None:
        """Reaps all dead children: signals coalesce, so one SIGCHLD may stand for many."""
        orphaned = False
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if found is None:
                break
            known = self._children.get(found.si_pid)
            orphaned |= known is None or known.role == "worker"
            try:
                self._died(found.si_pid)
            except Exception:  # noqa: BLE001 - the others are dead, too
                self._journal(traceback.format_exc())
        self._cgroups.clear()
        if orphaned:
            self._end_helpers()
        self._forget_buried()
        self._maybe_done()

    def _end_helpers(self) -> None:
        """Kills what a dead worker had started: as subreaper we are its parent now."""
        living = {child.id for child in self._children.values()}
        living.update(*(self._spawner.expected(role) for role in ("worker", "template")))
        for pid in helpers.of_the_dead(self._secret, prctl.own_children() - self._children.keys(), living):
            self._journal(f"pid {pid} has outlived the worker that started it: killed")
            prctl.kill_own_child(pid)

    def _died(self, pid: int) -> None:
        """Reaps one child, whatever else fails."""
        child = self._children.pop(pid, None)
        try:
            failpoint("warden.child-died")
            if child is not None and os.getsid(pid) == pid:
                # Before the leader is reaped: afterwards its id could be a stranger's.
                prctl.kill_group(pid)
        finally:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if child is not None:
                starved = code == -signal.SIGKILL and not child.killed and self._oom.happened()
                self._bury(child, code, {"limit": oom.limit()} if starved else None)

    def _bury(self, child: Child, code: int, starved: Message | None) -> None:
        """`starved`: set when the kernel killed it for lack of memory; holds the limit in bytes, if there is one."""
        self._loop.forget(child.pump.fd)
        if child.channel is not None:
            self._loop.forget(child.channel)
        self._buried.append(child.id)
        self._cgroups.leave(child.cage)
        child.close()
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        self._journal(f"{child.role} {child.id}: {how}" + (f" ({child.why})" if child.why else ""))
        if child.role == "server":
            self._server_gone(how, child.pump.tail(), asked=child.kill_at is not None)
        elif child.role == "worker":
            facts = {
                "code": code, "asked": child.kill_at is not None, "oom": starved, "log": child.pump.tail(),
                "reason": child.why,
            }  # fmt: skip
            self._tell({"event": "exited", "worker": child.id, **facts})
        else:
            self._templates.gone(child, how)
        if child.role != "server":
            self._logs.buried(child.pool, child.pump.log.path)

    def _forget_buried(self) -> None:
        """Deletes rows of dead processes with the next commit. A stale row does no harm."""
        self._ledger.forget(self._buried)
        self._buried.clear()

    def _server_gone(self, how: str, tail: list[str], *, asked: bool = False, ran: bool = True) -> None:
        """Starts another server. The workers live on and dial home to it; it is told what the old one knew of them."""
        if self._link is not None:
            self._link.close()
            self._link = None
        self._ready = False
        if self._stopping:
            return
        self._watchdog.gone()
        failpoint("warden.server-gone")
        pause = self._restarts.ended(time.monotonic(), asked=asked, ran=ran)
        if pause is None:
            text = f"the server ends before it is ready, time and again, the last one with {how}"
            text = text if ran else f"the server {how}"
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
        self._ready = True
        self._say({"accepting": str(self.places.front), "pid": os.getpid()})

    def _op_tick(self, _: Message) -> None:
        self._watchdog.heard()

    def _op_failed(self, message: Message) -> None:
        """The server cannot serve, and a new one could not either."""
        self._give_up(message["error"])

    def _op_restart(self, _: Message) -> None:
        """Replaces the server, which has finished its calls, by a new one, which gets its workers."""
        for child in self._children.values():
            if child.role == "server":
                child.stop(time.monotonic() + _STOP_SECONDS)
        self._loop.at(time.monotonic() + _STOP_SECONDS, self._enforce)

    def _enforce(self) -> None:
        self._children.enforce(time.monotonic())

    def _op_memo(self, message: Message) -> None:
        """Keeps what the next server has to know of a pool; None forgets the pool."""
        if message["memo"] is None:
            self._memos.pop(message["pool"], None)
        else:
            self._memos[message["pool"]] = message["memo"]

    def _op_pin(self, _: Message) -> None:
        self._pinned = True

    def _op_shutdown(self, message: Message) -> None:
        self._shutdown(float(message["grace"]))


_OPS: dict[str, Callable[[Warden, Message], None]] = {
    "ready": Warden._op_ready,  # noqa: SLF001 — the table belongs to the class
    "tick": Warden._op_tick,  # noqa: SLF001
    "failed": Warden._op_failed,  # noqa: SLF001
    "restart": Warden._op_restart,  # noqa: SLF001
    "base": lambda warden, message: warden._orders.base(message),  # noqa: SLF001
    "template": lambda warden, message: warden._orders.template(message),  # noqa: SLF001
    "spawn": lambda warden, message: warden._orders.spawn(message),  # noqa: SLF001
    "stop": lambda warden, message: warden._orders.stop(message),  # noqa: SLF001
    "kill": lambda warden, message: warden._orders.kill(message),  # noqa: SLF001
    "retire": lambda warden, message: warden._orders.retire(message),  # noqa: SLF001
    "memo": Warden._op_memo,  # noqa: SLF001
    "pin": Warden._op_pin,  # noqa: SLF001
    "reap": lambda warden, message: warden._reaper.order(message),  # noqa: SLF001
    "shutdown": Warden._op_shutdown,  # noqa: SLF001
}
