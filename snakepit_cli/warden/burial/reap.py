"""Finds orphans of dead runs by three independent channels, and ends those that are proven to be ours.

    registry      a row whose identity (boot, pid namespace, pid, start time) still names a live process
    environment   a process of our uid that was started with this instance's cookie
    cgroup        whatever is in a cgroup that a dead run of this instance made

The cookie is a secret of the instance, so no other process carries it by accident or by guessing. Losing the registry
therefore loses no orphan, and losing the cookie file loses none that is registered.
"""

from __future__ import annotations

import os
import secrets
import select
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from snakepit_cli.base import identity as ident
from snakepit_cli.base.failpoints import failpoint
from snakepit_cli.base.identity import Identity
from snakepit_cli.warden.burial import cgroups
from snakepit_cli.warden.records.store import Record, Registry

COOKIE = "SNAKEPIT_COOKIE"
RUN = "SNAKEPIT_RUN"
_DEATH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Orphan:
    id: str
    role: str
    identity: Identity
    evidence: tuple[str, ...]
    title: str

    def as_dict(self, *, ended: bool) -> dict[str, Any]:
        facts = {"id": self.id, "role": self.role, "pid": self.identity.pid, "title": self.title}
        return {**facts, "evidence": list(self.evidence), "ended": ended}


def cookie(state: Path) -> str:
    """The instance's secret, made on first use, or when what is there is no secret. Raises OSError."""
    try:
        # Whatever has taken its place: nothing waits for it.
        with open(state / "cookie", "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
            found = file.read(100).decode("ascii").strip()
        if len(found) == 32:
            return found
    except (OSError, ValueError):
        pass
    fresh = secrets.token_hex(16)
    _write_cookie(state, fresh)
    return fresh


def keep_cookie(state: Path, secret: str) -> None:
    """Writes it again when it is gone: without it the next warden would not know our orphans. Raises OSError."""
    if not (state / "cookie").exists():
        _write_cookie(state, secret)


def _write_cookie(state: Path, secret: str) -> None:
    temporary = state / "cookie.new"
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(state / "cookie")


def find(
    registry: Registry, secret: str, live_run: str | None, dead: Sequence[Path] = ()
) -> tuple[list[Orphan], list[str]]:
    """Orphans, and the ids of rows whose processes are proven to be gone. `live_run` is spared.

    `dead`: cgroups of dead runs.
    """
    found: dict[int, Orphan] = {}
    gone: list[str] = []
    for record in registry.records():
        if record.run == live_run:
            continue
        orphan = _from_record(record)
        if orphan is None:
            gone.append(record.id)
        else:
            found[orphan.identity.pid] = orphan
    for identity, run in _marked(secret):
        if run == live_run:
            continue
        _add(found, identity, "environment")
    for identity in _caged(dead):
        _add(found, identity, "cgroup")
    return list(found.values()), gone


def _add(found: dict[int, Orphan], identity: Identity, evidence: str) -> None:
    known = found.get(identity.pid)
    if known is None:
        found[identity.pid] = Orphan(f"pid-{identity.pid}", "unknown", identity, (evidence,), _title(identity))
    else:
        found[identity.pid] = replace(known, identity=identity, evidence=(*known.evidence, evidence))


def _from_record(record: Record) -> Orphan | None:
    """None when the row's process is gone: never started, other boot, reused pid, dead."""
    if record.identity is None:
        return None
    descriptor = ident.open_verified(record.identity)
    if descriptor is None:
        return None
    os.close(descriptor)
    return Orphan(record.id, record.role, record.identity, ("registry",), _title(record.identity))


def _marked(secret: str) -> Iterator[tuple[Identity, str]]:
    """Live processes of our uid that carry the cookie, except ourselves and our ancestors."""
    spared = _lineage()
    wanted = secret.encode()
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if not name.isdigit() or int(name) in spared:
            continue
        try:
            if os.stat(f"/proc/{name}").st_uid != os.geteuid():
                continue
        except OSError:
            continue
        found = ident.environment(int(name))
        if found.get(COOKIE.encode()) != wanted:
            continue
        identity = ident.identify(int(name))
        if identity is not None:
            yield identity, found.get(RUN.encode(), b"").decode(errors="replace")


def _caged(dead: Sequence[Path]) -> Iterator[Identity]:
    spared = _lineage()
    for pid in {pid for cage in dead for pid in cgroups.members(cage)} - spared:
        if identity := ident.identify(pid):
            yield identity


def _lineage() -> set[int]:
    pids, pid = set(), os.getpid()
    while pid > 0 and pid not in pids:
        pids.add(pid)
        found = ident.stat(pid)
        pid = found.ppid if found else 0
    return pids


def _title(identity: Identity) -> str:
    try:
        with open(f"/proc/{identity.pid}/cmdline", "rb") as file:
            return file.read(200).replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def end(orphans: list[Orphan]) -> dict[int, bool]:
    """Kills each through a verified pidfd and waits for its death. pid → whether it is gone.

    One that we may not kill (it runs a set-user-id program) is not gone; the others do not wait for it.
    """
    poll = select.poll()
    waiting: dict[int, int] = {}
    gone = dict.fromkeys((orphan.identity.pid for orphan in orphans), True)
    for orphan in orphans:
        descriptor = ident.open_verified(orphan.identity)
        if descriptor is None:
            continue
        failpoint("reap.verified")
        gone[orphan.identity.pid] = False
        try:
            ident.send_signal(descriptor, signal.SIGKILL)
        except PermissionError:
            os.close(descriptor)
            continue
        poll.register(descriptor, select.POLLIN)
        waiting[descriptor] = orphan.identity.pid
    while waiting:
        ready = poll.poll(_DEATH_SECONDS * 1000)
        if not ready:
            break
        for descriptor, _ in ready:
            poll.unregister(descriptor)
            gone[waiting.pop(descriptor)] = True
            os.close(descriptor)
    for descriptor in waiting:
        os.close(descriptor)
    return gone


def reap(
    registry: Registry, secret: str, live_run: str | None, dead: Sequence[Path] = (), *, dry_run: bool = False
) -> list[dict[str, Any]]:
    """Finds and ends orphans until a pass finds none (they may have forked meanwhile); says what it did.

    `dead`: cgroups of dead runs, removed when they are empty.
    """
    report: list[dict[str, Any]] = []
    stuck: set[Identity] = set()
    for _ in range(5):
        orphans, gone = find(registry, secret, live_run, dead)
        if dry_run:
            return [orphan.as_dict(ended=False) for orphan in orphans]
        _forget(registry, gone)
        for cage in dead:
            cgroups.clean(cage, spared=_lineage())
        orphans = [orphan for orphan in orphans if orphan.identity not in stuck]
        if not orphans:
            break
        failpoint("reap.found")
        ended = end(orphans)
        _forget(registry, [orphan.id for orphan in orphans if ended[orphan.identity.pid]])
        failpoint("reap.forgotten")
        report += [orphan.as_dict(ended=ended[orphan.identity.pid]) for orphan in orphans]
        stuck |= {orphan.identity for orphan in orphans if not ended[orphan.identity.pid]}
    _forget(registry, [], durably=True)
    return report


def _forget(registry: Registry, names: list[str], *, durably: bool = False) -> None:
    """A stale row does no harm, and a file that cannot be written must not keep orphans alive."""
    try:
        registry.forget(names)
        if durably:
            registry.commit()
    except sqlite3.Error:
        registry.rollback()
