"""Which process is meant: hostile names, dead and reused pids, other boots."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from snakepit_cli.base import identity as ident
from tests.harness import procs, wait


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def test_a_live_process_is_itself(sleeper: subprocess.Popen[bytes]) -> None:
    identity = ident.identify(sleeper.pid)
    assert identity is not None
    assert identity == ident.identify(sleeper.pid)
    descriptor = ident.open_verified(identity)
    assert descriptor is not None
    os.close(descriptor)


def test_a_process_can_be_ended_through_its_verified_descriptor(sleeper: subprocess.Popen[bytes]) -> None:
    identity = ident.identify(sleeper.pid)
    assert identity is not None
    descriptor = ident.open_verified(identity)
    assert descriptor is not None
    assert ident.send_signal(descriptor, signal.SIGKILL)
    assert sleeper.wait(timeout=10) == -signal.SIGKILL
    assert not ident.send_signal(descriptor, signal.SIGKILL)
    os.close(descriptor)


@pytest.mark.parametrize(
    "change",
    [{"start": 1}, {"boot": "another boot"}, {"pidns": 1}],
    ids=["pid reused", "rebooted", "other pid namespace"],
)
def test_the_same_pid_alone_is_a_stranger(sleeper: subprocess.Popen[bytes], change: dict[str, object]) -> None:
    identity = ident.identify(sleeper.pid)
    assert identity is not None
    assert ident.open_verified(replace(identity, **change)) is None  # type: ignore[arg-type]


def test_the_dead_and_the_unreaped_are_gone() -> None:
    process = subprocess.Popen(["sleep", "600"])
    identity = ident.identify(process.pid)
    assert identity is not None
    process.kill()
    wait.until(lambda: not procs.alive(process.pid), "the process to die")
    assert ident.open_verified(identity) is None  # still a zombie
    process.wait()
    assert ident.open_verified(identity) is None
    assert ident.identify(process.pid) is None


def test_a_hostile_name_does_not_shift_the_fields() -> None:
    """A process may call itself `a) Z 1 1 1`; a reader that splits at the first parenthesis believes it is dead."""
    script = (
        "import ctypes,sys; ctypes.CDLL(None).prctl(15, b'a) Z 1 1 1'); print('named', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"named\n"
        found = ident.stat(process.pid)
        assert found is not None
        assert found.state in "SR"
        assert found.ppid == os.getpid()
        assert ident.identify(process.pid) is not None
        process.kill()


def test_the_environment_of_a_process_can_be_read() -> None:
    with subprocess.Popen(["sleep", "600"], env={"MARK": "a=b", "EMPTY": ""}) as process:
        wait.until(lambda: ident.environment(process.pid).get(b"MARK") == b"a=b", "the program to be executed")
        assert ident.environment(process.pid)[b"EMPTY"] == b""
        process.kill()
    assert ident.environment(2**22 - 1) == {}


def test_libc_has_prctl() -> None:
    """The containment rests on it."""
    assert ctypes.CDLL(None).prctl
