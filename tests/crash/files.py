"""The registry file: whatever it holds, and whatever of it has reached the disk."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from snakepit_cli.base import identity as ident
from snakepit_cli.base.identity import Identity
from snakepit_cli.warden.burial import reap
from snakepit_cli.warden.records.store import Registry
from tests.crash.oracle import Oracle
from tests.crash.strangers import plant, register
from tests.harness import wait

_MUTATIONS = 50
"""In a trial."""
_SIZE = 24 << 20
_COMMITS = (1, 5, 1000)
_MAGIC = 16

Mutation = Callable[[random.Random, Path], None]


# ----------------------------------------------------------------------------------------------- mutations


def registry_mutations(oracle: Oracle) -> None:
    """50 registry files, each broken in another way: no traceback, the orphan ended, no foreign process harmed."""
    oracle.run("reap")
    cookie = (oracle.state / "cookie").read_text()
    register(oracle, *_rows(oracle))
    whole = oracle.state / "registry.db"
    log = shutil.copy(whole, oracle.folder / "whole.db")
    hot = _with_log(oracle, Path(log))
    for number in range(_MUTATIONS):
        folder = oracle.folder / f"mutation-{number}"
        folder.mkdir()
        for file in hot if number % 3 == 0 else [Path(log)]:
            shutil.copy(file, folder / file.name.replace("whole.db", "registry.db"))
        how = _mutate(oracle.random, folder)
        _survives(oracle, folder, cookie, f"mutation {number} ({how})")
        shutil.rmtree(folder)
    _mutate(oracle.random, oracle.state)
    orphan = plant(oracle, "last")
    oracle.json("reap")
    _ended(oracle, orphan, "by the command")


def _rows(oracle: Oracle) -> Iterator[Identity]:
    """Strangers under wrong start times, boots and namespaces, and the dead."""
    for number, pid in enumerate(oracle.decoys.pids):
        mine = ident.identify(pid)
        assert mine is not None
        yield Identity(mine.boot, mine.pidns, pid, mine.start - 100_000 - number)
        yield Identity("f" * 36, mine.pidns, pid, mine.start)
        yield Identity(mine.boot, 1, pid, mine.start)


def _with_log(oracle: Oracle, whole: Path) -> list[Path]:
    """The same as a killed warden leaves it: with a write-ahead log."""
    folder = oracle.folder / "hot"
    folder.mkdir()
    shutil.copy(whole, folder / "registry.db")
    registry = Registry(folder / "registry.db")
    registry.reserve("dead-run", "worker", ["late"])
    registry.bind([("late", Identity("f" * 36, 1, 4_000_000, 1))])
    kept = [shutil.copy(folder / "registry.db-wal", oracle.folder / "whole.db-wal"), whole]
    registry.close()
    return [Path(file) for file in kept]


def _survives(oracle: Oracle, folder: Path, cookie: str, what: str) -> None:
    """The reaper in a child of its own, so that nothing of it stays."""
    orphan = subprocess.Popen(["sleep", "3600"], env={"SNAKEPIT_COOKIE": cookie, "SNAKEPIT_RUN": "dead"})
    wait.until(lambda: b"SNAKEPIT_RUN" in ident.environment(orphan.pid), "the orphan to execute")
    child = os.fork()
    if child == 0:
        _reap(folder, cookie)
    _, status = os.waitpid(child, 0)
    if status:
        oracle.fail(f"{what}: {(folder / 'failure').read_text()[-500:] if (folder / 'failure').exists() else status}")
    oracle.count("mutations")
    _ended(oracle, orphan, what)


def _reap(folder: Path, cookie: str) -> None:
    status = 1
    try:
        registry = Registry(folder / "registry.db")
        reap.reap(registry, cookie, None)
        registry.close()
        status = 0
    except BaseException:  # noqa: BLE001 — the parent reads what it was
        (folder / "failure").write_text(traceback.format_exc())
    finally:
        os._exit(status)


def _ended(oracle: Oracle, orphan: subprocess.Popen[bytes], what: str) -> None:
    try:
        orphan.wait(2)
    except subprocess.TimeoutExpired:
        oracle.fail(f"{what}: the orphan was missed")
        orphan.kill()
        orphan.wait()


def _mutate(chance: random.Random, folder: Path) -> str:
    """Breaks one file of the registry in this folder; says how."""
    path = chance.choice(sorted(folder.glob("registry.db*")))
    mutation = chance.choice([_flip, _flip, _flip, _cut, _cut, _garbage, _nothing, _magic, _folder, _pipe, _dangling])
    mutation(chance, path)
    return f"{mutation.__name__[1:]} of {path.name}"


def _flip(chance: random.Random, path: Path) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 1, 8, 64])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def _cut(chance: random.Random, path: Path) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def _garbage(chance: random.Random, path: Path) -> None:
    path.write_bytes(chance.randbytes(chance.randint(1, 65536)))


def _nothing(_: random.Random, path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _magic(chance: random.Random, path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(chance.randbytes(_MAGIC) + data[_MAGIC:])


def _folder(_: random.Random, path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inhabited").touch()


def _pipe(_: random.Random, path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _dangling(_: random.Random, path: Path) -> None:
    path.unlink()
    path.symlink_to("/nonexistent/registry.db")


# ----------------------------------------------------------------------------------------------- power cut


def power_cut(oracle: Oracle) -> None:
    """The power goes while processes are registered: each one that was let run is in the file. Needs loop devices."""
    path = image(oracle)
    acknowledged = oracle.folder / "acknowledged"
    commit = _COMMITS[oracle.seed % len(_COMMITS)]
    with mounted(path, oracle.folder / "disk", f"loop,commit={commit}") as disk:
        command = [sys.executable, "-m", "tests.crash.registrar", str(disk / "registry.db"), str(acknowledged)]
        registrar = subprocess.Popen(command, env=oracle.env)
        try:
            wait.until(acknowledged.exists, "the first registration")
            time.sleep(oracle.random.uniform(0.0, 1.0))
            registrar.send_signal(signal.SIGSTOP)
            wait.until(lambda: (s := ident.stat(registrar.pid)) and s.state == "T", "the registrar to stop")
            # What has reached the device by now is all that survives.
            cut = shutil.copy(path, oracle.folder / "cut")
        finally:
            registrar.kill()
            registrar.wait()
    with mounted(Path(cut), oracle.folder / "disk", "loop") as disk:
        registry = Registry(disk / "registry.db")
        found = {record.id for record in registry.records()}
        registry.close()
    wanted = set(acknowledged.read_text().split())
    oracle.count("acknowledged", len(wanted))
    oracle.count("lost", len(wanted - found))
    if lost := wanted - found:
        oracle.fail(f"{len(lost)} of {len(wanted)} acknowledged registrations lost (commit={commit})")


def image(oracle: Oracle) -> Path:
    """An empty file system in a file."""
    path = oracle.folder / "image"
    with open(path, "wb") as file:
        file.truncate(_SIZE)
    subprocess.run(["mkfs.ext4", "-qF", path], check=True, stderr=subprocess.DEVNULL)
    return path


@contextlib.contextmanager
def mounted(image: Path, folder: Path, options: str) -> Iterator[Path]:
    """In the mount namespace of this trial only; the loop device goes with it."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", options, image, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
