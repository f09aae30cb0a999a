"""Templates and what they fork, under a real subreaper."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.bridge.gateway import Gateway
from tests.unit.bridge.processes import ADAPTER, alive, environment, eventually, kill


class Pit:
    """The tiny warden, as the tests speak to it."""

    def __init__(self, gateway: Gateway, folder: Path) -> None:
        self.gateway = gateway
        self.folder = folder
        self.log = folder / "pit.log"
        script = Path(__file__).with_name("subreaper.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(self.log)],
            env=environment(MARK="before"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pids: list[int] = []

    def do(self, what: str, **fields: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": what, **fields}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def base(self) -> int:
        answer = self.do("base", name="base")
        assert answer["ready"] is True
        self.pids.append(answer["pid"])
        return int(answer["pid"])

    def fork(self, template: str, *names: str) -> list[int]:
        pids = self.do("fork", template=template, names=list(names))
        self.pids += pids
        return [int(pid) for pid in pids]

    def go(self, name: str, role: str, adapter: str, **env: str) -> None:
        full = environment(SNAKEPIT_GATEWAY=self.gateway.address, SNAKEPIT_WORKER_ID=name, **env)
        fields = {"instance": "i1", "pool": "p1", "worker": name, "cwd": str(self.folder), "token": f"token-{name}"}
        self.do("go", name=name, role=role, adapter=adapter, env=full, **fields)

    def adapter_template(self, adapter: str) -> dict[str, Any]:
        """Forks a template for the adapter; its first message."""
        self.fork("base", "template")
        self.go("template", "template", adapter)
        answer = self.do("hear", name="template")
        assert isinstance(answer, dict)
        return answer

    def end(self) -> None:
        kill(self.process.pid)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def close(self) -> None:
        self.end()
        for pid in self.pids:
            if "snakepit" in _command_line(pid):
                kill(pid)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])


@pytest.fixture
def pit(gateway: Gateway, tmp_path: Path) -> Iterator[Pit]:
    one = Pit(gateway, tmp_path)
    yield one
    one.close()


def test_forked_children_belong_to_the_warden_and_wait(pit: Pit) -> None:
    base = pit.base()
    assert _command_line(base).startswith("snakepit template base instance=i1")
    pids = pit.fork("base", *(f"w{n}" for n in range(8)))
    assert len(set(pids)) == 8
    for pid in pids:
        assert _parent(pid) == pit.process.pid
        assert os.getsid(pid) == pid
        assert len(os.listdir(f"/proc/{pid}/task")) == 1
    children = Path(f"/proc/{base}/task/{base}/children")
    eventually(lambda: not children.read_text().split())  # the one between them has been waited for


def test_the_end_of_a_gate_ends_the_child_that_nobody_registered(pit: Pit) -> None:
    pit.base()
    first, second = pit.fork("base", "w0", "w1")
    pit.do("close", name="w0")
    assert pit.do("wait", pid=first) == 125
    assert alive(second)


def test_go_makes_workers(pit: Pit) -> None:
    pit.base()
    names = ["w0", "w1", "w2"]
    pids = pit.fork("base", *names)
    for name in names:
        pit.go(name, "worker", f"{ADAPTER}:Sample", MARK=f"mark-{name}")
    workers = {one.hello.worker: one for one in (pit.gateway.next() for _ in names)}
    assert {name: one.hello.pid for name, one in workers.items()} == dict(zip(names, pids))
    assert {one.hello.token for one in workers.values()} == {f"token-{name}" for name in names}
    for name, pid in zip(names, pids):
        assert workers[name].value("bump") == b"101"
        assert _command_line(pid) == f"snakepit worker {name} [{ADAPTER}:Sample] instance=i1"[: len(_command_line(pid))]
        assert os.readlink(f"/proc/{pid}/cwd") == str(pit.folder)
        assert b"MARK=before" in Path(f"/proc/{pid}/environ").read_bytes(), "the block itself is untouched"
        assert workers[name].value("noise") == b'"ok"'
    assert "to stdout" in pit.log.read_text()
    pit.do("close", name="w1")
    assert pit.do("wait", pid=pids[1]) == 0, "the gate has become the lifeline"
    assert workers["w0"].value("bump") == b"102"


def test_a_template_with_the_adapter_in_it(pit: Pit, tmp_path: Path) -> None:
    (tmp_path / "heavy.py").write_text(
        "import os, random\nLOADED_BY = os.getpid()\n"
        "class Heavy:\n"
        "    def __init__(self): self.made_by = os.getpid()\n"
        "    def execute_who(self): return [LOADED_BY, self.made_by, os.environ.get('MARK')]\n"
        "    def execute_draw(self): return random.random()\n"
    )
    pit.base()
    assert pit.adapter_template("heavy.py") == {"ready": True, "commands": ["who", "draw"]}
    template = pit.pids[-1]
    assert _command_line(template).startswith("snakepit template p1 instance=i1")
    pids = pit.fork("template", "w0", "w1")
    for name in ("w0", "w1"):
        pit.go(name, "worker", "heavy.py", MARK=name)
    workers = {one.hello.worker: one for one in (pit.gateway.next() for _ in pids)}
    for name, pid in zip(("w0", "w1"), pids):
        assert _parent(pid) == pit.process.pid
        assert json.loads(workers[name].value("who")) == [template, pid, name]
    assert workers["w0"].value("draw") != workers["w1"].value("draw")
    pit.do("close", name="template")
    assert pit.do("wait", pid=template) == 0
    assert workers["w0"].value("draw")


def test_an_adapter_that_starts_a_thread_is_refused(pit: Pit, tmp_path: Path) -> None:
    (tmp_path / "threads.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, name='lurker', daemon=True).start()\n"
        "class Threads:\n    def execute_x(self): ...\n"
    )
    pit.base()
    answer = pit.adapter_template("threads.py")
    assert answer["ready"] is False
    assert answer["threads"] == ["lurker"]
    assert "started a thread" in answer["reason"]
    assert not answer["advice"]
    assert pit.do("wait", pid=pit.pids[-1]) == 0


LEFT_OPEN = {
    "a socket": "import socket; S = socket.socketpair()",
    "a pipe": "import os; P = os.pipe()",
    "an event loop": "import asyncio; L = asyncio.new_event_loop()",
    "a database": "import sqlite3; D = sqlite3.connect('data.db'); D.execute('create table if not exists t (a)')",
    "a file to read": "F = open(__file__)",
    "a file to write": "F = open('written', 'w')",
    "a terminal": "import os; T = os.openpty()",
    "a process": "import subprocess\nC = subprocess.Popen(['sh', '-c', 'while kill -0 $PPID; do sleep 0.1; done'])",
}
HARMLESS = {
    "a log": "F = open('log', 'a')",
    "a mapped file": "import mmap; F = open(__file__, 'rb'); M = mmap.mmap(F.fileno(), 0, access=mmap.ACCESS_READ)",
    "devices": "A = open('/dev/null', 'r+b', 0); B = open('/dev/urandom', 'rb')",
    "a folder": "import os; D = os.open('.', os.O_RDONLY)",
    "what is closed by the collector": "class O: pass\no = O(); o.me = o; o.file = open(__file__); del o",
    "a process that has ended": "import subprocess; subprocess.run(['true'])",
    "a child that came back": "import os\np = os.fork()\nif p: os.waitpid(p, 0)",
}


@pytest.mark.parametrize("what", [*LEFT_OPEN, *HARMLESS])
def test_an_import_that_leaves_something_open(pit: Pit, tmp_path: Path, what: str) -> None:
    """What forks must not share makes workers start by themselves."""
    source = LEFT_OPEN.get(what) or HARMLESS[what]
    (tmp_path / "opens.py").write_text(f"{source}\nclass Opens:\n    def execute_x(self): ...\n")
    pit.base()
    answer = pit.adapter_template("opens.py")
    assert answer["ready"] is (what in HARMLESS), answer
    if what in LEFT_OPEN:
        assert answer["reason"].startswith("importing the adapter ")
        assert pit.do("wait", pid=pit.pids[-1]) == 0


def test_an_adapter_that_fails_is_told(pit: Pit, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("raise RuntimeError('not today')\n")
    pit.base()
    answer = pit.adapter_template("bad.py:Bad")
    assert answer["ready"] is False
    failure = answer["failure"]
    assert (failure["kind"], failure["type"], failure["message"]) == ("adapter_failed", "RuntimeError", "not today")
    assert "bad.py" in failure["traceback"]
    assert pit.do("wait", pid=pit.pids[-1]) == 0
    answer = pit.adapter_template("nowhere:Bad")
    assert answer["failure"]["kind"] == "adapter_not_found"


def test_the_end_of_the_warden_is_the_end_of_all(pit: Pit) -> None:
    base = pit.base()
    assert pit.adapter_template(f"{ADAPTER}:Sample")["ready"] is True
    pids = [base, pit.pids[-1], *pit.fork("template", "w0", "w1"), *pit.fork("base", "w2")]
    pit.go("w0", "worker", f"{ADAPTER}:Sample")
    worker = pit.gateway.next()
    worker.call("busy")
    worker.ping()
    pit.end()
    eventually(lambda: not any(alive(pid) for pid in pids), timeout=5)


def test_the_end_of_control_ends_the_template_but_not_its_workers(pit: Pit) -> None:
    base = pit.base()
    pit.fork("base", "w0")
    pit.go("w0", "worker", f"{ADAPTER}:Sample")
    worker = pit.gateway.next()
    pit.do("close", name="base")
    assert pit.do("wait", pid=base) == 0
    assert worker.value("bump") == b"101"
