"""The directory in shared memory that holds the segments of one instance.

    /dev/shm/snakepit-UID-DIGEST/     mode 0700; DIGEST is of the instance's cookie, so the name gives nothing away
    …/lock                            locked by the warden as long as the instance lives
    …/OWNER-NUMBER                    a segment: a file of one client or worker, mode 0600

Where /dev/shm cannot be used the directory is `segments` in the runtime directory, on whatever that is.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from snakepit_cli.base import paths

SHARED = Path("/dev/shm")  # noqa: S108 — the directory is checked by `secure` before use
_LOCK = "lock"
_TRIES = 50
_PAUSE_SECONDS = 0.01


def name(secret: str) -> str:
    """Of the directory of the instance with this cookie."""
    return f"snakepit-{os.geteuid()}-{hashlib.sha256(secret.encode()).hexdigest()[:16]}"


def folder(secret: str, runtime: str, note: Callable[[str], object] = lambda _: None) -> Path:
    """Where the segments of the instance with this cookie are. Made, for us alone. Raises paths.PathError.

    `note` is called with the reason when they are not in /dev/shm although there is one.
    """
    chosen, other = SHARED / name(secret), Path(runtime) / "segments"
    try:
        if SHARED.is_dir():  # it is not ours to make
            paths.secure(str(chosen))
            return chosen
    except paths.PathError as error:
        note(
            f"{error}; long payloads are in {other} instead: remove {chosen} and restart to have them in shared memory"
        )
    paths.secure(str(other))
    return other


def claim(chosen: Path) -> int | None:
    """Locks the directory for an instance that begins, and clears it. The descriptor holds the lock; None when another
    process keeps it. Raises OSError, paths.PathError."""
    for _ in range(_TRIES):
        paths.secure(str(chosen))
        descriptor = _locked(chosen / _LOCK, os.O_CREAT)
        if descriptor is not None and _is_same(descriptor, chosen / _LOCK):
            clear(chosen)
            return descriptor
        # One that removes abandoned directories had it, or has it still.
        if descriptor is not None:
            os.close(descriptor)
        else:
            time.sleep(_PAUSE_SECONDS)
    return None


def segments(chosen: Path) -> list[Path]:
    """Raises OSError."""
    return [Path(entry.path) for entry in os.scandir(chosen) if entry.name != _LOCK]


def clear(chosen: Path) -> None:
    """Removes all segments. Raises OSError."""
    for path in segments(chosen):
        path.unlink(missing_ok=True)


def remove(chosen: Path) -> None:
    """Removes the directory and its files. The caller holds its lock, whose file goes last, so that no other process
    claims or removes the directory meanwhile. Does nothing when the directory belongs to another user.
    """
    if not paths.is_ours(str(chosen)):
        return
    try:
        clear(chosen)
        (chosen / _LOCK).unlink(missing_ok=True)
        chosen.rmdir()
    except OSError:
        pass  # it has been removed already, or will be by the next one that looks


def remove_abandoned(*, dry_run: bool = False) -> Iterator[tuple[Path, int]]:
    """Removes directories of ours in shared memory whose instance has ended without doing so; each with the number of
    the payloads that were left in it."""
    prefix = f"snakepit-{os.geteuid()}-"
    try:
        found = [Path(entry.path) for entry in os.scandir(SHARED) if entry.name.startswith(prefix)]
    except OSError:
        return
    for path in found:
        if not paths.is_ours(str(path)):
            continue
        if not os.path.lexists(path / _LOCK):
            _remove_if_empty(path)
            continue
        if (descriptor := _locked(path / _LOCK)) is None:
            continue
        try:
            count = sum(not one.name.endswith("journal") for one in segments(path))
            if not dry_run:
                remove(path)
            yield path, count
        except OSError:
            pass  # as above
        finally:
            os.close(descriptor)


def _remove_if_empty(path: Path) -> None:
    """One whose removal was cut short. Or one that is being made: `claim` makes it again."""
    try:
        path.rmdir()
    except OSError:
        pass


def _locked(path: Path, flags: int = 0) -> int | None:
    """None when another process has the lock, or there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _is_same(descriptor: int, path: Path) -> bool:
    """Whether what we have locked is what the next one will find."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))
