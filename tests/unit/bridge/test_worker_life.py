"""How a worker starts, how it ends, and what it survives."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import grpc
import pytest
from snakepit_bridge import worker_pb2 as pb

from tests.unit.bridge.conftest import Start
from tests.unit.bridge.gateway import Gateway
from tests.unit.bridge.processes import ADAPTER, PYTHON, WorkerProcess, environment, eventually

Kind = pb.Failure.Kind


def test_drain_finishes_cleans_up_and_exits(start: Start, gateway: Gateway, tmp_path: Path) -> None:
    note = tmp_path / "note"
    process = start(CLEANUP_NOTE=str(note))
    worker = gateway.next()
    calls = [worker.call("nap", b'{"seconds":0.1}'), worker.call("add", b'{"a":1}')]
    worker.say(drain=pb.Drain())
    assert [worker.result(call).value for call in calls] == [b'"slept"', b"2"]
    worker.until_gone()
    assert process.wait() == 0
    assert note.read_text() == "cleaned\n"


def test_sigterm_finishes_cleans_up_and_exits(start: Start, gateway: Gateway, tmp_path: Path) -> None:
    note = tmp_path / "note"
    process = start(CLEANUP_NOTE=str(note))
    worker = gateway.next()
    call = worker.call("nap", b'{"seconds":0.2}')
    worker.ping()
    process.process.send_signal(signal.SIGTERM)
    assert worker.result(call).value == b'"slept"'
    assert process.wait() == 0
    assert note.read_text() == "cleaned\n"


def test_sigterm_does_not_wait_for_ever(start: Start, gateway: Gateway) -> None:
    process = start()
    worker = gateway.next()
    call = worker.call("busy")
    worker.ping()
    process.process.send_signal(signal.SIGTERM)
    assert worker.result(call).failure.kind == Kind.CANCELLED
    assert process.wait() == 0


def test_a_hanging_cleanup_does_not_hang_the_worker(start: Start, gateway: Gateway) -> None:
    process = start(CLEANUP_HANGS="1")
    gateway.next().say(drain=pb.Drain())
    assert process.wait(timeout=8) == 0


@pytest.mark.parametrize("command", [None, "nap", "busy"])
def test_the_end_of_the_lifeline_ends_the_worker(start: Start, gateway: Gateway, command: str | None) -> None:
    process = start()
    worker = gateway.next()
    if command:
        worker.call(command)
        worker.ping()
    process.cut_lifeline()
    assert process.wait(timeout=2) == 0


@pytest.mark.parametrize(
    ("code", "status"), [(grpc.StatusCode.UNAUTHENTICATED, 77), (grpc.StatusCode.FAILED_PRECONDITION, 76)]
)
def test_refused_by_the_server(tmp_path: Path, code: grpc.StatusCode, status: int) -> None:
    gateway = Gateway(tmp_path / "g.sock", refuse=code)
    process = WorkerProcess(gateway.address, tmp_path / "log", f"{ADAPTER}:Sample", tmp_path, token="wrong")
    try:
        assert process.wait() == status
        assert "the test says no" in process.log
        assert "wrong" not in process.log, "tokens are never logged"
    finally:
        process.close()
        gateway.stop()


def test_state_survives_the_server(start: Start, gateway: Gateway) -> None:
    process = start()
    worker = gateway.next()
    assert worker.value("bump") == b"101"
    worker.call("nap")
    worker.ping()
    gateway.stop()
    gateway.path.unlink(missing_ok=True)
    gateway.start()
    again = gateway.next()
    assert again.hello.pid == process.process.pid
    assert again.value("bump") == b"102"
    assert set(again.results) == {1}, "the answer to the lost call is not told to the new server"


def test_a_worker_may_be_there_before_the_server(tmp_path: Path) -> None:
    path = tmp_path / "g.sock"
    process = WorkerProcess(f"unix:{path}", tmp_path / "log", f"{ADAPTER}:Sample", tmp_path)
    gateway = None
    try:
        eventually(lambda: Path(f"/proc/{process.process.pid}/task").exists())
        gateway = Gateway(path)
        assert gateway.next().value("add", b'{"a":1}') == b"2"
    finally:
        process.close()
        if gateway is not None:
            gateway.stop()


@pytest.mark.parametrize(
    ("adapter", "kind", "words"),
    [
        ("no_such_module:Thing", Kind.ADAPTER_NOT_FOUND, ["no_such_module"]),
        ("showcse", Kind.ADAPTER_NOT_FOUND, ["did you mean `showcase`"]),
        (f"{ADAPTER}:Sampel", Kind.ADAPTER_NOT_FOUND, ["did you mean `Sample`"]),
        ("broken.py:Broken", Kind.ADAPTER_FAILED, ["cannot load the model"]),
        ("halfway.py", Kind.ADAPTER_FAILED, ["no_such_dependency"]),
    ],
)
def test_start_failures_are_told(
    start: Start, gateway: Gateway, tmp_path: Path, adapter: str, kind: int, words: list[str]
) -> None:
    (tmp_path / "broken.py").write_text(
        "class Broken:\n    def execute_x(self): ...\n"
        "    def initialize(self):\n        raise OSError('cannot load the model')\n"
    )
    (tmp_path / "halfway.py").write_text("import no_such_dependency\n")
    process = start(adapter)
    told = gateway.next()
    failure = told.first.start_failure
    assert not told.first.HasField("hello")
    assert (failure.token, failure.worker, failure.failure.kind) == ("secret", "w1", kind)
    for word in words:
        assert word in failure.failure.message
    if kind == Kind.ADAPTER_FAILED:
        assert failure.failure.type
        assert str(tmp_path) in failure.failure.traceback
    assert process.wait() == 1


def test_an_adapter_by_module_name(start: Start, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class Mine:\n    def execute_hi(self):\n        return 'hi'\n")
    start("python:mine:Mine")
    assert gateway.next().value("hi") == b'"hi"'


def by_hand(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [PYTHON, "-m", "snakepit_bridge", *words]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, cwd=cwd, timeout=30, check=False)


def test_started_by_hand_it_explains_itself() -> None:
    for words in (("worker", "--adapter", "mine.py"), ("worker",), (), ("template",), ("--help",)):
        done = by_hand(*words)
        assert done.returncode == 2
        assert "snakepit" in done.stderr
        assert "Traceback" not in done.stderr
    assert "snakepit up --adapter mine.py" in by_hand("worker", "--adapter", "mine.py").stderr


def test_call_and_describe_by_hand(tmp_path: Path) -> None:
    done = by_hand("call", "--adapter", "showcase", "compute", "operation=multiply", "a:=7", "b:=6")
    assert (done.returncode, done.stdout) == (0, '{"result":42}\n')
    done = by_hand("call", "--adapter", f"{ADAPTER}:Sample", "acount", "n:=3")
    assert (done.returncode, done.stdout) == (0, "0\n1\n2\n")
    done = by_hand("call", "--adapter", f"{ADAPTER}:Sample", "bump")
    assert done.stdout == "101\n", "initialize() has run"
    done = by_hand("call", "--adapter", f"{ADAPTER}:Sample", "raises")
    assert done.returncode == 1
    assert "ValueError: outside" in done.stderr
    done = by_hand("call", "--adapter", "showcase", "pong")
    assert "did you mean `ping`" in done.stderr
    assert by_hand("call", "--adapter", "showcase", "ping", "oops").returncode == 2
    done = by_hand("describe", "--adapter", "showcase")
    assert '"name": "ping"' in done.stdout
