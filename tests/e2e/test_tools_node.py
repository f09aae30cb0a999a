"""Tools across languages: JavaScript that is served, called from shells and Python; Python called from Node.js."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.e2e.test_tools import SHIPPED, end, makers, names, serve, use
from tests.harness import procs, wait
from tests.harness.pit import ROOT, Pit

SCRIPT = f"node:{ROOT / 'tests/puppets/toolmaker.mjs'}"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is missing")


@pytest.fixture
def pit() -> Iterator[Pit]:
    with Pit(SNAKEPIT_SESSION="s") as pit:
        yield pit


@pytest.fixture
def served(pit: Pit) -> subprocess.Popen[str]:
    return serve(pit, SCRIPT)


def test_a_file_of_javascript_is_served(pit: Pit, served: subprocess.Popen[str]) -> None:
    listed = {one["name"]: one for one in pit.json("tools", "list")}
    assert set(listed) == {"shout", "countTo", "fail", "nap", "use"}
    shout = listed["shout"]
    assert (shout["language"], [one["name"] for one in shout["parameters"]]) == ("node", ["text", "mark"])
    answers = [pit.json("tools", "call", "shout", "text=hé") for _ in range(2)]
    assert [(one["text"], one["called"]) for one in answers] == [("HÉ!", 1), ("HÉ!", 2)]
    assert answers[0]["pid"] in {child.pid for child in psutil.Process(served.pid).children(recursive=True)}
    assert pit.run("tools", "call", "countTo", "n:=3", "--stream").stdout == "1\n2\n3\n"
    failed = pit.json("tools", "call", "fail", check=False)["error"]
    assert (failed["kind"], failed["type"]) == ("command_failed", "RangeError")
    assert "toolmaker.mjs" in failed["traceback"]
    wrong = pit.json("tools", "call", "shout", "txt=a", check=False)["error"]
    assert wrong["kind"] == "invalid_arguments"
    assert end(served)[0] == 130
    assert names(pit) == set()


def test_python_calls_javascript(pit: Pit, served: subprocess.Popen[str]) -> None:
    makers(pit)
    assert use(pit, "shout", text="a", mark="?")["text"] == "A?"
    assert use(pit, "countTo", "total", n=100) == 5050
    assert use(pit, "fail", "told")[:3] == ["CallFailedError", "command_failed", "RangeError"]
    end(served)


def test_javascript_calls_python(pit: Pit) -> None:
    served = serve(pit, SHIPPED)
    pit.run("up", "js", "--adapter", SCRIPT, "--size", "1")

    def ask(tool: str, **args: Any) -> Any:
        return pit.json("exec", "use", f"tool={tool}", f"args:={json.dumps(args)}", "--pool", "js")

    assert ask("calculate_fibonacci", n=5)["sum"] == 7
    assert ask("stream_fibonacci", n=5) == [0, 1, 1, 2, 3]
    kind, name, text = ask("process_list", list=[], operation="max")
    assert (kind, name) == ("CallFailedError", "command_failed")
    assert "max of an empty list" in text
    assert ask("parse_jsn")[:2] == ["ToolNotFoundError", "tool_not_found"]
    end(served)


def test_a_call_that_is_given_up_leaves_javascript_free(pit: Pit, served: subprocess.Popen[str]) -> None:
    late = pit.json("tools", "call", "nap", "seconds:=60", "--timeout", "300ms", check=False)["error"]
    assert late["kind"] == "worker_timeout"
    assert pit.json("tools", "call", "nap", "seconds:=0", "--timeout", "10s") == "rested"
    end(served)


def test_its_worker_is_killed(pit: Pit, served: subprocess.Popen[str]) -> None:
    pid = pit.json("tools", "call", "shout", "text=a")["pid"]
    os.kill(pid, signal.SIGKILL)
    _, said = served.communicate(timeout=20)
    assert served.returncode == 71
    assert "the worker was killed by SIGKILL" in said
    assert names(pit) == set()


def test_the_process_that_serves_javascript_is_killed(pit: Pit, served: subprocess.Popen[str]) -> None:
    pid = pit.json("tools", "call", "shout", "text=a")["pid"]
    assert end(served, signal.SIGKILL)[0] == -signal.SIGKILL
    wait.until(lambda: names(pit) == set(), "the tools to go")
    wait.until(lambda: not procs.alive(pid), "the worker to end")
