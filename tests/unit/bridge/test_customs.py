"""What adapters do to their process when they are imported, and what they return: forked or not, the worker works."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.bridge.conftest import Start
from tests.unit.bridge.gateway import Attached, Gateway
from tests.unit.bridge.processes import eventually
from tests.unit.bridge.test_template import Pit
from tests.unit.bridge.test_template import pit as pit  # noqa: PLC0414 - a fixture
from tests.unit.bridge.test_worker_blocks import answers, begin

COMMANDS = """
import asyncio, multiprocessing, os, sys, time
from snakepit_bridge import BaseAdapter, CallContext, command
def negative(x): return -x
class Custom(BaseAdapter):
    @command
    def echo(self, value=None): return value
    @command
    async def later(self, value=None):
        await asyncio.sleep(0)
        return value
    @command
    def count(self, n: int):
        yield from range(n)
    @command
    def busy(self):
        while True: pass
    @command
    def look(self):
        return [os.environ.get("MINE"), os.getcwd(), sys.argv]
    @command
    def spread(self):
        with multiprocessing.Pool(1) as pool: return pool.map(negative, [1, 2])
"""
SETTINGS = {
    "nothing": "",
    "timeouts of sockets": "import socket; socket.setdefaulttimeout(0.0001)",
    "patched sockets": "import socket\n"
    "class Odd(socket.socket):\n"
    "    def __init__(self, *a, **k): super().__init__(*a, **k); self.settimeout(0.0001)\n"
    "socket.socket = Odd",
    "patched poll": "import select; del select.poll",
    "patched threads": "import threading; threading.Thread = None",
    "patched clock": "import time; time.monotonic = lambda: 0.0; time.sleep = None",
    "patched JSON": "import json; json.dumps = json.loads = None",
    "locale": "import locale; locale.setlocale(locale.LC_ALL, 'C')",
    "SIGTERM": "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "all signals": "import signal\nfor n in (1, 2, 13, 15, 23): signal.signal(n, signal.SIG_DFL)",
    "blocked signals": "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [15, 23])",
    "an event loop policy": "import asyncio\n"
    "class Policy(asyncio.DefaultEventLoopPolicy): pass\nasyncio.set_event_loop_policy(Policy())",
    "warnings as errors": "import warnings; warnings.simplefilter('error')",
    "arguments": "import argparse; argparse.ArgumentParser().parse_args()",
    "a start method": "import multiprocessing as m; m.set_start_method('spawn', force=True)",
    "standard output": "import sys; sys.stdout = None",
    "closed output": "import sys, io; sys.stdout = io.StringIO(); sys.stdout.close()",
    "recursion": "import sys; sys.setrecursionlimit(150)",
    "integers": "import sys; getattr(sys, 'set_int_max_str_digits', id)(640)",
    "environment": "import os; os.environ.clear(); os.environ['MINE'] = 'yes'",
    "directory": "import os; os.makedirs('elsewhere', exist_ok=True); os.chdir('elsewhere')",
    "modules of the same names": "",
}
Launch = Callable[[str], Attached]


@pytest.fixture(params=["forked", "by itself"])
def launch(
    request: pytest.FixtureRequest,
    start: Start,
    gateway: Gateway,
    pit: Pit,
    tmp_path: Path,
) -> Launch:
    """A worker of an adapter that begins with these lines."""

    def begin_with(lines: str) -> Attached:
        (tmp_path / "custom.py").write_text(f"import sys; sys.path.insert(0, 'own')\n{lines}\n{COMMANDS}")
        if request.param == "by itself":
            start("custom.py")
            return gateway.next()
        pit.base()
        assert pit.adapter_template("custom.py")["ready"] is True
        pit.fork("template", "w0")
        pit.go("w0", "worker", "custom.py")
        return gateway.next()

    return begin_with


@pytest.mark.parametrize("what", SETTINGS)
def test_settings_for_the_whole_process(launch: Launch, tmp_path: Path, what: str) -> None:
    if what == "modules of the same names":
        (tmp_path / "own").mkdir()
        for name in ("base64", "difflib", "decimal", "uuid", "traceback"):
            (tmp_path / "own" / f"{name}.py").write_text("raise RuntimeError('the wrong one')\n")
    worker = launch(SETTINGS[what])
    pid = worker.hello.pid
    assert json.loads(worker.value("echo", b'{"value":[1.5,"x"]}')) == [1.5, "x"]
    assert json.loads(worker.value("later", b'{"value":2}')) == 2
    assert answers(worker, begin(worker, "echo", [b"1", b'"x"'], item_argument="value")) == [1, "x"]
    stream = worker.call("count", b'{"n":3}', stream=True)
    worker.result(stream)
    assert worker.lines[stream] == b"0\n1\n2\n"
    assert "echo" in worker.failure("ehco").message
    assert worker.failure("echo", b'{"valeu":1}').message
    busy = worker.call("busy")
    worker.ping()
    worker.cancel(busy)
    assert worker.result(busy).failure.message == "the caller gave up"
    mine, cwd, argv = json.loads(worker.value("look"))
    assert (mine, argv) == ("yes" if what == "environment" else None, ["custom.py"])
    assert cwd == str(tmp_path / "elsewhere" if what == "directory" else tmp_path)
    os.kill(pid, signal.SIGTERM)
    worker.until_gone()
    eventually(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text())


def test_another_start_method(launch: Launch) -> None:
    worker = launch("import multiprocessing as m; m.set_start_method('spawn', force=True)")
    assert json.loads(worker.value("spread")) == [-1, -2]


RETURNED = """
import datetime, decimal, uuid
from snakepit_bridge import BaseAdapter, command
class Open(dict):                        # any attribute is there
    def __getattr__(self, name): return self.setdefault(name, Open())
class Table:
    def iterrows(self): ...
    def to_dict(self, how): ...
class Custom(BaseAdapter):
    def __getattr__(self, name):
        if name in ("initialize", "cleanup"): return None
        raise AttributeError(name)
    @command
    def dates(self, last): return {datetime.date(2026, 1, 1): 7, uuid.UUID(int=1): last}
    @command
    def pairs(self, last): return {(1, 2): last}
    @command
    def open(self, last): return Open(a=last)
    @command
    def nan(self, last): return {"rows": [{"x": 1}, {"x": float("nan"), "last": last}]}
    @command
    def table(self, last): return Table()
"""


def everywhere(worker: Attached, command: str, last: str) -> list[Any]:
    """The answer to a call, to an item and to a stream."""
    args = f'{{"last":{last}}}'.encode()
    result = worker.result(worker.call(command, args))
    stream = worker.call(command, args, stream=True)
    streamed = worker.result(stream)
    if result.HasField("failure"):
        [item] = answers(worker, begin(worker, command, [args]))
        return [result.failure.message, streamed.failure.message, item["message"]]
    item = answers(worker, begin(worker, command, [args]))[0]
    return [json.loads(result.value), json.loads(worker.lines[stream]), item]


@pytest.mark.parametrize("last", ["8", '"fine"', "null", '"null and void"', "[null]"])
def test_an_answer_does_not_depend_on_how_it_is_asked_for_or_on_what_else_it_holds(
    start: Start, gateway: Gateway, tmp_path: Path, last: str
) -> None:
    (tmp_path / "custom.py").write_text(RETURNED)
    start("custom.py")
    worker = gateway.next()
    value = json.loads(last)
    wanted = {
        "dates": {"2026-01-01": 7, "00000000-0000-0000-0000-000000000001": value},
        "open": {"a": value},
    }
    for command, answer in wanted.items():
        assert everywhere(worker, command, last) == [answer] * 3
    for command, words in {
        "pairs": "$ has a key of type tuple", "nan": "$.rows[1].x", "table": "Table",
    }.items():  # fmt: skip
        messages = everywhere(worker, command, last)
        assert [words in one for one in messages] == [True] * 3, messages


def test_a_helper_is_compiled_as_it_is(start: Start, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "__init__.py").touch()
    (tmp_path / "main.py").write_text(
        "import helper\nfrom deep import below\nclass Main:\n    def execute_version(self):"
        " return [helper.VERSION, below.VERSION]\n"
    )
    for version in (1, 2):
        for name in ("helper.py", "deep/below.py"):
            (tmp_path / name).write_text(f"VERSION = {version}\n")
            os.utime(tmp_path / name, (1_790_000_000, 1_790_000_000))
        start("main.py", PYTHONDONTWRITEBYTECODE="")
        assert json.loads(gateway.next().value("version")) == [version, version]


def test_a_missing_module_names_the_interpreter(start: Start, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "needs.py").write_text("import no_such_module\n")
    start("needs.py:Needs")
    failure = gateway.next().first.start_failure.failure
    assert "-m pip install no_such_module" in failure.message


def test_a_crash_says_where_in_python_it_was(start: Start, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "crash.py").write_text(
        "import ctypes\nclass Crash:\n    def execute_now(self): self.deep()\n    def deep(self): ctypes.string_at(0)\n"
    )
    process = start("crash.py")
    worker = gateway.next()
    worker.call("now")
    assert process.wait() == -signal.SIGSEGV
    assert 'crash.py", line 4 in deep' in process.log
