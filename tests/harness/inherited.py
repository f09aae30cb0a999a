"""What the tests would inherit from whatever started them, and must not depend on. Runs on Python 3.9, too."""

from __future__ import annotations

import os
import signal

_OWN_OF_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}
"""The interpreter ignores them; `subprocess` restores them in children."""


def _ignore(*_: object) -> None:
    pass


_HANDLERS = {signal.SIGCHLD: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
_PREFIXES = ("SNAKEPIT_", "XDG_", "CLICOLOR", "_TYPER")
_NAMES = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONSAFEPATH")


def forget() -> None:
    """Signals that are ignored or blocked (nohup, jobs of a shell script), settings of snakepit and of terminals."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals() - _OWN_OF_PYTHON:
        if signal.getsignal(number) is signal.SIG_IGN:
            # With a handler we go on ignoring the signal, but exec gives the children its default.
            signal.signal(number, _HANDLERS.get(number, _ignore))
    for name in list(os.environ):
        if name.startswith(_PREFIXES) or name in _NAMES:
            del os.environ[name]
