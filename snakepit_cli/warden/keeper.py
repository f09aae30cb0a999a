"""The keeper: the warden's parent process. When the warden is dead, it kills what is left, and ends.

The server, templates and workers end with the warden by themselves. What a handler has started need not: it may have
a session of its own, an empty environment, and ignore SIGTERM. The kernel makes the nearest living subreaper above it
its new parent: while the warden lives that is the warden, afterwards the keeper. So the keeper sees all of it.

It holds nothing: no lock, no socket, no file. It reads no input and decides nothing, so little can break it, and its
death damages nothing. The warden ends in good order when it has lost its keeper.
"""

from __future__ import annotations

import os
import signal
import time

from snakepit_cli.warden.burial import prctl

NAME = b"snakepit-keeper"
_FORWARDED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_AWAITED = _FORWARDED | {signal.SIGCHLD}
_LONGEST_PAUSE = 0.05


def fork() -> None:
    """Returns in a child, which goes on as the warden. The caller stays behind as its keeper, and never returns.

    Without a subreaper (not on Linux) there is no keeper: it returns at once.
    """
    if not prctl.become_subreaper():
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # when our parent ignores it, every exit status would be lost
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    keeper, name = os.getpid(), _name_of("self")
    prctl.set_name(NAME)  # before the fork: the child tells by it that it has a keeper
    warden = os.fork()
    if warden == 0:
        prctl.set_name(name)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        # SIGTERM, so that the warden ends what it started while it still can.
        if not prctl.die_with_parent(keeper, signal.SIGTERM):
            os._exit(1)
        return
    status = 1
    try:
        _let_go()
        status = _end_of(warden)
        end_descendants()
    finally:
        os._exit(128 - status if status < 0 else status)


def present() -> bool:
    """Whether our parent is a keeper that lives."""
    return _name_of(os.getppid()) == NAME


def _name_of(pid: int | str) -> bytes:
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return file.read().strip()
    except OSError:
        return b""


def _let_go() -> None:
    """Closes what was inherited: files, the pipe to the client; leaves the working directory."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")


def _end_of(warden: int) -> int:
    """Waits for it. Exit status, or minus the signal. Forwards signals, except those of the terminal: it sends them to
    the warden, too."""
    while True:
        received = signal.sigwaitinfo(_AWAITED)
        if received.si_signo in _FORWARDED:
            if received.si_code <= 0:  # sent by a process
                prctl.kill_own_child(warden, received.si_signo)
            continue
        for pid, status in _bury():
            if pid == warden:
                return status


def end_descendants() -> None:
    """Kills every descendant until none is left. One that we may not kill (another user's, by setuid) is left alone.

    A pass follows the other without a pause while anything changes: a process that forks all the time is caught, too.
    """
    pause, before = 0.0, None
    while True:
        refused = prctl.kill_descendants(os.getpid())
        try:
            dead = _bury()
        except ChildProcessError:
            return
        left = prctl.descendants(os.getpid())
        if left and left <= refused:
            return
        changed = bool(dead) or left != before
        pause, before = 0.0 if changed else min(pause + 0.001, _LONGEST_PAUSE), left
        time.sleep(pause)


def _bury() -> list[tuple[int, int]]:
    """Reaps all dead children: pid, and exit status or minus the signal.

    Raises ChildProcessError when there is no child, dead or alive.
    """
    dead: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            if dead:
                return dead
            raise
        if pid == 0:
            return dead
        dead.append((pid, os.waitstatus_to_exitcode(status)))
