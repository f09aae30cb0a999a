"""A result that goes into a file: all of it, or the file is as it was."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable

from snakepit_cli.base.write_hints import write_hint
from snakepit_cli.client.call.arguments import ArgumentsError


def check(name: str) -> None:
    """Raises ArgumentsError when nothing can be written there. Before the call, which may take long."""
    try:
        mode = _mode(name)
        if mode is not None and stat.S_ISDIR(mode):
            raise _refused(f"--output-file {name}: it is a directory", errno.EISDIR)
        folder = os.path.dirname(os.path.realpath(name))
        writable = os.access(folder if mode is None or stat.S_ISREG(mode) else name, os.W_OK)
    except OSError as error:
        raise _failed(name, error) from None
    except ValueError:  # a NUL in it, for instance
        raise _refused("--output-file: not the name of a file", None) from None
    if not os.path.isdir(folder):
        raise _refused(f"--output-file {name}: there is no directory {folder}", errno.ENOENT)
    if not writable:
        what = "it" if mode is not None and not stat.S_ISREG(mode) else folder
        raise _refused(f"--output-file {name}: {what} cannot be written", errno.EACCES)


def write(name: str, buffers: Iterable[bytes | memoryview]) -> None:
    """Through a file beside it that takes its place. Raises ArgumentsError; then nothing has changed."""
    try:
        mode = _mode(name)
        if mode is None or stat.S_ISREG(mode):
            _replace(os.path.realpath(name), mode, buffers)
        else:  # /dev/null, a FIFO
            with open(name, "wb", buffering=0) as file:
                _write_all(file.fileno(), buffers)
    except OSError as error:
        raise _failed(name, error) from None


def _replace(name: str, mode: int | None, buffers: Iterable[bytes | memoryview]) -> None:
    beside = os.path.join(os.path.dirname(name), f".snakepit-{os.getpid()}-{os.urandom(4).hex()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            _write_all(descriptor, buffers)
            if mode is not None:
                os.fchmod(descriptor, stat.S_IMODE(mode))
        finally:
            os.close(descriptor)
        os.replace(beside, name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def _write_all(descriptor: int, buffers: Iterable[bytes | memoryview]) -> None:
    for buffer in buffers:
        rest = memoryview(buffer)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _mode(name: str) -> int | None:
    """None when there is no such file."""
    try:
        return os.stat(name).st_mode
    except FileNotFoundError:
        return None


def _failed(name: str, error: OSError) -> ArgumentsError:
    return _refused(f"--output-file {name}: {error.strerror}", error.errno)


def _refused(text: str, number: int | None) -> ArgumentsError:
    return ArgumentsError("output_failed", text, write_hint(number))
