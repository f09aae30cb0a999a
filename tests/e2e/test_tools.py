"""Tools: functions that processes offer to each other within a session, called from everywhere."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.harness import procs, wait
from tests.harness.pit import ROOT, Pit

SHIPPED = str(ROOT / "examples" / "tools" / "tools.py")
MAKER = str(ROOT / "tests" / "puppets" / "toolmaker.py")


@pytest.fixture
def pit() -> Iterator[Pit]:
    with Pit(SNAKEPIT_SESSION="s") as pit:
        yield pit


@pytest.fixture
def served(pit: Pit) -> subprocess.Popen[str]:
    return serve(pit, SHIPPED)


def serve(pit: Pit, file: str, session: str = "s") -> subprocess.Popen[str]:
    before = names(pit, session)
    process = pit.start("tools", "serve", file, "--session", session)
    wait.until(lambda: process.poll() is not None or names(pit, session) > before, "the tools to be served")
    return process


def names(pit: Pit, session: str = "s") -> set[str]:
    return {one["name"] for one in pit.json("tools", "list", "--session", session)}


def end(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[int, str]:
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    return process.returncode, said


def use(pit: Pit, tool: str, command: str = "use", **arguments: Any) -> Any:
    words = f"tool={tool} arguments:={shlex.quote(json.dumps(arguments))}"
    return pit.json("exec", command, *shlex.split(words), "--pool", "makers")


def makers(pit: Pit, size: int = 2) -> None:
    pit.run("up", "makers", "--adapter", MAKER, "--size", str(size))


def test_the_demo_tools_from_the_command_line(pit: Pit, served: subprocess.Popen[str]) -> None:
    call = ("tools", "call")
    text = '{"a": 1, "b": [2]}'
    assert pit.json(*call, "parse_json", f"json_string={text}") == {
        "success": True, "data": {"a": 1, "b": [2]}, "keys": ["a", "b"], "size": 2,
    }  # fmt: skip
    assert pit.json(*call, "process_list", "list:=[1,2,3]", "operation=mean")["result"] == 2
    assert pit.run(*call, "calculate_fibonacci", "n:=10", "--field", "sum").stdout == "88\n"
    assert pit.run(*call, "stream_fibonacci", "n:=5", "--stream").stdout == "0\n1\n1\n2\n3\n"
    table = pit.run("tools", "list").stdout
    assert "parse_json" in table
    assert "Parse a JSON text" in table
    shown = json.loads(pit.run("tools", "show", "process_list").stdout)
    assert [one["name"] for one in shown["parameters"]] == ["list", "operation"]
    code, said = end(served)
    assert code == 130
    assert "session s: serving parse_json, process_list" in said
    assert names(pit) == set()


def test_errors_are_the_providers_own(pit: Pit, served: subprocess.Popen[str]) -> None:
    failed = pit.json("tools", "call", "process_list", "list:=[]", "operation=mean", check=False)["error"]
    assert (failed["kind"], failed["type"]) == ("command_failed", "ValueError")
    assert "mean of an empty list" in failed["message"]
    assert "tools.py" in failed["traceback"]
    wrong = pit.json("tools", "call", "process_list", "lst:=[]", check=False)["error"]
    assert wrong["kind"] == "invalid_arguments"
    unknown = pit.json("tools", "call", "parse_jsn", check=False)["error"]
    assert unknown["kind"] == "tool_not_found"
    assert "did you mean 'parse_json'?" in unknown["message"]
    elsewhere = pit.json("tools", "call", "parse_json", "--session", "other", check=False)["error"]
    assert elsewhere["kind"] == "tool_not_found"
    end(served)


def test_workers_call_tools_in_every_way(pit: Pit, served: subprocess.Popen[str]) -> None:
    makers(pit)
    for command in ("use", "use_async"):
        assert use(pit, "calculate_fibonacci", command, n=5)["sum"] == 7
    assert [one["sum"] for one in use(pit, "calculate_fibonacci", "use_as_the_original_did", n=5)] == [7, 7]
    assert use(pit, "stream_fibonacci", "total", n=20) == 10945
    failed = use(pit, "process_list", "told", list=[], operation="max")
    assert failed[:3] == ["CallFailedError", "command_failed", "ValueError"]
    assert use(pit, "nothing", "told")[:2] == ["ToolNotFoundError", "tool_not_found"]
    end(served)


def test_a_worker_offers_tools(pit: Pit) -> None:
    makers(pit)
    assert pit.json("exec", "offer", "--pool", "makers") == "nap"
    found = {one["name"]: one for one in pit.json("tools", "list")}
    assert (found["add"]["description"], found["add"]["metadata"]) == ("Adds.", {"kind": "sum"})
    provider = found["add"]["worker"]
    assert pit.run("tools", "call", "add", "a:=1", "b:=2").stdout == "3\n"
    pid = next(one["pid"] for one in pit.workers("makers") if one["id"] == provider)
    assert {pit.json("tools", "call", "pid") for _ in range(5)} == {pid}
    assert pit.json("exec", "names", "--pool", "makers") == ["add", "nap", "pid"]
    pit.run("exec", "withdraw", "tool=add", "--pool", "makers")
    assert names(pit) == {"nap", "pid"}


def test_a_provider_killed_in_the_middle_of_a_call(pit: Pit) -> None:
    makers(pit)
    pit.run("exec", "offer", "--pool", "makers")
    provider = pit.json("tools", "show", "nap")["worker"]
    pid = pit.json("tools", "call", "pid")
    run = pit.start("tools", "call", "nap", "seconds:=60")
    pit.until_pool("the tool to run", name="makers", running=1)
    os.kill(pid, signal.SIGKILL)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 71
    assert f"worker {provider} was killed by SIGKILL" in said
    assert names(pit) == set()


def test_the_process_that_serves_is_killed(pit: Pit, served: subprocess.Popen[str]) -> None:
    """Its worker ends with it, and its tools go."""
    guests = [child.pid for child in psutil.Process(served.pid).children()]
    assert guests
    assert end(served, signal.SIGKILL)[0] == -signal.SIGKILL
    wait.until(lambda: names(pit) == set(), "the tools to go")
    wait.until(lambda: not any(procs.alive(pid) for pid in guests), "the worker to end")


@pytest.mark.parametrize("victim", ["the worker", "the process that serves"])
def test_a_guest_killed_in_the_middle_of_a_call(pit: Pit, victim: str) -> None:
    served = serve(pit, pit.adapter("import time\ndef sleep():\n    open('begun', 'w').close()\n    time.sleep(60)\n"))
    run = pit.start("tools", "call", "sleep")
    wait.until((pit.work / "begun").exists, "the call to run")
    (worker,) = psutil.Process(served.pid).children()
    os.kill(worker.pid if victim == "the worker" else served.pid, signal.SIGKILL)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 71
    assert "has gone" in said
    _, said = served.communicate(timeout=20)
    if victim == "the worker":
        assert (served.returncode, "the worker was killed by SIGKILL" in said) == (71, True), said


def test_serving_goes_on_with_the_next_server(pit: Pit, served: subprocess.Popen[str]) -> None:
    os.kill(pit.status()["server"]["pid"], signal.SIGKILL)
    wait.until(lambda: "parse_json" in names(pit), "the tools to be served again")
    assert pit.run("tools", "call", "calculate_fibonacci", "n:=3", "--field", "sum").stdout == "2\n"
    pit.run("down")
    _, said = served.communicate(timeout=30)
    assert (served.returncode, "the server has stopped" in said) == (71, True), said


def test_a_caller_that_gives_up_ends_the_tools_call(pit: Pit) -> None:
    makers(pit)
    served = serve(pit, pit.adapter("import time\ndef sleep(seconds: float): time.sleep(seconds)\n"))
    words = ("tool=sleep", 'arguments:={"seconds":60}', "--pool", "makers")
    late = pit.json("exec", "told", *words, "--timeout", "300ms", check=False)
    assert late["error"]["kind"] in {"worker_timeout", "command_failed"}
    run = pit.start("exec", "use", *words)
    pit.until_pool("the call to run", name="makers", running=1)
    run.send_signal(signal.SIGINT)
    assert run.wait(20) == 130
    assert pit.run("tools", "call", "sleep", "seconds:=0", "--timeout", "5s").stdout == "null\n"  # it is free again
    end(served)


def test_a_call_that_would_wait_for_itself(pit: Pit) -> None:
    makers(pit, 1)
    pit.run("exec", "offer", "--pool", "makers")
    served = serve(pit, MAKER)
    error = pit.json("tools", "call", "use", "tool=use", 'arguments:={"tool":"names","arguments":{}}', check=False)[
        "error"
    ]
    assert (error["kind"], error["message"]) == (
        "command_failed", "CallFailedError: call_loop: use: tools:1-1 would run it, and waits for it",
    )  # fmt: skip
    end(served)


def test_a_worker_uses_its_own_tools(pit: Pit) -> None:
    """It is busy with the caller: they are run within the call."""
    makers(pit)
    pit.run("exec", "offer", "--pool", "makers")
    for command in ("use", "use_async"):
        assert use(pit, "add", command, a=1, b=2) == 3
    assert use(pit, "add", "told", a=1)[:2] == ["CallFailedError", "invalid_arguments"]
    assert use(pit, "nap", "told", seconds="x")[:2] == ["CallFailedError", "invalid_arguments"]


@pytest.mark.parametrize("command", ["use", "use_async"])
def test_a_worker_uses_its_own_tools_of_every_shape(pit: Pit, command: str) -> None:
    makers(pit)
    pit.run("exec", "offer_slow", "--pool", "makers")
    assert [use(pit, tool, command, n=2) for tool in ("soon", "numbers", "numbers_soon")] == [2, [0, 1], [0, 1]]


def test_two_files_with_one_name(pit: Pit, served: subprocess.Popen[str]) -> None:
    again = serve(pit, SHIPPED)
    _, said = again.communicate(timeout=20)
    assert again.returncode == 65
    assert "offers one of this name in s" in said
    assert "hint: use another name or another session" in said
    other = serve(pit, SHIPPED, "other")
    assert names(pit, "other") == names(pit)
    end(served)
    end(other)


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("import nothing_like_it\n", 126, "nothing_like_it"),
        ("x = 1\n", 127, "no adapter class and no public function"),
        ("import os\nos._exit(3)\n", 126, "exited with status 3"),
    ],
)
def test_a_file_that_cannot_be_served(pit: Pit, source: str, code: int, words: str) -> None:
    done = pit.run("tools", "serve", pit.adapter(source), check=False, timeout=30)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr


def test_tools_end_with_their_session(pit: Pit, served: subprocess.Popen[str]) -> None:
    pit.run("session", "rm", "s")
    _, said = served.communicate(timeout=20)
    assert served.returncode == 71
    assert "the session has ended" in said


def test_tools_of_workers_outlive_the_server_process(pit: Pit) -> None:
    makers(pit)
    pit.run("exec", "offer", "--pool", "makers")
    os.kill(pit.status()["server"]["pid"], signal.SIGKILL)
    wait.until(lambda: names(pit) == {"add", "nap", "pid"}, "the tools to be offered again")
    assert pit.run("tools", "call", "add", "a:=1", "b:=2").stdout == "3\n"
