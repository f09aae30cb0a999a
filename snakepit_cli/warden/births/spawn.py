"""Gated spawn: the child exists and is registered before it runs a single line of anybody's code.

    warden   pipe · fork · identity row committed · one byte into the pipe
    child    die with the warden · new session · read the byte · exec

End of file on the gate means that the warden died or could not register the child: it exits 125 without a trace.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import signal
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from snakepit_cli.base.pipe_pair import Ends
from snakepit_cli.warden import limits
from snakepit_cli.warden.burial import prctl

NEVER_RAN = 125
NOT_EXECUTABLE = 126
NOT_FOUND = 127
_NOT_EXECUTABLE = {errno.EACCES, errno.ENOEXEC}


@dataclass(frozen=True)
class Launch:
    """What to execute, and with what."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    log: int
    """Descriptor that becomes stderr, and stdout unless there is `talk`."""
    descriptors: Mapping[str, int] = field(default_factory=dict)
    """Environment variable → descriptor that the program inherits and finds the number of there."""
    talk: Ends | None = None
    """What becomes stdin and stdout."""
    open_files: limits.Limit | None = None
    """The limit of open files that it gets; None: ours."""


@dataclass(frozen=True)
class Gated:
    """A child that waits to be let go."""

    pid: int
    _gate: int

    def open(self) -> None:
        """Lets it execute; harmless when it died meanwhile."""
        try:
            os.write(self._gate, b"\1")
        except BrokenPipeError:
            pass
        os.close(self._gate)

    def refuse(self) -> None:
        """Makes it exit without having run."""
        os.close(self._gate)


def fork(launch: Launch) -> Gated:
    """Forks the child up to its gate. Raises OSError, with nothing left open."""
    gate_read, gate_write = os.pipe()
    parent = os.getpid()
    try:
        pid = _fork()
    except OSError:
        os.close(gate_read)
        os.close(gate_write)
        raise
    if pid == 0:
        os.close(gate_write)
        _child(launch, gate_read, parent)
    os.close(gate_read)
    return Gated(pid, gate_write)


def _fork() -> int:
    """The child runs no finalizer: one may wait for a thread that only the parent has."""
    collects = gc.isenabled()
    gc.disable()
    pid = -1
    try:
        pid = os.fork()
    finally:
        if collects and pid != 0:
            gc.enable()
    return pid


def _child(launch: Launch, gate: int, parent: int) -> None:
    status = NEVER_RAN
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        if not prctl.die_with_parent(parent):
            return
        os.setsid()
        talk = launch.talk or Ends(os.open(os.devnull, os.O_RDWR), launch.log)
        os.dup2(talk.source, 0)
        os.dup2(talk.sink, 1)
        os.dup2(launch.log, 2)
        if not passed(gate):
            return
        status = NOT_FOUND
        env = dict(launch.env)
        _close_others(launch.descriptors.values())
        if launch.open_files is not None:
            limits.restore_open_files(launch.open_files)
        for name, descriptor in launch.descriptors.items():
            env[name] = str(_hand_over(descriptor))
        _set_umask(env.get("SNAKEPIT_UMASK", ""))
        _execute(launch, env)
    except (OSError, ValueError) as error:
        # ValueError: a NUL in an argument or a variable, or a character that has no bytes.
        status = NOT_EXECUTABLE if getattr(error, "errno", 0) in _NOT_EXECUTABLE else status
        os.write(2, f"snakepit: cannot execute {launch.argv[0]}: {limits.why(error)}\n".encode(errors="replace"))
    finally:
        os._exit(status)


def _set_umask(octal: str) -> None:
    """The caller's: ours keeps our own files private, and a worker's files are the caller's."""
    if octal.isdecimal() and set(octal) <= set("01234567"):
        os.umask(int(octal, 8) & 0o777)


def _execute(launch: Launch, env: Mapping[str, str]) -> None:
    """Returns only when it cannot change to the directory. Raises OSError, ValueError."""
    try:
        os.chdir(launch.cwd)
    except OSError as error:
        # Not in another directory instead: relative paths would mean other files.
        os.write(2, f"snakepit: cannot change to {launch.cwd}: {error.strerror}\n".encode(errors="replace"))
        return
    os.execvpe(launch.argv[0], list(launch.argv), env)


def _hand_over(descriptor: int) -> int:
    """The number under which the program finds it: low, because a program may use select(2).

    All workers share the lifeline. Opened anew, one that makes its end non-blocking does so for itself alone.
    """
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY)
        os.set_inheritable(own, True)
    else:
        own = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 3)
    os.close(descriptor)
    return own


def passed(gate: int) -> bool:
    """Waits for leave to go; False when it will never come."""
    return bool(os.read(gate, 1))


def _close_others(keep: Iterable[int]) -> None:
    """Python closes what it opened on exec; descriptors inherited from our parent are closed here.

    Not up to the limit of open files, which may be a thousand million.
    """
    for descriptor in {int(name) for name in os.listdir("/proc/self/fd")} - {0, 1, 2, *keep}:
        try:
            os.close(descriptor)
        except OSError:
            pass  # the listing's own
