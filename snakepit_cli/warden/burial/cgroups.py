"""cgroup v2: whatever a worker starts stays in the worker's cgroup, and ends with one write.

    OUR OWN CGROUP/snakepit-MARK-RUN/WORKER

A process can leave its session, its parent and its environment, but not its cgroup. MARK comes from the cookie of the
instance, RUN is the run of its warden. The holder of the lock knows that every other run is dead, so whatever is in
its cgroups may be ended. Their paths are noted in the state directory: the next warden may be in another cgroup. Where
no hierarchy can be written to, there are no cgroups; the other mechanisms hold without them.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc/self")
_NOTE = "cgroups"
_OCTAL = re.compile(r"\\([0-7]{3})")
"""How mountinfo writes spaces."""


class Cgroups:
    """Of one run. Without a hierarchy (`home` is None) all of this does nothing."""

    def __init__(self, home: Path | None) -> None:
        self._home = home
        self._busy: set[Path] = set()

    @classmethod
    def build(cls, state: Path, secret: str, run: str) -> Cgroups:
        """Makes the cgroup of the run, noted before it is there."""
        own = own_cgroup()
        if own is None or not os.access(own / "cgroup.procs", os.W_OK):
            return cls(None)
        home = own / f"{_prefix(secret)}{run}"
        try:
            _note(state, [*filter(Path.exists, _noted(state)), home])
            home.mkdir()
            if (home / "cgroup.kill").exists() and (home / "cgroup.type").read_text() == "domain\n":
                return cls(home)
            home.rmdir()
        except OSError:
            pass
        return cls(None)

    @property
    def there(self) -> bool:
        return self._home is not None

    def hold(self, name: str, pid: int) -> Path | None:
        """Puts a process that waits at its gate into its cage. None when that cannot be done."""
        if self._home is None:
            return None
        cage = self._home / name.replace(":", "-")
        try:
            cage.mkdir(exist_ok=True)
            (cage / "cgroup.procs").write_text(str(pid))
        except OSError:
            return None
        return cage

    def leave(self, cage: Path | None) -> None:
        """Its worker is dead. Whatever else is in it ends with the next `clear`."""
        if cage is not None:
            self._busy.add(cage)

    def clear(self) -> None:
        """To be called when a child has died: a cgroup can be removed when no process in it lives."""
        self._busy = {cage for cage in self._busy if not destroy(cage)}

    def close(self, state: Path) -> None:
        """At the end of the run."""
        if self._home is not None and destroy(self._home):
            _note(state, [path for path in _noted(state) if path != self._home])


def own_cgroup(controller: str = "") -> Path | None:
    """Directory of the cgroup that we are in; None where none is mounted.

    In the hierarchy of version 2, or in that of version 1 that has this controller.
    """
    try:
        lines = (_PROC / "cgroup").read_text().splitlines()
        mounts = (_PROC / "mountinfo").read_text().splitlines()
    except OSError:
        return None
    entries = (line.split(":", 2) for line in lines)
    inside = next((path for _, names, path in entries if controller in names.split(",")), None)
    if inside is None or inside.startswith("/.."):
        return None
    for mount in mounts:
        before, _, after = mount.partition(" - ")
        kind, _, options = after.split()
        if kind == "cgroup2" if not controller else kind == "cgroup" and controller in options.split(","):
            # The root of the mount is a cgroup, too: in a container it need not be the topmost.
            root, point = before.split()[3:5]
            if (rest := _below(inside, root)) is not None:
                return Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), point) + rest)
    return None


def _below(path: str, root: str) -> str | None:
    top = root.rstrip("/")
    return path[len(top) :].rstrip("/") if f"{path}/".startswith(f"{top}/") else None


def abandoned(state: Path, secret: str, live_run: str | None) -> list[Path]:
    """The cgroups of dead runs. The caller holds the lock, so any run but `live_run` is dead."""
    own = own_cgroup()
    beside = [] if own is None else list(own.glob(f"{_prefix(secret)}*"))
    live = f"{_prefix(secret)}{live_run}"
    return sorted(path for path in {*_noted(state), *beside} if path.name != live and _is_ours(path, secret))


def members(cage: Path) -> Iterator[int]:
    """Pids in it and in the cgroups below it, without those that our pid namespace cannot name."""
    for folder, _, _ in os.walk(cage):
        try:
            yield from (pid for pid in map(int, Path(folder, "cgroup.procs").read_text().split()) if pid)
        except OSError:
            continue


def clean(cage: Path, spared: set[int]) -> None:
    """Removes the cgroups in it, killing what is there; those that hold one of `spared` stay as they are."""
    for folder, _, _ in os.walk(cage, topdown=False):
        if spared.isdisjoint(members(Path(folder))):
            destroy(Path(folder))


def kill(cage: Path) -> None:
    """Everything in it, also what is being forked at this instant."""
    try:
        (cage / "cgroup.kill").write_text("1")
    except OSError:
        pass


def destroy(cage: Path) -> bool:
    """Kills what is in it and removes it; False when a process has not died yet."""
    if _remove(cage):
        return True
    kill(cage)
    return _remove(cage)


def _remove(cage: Path) -> bool:
    for folder, _, _ in os.walk(cage, topdown=False):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def _prefix(secret: str) -> str:
    """The cookie cannot be derived from it, and without the cookie it cannot be made."""
    return f"snakepit-{hashlib.sha256(secret.encode()).hexdigest()[:16]}-"


def _is_ours(path: Path, secret: str) -> bool:
    try:
        info = os.lstat(path)
    except OSError:
        return False
    return path.name.startswith(_prefix(secret)) and info.st_uid == os.geteuid() and (path / "cgroup.kill").exists()


def _noted(state: Path) -> list[Path]:
    try:
        return [Path(line) for line in (state / _NOTE).read_text().splitlines()]
    except (OSError, ValueError):
        return []


def _note(state: Path, cages: list[Path]) -> None:
    """Not synchronised to the disk: cgroups do not survive a crash of the system, either."""
    temporary = state / f"{_NOTE}.new"
    temporary.write_text("".join(f"{path}\n" for path in cages))
    temporary.replace(state / _NOTE)
