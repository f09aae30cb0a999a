"""A handler may fork, and its child may return to the bridge: the end of a `fork`, a `sys.exit`, a program that
`pty.spawn` did not find. The child must not answer for the worker, whose stream it has inherited: it leaves.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
from typing import Any, Callable

__all__ = ["is_forked", "leave_if_forked", "watch"]

_OURS = (signal.SIGTERM, signal.SIGINT)
_handlers: dict[int, Any] = {}
"""Those of the worker."""
_masks: dict[int, Any] = {}
"""Of threads that are forking, as they were before."""
_worker = 0
"""Pid of the worker; 0 before there is one."""


def watch(forked: Callable[[], None]) -> None:
    """This process is the worker. `forked` is called in each child that it forks."""
    global _worker  # noqa: PLW0603 - a process has one pid
    _handlers.update({number: signal.getsignal(number) for number in _OURS})
    if is_forked() or _worker:
        return
    _worker = os.getpid()

    def in_child() -> None:
        for number, ours in _handlers.items():
            # A handler that a call has set is the adapter's own business.
            with contextlib.suppress(ValueError):
                if signal.getsignal(number) is ours:
                    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        forked()

        _unblock()

    # Python forgets a signal that comes to a child before its hooks run: it waits until the child is ready for it.
    os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=in_child)


def _block() -> None:
    _masks[_thread.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)


def _unblock() -> None:
    mask = _masks.pop(_thread.get_ident(), None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def is_forked() -> bool:
    """Whether this process is a child of the worker."""
    return _worker not in (0, os.getpid())


def leave_if_forked(error: BaseException | None = None) -> None:
    """Ends this process when it is not the worker, as Python would have: with the status of `error`."""
    if not is_forked():
        return
    code = 0
    try:
        if isinstance(error, SystemExit):
            code = _status(error.code)
        elif error is not None:
            import traceback

            code = 1
            traceback.print_exception(type(error), error, error.__traceback__)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


def _status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1
