"""A worker from its launch to its exit."""

from __future__ import annotations

import _thread
import atexit
import contextlib
import faulthandler
import inspect
import os
import platform
import signal
import sys
import threading
from collections import deque
from dataclasses import dataclass
from time import monotonic, sleep
from types import FrameType
from typing import Any, NamedTuple

from snakepit_bridge import arguments, forms
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.describe import Command, commands_of
from snakepit_bridge.failures import Refusal, failure, from_exception
from snakepit_bridge.hosts.per_call import PerCall
from snakepit_bridge.resolve import no_commands, own_argv, resolve
from snakepit_bridge.runtime import forks
from snakepit_bridge.runtime.asyncside import AsyncSide
from snakepit_bridge.runtime.calls import Call, CallTable
from snakepit_bridge.runtime.link import Link
from snakepit_bridge.runtime.runner import Runner
from snakepit_bridge.runtime.standby_reader import StandbyReader

__all__ = ["Launch", "run", "watch_lifeline"]

_Thread = threading.Thread  # an adapter may patch it
OLDEST, LATEST = 1, 2
"""Versions of the contract. 2: it knows messages with parts."""
GRACE = 3.0
"""Seconds for what runs when SIGTERM comes, and again for cleanup()."""
LAST_WORDS = 1.0
"""Seconds for the last answers to leave and the server to end the stream."""
SWITCH_INTERVAL = 0.001
"""How long a busy handler may keep the standby reader waiting."""


@dataclass
class Launch:
    """What a worker is told when it starts."""

    instance: str
    pool: str
    worker: str
    adapter: str
    cwd: str
    gateway: str
    token: str
    lifeline: int | None = None
    loaded: type | None = None
    """The adapter class, when a template has imported it already."""
    broken: str = ""
    """Why there is no adapter, when that has been found out already."""


class Stop:
    """In the work queue: what the main thread should do instead of a call."""

    def __init__(self, code: int, reason: str = "") -> None:
        self.code = code
        self.reason = reason


class SessionEnded(NamedTuple):
    """In the work queue: a session of which the adapter should drop what it keeps."""

    session: str


class Worker:
    """Everything between hello and exit."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._work: deque[Any] = deque()
        """Calls, and at last a Stop, for the main thread; see `_put`."""
        self._wake, self._rope = os.pipe()
        """Wakes the main thread when it waits for the server."""
        os.set_blocking(self._wake, False)
        os.set_blocking(self._rope, False)
        self._table = CallTable()
        self._adapter: Any = None
        self._commands: dict[str, Command] = {}
        self._capacity = 1
        self._async: AsyncSide | None = None
        self._direct = False
        """All commands are async: calls go to the loop without passing through the main thread."""
        self._failure: pb.Failure | None = None
        self._stopping = False
        self._link = Link(launch.gateway, self._first_message, self._table, self)
        self._standby = StandbyReader(self._link)
        self._link.later = self._standby.later
        self._link.requests.hurry = self._standby.hurry
        self._link.requests.limit = self._limit
        self._ready = False
        self._runner: Runner | None = None

    # ---------------------------------------------------------------------------------- life

    def run(self) -> int:
        """The exit code."""
        self._arm()
        try:
            runner = self._load()
            forks.leave_if_forked()
        except Refusal as refusal:
            forks.leave_if_forked(refusal.__cause__ or refusal)
            return self._fail_to_start(refusal.failure)
        self._arm()
        self._ready = True
        self._standby.start()
        stop = self._serve(runner)
        if stop.reason:
            _say(stop.reason)
        return self._finish(stop.code)

    def _arm(self) -> None:
        """Signals mean what the bridge says, also when the adapter has changed that while it was loaded."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_terminate)
        if self._runner is not None:
            self._runner.interrupts.arm()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGURG))
        forks.watch(self._forked)

    def _forked(self) -> None:
        """In a child: no item or chunk after the one that forked is begun, and nothing is sent."""
        if self._runner is not None:
            self._runner.interrupts.forked()
        self._link.abandon()
        if self._async is not None:
            self._async.abandon()

    def _serve(self, runner: Runner) -> Stop:
        work, standby_reader, serve = self._work, self._standby, runner.serve
        while True:
            while work:
                item = work.popleft()
                if type(item) is not Call:
                    if type(item) is SessionEnded:
                        self._tell_session_ended(item.session)
                        continue
                    stop: Stop = item
                    return stop
                standby_reader.enter()
                serve(item)
                standby_reader.leave()
            standby_reader.read(self._wake)

    def _finish(self, code: int) -> int:
        """cleanup(), the last answers, the end of the stream. Never hangs."""
        _thread.start_new_thread(_exit_after, (GRACE, code))
        if self._adapter is not None:
            try:
                self._call_hook("cleanup")
                forks.leave_if_forked()
            except BaseException as error:  # noqa: BLE001 - whatever it is, we are leaving
                forks.leave_if_forked(error)
                _say(f"cleanup() raised {type(error).__name__}: {error}")
        self._link.close()
        deadline = monotonic() + LAST_WORDS
        while self._link.open and (left := deadline - monotonic()) > 0:
            self._standby.read(self._wake, left)
        return code

    # ---------------------------------------------------------------------------------- getting ready

    def _load(self) -> Runner:
        if self._launch.broken:
            raise Refusal(failure(pb.Failure.Kind.ADAPTER_FAILED, self._launch.broken))
        forms.keep_types_of_refused(os.environ.get("SNAKEPIT_UNSERIALIZABLE") == "mark")
        own_argv(self._launch.adapter)
        cls = self._launch.loaded or resolve(self._launch.adapter, self._launch.cwd or None)
        try:
            self._commands = commands_of(cls)
            if not self._commands:
                _say(no_commands(cls))
            wants_async = any(one.is_async for one in self._commands.values())
            self._direct = wants_async and all(one.is_async for one in self._commands.values())
            self._capacity = _capacity(cls) if self._direct else 1
            fresh = PerCall.of(cls, os.environ.get("SNAKEPIT_ADAPTER_OBJECT", ""))
            # A class has hooks of its own only by name: they are called for each object.
            self._adapter = object() if fresh else cls()
            bound = arguments.bind_all(cls if fresh else self._adapter, self._commands, fresh)
            limit = self._limit
            self._runner = runner = Runner(bound, self._table, limit)
            self._link.requests.shield = runner.interrupts.shield
            if wants_async or inspect.iscoroutinefunction(getattr(cls, "initialize", None)):
                self._async = AsyncSide(bound, self._table, limit)
                self._async.serve(self._capacity)
                runner.use_async(self._async)
            self._call_hook("initialize")
        except Exception as error:
            raise Refusal(from_exception(error, pb.Failure.Kind.ADAPTER_FAILED)) from error
        except SystemExit as error:
            raise Refusal(from_exception(error, pb.Failure.Kind.ADAPTER_FAILED)) from error
        return runner

    def _limit(self) -> int:
        return self._link.limit

    def _call_hook(self, name: str, *args: Any) -> None:
        """initialize() or another hook, plain or async. One that only a `__getattr__` makes up is none."""
        if inspect.getattr_static(self._adapter, name, None) is None:
            return
        result = getattr(self._adapter, name)(*args)
        if not hasattr(type(result), "__await__"):
            return
        if self._async is None:
            self._async = AsyncSide({}, self._table, self._limit)
        self._async.wait(result)

    def _tell_session_ended(self, session: str) -> None:
        try:
            self._call_hook("session_ended", session)
            forks.leave_if_forked()
        except BaseException as error:  # noqa: BLE001 - it concerns no call
            forks.leave_if_forked(error)
            _say(f"session_ended() raised {type(error).__name__}: {error}")

    def _fail_to_start(self, reason: pb.Failure) -> int:
        """Tells the server why, as the first and only message, and on stderr for the log."""
        _say(f"the adapter cannot be used: {reason.message}\n{reason.traceback}".rstrip())
        self._failure = reason
        _thread.start_new_thread(_exit_after, (GRACE * 2, 1))
        self._link.farewell(self._wake)
        return 1

    def _first_message(self) -> pb.FromWorker:
        launch = self._launch
        if self._failure is not None:
            return pb.FromWorker(
                start_failure=pb.StartFailure(token=launch.token, worker=launch.worker, failure=self._failure)
            )
        return pb.FromWorker(
            hello=pb.Hello(
                token=launch.token,
                worker=launch.worker,
                language="python",
                runtime=platform.python_version(),
                protocol_min=OLDEST,
                protocol_max=LATEST,
                capacity=self._capacity,
                commands=[one.to_spec() for one in self._commands.values()],
                pid=os.getpid(),
                sessions=self._table.sessions,
                tools=self._link.requests.tools.specs(),
                runs_batches=True,
            )
        )

    # -------------------------------------------------------------------- messages that arrive (on the reading thread)

    def on_call(self, call: Call) -> None:
        if self._direct and self._async is not None:
            self._async.submit(call)
        else:
            self._work.append(call)

    def on_session_ended(self, session: str) -> None:
        self._table.forget_session(session)
        if inspect.getattr_static(self._adapter, "session_ended", None) is None:
            return
        if self._direct and self._async is not None:
            self._async.soon(lambda: self._adapter.session_ended(session), "session_ended()")
        else:
            self._work.append(SessionEnded(session))

    def on_drain(self) -> None:
        self._stop_when_idle()

    def on_gone(self, code: int, reason: str) -> None:
        self._table.cancel_all()
        self._put(Stop(code, reason))

    def _stop_when_idle(self) -> None:
        if self._direct and self._async is not None:
            self._async.when_idle(lambda: self._put(Stop(0)))
        else:
            self._put(Stop(0))  # behind the calls that wait

    def _put(self, stop: Stop) -> None:
        """From any thread, and from signal handlers: takes no lock."""
        self._work.append(stop)
        with contextlib.suppress(BlockingIOError):
            os.write(self._rope, b"\0")

    # ---------------------------------------------------------------------------------- signals (main thread)

    def _on_terminate(self, _signum: int, _frame: FrameType | None) -> None:
        # May interrupt any code of the main thread: takes no lock that this code could hold.
        if self._stopping:
            return
        self._stopping = True
        _thread.start_new_thread(self._run_out, ())
        self._stop_when_idle()

    def _run_out(self) -> None:
        """Gives what runs a while, then cancels it, then leaves in any case."""
        sleep(GRACE)
        if not self._ready:
            os._exit(1)  # still loading
        self._table.cancel_all()
        sleep(GRACE * 2)
        os._exit(1)


def _capacity(cls: type) -> int:
    wanted = os.environ.get("SNAKEPIT_CAPACITY", "")
    stated = int(wanted) if wanted.isdecimal() else getattr(cls, "capacity", 1)
    return stated if isinstance(stated, int) and stated >= 1 else 1


def _say(text: str) -> None:
    with contextlib.suppress(Exception):
        print(f"snakepit_bridge: {text}", file=sys.stderr, flush=True)


def _exit_after(seconds: float, code: int) -> None:
    sleep(seconds)
    os._exit(code)


def watch_lifeline(descriptor: int) -> None:
    """Ends this process at the instant at which the other end is closed: the pit is gone."""

    def watch() -> None:
        while True:
            try:
                if not os.read(descriptor, 4096):
                    break
            except InterruptedError:
                continue
            except OSError:
                break
        os._exit(0)

    _Thread(target=watch, name="snakepit-lifeline", daemon=True).start()


def prepare_output() -> None:
    """stdout and stderr are a log: whole lines at once, and no character can break a print."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True, errors="backslashreplace")


def import_all() -> None:
    """What is imported where it is needed: before a file beside the adapter can take its name."""
    import base64
    import datetime
    import decimal
    import difflib
    import dis
    import enum
    import importlib.metadata
    import traceback
    import uuid

    _ = (base64, datetime, decimal, difflib, dis, enum, importlib.metadata, traceback, uuid)


def run(launch: Launch) -> None:
    """Runs a worker in this process and ends the process."""
    prepare_output()
    sys.setswitchinterval(SWITCH_INTERVAL)
    faulthandler.enable(all_threads=False)  # after a crash in a C extension, the log says where in Python it was
    if launch.lifeline is not None:
        watch_lifeline(launch.lifeline)
    code = 70
    import_all()
    try:
        code = Worker(launch).run()
        _thread.start_new_thread(_exit_after, (GRACE, code))
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()  # noqa: SLF001 - os._exit below skips them, and user code relies on them
    except BaseException:  # noqa: BLE001 - the last line of defence
        import traceback

        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        # Not sys.exit: threads of the user or of grpc must not keep a dismissed worker alive.
        os._exit(code)
