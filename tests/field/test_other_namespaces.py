"""One user, one set of directories, two PID namespaces: a container that shares a home with its host."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from tests.harness import procs
from tests.harness.pit import COMMAND, Pit

NAMESPACE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")


def from_inside(pit: Pit, *argv: str) -> subprocess.CompletedProcess[str]:
    """A command, run in another namespace than the server."""
    return subprocess.run(
        [*NAMESPACE, *COMMAND, *argv], env=pit.env, cwd=pit.work, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_server_outside_is_asked_to_end(pit: Pit) -> None:
    pit.run("up", "--size", "1")
    done = from_inside(pit, "down")
    assert done.returncode == 0, done.stderr
    assert "1 pool, 1 worker" in done.stderr
    assert pit.run("status", "--no-start", check=False).returncode == 3


@pytest.mark.parametrize("socket_removed", [False, True])
def test_a_deaf_server_outside_is_not_signalled(pit: Pit, socket_removed: bool) -> None:
    """Only signals could end it: inside, its pids are those of other processes."""
    pit.run("up", "--size", "1")
    server = pit.status()["server"]["pid"]
    os.kill(server, signal.SIGSTOP)
    if socket_removed:
        os.unlink(pit.folder / "run" / "default" / "front.sock")
    done = from_inside(pit, "down", "--timeout", "0.1", "--json")
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "unavailable"
    assert "another PID namespace" in error["message"]
    assert "where it was started" in error["hint"]
    assert procs.alive(server)
    os.kill(server, signal.SIGCONT)


@pytest.mark.parametrize("deaf", [False, True])
def test_a_server_inside_is_ended_from_outside(pit: Pit, deaf: bool) -> None:
    """From here its processes can be seen, under other numbers than those that it knows itself."""
    script = f'{" ".join(COMMAND)} up --size 1 && echo up; read pid; kill -STOP "$pid"; echo stopped; read end'
    with subprocess.Popen(
        [*NAMESPACE, "sh", "-c", script], env=pit.env, cwd=pit.work, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as shell:  # fmt: skip
        assert shell.stdout is not None
        assert shell.stdin is not None
        assert shell.stdout.readline() == "up\n"
        if deaf:
            shell.stdin.write(f"{pit.status()['server']['pid']}\n")
            shell.stdin.flush()
            assert shell.stdout.readline() == "stopped\n"
        assert pit.run("down", "--timeout", "0.1").returncode == 0
        assert not procs.marked(pit.cookie)
        assert shell.poll() is None
        shell.kill()
