"""Adapters that cannot be had, cannot be loaded, or take too long: named at once, with their own traceback."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from snakepit_cli.base.errors import KINDS
from tests.e2e.conftest import SMALL
from tests.harness import procs, wait
from tests.harness.pit import Pit

PATIENT = SMALL + "[limits]\nstartup_timeout = 60\n"
"""An answer that waits for the start-up timeout would come after this long."""

FILES = {
    "imports.py": "import no_such_dependency\n",
    "syntax.py": "def broken(:\n    pass\n",
    "raises.py": "raise OSError('no licence')\n",
    "leaves.py": "import sys\nsys.exit(3)\n",
    "empty.py": "",
    "init.py": "class A:\n    def initialize(self): raise OSError('no model')\n    def execute_x(self): ...\n",
    "construct.py": "class A:\n    def __init__(self): self.nothing[0]\n    def execute_x(self): ...\n",
    "two.py": "class A:\n    def execute_x(self): ...\nclass B:\n    def execute_y(self): ...\n",
}
CASES = [
    ("nosuch.module:Thing", "adapter_not_found", ["no module `nosuch`"]),
    ("showcse", "adapter_not_found", ["did you mean `showcase`"]),
    ("missing.py:Thing", "adapter_not_found", ["missing.py"]),
    ("two.py:C", "adapter_not_found", ["two.py"]),
    ("empty.py", "adapter_not_found", ["empty.py"]),
    ("imports.py", "adapter_failed", ["No module named 'no_such_dependency'", "Traceback from the worker", "line 1"]),
    ("syntax.py", "adapter_failed", ["SyntaxError", "def broken(:"]),
    ("raises.py", "adapter_failed", ["OSError: no licence", "raises.py"]),
    ("leaves.py", "adapter_failed", ["SystemExit: 3", "leaves.py"]),
    ("init.py", "adapter_failed", ["OSError: no model", "in initialize"]),
    ("construct.py", "adapter_failed", ["AttributeError", "in __init__"]),
]


@pytest.mark.parametrize(("adapter", "kind", "words"), CASES, ids=[case[0] for case in CASES])
def test_what_is_wrong_is_told_at_once(adapter: str, kind: str, words: list[str]) -> None:
    with Pit(PATIENT) as pit:
        for name, text in FILES.items():
            pit.adapter(text, name)
        began = time.monotonic()
        done = pit.run("up", "--adapter", adapter, check=False)
        assert time.monotonic() - began < 30, "it waited for the start-up timeout"
        assert (done.returncode, done.stdout) == (KINDS[kind].exit, "")
        for word in [*words, "hint: "]:
            assert word in done.stderr
        error = pit.json("exec", "x", check=False)["error"]
        assert error["kind"] == kind
        assert ("traceback" in error) == (kind == "adapter_failed")
        pool = pit.pool()
        assert (pool["state"], pool["reason"]["kind"], pool["ready"]) == ("failed", kind, 0)
        assert words[0] in pit.run("status").stdout


def test_a_repaired_adapter_works() -> None:
    with Pit(PATIENT) as pit:
        name = pit.adapter("import no_such_dependency\n")
        assert pit.run("up", "--adapter", name, check=False).returncode == 126
        pit.adapter("class A:\n    def execute_x(self): return 'well'\n")
        pit.run("up", "--adapter", name)
        assert pit.run("exec", "x").stdout == '"well"\n'


def test_a_broken_pool_does_no_harm_to_others() -> None:
    with Pit(PATIENT) as pit:
        name = pit.adapter("import no_such_dependency\n")
        assert pit.run("up", "broken", "--adapter", name, check=False).returncode == 126
        assert pit.run("exec", "ping").returncode == 0
        assert "stopped" in pit.run("down", "broken").stderr
        assert pit.pool()["state"] == "open"


def test_workers_that_die_while_they_load_are_given_up() -> None:
    """It has a limit, and the error names it."""
    with Pit(PATIENT) as pit:
        name = pit.adapter("import os\nprint('half way', flush=True)\nos._exit(3)\n")
        done = pit.run("up", "--adapter", name, check=False)
        assert done.returncode == 69
        assert "exited with status 3 before it was ready" in done.stderr
        assert "half way" in done.stderr


@pytest.mark.parametrize("where", ["import", "initialize"])
def test_an_adapter_that_takes_too_long(where: str) -> None:
    with Pit(SMALL + "[limits]\nstartup_timeout = 0.5\n") as pit:
        body = "import time\nclass A:\n    def execute_x(self): ...\n    def initialize(self): time.sleep(600)\n"
        name = pit.adapter(body + "time.sleep(600)\n" if where == "import" else body)
        done = pit.run("up", "--adapter", name, "--timeout", "0.5", check=False)
        assert (done.returncode, done.stdout) == (124, "")
        assert pit.json("exec", "x", "--timeout", "5", check=False)["error"]["kind"] == "startup_timeout"
        pit.until_pool("the pool to give up", state="failed", starting=0)
        templates = [pid for pid in pit.processes() if "template default" in procs.title(pid)]
        assert len(templates) <= 1, "one for every attempt"


@pytest.mark.parametrize(("mode", "code", "words"), [(None, 127, "there is no"), (0o644, 126, "cannot be executed")])
def test_an_interpreter_that_cannot_be_had(mode: int | None, code: int, words: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    if mode is not None:
        python.write_text("#!/bin/sh\n")
        python.chmod(mode)
    with Pit(f"[pools.default]\nsize = 1\npython = '{python}'\n") as pit:
        done = pit.run("exec", "ping", check=False)
        assert (done.returncode, done.stdout) == (code, "")
        assert f"{python}" in done.stderr
        assert words in done.stderr
        assert f"correct it in {pit.config}:" in done.stderr
        assert pit.json("up", check=False)["error"]["exit"] == code
        assert pit.status()["pools"] == []


class TestColdStarts:
    """An adapter that starts a thread while it is imported cannot be forked."""

    @pytest.mark.parametrize("via", ["python", "c"])
    def test_the_pool_falls_back_and_says_why(self, via: str) -> None:
        lines = {
            "python": "threading.Thread(target=threading.Event().wait, name='poller', daemon=True).start()",
            # A thread that Python does not know of: the resolver of the C library makes one, gRPC's core many.
            "c": "import grpc; channel = grpc.insecure_channel('unix:/nowhere'); channel.subscribe(print, True)",
        }
        with Pit(PATIENT) as pit:
            name = pit.adapter(
                f"import threading\n{lines[via]}\n"
                "class A:\n    def execute_threads(self): return threading.active_count()\n"
            )
            up = pit.run("up", "--adapter", name)
            assert "note: importing the adapter started a thread" in up.stderr
            pool = pit.pool()
            assert (pool["ready"], pool["start"], pool["state"]) == (2, "exec", "open")
            assert "importing the adapter started a thread" in pool["note"]
            if via == "python":
                assert "poller" in pool["note"]
            assert pool["note"] in pit.run("status").stdout
            assert int(pit.run("exec", "threads").stdout) >= 1
            wait.until(lambda: len(pit.processes()) == 5, "the useless template to be gone")

    @pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="numpy starts no thread on one processor")
    def test_numpy_starts_none_when_its_note_is_followed(self) -> None:
        pytest.importorskip("numpy")
        with Pit("[pools.default]\nsize = 1\n") as pit:
            name = pit.adapter("import numpy\nclass A:\n    def execute_a(self): return 1\n")
            note = next(line for line in pit.run("up", "--adapter", name).stderr.splitlines() if "note:" in line)
            assert "started a thread (of a C library): each worker imports the adapter by itself" in note
            assert note.count("of a C library") == 1
            option = re.search(r"numpy starts none with (--env OPENBLAS_NUM_THREADS=1),", note)
            assert option
            up = pit.run("up", "other", "--adapter", name, "--size", "1", *option[1].split())
            assert "note:" not in up.stderr

    def test_cold_workers_have_the_same_marks(self) -> None:
        with Pit(PATIENT) as pit:
            name = pit.adapter(
                "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
                "import os\nclass A:\n    def execute_environment(self): return dict(os.environ)\n"
            )
            pit.run("up", "--adapter", name)
            pids = {one["id"]: one["pid"] for one in pit.workers()}
            assert set(pids.values()) <= set(procs.marked(pit.cookie))
            for worker, pid in pids.items():
                assert worker in procs.title(pid)
            environment = pit.json("exec", "environment")
            assert environment["SNAKEPIT_INSTANCE"] == "default"
            assert not [key for key in environment if key.endswith("_FD")]
            assert all(os.path.isdir(f"/proc/{pid}") for pid in pids.values())


def test_a_pool_that_cannot_replace_its_workers_says_why_and_heals_by_itself() -> None:
    """The cause comes and goes while the pool runs, without another `up`."""
    with Pit("[pools.default]\nsize = 1\n") as pit:
        fuse = pit.work / "fuse"
        pit.adapter(HOUSE.format(fuse=str(fuse)), "mine.py")
        pit.run("up", "house", "--adapter", "mine.py:House", "--size", "1")
        fuse.touch()
        pit.run("exec", "blow", "--pool", "house", check=False)
        pit.until_pool("it to give up", name="house", state="failed")
        told = pit.json("exec", "light", "--pool", "house", "--json", check=False)["error"]
        assert told["kind"] in {"adapter_failed", "pool_unavailable"}
        assert "the fuse has blown" in json.dumps(told)
        assert pit.run("exec", "ping").returncode == 0
        fuse.unlink()
        wait.until(lambda: pit.run("exec", "light", "--pool", "house", check=False).stdout == '"on"\n', "it to heal")
        assert pit.pool("house")["state"] == "open"


HOUSE = """
import os
import re

class House:
    def __init__(self):
        if os.path.exists({fuse!r}):
            print("the fuse has blown", flush=True)
            raise RuntimeError("the fuse has blown")

    def execute_light(self):
        return "on"

    def execute_blow(self):
        os.kill(os.getpid(), 9)
"""
