"""Births, by exec and by a template's fork: what cannot be had fails one child, by name, and leaves nothing open."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from snakepit_cli.base import packets
from snakepit_cli.warden import limits
from snakepit_cli.warden.births import spawn, spawner, template_protocol
from snakepit_cli.warden.births.spawner import Program
from tests.unit.warden.conftest import Rig, nothing_left_open, open_descriptors

SHELL = ["/bin/sh", "-c"]


def run(rig: Rig, script: str, *names: str, env: dict[str, str] | None = None, cwd: str = "/", talks: bool = False):
    program = Program([*SHELL, script], env or {}, cwd, talks)
    rig.spawner.execute("worker", "p", names, program, tokens={name: f"token of {name}" for name in names})


def registered(rig: Rig) -> set[str]:
    return {record.id for record in rig.ledger.registry.records()}


def test_each_runs_with_what_is_its_own(rig: Rig) -> None:
    script = 'echo "$SNAKEPIT_WORKER_ID $MARK $(cat <&$SNAKEPIT_TOKEN_FD) $X"'
    run(rig, script, "p-1", "p-2", env={"X": "x", "PATH": os.environ["PATH"]})
    assert registered(rig) == {"p-1", "p-2"}
    for name in ("p-1", "p-2"):
        assert rig.ended(name) == 0
        assert rig.log(name) == f"{name} mark token of {name} x\n"


@pytest.mark.parametrize("talks", [False, True])
def test_too_many_open_files_fail_those_for_whom_there_is_no_room(
    rig: Rig, few_files: Callable[[int], None], talks: bool
) -> None:
    rig.ledger.register([])  # what the registry opens, it has opened
    names = [f"p-{n}" for n in range(1, 30)]
    few_files(limits.RESERVE + 20)
    run(rig, "exec sleep 600", *names, talks=talks)
    assert rig.born
    assert rig.failed
    assert {*rig.born, *rig.failed} == set(names)
    assert all("Too many open files" in reason for reason in rig.failed.values())
    assert all("ulimit" in reason for reason in rig.failed.values())
    assert registered(rig) == set(rig.born)
    assert not rig.notes
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert len(set(range(limit)) - open_descriptors()) > limits.RESERVE - 4
    rig.spawner.execute("server", "", ["server"], Program([*SHELL, "exit 7"], {}))
    assert rig.ended("server") == 7, "the reserve is for the server"


def _no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)


def _no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawner.ident, "identify", lambda _: None)


def _no_second_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    pipes = iter([os.pipe])

    def pipe() -> tuple[int, int]:
        for real in pipes:
            return real()
        raise OSError(23, "Too many open files in system")

    monkeypatch.setattr(os, "pipe", pipe)


@pytest.mark.parametrize("broken", [_no_fork, _no_identity, _no_second_pipe])
@pytest.mark.parametrize("talks", [False, True])
def test_a_start_that_fails_leaves_nothing_open(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, broken: Callable[[pytest.MonkeyPatch], None], talks: bool
) -> None:
    with nothing_left_open(rig.places.state):
        with monkeypatch.context() as patch:
            broken(patch)
            run(rig, "exit 0", "p-1", talks=talks)
        assert list(rig.failed) == ["p-1"]
        assert not rig.born
    run(rig, "exit 0", "p-2")
    assert rig.ended("p-2") == 0


def test_a_registry_that_fails_fails_all_of_them_and_none_runs(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def register(_: object) -> None:
        raise OSError(28, "No space left on device")

    with nothing_left_open(rig.places.state):
        monkeypatch.setattr(rig.ledger, "register", register)
        witness = rig.places.state / "witness"
        run(rig, f"echo > {witness}", "p-1", "p-2")
        for _ in range(2):
            assert os.waitstatus_to_exitcode(os.wait()[1]) == spawn.NEVER_RAN
        assert all("No space left" in rig.failed[name] for name in ("p-1", "p-2"))
        assert not witness.exists()


@pytest.mark.parametrize(
    ("env", "cwd", "why"),
    [
        ({}, "/nonexistent", "cannot change to /nonexistent: No such file or directory"),
        ({"X": "a\0b"}, "/", "embedded null"),
        ({"X": "\ud800"}, "/", "encode"),
        ({"X": "x" * (1 << 18)}, "/", "Argument list too long"),
    ],
    ids=["directory", "null", "surrogate", "too long"],
)
def test_what_cannot_be_executed_says_why(rig: Rig, env: dict[str, str], cwd: str, why: str) -> None:
    run(rig, "exit 0", "p-1", env=env, cwd=cwd)
    assert rig.ended("p-1") == spawn.NOT_FOUND
    assert why in rig.log("p-1")


def test_workers_get_the_limit_of_the_caller_and_low_descriptors(rig: Rig) -> None:
    """Programs may use select(2), which cannot handle a descriptor above 1023."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    rig.spawner._open_files = (256, hard)
    low, rig.spawner._lifeline = rig.spawner._lifeline, os.dup2(rig.spawner._lifeline, 700)
    os.close(low)
    run(rig, 'ulimit -Sn; echo "$SNAKEPIT_LIFELINE_FD $SNAKEPIT_TOKEN_FD"; cat <&$SNAKEPIT_TOKEN_FD', "p-1",
        env={"PATH": os.environ["PATH"]})  # fmt: skip
    assert rig.ended("p-1") == 0
    limit, numbers, token = rig.log("p-1").splitlines()
    assert (limit, token) == ("256", "token of p-1")
    assert all(int(number) < 10 for number in numbers.split())


class Template:
    """Plays the template of a pool: the test says when a child is born, and sees what it is told."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.ours, self.theirs = template_protocol.pair()
        self.gates: list[socket.socket] = []
        self.children: list[subprocess.Popen[bytes]] = []

    def ask(self, *names: str, **go: Any) -> None:
        message = {"pool": "p", "env": {}, **go}
        self.rig.spawner.fork(self.ours, "worker", names, message, {name: f"token of {name}" for name in names})
        asked, descriptors = packets.receive(self.theirs, template_protocol.BATCH)
        assert json.loads(asked) == {"op": "fork", "count": len(descriptors)}
        self.gates += [socket.socket(fileno=one) for one in descriptors]

    def bear(self, number: int) -> None:
        """The child says its pid: it is a child of this process, as of the warden."""
        child = subprocess.Popen(["/bin/sleep", "600"])
        self.children.append(child)
        self.gates[number].send(json.dumps({"pid": child.pid}).encode())

    def told(self, number: int) -> dict[str, Any] | None:
        """What the child is told: None when it shall exit."""
        data, descriptors = packets.receive(self.gates[number], 1, wait=True)
        for one in descriptors:
            os.close(one)
        return json.loads(data) if data else None

    def close(self) -> None:
        for child in self.children:
            child.kill()
            child.wait()
        for one in (self.ours, self.theirs, *self.gates):
            one.close()


@pytest.fixture
def mother(rig: Rig) -> Iterator[Template]:
    one = Template(rig)
    yield one
    one.close()


def test_a_batch_is_registered_together_and_then_let_go(rig: Rig, mother: Template) -> None:
    mother.ask("p-1", "p-2")
    assert rig.spawner.expected("worker") == ["p-1", "p-2"]
    mother.bear(0)
    rig.until(lambda: rig.spawner._births[0].unborn[0].identity, "the first to say its pid")
    assert not rig.born
    mother.bear(1)
    rig.until(lambda: len(rig.born) == 2, "both to be born")
    assert registered(rig) == {"p-1", "p-2"}
    assert [mother.told(n)["token"] for n in range(2)] == ["token of p-1", "token of p-2"]
    assert not rig.spawner.expecting


def test_a_large_environment_reaches_a_forked_child(rig: Rig, mother: Template) -> None:
    mother.ask("p-1", env={"PYTHON_X": "x" * 2_000_000})
    mother.bear(0)
    rig.until(lambda: rig.born, "it to be born")
    assert len(mother.told(0)["env"]["PYTHON_X"]) == 2_000_000


def test_what_it_is_told_is_too_large(rig: Rig, mother: Template) -> None:
    mother.ask("p-1", env={"PYTHON_X": "x" * packets.MESSAGE})
    mother.bear(0)
    rig.until(lambda: rig.born, "it to be born")
    assert rig.born["p-1"].killed
    assert f"may have {packets.MESSAGE} bytes" in str(rig.born["p-1"].why)


@pytest.mark.parametrize("said", [False, True], ids=["before its pid", "after its pid"])
def test_one_that_is_cancelled_while_it_is_born_never_runs(rig: Rig, mother: Template, said: bool) -> None:
    mother.ask("p-1", "p-2")
    if said:
        mother.bear(0)
        rig.until(lambda: rig.spawner._births[0].unborn[0].identity, "it to say its pid")
    assert rig.spawner.cancel("p-1")
    assert not rig.spawner.cancel("p-1")
    assert mother.told(0) is None
    mother.bear(1)
    rig.until(lambda: "p-2" in rig.born, "the other to be born")
    assert (list(rig.born), rig.failed, registered(rig)) == (["p-2"], {}, {"p-2"})


def test_the_last_of_a_batch_is_cancelled(rig: Rig, mother: Template) -> None:
    mother.ask("p-1", "p-2")
    mother.bear(0)
    rig.until(lambda: rig.spawner._births[0].unborn[0].identity, "it to say its pid")
    assert rig.spawner.cancel("p-2")
    assert list(rig.born) == ["p-1"], "no child is waited for any more"
    assert not rig.spawner.expecting


@pytest.mark.parametrize("says", [b"", b"\xff", b"[]", b'{"pid": 1}', b'{"pid": "x"}', b'{"pid": 99999999}'])
def test_one_that_says_no_pid_of_its_own_fails_alone(rig: Rig, mother: Template, says: bytes) -> None:
    mother.ask("p-1", "p-2")
    if says:
        mother.gates[0].send(says)
    else:
        mother.gates[0].close()
    mother.bear(1)
    rig.until(lambda: rig.born, "the other to be born")
    assert list(rig.failed) == ["p-1"]


def test_children_that_were_on_their_way_when_their_template_died_are_lost(rig: Rig, mother: Template) -> None:
    """Another template could fork them: that is no failure of theirs."""
    mother.ask("p-1", "p-2")
    mother.theirs.close()
    for gate in mother.gates:
        gate.close()
    rig.until(lambda: not rig.spawner.expecting, "them to be given up")
    assert (list(rig.lost), rig.failed) == (["p-1", "p-2"], {})


def test_one_that_says_nothing_at_all_is_given_up(rig: Rig, mother: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawner, "_BIRTH_SECONDS", 0.02)
    mother.ask("p-1")
    rig.until(lambda: rig.failed, "it to be given up")
    assert not rig.spawner.expecting


def test_too_many_open_files_fail_those_of_a_batch_for_whom_there_is_no_room(
    rig: Rig, mother: Template, few_files: Callable[[int], None]
) -> None:
    names = [f"p-{n}" for n in range(1, 30)]
    few_files(limits.RESERVE + 20)
    mother.ask(*names)
    assert rig.failed
    assert sorted([*rig.spawner.expected("worker"), *rig.failed]) == sorted(names)
    assert all("Too many open files" in reason for reason in rig.failed.values())
    for name in rig.spawner.expected("worker"):
        assert rig.spawner.cancel(name)


def test_a_template_that_is_gone_or_does_not_read_fails_those_that_were_asked_of_it(rig: Rig) -> None:
    ours, theirs = template_protocol.pair()
    with nothing_left_open(rig.places.state):
        while template_protocol.send(ours, {"fill": "x" * 1000}) is None:
            pass
        rig.spawner.fork(ours, "worker", ["p-1"], {"pool": "p", "env": {}})
        theirs.close()
        rig.spawner.fork(ours, "worker", ["p-2"], {"pool": "p", "env": {}})
        assert "does not read" in rig.failed["p-1"]
        assert "gone" in rig.lost["p-2"]
    ours.close()


def test_one_whose_output_cannot_be_watched_is_ended_and_its_death_noticed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watch(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rig.loop, "watch", watch)
    run(rig, "exec sleep 600", "p-1")
    assert rig.ended("p-1") == -signal.SIGKILL
    assert "No space left" in str(rig.born["p-1"].why)


def test_output_that_cannot_be_read_ends_its_process_alone(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    run(rig, "echo text; exec sleep 600", "p-1")

    def pump() -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(rig.born["p-1"].pump, "pump", pump)
    rig.until(lambda: rig.born["p-1"].killed, "it to be killed")
    assert rig.born["p-1"].why == "its output could not be read"
    assert len(rig.notes) == 1


@pytest.mark.parametrize("at", ["warden.before-gate", "warden.after-gate"])
@pytest.mark.parametrize("by", ["exec", "fork"])
def test_an_error_at_one_gate_ends_that_child_alone(
    rig: Rig, mother: Template, monkeypatch: pytest.MonkeyPatch, at: str, by: str
) -> None:
    passed: list[str] = []

    def failpoint(name: str) -> None:
        passed.append(name)
        if passed.count(at) == 1 and name == at:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(spawner, "failpoint", failpoint)
    if by == "exec":
        run(rig, "exec sleep 600", "p-1", "p-2")
    else:
        mother.ask("p-1", "p-2")
        mother.bear(0)
        mother.bear(1)
    rig.until(lambda: len(rig.born) == 2, "both to be born")
    assert "Input/output error" in str(rig.born["p-1"].why)
    assert not rig.born["p-2"].killed
    if by == "fork":
        assert mother.told(1)
